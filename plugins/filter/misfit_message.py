# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what module ollama_models saw back to words."""

from __future__ import annotations


def log_of(os_family, install_dir=""):
    """Where Ollama says why it does not use a card."""
    if os_family == "Windows":
        return "%s\\logs\\server.log" % (install_dir or "C:\\ollama")
    return "%s/logs/server.log" % (install_dir or "/opt/ollama") if os_family == "Darwin" else "journalctl -u ollama"


def misfit_message(misfits, os_family, install_dir="", plan_stays=False):
    """What to do about models that loaded, but not as planned. Advice for one cause is wrong for the other: where a card is not used at all,
    every smaller model lies beside it as well, and the next plan is the same. plan_stays: that a new plan was made already, and is the same."""
    log = log_of(os_family, install_dir)
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
        return {"misfit_message": misfit_message}
