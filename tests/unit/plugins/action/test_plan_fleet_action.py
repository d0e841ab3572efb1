# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plans of all hosts together. Deleted, a hard-wired name of one group of hosts could lead nowhere because another group has it right."""

from __future__ import annotations

import pytest
from ansible.plugins.action import ActionBase
from ansible_collections.llmfleet.ollama.plugins.action import plan_fleet as action


@pytest.fixture
def judge(monkeypatch):
    """judge({host: (llm_aliases, names of its models)}) -> result"""

    def act(hosts):
        plugin = action.ActionModule.__new__(action.ActionModule)
        plugin.validate_argument_spec = lambda argument_spec: (None, {"tell": False})
        monkeypatch.setattr(ActionBase, "run", lambda self, tmp, task_vars: {})
        hostvars = {}
        for host, (names, models) in hosts.items():
            plan = {"ok": True, "models": [{"name": name, "family": name.partition(":")[0]} for name in models]}
            hostvars[host] = {"llm_aliases": names, "ansible_facts": {"model_plan": plan}}
        return plugin.run(task_vars={"groups": {"ollama": list(hosts)}, "hostvars": hostvars})

    return act


def test_each_hosts_aliases_are_judged(judge):
    """One name may stand for two things in two groups; what is wrong in several is told once."""
    wrong = {"gpt-4o": "deepseek-r1:70b"}
    said = judge({"a": (wrong, ["qwen3:4b"]), "b": (wrong, ["qwen3:4b"]), "c": ({"gpt-4o": "qwen3:4b"}, ["qwen3:4b"])})
    assert said["failed"] and said["msg"].count("llm_aliases.gpt-4o stands for deepseek-r1:70b, which no host's plan has") == 1


def test_the_fleet_of_plans_that_are_right(judge):
    said = judge({"a": ({"gpt-4o": "qwen3"}, ["qwen3:4b"]), "b": ({"gpt-4o": "qwen3:8b"}, ["qwen3:8b"]), "c": (None, [])})
    assert not said.get("failed") and [model["name"] for model in said["fleet"]["models"]] == ["qwen3:4b", "qwen3:8b"]
    assert [host["lost"] for host in said["fleet"]["hosts"]] == [["qwen3:4b"], ["qwen3:8b"], []]
