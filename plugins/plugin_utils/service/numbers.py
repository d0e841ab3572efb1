# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tells Prometheus' node exporter of Ollama (ollama_textfile_dir): a list of what the plan says, a program that writes it beside what is loaded, and
the timer that starts it. Linux only."""

from __future__ import annotations

import json
import re

from .programs import text
from .render import render

UNIT = "/etc/systemd/system/llmfleet-ollama-numbers.service"
TIMER = "/etc/systemd/system/llmfleet-ollama-numbers.timer"
PROGRAM = "/etc/llmfleet/ollama-numbers.py"
LIST = "/etc/llmfleet/ollama-numbers.json"
# In what order they are written; the timer, which starts all, last.
PATHS = (PROGRAM, LIST, UNIT, TIMER)
NAME = "llmfleet.prom"
# Placements of a plan that leave nothing of a model in system memory.
WHOLE = ("gpu", "multi_gpu")
# Of a unit's line, without a quote.
FOLDER = re.compile(r"(/[A-Za-z0-9._+-]+)+/?")


def files(host: str, folder: str, plan: dict, devices: list, url: str, python: str, owner: str, proofs: str) -> dict:
    """{path: content} of a host. python, owner: of the program there, and of the folder; proofs: the file that remembers how each model ran."""
    # What was measured, or is free, is another number in each run.
    models = [
        {
            "name": entry["name"],
            "planned_bytes": entry["memory"]["total_bytes"],
            "planned_vram_bytes": sum(device["total_bytes"] for device in entry.get("devices") or ()),
            "whole": entry.get("placement") in WHOLE,
            "tokens_per_second": (entry.get("tokens_per_second") or {}).get("predicted"),
        }
        for entry in plan.get("models") or ()
    ]
    cards = [
        {"total_bytes": card["memory_total_bytes"], **{key: card.get(key) for key in ("index", "name", "vendor", "uuid", "pci_address")}}
        for card in devices
        if card.get("memory_total_bytes")
    ]
    folder = folder.rstrip("/")
    listed = {"host": host, "url": url, "file": "%s/%s" % (folder, NAME), "proofs": proofs, "models": models, "cards": cards}
    return {
        PROGRAM: text("linux/numbers.py") + "\n",
        LIST: json.dumps(listed, indent=1, sort_keys=True) + "\n",
        UNIT: render("linux/numbers.service.j2", python=python, program=PROGRAM, list=LIST, folder=folder, owner=owner),
        TIMER: render("linux/numbers.timer.j2"),
    }
