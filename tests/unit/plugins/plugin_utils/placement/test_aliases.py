# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Other names of models. Deleted, a hard-wired name could lead nowhere without a word, or take the place of a model that a host has."""

from __future__ import annotations

import pytest
from ansible_collections.llmfleet.ollama.plugins.filter.model_wants import model_wants
from ansible_collections.llmfleet.ollama.plugins.module_utils.models.wants import read_wants
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.placement import aliases


def plan(*names, family="deepseek-r1"):
    return {"ok": True, "models": [{"name": name, "family": name.partition(":")[0], "requested": {"family": family}} for name in names]}


FLEET = {"gpu-a": plan("deepseek-r1:32b"), "gpu-b": plan("deepseek-r1:14b"), "cpu": plan("qwen3:4b", family="house")}


def given(names, *entries):
    made = {"models": [dict(entry) for entry in entries]}
    aliases.give(made, aliases.read(names)[0])
    return {entry["name"]: entry.get("aliases") for entry in made["models"]}


@pytest.mark.parametrize(
    "host,target,model",
    [
        ("gpu-a", "deepseek-r1:32b", "deepseek-r1:32b"),
        ("gpu-b", "deepseek-r1:32b", None),
        ("gpu-a", "deepseek-r1", "deepseek-r1:32b"),
        ("gpu-b", "deepseek-r1", "deepseek-r1:14b"),
        ("cpu", "house", "qwen3:4b"),
        ("cpu", "qwen3", "qwen3:4b"),
        ("cpu", "Qwen3:4B", "qwen3:4b"),
    ],
)
def test_a_tag_means_the_tag_and_a_family_means_each_hosts_own(host, target, model):
    held = {name: names for name, names in given({"gpt-4o": target}, *FLEET[host]["models"]).items() if names}
    assert held == ({model: ["gpt-4o:latest"]} if model else {})


def test_a_model_keeps_its_name():
    """A copy under a planned name would replace that model, and the next run would pull it again."""
    assert given({"qwen3:4b": "deepseek-r1"}, *FLEET["gpu-a"]["models"], *FLEET["cpu"]["models"]) == {
        "deepseek-r1:32b": None,
        "qwen3:4b": None,
    }


def test_the_module_takes_what_the_plan_gives():
    made = {"models": [dict(FLEET["gpu-a"]["models"][0], context=4096)]}
    aliases.give(made, {"gpt-4o": "deepseek-r1"})
    wants = list(read_wants(model_wants(made), True).values())
    assert [name.short for want in wants for name in want.aliases] == ["gpt-4o:latest"]


@pytest.mark.parametrize(
    "names,identity",
    [
        (["gpt-4o"], "alias_shape"),
        ({"gpt 4o": "deepseek-r1"}, "alias_name"),
        ({"gpt-4o": None}, "alias_name"),
        ({"gpt-4o": "deepseek-r1", "GPT-4o:latest": "qwen3"}, "alias_twice"),
        ({"gpt-4o": "gpt-4o:latest"}, "alias_itself"),
    ],
)
def test_what_no_host_can_read_is_refused(names, identity):
    assert [problem["id"] for problem in aliases.read(names)[1]] == [identity]


@pytest.mark.parametrize(
    "names,complete,identity,words",
    [
        ({"gpt-4o": "deepseek-r1:14b"}, True, None, ""),
        ({"gpt-4o": "deepseek-r1:70b"}, True, "alias_on_nothing", "did you mean deepseek-r1:"),
        ({"gpt-4o": "deepsek-r1"}, True, "alias_on_nothing", "did you mean deepseek-r1"),
        ({"gpt-4o": "deepseek-r1:70b"}, False, None, ""),
        ({"qwen3:4b": "deepseek-r1:32b"}, True, "alias_taken", "cpu's plan"),
        ({"gpt-4o": "qwen3:4b", "gpt-4": "gpt-4o"}, True, "alias_of_alias", "llm_aliases.gpt-4 stands for the alias gpt-4o"),
    ],
)
def test_what_the_plans_say_of_aliases(names, complete, identity, words):
    """On nothing is only sure where each host's plan is known: one that is off may have it."""
    problems = aliases.wrong(aliases.read(names)[0], FLEET, complete)
    assert [problem["id"] for problem in problems] == ([identity] if identity else [])
    assert words in " ".join(problem["say"] for problem in problems)


def test_a_fleet_without_models_names_none():
    assert "write llm_models" in aliases.wrong({"gpt-4o:latest": "qwen3"}, {}, True)[0]["say"]
