# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of a model in a run of plan.yml. Deleted, nobody would see that a run over some hosts makes a further copy on each of them."""

from __future__ import annotations

import json

from support import plays

WANTS = {"llm_models": [{"family": "deepseek-r1", "replicas": 1}], "llm_metadata_sources": ["catalogue"]}


def card(gigabytes):
    size = "%d GiB" % gigabytes  # as a person writes it, which ended in a Python exception
    return {"llm_vram_override": {"devices": [{"vendor": "nvidia", "name": "card", "memory_total_bytes": size, "memory_usable_bytes": size}]}}


def test_a_run_over_one_host_knows_what_the_others_have(tmp_path):
    """By the report of the run before. And the fleet's table has the host that was left out."""
    inventory = {"ollama": {"hosts": {"large": card(24), "small": card(12)}, "vars": WANTS}}
    planned = {}
    for limit in ("all", "small"):
        output = tmp_path / (limit + ".json")
        arguments = ("playbooks/plan.yml", "--limit", limit, "-e", "llm_plan_output=%s" % output)
        played = plays.ours(tmp_path, inventory, *arguments, LLMFLEET_REPORT_DIR=str(tmp_path / "reports"))
        assert played.code == 0, played.text
        assert "deepseek-r1:32b 1 large" in played.told and "cannot be shown" not in played.told, played.text
        planned[limit] = {host: [model["name"] for model in plan["models"]] for host, plan in json.loads(output.read_text()).items()}
    assert planned == {"all": {"large": ["deepseek-r1:32b"], "small": []}, "small": {"small": []}}
