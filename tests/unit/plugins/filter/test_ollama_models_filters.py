# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the plan to the module's items. Without these, a pin or a CPU placement of the user could get lost on the way."""

from __future__ import annotations

import pytest
from ansible_collections.llmfleet.ollama.plugins.filter.misfit_message import misfit_message
from ansible_collections.llmfleet.ollama.plugins.filter.model_wants import model_wants
from ansible_collections.llmfleet.ollama.plugins.filter.models_to_drop import models_to_drop
from ansible_collections.llmfleet.ollama.plugins.module_utils.models.wants import read_wants
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.mirror.wants import planned_names

PIN = "sha256:" + "a" * 64
PLAN = {
    "models": [
        {"name": "deepseek-r1:14b", "context": 8192, "placement": "gpu", "digest": "b" * 64, "requested": {"family": "deepseek-r1"}},
        {"name": "big:70b", "context": 4096, "placement": "partial", "requested": {"model": "big:70b", "digest": PIN}},
        {"name": "small:1b", "context": 4096, "placement": "gpu", "requested": {"require_gpu": False}},
        {"name": "short", "from": "small:1b", "parameters": {"num_predict": 3}, "context": 4096, "placement": "cpu", "requested": {}},
    ]
}


def test_wants_of_a_plan():
    wants = model_wants(PLAN)
    assert wants == [
        {"name": "deepseek-r1:14b", "context": 8192, "require_gpu": True},
        {"name": "big:70b", "context": 4096, "require_gpu": False, "digest": PIN},
        {"name": "small:1b", "context": 4096, "require_gpu": False},
        {"name": "short", "context": 4096, "require_gpu": False, "from": "small:1b", "parameters": {"num_predict": 3}},
    ]
    assert len(read_wants(wants, True)) == 4, "the module takes what the filter gives"


def test_experts_in_system_memory_say_how_much_the_gpu_must_hold():
    """Without it a driver that fails would leave all of the model on the CPU, and nobody would hear of it."""
    entry = {"name": "big:120b", "context": 8192, "placement": "experts", "gpu_bytes": 20 << 30, "requested": {}}
    (want,) = model_wants({"models": [entry]})
    assert want == {"name": "big:120b", "context": 8192, "require_gpu": False, "gpu_bytes": 20 << 30}
    ((proved,), (unproved,)) = (read_wants([want], prove).values() for prove in (True, False))
    assert proved.gpu_bytes == 20 << 30 and unproved.gpu_bytes is None
    (free,) = model_wants({"models": [dict(entry, requested={"require_gpu": False})]})
    assert "gpu_bytes" not in free


def test_no_plan_is_no_wants():
    assert model_wants(None) == model_wants({}) == model_wants({"models": None}) == []


def test_mirror_gets_each_pulled_name_once():
    assert planned_names([PLAN, {}, None, PLAN]) == ["big:70b", "deepseek-r1:14b", "small:1b"]


def test_a_step_down_drops_what_no_plan_needs_and_no_base_of_what_it_needs():
    """A base that is dropped takes the model that is made from it along on the next load."""
    assert models_to_drop(["deepseek-r1:70b", "Small:1b", "short:latest"], PLAN) == ["deepseek-r1:70b"]
    assert models_to_drop(["big:70b"], None) == ["big:70b"]


SPILLED = {"name": "a:14b", "why": "only 8.0 GiB of 11.0 GiB are on the GPU", "size_bytes": 11 << 30, "size_vram_bytes": 8 << 30}
UNUSED = {"name": "a:14b", "why": "nothing of its 11.0 GiB is on the GPU", "size_bytes": 11 << 30, "size_vram_bytes": 0}
REFUSED = {"name": "b:7b", "why": "it does not fit: out of memory", "size_bytes": 0, "size_vram_bytes": 0}


def test_a_spill_and_an_unused_card_get_different_advice():
    """With one text for both, a broken driver sends people through site.yml again, which plans the same and fails the same."""
    spilled, unused = misfit_message([SPILLED, REFUSED], "Debian"), misfit_message([UNUSED], "Debian")
    assert spilled.startswith("a:14b: only 8.0 GiB of 11.0 GiB are on the GPU; b:7b: it does not fit") and "Run site.yml again" in spilled
    assert "driver" not in spilled and "journalctl" not in spilled
    assert "a driver, a library or a right: journalctl -u ollama says which" in unused and "llm_prove_gpu to false" in unused
    assert "smaller" not in unused and "again" not in unused


@pytest.mark.parametrize(
    ("os_family", "install_dir", "log"),
    [
        ("Windows", "", "C:\\ollama\\logs\\server.log"), ("Windows", "D:\\o", "D:\\o\\logs\\server.log"), ("Darwin", "", "/opt/ollama/logs/server.log"),
        ("Darwin", "/o", "/o/logs/server.log"), ("RedHat", "/o", "journalctl -u ollama"),
    ],
)
def test_where_ollama_says_why(os_family, install_dir, log):
    assert ": %s says which;" % log in misfit_message([UNUSED], os_family, install_dir)


def test_one_unused_card_decides():
    """Two models and one broken driver: the smaller choice for the second would fail as well."""
    assert "smaller" not in misfit_message([SPILLED, UNUSED], "Debian")


def test_where_the_new_plan_is_the_same_nobody_is_sent_to_make_it_again():
    """Two tasks of one run contradicted each other: nothing smaller would mend that, and run site.yml again for the next smaller choice."""
    told = misfit_message([SPILLED], "Debian", plan_stays=True)
    assert told.startswith("a:14b: only 8.0 GiB") and "the choice is the same" in told and "again" not in told and "llm_models" in told
    assert misfit_message([UNUSED], "Debian", plan_stays=True) == misfit_message([UNUSED], "Debian")
