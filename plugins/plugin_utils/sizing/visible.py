# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether somebody hides cards from Ollama that a plan counts. A number does not say which card it is, so this is told and decides nothing."""

from __future__ import annotations

_VARIABLES = ("CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "GGML_VK_VISIBLE_DEVICES")


def warnings(made, vram, environment):
    """Sentences about the variables in the inventory's ollama_environment that may hide cards of the plan (plan.make_plan) from the service."""
    devices = vram.get("devices") or []
    if not isinstance(environment, dict) or len(devices) < 2:
        return []
    identities = {position if card.get("index") is None else card["index"]: card.get("uuid") for position, card in enumerate(devices)}
    used = {identities.get(device["index"]) for entry in made["models"] for device in entry["devices"]}
    found = []
    for name in _VARIABLES:
        value = "" if environment.get(name) is None else str(environment[name])
        if value and used and not used <= {part.strip() for part in value.split(",")}:
            found.append(
                "ollama_environment.%s is '%s', and the plan counts every card of this host: describe those that Ollama sees in llm_vram_override, or leave "
                "the variable out" % (name, value)
            )
    return found
