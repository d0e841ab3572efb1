# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What keeps models loaded (keep_warm): a list of them, a program that loads it, and what starts that program after each start of the server."""

from __future__ import annotations

import dataclasses
import json

from .programs import text
from .render import render

UNIT = "/etc/systemd/system/llmfleet-ollama-warm.service"
LABEL = "net.llmfleet.ollama-warm"
DAEMON = "/Library/LaunchDaemons/%s.plist" % LABEL
TASK = "ollama-warm"
# How long the program waits for the server to answer.
SECONDS = 600


@dataclasses.dataclass(frozen=True)
class Place:
    """Where things of one host lie: what starts the program, empty on Windows, whose tasks are no files; the program; its list."""

    starter: str
    program: str
    list: str


def place(system: str, install_dir: str) -> Place:
    if system == "windows":
        return Place("", install_dir + "\\service\\warm.ps1", install_dir + "\\service\\warm.json")
    if system == "macos":
        return Place(DAEMON, install_dir + "/warm.py", install_dir + "/warm.json")
    return Place(UNIT, "/etc/llmfleet/ollama-warm.py", "/etc/llmfleet/ollama-warm.json")


def is_due(facts: dict, models_state) -> bool:
    """Whether the plan is there and is the last one: not where models are taken away, nor before another plan because one does not run as planned."""
    return bool((facts.get("model_plan") or {}).get("ok")) and models_state != "absent" and not (facts.get("ollama_models") or {}).get("spilled")


def models(plan: dict) -> list:
    """Those of a plan that stay loaded. What takes all that is left on the cards comes last."""
    warm = [entry for entry in plan.get("models") or [] if entry.get("keep_warm")]
    return [{"name": entry["name"], "embedding": bool(entry.get("embedding"))} for entry in sorted(warm, key=lambda entry: bool(entry.get("gpu_bytes")))]


def files(system: str, where: Place, plan: dict, url: str, python: str, user: str) -> dict:
    """{path: content} of a host that keeps models loaded, {} where its plan has none. python: that runs the program there."""
    wanted = models(plan)
    if not wanted:
        return {}
    turns = (plan.get("environment") or {}).get("OLLAMA_MAX_LOADED_MODELS") == "1" and len(plan["models"]) > 1
    listed = json.dumps({"url": url, "seconds": SECONDS, "turns": turns, "models": wanted}, indent=1, sort_keys=True) + "\n"
    if system == "windows":
        return {where.program: text("windows/warm.ps1") + "\n", where.list: listed}
    if system == "macos":
        starter = render("macos/warm.plist.j2", label=LABEL, arguments=[python, where.program, where.list], user=user)
    else:
        starter = render("linux/warm.service.j2", python=python, program=where.program, list=where.list)
    return {where.program: text("warm.py") + "\n", where.list: listed, where.starter: starter}


def task(where: Place, files: dict, account: str) -> dict:
    """Parameters of windows/warm_task.ps1. Without files the task goes."""
    return {
        "TaskName": TASK, "Program": where.program, "ProgramText": files.get(where.program, ""), "List": where.list, "ListText": files.get(where.list, ""),
        "Account": account,
    }  # fmt: skip
