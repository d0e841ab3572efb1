# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the wants of all hosts to copies, with real sizes. Deleted, copies could be planned that do not fit beside a host's other models, and a want too
many would be refused without a word about what is missing."""

from __future__ import annotations

import json

import pytest
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.placement import memory, wanted
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing import fit, plan
from support import machines

R1 = {"family": "deepseek-r1", "replicas": 2}


def host(name, megabytes, models, here=True, ram=16, **more):
    cards = [machines.card("card", megabytes)] if megabytes else []
    inputs = {"models": models, "policy": {}, "vram": machines.machine(*cards, ram=ram), "ollama_version": "0.32.15", "sources": ("catalogue",)}
    return wanted.Host(name, models, inputs if here else None, **more)


def where(placed):
    return {name: one["placed"] for name, one in placed["hosts"].items()}


def test_one_tag_on_the_hosts_that_hold_the_best():
    """Each host's own plan would have taken another one on the third."""
    placed = wanted.place_all([host("a", 24564, [R1]), host("b", 12288, [R1]), host("c", 24564, [R1])])
    assert where(placed) == {"a": {0: "deepseek-r1:32b"}, "b": {0: ""}, "c": {0: "deepseek-r1:32b"}}
    assert placed["hosts"]["a"]["copies"] == {0: ["a", "c"]} and not placed["problems"]


def test_a_host_plans_what_was_placed_and_nothing_else():
    inputs = host("b", 24564, [R1, {"family": "nomic-embed-text"}]).inputs
    made = plan.make_plan(**inputs, placed={0: "deepseek-r1:14b"})
    assert [entry["name"] for entry in made["models"]] == ["deepseek-r1:14b", "nomic-embed-text:v1.5"]
    placed = {"placed": {"0": ""}, "copies": {}}
    made = plan.make_plan(**inputs, placed={0: ""})
    wanted.mark(made, inputs["models"], placed)
    assert [entry["name"] for entry in made["models"]] == ["nomic-embed-text:v1.5"] and made["elsewhere"] == ["deepseek-r1"]
    assert not plan.make_plan(**inputs, placed={0: "deepseek-r1:9b"})["ok"], "what is no tag of the want is not planned silently"


@pytest.mark.parametrize(("megabytes", "family", "more"), [(24564, "qwen3", {}), (0, "llama3.1", {"bandwidth_bytes_per_second": 2 * 10**11})])
def test_a_copy_has_no_heavier_weights_than_its_host_would_choose(megabytes, family, more):
    """In system memory heavier weights are time: qwen3:30b's Q8_0 answered at 28 tokens a second where Q4_K_M does at 128, llama3.1:8b's at half."""
    want = {"family": family, "replicas": 1}
    one = host("a", megabytes, [want], ram=64)
    one.inputs["vram"]["system_memory"].update(more)
    chosen = plan.make_plan(**dict(one.inputs, models=[{"family": family}]))["models"][0]["name"]
    assert where(wanted.place_all([one]))["a"] == {0: chosen}


def test_copies_of_two_models_are_spread():
    both = [{"family": "qwen3", "replicas": 1}, {"model": "deepseek-r1:14b", "replicas": 1}]
    placed = where(wanted.place_all([host("a", 24564, both), host("b", 24564, both)]))
    assert [sum(bool(tag) for tag in tags.values()) for tags in placed.values()] == [1, 1]


def test_a_copy_fits_beside_what_its_host_has_for_itself():
    """The embedding model of each host takes its part, and the tag is the best that is left room for."""
    alone = where(wanted.place_all([host("a", 12288, [dict(R1, replicas=1, context=8192, min_context=8192)])]))
    crowded = [dict(R1, replicas=1, context=8192, min_context=8192), {"model": "qwen3:4b"}]
    assert alone["a"][0] == "deepseek-r1:14b" and where(wanted.place_all([host("a", 12288, crowded)]))["a"][0] != alone["a"][0]


def test_what_is_refused_says_by_how_much():
    strict = [dict(R1, require_gpu=True, replicas=3)]
    placed = wanted.place_all([host("a", 24564, strict), host("b", 1024, strict), host("c", 24564, strict)])
    (problem,) = placed["problems"]
    assert problem["id"] == "replicas_room" and problem["variable"] == "llm_models"
    assert "llm_models[0].replicas is 3, which is 1 more than the hosts that can hold deepseek-r1" in problem["say"]
    assert "b is short of 1." in problem["say"] and "write 2 or less" in problem["say"]


def test_more_copies_than_hosts_that_want_it():
    """Two wants that differ in a word are two."""
    problems = wanted.place_all([host("a", 24564, [R1]), host("b", 24564, [dict(R1, context=4096)])])["problems"]
    assert [problem["id"] for problem in problems] == ["replicas_hosts"] * 2
    assert {problem["say"].partition("(")[2][0] for problem in problems} == {"a", "b"}


def test_who_takes_no_part_keeps_its_place():
    """With --limit, or while a host is off: else its copy would be made once more on another one."""
    last = ({"name": "deepseek-r1:14b", "family": "deepseek-r1", "copies": ["b", "c"]},)
    placed = wanted.place_all([host("a", 24564, [R1]), host("b", 0, [R1], here=False, remembered=last), host("c", 24564, [R1], remembered=last)])
    assert where(placed) == {"a": {0: ""}, "b": {0: "deepseek-r1:14b"}, "c": {0: "deepseek-r1:14b"}}


def test_a_host_of_which_nothing_is_known_is_no_reason_to_refuse():
    placed = wanted.place_all([host("a", 24564, [R1]), host("b", 0, [R1], here=False)])
    assert where(placed)["a"] == {0: "deepseek-r1:32b"} and not placed["problems"]
    assert "llm_models[0]: 1 copy of 2 for now, since nobody knows what b can hold" in placed["say"][0]


def test_what_lies_on_a_host_speaks_for_it():
    models = [{"model": "deepseek-r1:14b", "replicas": 1}]
    placed = wanted.place_all([host("a", 24564, models), host("b", 24564, models, installed=("DeepSeek-R1:14b",))])
    assert where(placed) == {"a": {0: ""}, "b": {0: "deepseek-r1:14b"}}


def test_a_want_that_cannot_be_read_is_its_own_hosts_matter():
    assert wanted.place_all([host("a", 24564, [{"family": "deepseek-r1", "replicas": 0}]), host("b", 24564, "nothing")])["hosts"] == {}


@pytest.mark.parametrize("identity,known", [(["mine"], {"a": [{"name": "x"}]}), (["other"], {})])
def test_the_report_remembers(tmp_path, monkeypatch, identity, known):
    """Of this inventory, not of another one whose report lies there."""
    monkeypatch.chdir(tmp_path)
    rows = [{"name": "a", "plan": {"models": [{"name": "x"}]}}]
    folder = tmp_path / "reports" / "mine"
    folder.mkdir(parents=True)
    (folder / "fleet.json").write_text(json.dumps({"run": {"inventory": ["../" + name for name in identity]}, "hosts": rows}))
    (tmp_path / "mine").mkdir()
    assert memory.read("reports/{inventory}", ["mine"]) == known
    assert memory.read("", ["mine"]) == {}


def test_a_disk_that_is_too_small_holds_no_copy():
    inputs = host("a", 24564, [R1]).inputs
    small = dict(inputs["vram"], filesystems=[{"path": "/models", "mount_point": "/", "total_bytes": 1 << 30, "free_bytes": 1 << 30}])
    assert isinstance(fit.try_tag(dict(inputs, vram=small, filesystem="/models"), 0, "deepseek-r1:14b", {}), fit.Missed)
