# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a plan to what module ollama_models takes."""

from __future__ import annotations


def model_wants(plan):
    """What one host shall hold: the plan's models as items of ollama_models, with the pins and parameters that the user gave."""
    wants = []
    for model in (plan or {}).get("models") or []:
        requested = model.get("requested") or {}
        want = {"name": model["name"], "require_gpu": model.get("placement") in ("gpu", "multi_gpu")}
        if requested.get("require_gpu") is False:
            want["require_gpu"] = False
        elif model.get("gpu_bytes"):
            want["gpu_bytes"] = model["gpu_bytes"]
        if model.get("context"):
            want["context"] = model["context"]
        if model.get("from"):
            want.update({"from": model["from"], "parameters": model.get("parameters") or {}})
        elif requested.get("digest"):
            # Only a pin that a person wrote: the digest that the plan saw may move until the pull, and that is no fault.
            want["digest"] = requested["digest"]
        if model.get("aliases"):
            want["aliases"] = model["aliases"]
        wants.append(want)
    return wants


class FilterModule:
    def filters(self):
        return {"model_wants": model_wants}
