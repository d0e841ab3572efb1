# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the plans of the inventory's Ollama hosts to what Open WebUI must know of their models."""

from __future__ import annotations

import math
import re

from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing import data
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.source import catalogue
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.web_ui.backends import backend_url

_COUNT = re.compile(r"^([0-9.]+)([BM])$")
_UNITS = {"B": 10**9, "M": 10**6}
# Of a file without a known number of parameters: most are in Q4_K_M, which is 4.87 bits a weight (quality.yml).
_BITS = 4.87


def planned_models(backends, hosts, hostvars, me, network_mode):
    """One row for each connection whose host has a plan: its host, address, prefix and models."""
    by_url = {backend["url"].rstrip("/"): backend for backend in backends}
    rows = []
    for host in hosts:
        plan = (hostvars[host].get("ansible_facts") or {}).get("model_plan")
        backend = by_url.get(backend_url(host, hostvars[host], me, network_mode))
        if not backend or not plan or not plan.get("ok"):
            continue
        models = [_model(entry, entry["name"]) for entry in plan["models"]]
        # What a model of one's own is made from is on the host, too, and wanted there.
        models += [_model(entry, entry["from"]) for entry in plan["models"] if entry.get("from")]
        rows.append({"host": host, "url": backend["url"], "prefix_id": backend.get("prefix_id") or "", "models": models})
    return rows


def _model(entry, name):
    return {
        "name": name,
        "chat": not _embeds(entry),
        "quality": quality(entry),
        "on_gpu": entry.get("placement") in ("gpu", "multi_gpu"),
    }


def _embeds(entry):
    """Whether the catalogue, or the header, says that it is for embeddings."""
    if "embedding" in entry:
        return bool(entry["embedding"])
    row = catalogue.find(entry.get("family") or "", entry.get("tag") or "")
    return bool(row and row.embedding)


def quality(entry):
    """Doublings of parameters less what the weight type loses, as the plan compares tags of one family."""
    count = _COUNT.match(entry.get("parameter_size") or "")
    parameters = float(count.group(1)) * _UNITS[count.group(2)] if count else (entry.get("memory") or {}).get("weights_bytes", 0) * 8 / _BITS
    loss = data.load("quality")["weight_types"].get((entry.get("quantization") or "").upper(), {"loss": 0.0})["loss"]
    return round(math.log2(parameters) - loss, 3) if parameters > 0 else 0.0
