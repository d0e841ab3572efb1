# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From plans to what module ollama_models and role model_mirror take, and back to words."""

from __future__ import annotations

from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.names import parse_name


def model_wants(plan):
    """What one host shall hold: the plan's models as items of ollama_models, with the pins and parameters that the user gave."""
    wants = []
    for model in (plan or {}).get("models") or []:
        requested = model.get("requested") or {}
        want = {"name": model["name"], "require_gpu": model.get("placement") in ("gpu", "multi_gpu")}
        if requested.get("require_gpu") is False:
            want["require_gpu"] = False
        if model.get("context"):
            want["context"] = model["context"]
        if model.get("from"):
            want.update({"from": model["from"], "parameters": model.get("parameters") or {}})
        elif requested.get("digest"):
            # Only a pin that a person wrote: the digest that the plan saw may move until the pull, and that is no fault.
            want["digest"] = requested["digest"]
        wants.append(want)
    return wants


def models_to_mirror(plans):
    """What all hosts pull: each name once, without those that are made on the host."""
    names = {model.get("from") or model["name"] for plan in plans for model in (plan or {}).get("models") or []}
    return sorted(names)


def models_to_drop(names, plan):
    """Those of the names that a plan neither runs nor makes another model from."""
    models = (plan or {}).get("models") or []
    kept = {parse_name(model[field]).key for model in models for field in ("name", "from") if model.get(field)}
    return [name for name in names if parse_name(name).key not in kept]


def misfit_message(misfits, log, plan_stays=False):
    """What to do about models that loaded, but not as planned. Advice for one cause is wrong for the other: where a card is not used at all,
    every smaller model lies beside it as well, and the next plan is the same. plan_stays: that a new plan was made already, and is the same."""
    said = "; ".join("%s: %s" % (model["name"], model["why"]) for model in misfits)
    unused = [model for model in misfits if model.get("size_bytes") and not model.get("size_vram_bytes")]
    if unused:
        return (
            "%s. Ollama does not use the GPU, for want of a driver, a library or a right: %s says which; the service goes on. To accept the CPU, "
            "set llm_prove_gpu to false." % (said, log)
        )
    if plan_stays:
        return (
            "%s. The service goes on. Planned with what was measured the choice is the same: write a smaller tag or context into llm_models, or allow "
            "it with llm_policy.allow_partial_offload, llm_prove_gpu: false or ollama_models_accept_spill: true." % said
        )
    return (
        "%s. The service goes on, and the next plan for this host counts with what was measured. Run site.yml again for the next smaller choice, "
        "write a smaller tag or context into llm_models, or allow it with llm_policy.allow_partial_offload, llm_prove_gpu: false or "
        "ollama_models_accept_spill: true." % said
    )


class FilterModule:
    def filters(self):
        return {
            "misfit_message": misfit_message,
            "model_wants": model_wants,
            "models_to_drop": models_to_drop,
            "models_to_mirror": models_to_mirror,
        }
