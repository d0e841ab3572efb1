# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cards that the inventory hides from Ollama. Deleted, a plan for two cards would reach a service that sees one, and only the proof would tell."""

from __future__ import annotations

import pytest
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing import visible
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.plan import make_plan
from support import machines

TWO = machines.machine(machines.card(), machines.card(index=1))


@pytest.mark.parametrize(
    ("facts", "environment", "told"),
    [
        (TWO, {"CUDA_VISIBLE_DEVICES": 0}, 1),
        (TWO, {"CUDA_VISIBLE_DEVICES": "0"}, 1),
        (TWO, {"CUDA_VISIBLE_DEVICES": "GPU-00000000"}, 1),
        (TWO, {"CUDA_VISIBLE_DEVICES": "GPU-00000000, GPU-00000001"}, 0),
        (TWO, {"OLLAMA_DEBUG": "1"}, 0),
        (TWO, None, 0),
        (machines.machine(machines.card()), {"CUDA_VISIBLE_DEVICES": "0"}, 0),
    ],
)
def test_a_variable_that_hides_a_card_of_the_plan_is_told(facts, environment, told):
    made = make_plan([{"model": "qwen3:14b" if len(facts["devices"]) == 1 else "qwen3:30b"}], {}, facts, "0.32.15", ["catalogue"])
    assert len(made["models"][0]["devices"]) == len(facts["devices"])
    found = visible.warnings(made, facts, environment)
    assert len(found) == told and all("ollama_environment.CUDA_VISIBLE_DEVICES is '" in text for text in found)
