# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan, load, measure, plan again: the planner must understand what the module remembers. Without this, a host whose card holds less than
was predicted could spill on every run, or go back and forth between two plans."""

from __future__ import annotations

import pytest
from ansible_collections.llmfleet.ollama.plugins.filter.model_wants import model_wants
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.plan import make_plan
from support import machines
from support.fake_ollama import model_blobs

WANTS = [{"family": "deepseek-r1", "context": 8192, "min_context": 4096}]


def choice(plan):
    assert plan["ok"], plan["errors"]
    [model] = plan["models"]
    return model["name"], model["context"], model["kv_cache_type"]


@pytest.fixture
def run(converge, ollama, registry):
    """run(proofs) -> (what was planned with them, what came of it)"""
    host = machines.machine(machines.card())
    ollama.loaded_size = 11 << 30

    def once(proofs):
        plan = make_plan(WANTS, {}, host, ollama.version, ["catalogue"], proofs=proofs)
        name = choice(plan)[0]
        registry.put("library/" + name.replace(":", "/"), model_blobs(name))
        result = converge(model_wants(plan), prove=True, settings=plan["environment"], devices=plan["cards"])
        assert not result.get("failed"), result
        return choice(plan), result

    return once


def remembered(result):
    return result["ansible_facts"]["ollama_models"]["proofs"]


def test_a_spill_steps_down_once_and_the_next_run_is_calm(run, ollama):
    first, _result = run({})
    # From here on the card holds half a GiB less than the plan thinks.
    ollama.version = "0.32.16"
    ollama.vram_share[first[0]] = 1 - 0.5 / 11
    again, result = run({})
    assert again == first and [proof["name"] for proof in result["ansible_facts"]["ollama_models"]["spilled"]] == [first[0]]
    # The step down: another choice, and this one fits.
    ollama.vram_share.clear()
    second, result = run(remembered(result))
    assert second != first and result["spilled"] == []
    # The next run: the same choice, nothing loaded, nothing changed.
    ollama.requests.clear()
    third, result = run(remembered(result))
    assert third == second and result["proved"][0]["remembered"] and not result["changed"]
    assert not [path for _verb, path, _body in ollama.requests if path in ("/api/generate", "/api/pull")]


def test_a_server_that_does_not_say_its_context_is_believed_as_well(run, ollama):
    """Ollama 0.9.3 leaves context_length out: the misfit would count for every context, and one with a lighter cache would never be tried."""
    ollama.context_length = None
    ollama.vram_share["deepseek-r1:14b"] = 1 - 0.5 / 11
    first, result = run({})
    ollama.vram_share.clear()
    second, _result = run(remembered(result))
    assert (first, second) == (("deepseek-r1:14b", 8192, "f16"), ("deepseek-r1:14b", 8192, "q8_0"))


def test_a_model_that_is_refused_for_lack_of_memory_steps_down_as_well(run, ollama):
    """It does not say how many bytes are missing; without an assumption the same choice would fail on every run."""
    ollama.load_errors["deepseek-r1:14b"] = (500, "cudaMalloc failed: out of memory")
    first, result = run({})
    assert "out of memory" in result["proved"][0]["why"]
    second, _result = run(remembered(result))
    assert first[0] == "deepseek-r1:14b" and second != first


def test_a_card_that_is_not_used_at_all_changes_no_plan_and_is_told_so(run, ollama):
    """The driver is broken: every smaller model would lie beside the card, too."""
    ollama.vram_share["deepseek-r1:14b"] = 0
    first, result = run({})
    assert "nothing of its 11.0 GiB is on the GPU" in result["proved"][0]["why"]
    assert run(remembered(result))[0] == first
