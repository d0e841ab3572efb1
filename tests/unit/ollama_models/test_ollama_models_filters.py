# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the plan to the module's items. Without these, a pin or a CPU placement of the user could get lost on the way."""

from __future__ import annotations

from ansible_collections.llmfleet.ollama.plugins.filter.model_wants import model_wants, models_to_drop, models_to_mirror
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama_wants import read_wants

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


def test_no_plan_is_no_wants():
    assert model_wants(None) == model_wants({}) == model_wants({"models": None}) == []


def test_mirror_gets_each_pulled_name_once():
    assert models_to_mirror([PLAN, {}, None, PLAN]) == ["big:70b", "deepseek-r1:14b", "small:1b"]


def test_a_step_down_drops_what_no_plan_needs_and_no_base_of_what_it_needs():
    """A base that is dropped takes the model that is made from it along on the next load."""
    assert models_to_drop(["deepseek-r1:70b", "Small:1b", "short:latest"], PLAN) == ["deepseek-r1:70b"]
    assert models_to_drop(["big:70b"], None) == ["big:70b"]
