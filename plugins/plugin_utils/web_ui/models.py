# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the plans of the inventory's Ollama hosts to what Open WebUI must know of their models."""

from __future__ import annotations

import math
import re

from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing import data
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.source import catalogue
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.web_ui import front
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.web_ui.backends import backend_url

_COUNT = re.compile(r"^([0-9.]+)([BM])$")
_UNITS = {"B": 10**9, "M": 10**6}
# Of a file without a known number of parameters: most are in Q4_K_M, which is 4.87 bits a weight (quality.yml).
_BITS = 4.87


def planned_models(backends, hosts, hostvars, me, network_mode):
    """One row for each connection whose host has a plan: its host, address, prefix and models."""
    by_url = {backend["url"].rstrip("/"): backend for backend in backends}
    rows = []
    gateway = front.used(front.front_of(hostvars, me), backends)
    if gateway:
        found = {}
        for plan in (_plan(hostvars[host]) for host in hosts):
            # The best of those that go by one name: a host may have more room for it than another.
            for model in _models(plan):
                if model["name"] not in found or model["on_gpu"]:
                    found[model["name"]] = model
        return [{"host": gateway.host, "url": gateway.url, "prefix_id": "", "models": list(found.values())}] if found else []
    for host in hosts:
        plan = _plan(hostvars[host])
        backend = by_url.get(backend_url(host, hostvars[host], me, network_mode))
        if not backend or not plan:
            continue
        rows.append({"host": host, "url": backend["url"], "prefix_id": backend.get("prefix_id") or "", "models": _models(plan)})
    return rows


def _plan(variables) -> dict:
    plan = (variables.get("ansible_facts") or {}).get("model_plan") or {}
    return plan if plan.get("ok") else {}


def _models(plan: dict) -> list:
    models = [_model(entry, entry["name"]) for entry in plan.get("models") or ()]
    # What a model of one's own is made from is on the host, too, and wanted there.
    return models + [_model(entry, entry["from"]) for entry in plan.get("models") or () if entry.get("from")]


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
