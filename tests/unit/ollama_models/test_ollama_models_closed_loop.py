# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan, load, measure, plan again: the planner must understand what the module remembers. Without this, a host whose card holds less than
was predicted could spill on every run, or go back and forth between two plans."""

from __future__ import annotations

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "plan"))

import machines
from ansible_collections.llmfleet.ollama.plugins.filter.model_wants import model_wants
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.plan import make_plan
from fake_ollama import model_blobs

WANTS = [{"family": "deepseek-r1", "context": 8192, "min_context": 4096}]


def choice(plan):
    assert plan["ok"], plan["errors"]
    [model] = plan["models"]
    return model["name"], model["context"], model["kv_cache_type"]


def test_a_spill_steps_down_once_and_the_next_run_is_calm(converge, ollama, registry):
    host = machines.machine(machines.card())
    ollama.loaded_size = 11 << 30

    def run(proofs):
        plan = make_plan(WANTS, {}, host, ollama.version, ["catalogue"], proofs=proofs)
        name = choice(plan)[0]
        registry.put("library/" + name.replace(":", "/"), model_blobs(name))
        result = converge(model_wants(plan), prove=True, settings=plan["environment"], devices=plan["cards"])
        assert not result.get("failed"), result
        return choice(plan), result

    first, _result = run({})
    # From here on the card holds half a GiB less than the plan thinks.
    ollama.version = "0.32.16"
    ollama.vram_share[first[0]] = 1 - 0.5 / 11
    again, result = run({})
    facts = result["ansible_facts"]["ollama_models"]
    assert again == first and [proof["name"] for proof in facts["spilled"]] == [first[0]]
    # The step down: another choice, and this one fits.
    ollama.vram_share.clear()
    second, result = run(facts["proofs"])
    assert second != first and result["spilled"] == []
    # The next run: the same choice, nothing loaded, nothing changed.
    ollama.requests.clear()
    third, result = run(result["ansible_facts"]["ollama_models"]["proofs"])
    assert third == second and result["proved"][0]["remembered"] and not result["changed"]
    assert not [path for _verb, path, _body in ollama.requests if path in ("/api/generate", "/api/pull")]
