# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small card beside a large one. Without these tests somebody who plugs in an old card would get a worse model, or none."""

from __future__ import annotations

import json

import pytest
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.choice import weak_cards
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.choice.search import Search
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.plan import case_of, make_plan
from hypothesis import given, settings
from hypothesis import strategies as st
from support import machines

GEMMA = {"model": "gemma3:27b-it-qat", "context": 8192}


def cards(*sizes, **more):
    return [machines.card("card of %d" % size, size, 0, i, **more) for i, size in enumerate(sizes)]


def plan(sizes, *wants, **policy):
    return make_plan(list(wants), policy, machines.machine(*cards(*sizes)), "0.32.15", ["catalogue"])


@pytest.mark.parametrize("sizes,kept", [((24564, 4096), [0]), ((4096, 24564), [1]), ((24564, 24564, 4096), [0, 1])])
def test_a_card_that_spoils_the_plan_is_left_out_by_its_identity(sizes, kept):
    """Numbers of cards depend on the driver's order; and the card stays in what a proof names, since it is still there."""
    want = GEMMA if len(kept) == 1 else dict(GEMMA, context=131072)
    found = plan(sizes, want, kv_cache_types=["f16"])
    assert found["ok"], found["errors"]
    assert [device["index"] for device in found["models"][0]["devices"]] == kept
    assert found["environment"]["CUDA_VISIBLE_DEVICES"] == ",".join("GPU-%08d" % index for index in kept)
    assert found["cards"] == sorted("card of %d %d" % (size, size) for size in sizes)
    assert [text for text in found["warnings"] if text.startswith("card of 4096 is left out (CUDA_VISIBLE_DEVICES)")]


def named(*names):
    return [
        dict(machines.card(name, size, 0, i), memory_total_bytes=size << 20) for i, (name, size) in enumerate(names)
    ]


@pytest.mark.parametrize(("version", "told"), [("0.32.15", "0"), ("0.30.0", "0"), ("0.29.0", None)])
def test_no_other_runtime_finds_the_card_that_is_left_out(version, told):
    """Since 0.30 Vulkan is on by itself and takes what CUDA does not see (ollama#17609, #16592), so the weak card would be used all the same."""
    old = named(("NVIDIA GeForce RTX 3090", 24164), ("NVIDIA GeForce GTX 1660", 5920))
    found = make_plan([{"family": "deepseek-r1", "context": 16384}], {}, machines.machine(*old), version, ["catalogue"])
    assert (found["environment"]["CUDA_VISIBLE_DEVICES"], found["environment"].get("OLLAMA_VULKAN")) == ("GPU-00000000", told)
    whole = make_plan([GEMMA], {}, machines.machine(*cards(24564, 24564)), version, ["catalogue"])
    assert "OLLAMA_VULKAN" not in whole["environment"]


def test_a_card_that_halves_the_speed_of_the_same_model_is_left_out():
    """An RTX 4090 answers at 39 tokens a second; with a GTX 1660 beside it Ollama spreads the same model over both, and it answers at 22."""
    old = named(("NVIDIA GeForce RTX 4090", 24164), ("NVIDIA GeForce GTX 1660", 5920))
    found = make_plan([{"family": "gemma4", "context": 16384}], {}, machines.machine(*old), "0.32.15", ["catalogue"])
    assert found["environment"]["CUDA_VISIBLE_DEVICES"] == "GPU-00000000"
    alone = make_plan([{"family": "gemma4", "context": 16384}], {}, machines.machine(old[0]), "0.32.15", ["catalogue"])
    assert [(entry["name"], entry["context"]) for entry in found["models"]] == [(entry["name"], entry["context"]) for entry in alone["models"]]


def test_the_type_of_the_cache_is_no_reason_to_be_slow():
    """Over both, an RTX 3090 and an RTX 3060 hold deepseek-r1:32b with the cache in f16 and answer at 24 tokens a second; the 3090 alone at 36, in q8_0."""
    both = named(("NVIDIA GeForce RTX 3090", 24176), ("NVIDIA GeForce RTX 3060", 11920))
    found = make_plan([{"family": "deepseek-r1", "context": 16384}], {}, machines.machine(*both), "0.32.15", ["catalogue"])
    entry = found["models"][0]
    assert (entry["tag"], entry["kv_cache_type"], found["environment"]["CUDA_VISIBLE_DEVICES"]) == ("32b", "q8_0", "GPU-00000000")
    exact = make_plan([{"family": "deepseek-r1", "context": 16384}], {"kv_cache_types": ["f16"]}, machines.machine(*both), "0.32.15", ["catalogue"])
    assert entry["tokens_per_second"]["predicted"] > 1.25 * exact["models"][0]["tokens_per_second"]["predicted"]
    assert len(exact["models"][0]["devices"]) == 2 and exact["models"][0]["context"] == entry["context"]


def test_a_fixed_tag_is_not_slowed_by_a_weak_card_either():
    """Over an RTX 3090 and a GTX 1660 qwen3:32b gives up nothing, and answers at 22 tokens a second instead of 35."""
    both = named(("NVIDIA GeForce RTX 3090", 24176), ("NVIDIA GeForce GTX 1660", 5920))
    found = make_plan([{"model": "qwen3:32b", "context": 16384}], {}, machines.machine(*both), "0.32.15", ["catalogue"])
    assert found["environment"]["CUDA_VISIBLE_DEVICES"] == "GPU-00000000" and found["models"][0]["context"] == 16384


def test_a_cache_in_f16_is_no_reason_to_leave_a_card_out():
    """An RTX 5060 Ti alone would hold qwen3-coder:30b with its experts in system memory and the cache in f16, at 27 tokens a second: both hold all of it."""
    both = named(("NVIDIA GeForce RTX 5060 Ti", 15900), ("NVIDIA GeForce RTX 3060", 11920))
    found = make_plan([{"family": "qwen3-coder", "context": 65536}], {}, machines.machine(*both), "0.32.15", ["catalogue"])
    assert "CUDA_VISIBLE_DEVICES" not in found["environment"]
    assert (found["models"][0]["placement"], found["models"][0]["context"]) == ("multi_gpu", 65536)


@pytest.mark.parametrize(
    "cards,want,policy,expected",
    [
        # The larger card is the slow one: over both it was below 10 tokens a second, and a smaller size was taken.
        ([("RTX 4090", 39193), ("GTX 1650", 75696)], {"family": "gemma4", "context": 4096}, {"parallel": 4}, ("31b-it-q8_0", 4096, [0])),
        # It would hold the tag alone, and Ollama prefers what is larger.
        ([("RTX 4090", 24164), ("Tesla P40", 24400)], {"model": "qwen3:14b"}, {}, ("14b", 8192, [0])),
        # A fixed tag that gets less than it was wanted with.
        ([("RTX 3060", 7900), ("H100", 22500), ("A100", 709)], {"model": "qwen3:30b", "context": 4096}, {"parallel": 2}, ("30b", 4096, [1, 0])),
        # A third one of the same kind makes Ollama take a larger micro-batch, whose buffers leave no room for the context.
        ([("A100", 3997)] * 3, {"family": "granite4", "context": 65536}, {}, ("3b", 49152, [0, 1])),
        # Without the other one it answers at 5 tokens a second.
        ([("L40S", 7900), ("GTX 1650", 7900)], {"family": "llama3.3", "quantizations": ["Q4_K_M"]}, {}, ("70b", 4096, [0])),
    ],
)
def test_no_card_that_is_plugged_in_makes_a_plan_worse(cards, want, policy, expected):
    """Whatever is wrong with it: too small, slow although it is large, or one more of a kind."""
    host = machines.machine(*named(*cards), system_memory={"total_bytes": 64 << 30, "bandwidth_bytes_per_second": 460 * 10**9})
    found = make_plan([want], policy, host, "0.32.15", ["catalogue"])
    assert found["ok"], found["errors"]
    entry = found["models"][0]
    visible = ",".join("GPU-%08d" % index for index in expected[2])
    assert (entry["tag"], entry["context"], found["environment"]["CUDA_VISIBLE_DEVICES"]) == (*expected[:2], visible)


def test_of_many_wants_a_large_card_that_is_slow_is_left_out_too():
    """Beside an H100 with a T4 somebody plugs in a third card, on which Ollama would compute everything at fewer than 10 tokens a second."""
    wants = [{"family": name, "context": 16384} for name in ("gemma4", "qwen3", "mistral-small", "llama3.2", "deepseek-r1")]
    two = [("H100", 30692), ("Tesla T4", 22500)]
    tags = [
        [entry["name"] for entry in make_plan(wants, {"resident": "one"}, machines.machine(*named(*cards)), "0.32.15", ["catalogue"])["models"]]
        for cards in (two, [*two, ("GTX 1070", 68399)])
    ]
    assert tags[0] == tags[1]


def test_a_card_that_slows_little_stays():
    """A second card of the same generation may be wanted for the next model."""
    near = named(("NVIDIA GeForce RTX 4090", 24164), ("NVIDIA GeForce RTX 3090", 24000))
    found = make_plan([{"family": "gemma4", "context": 16384, "quantizations": ["Q4_K_M"]}], {}, machines.machine(*near), "0.32.15", ["catalogue"])
    assert "CUDA_VISIBLE_DEVICES" not in found["environment"]


def test_cards_that_do_no_harm_stay(make_machine, make_card):
    """Where all of them give as much, nothing is hidden."""
    for sizes, want in (((24564, 8192), {"model": "qwen3:32b", "context": 16384}), ((24564, 12288), {"family": "deepseek-r1"}), ((24564, 24564), GEMMA)):
        found = plan(sizes, want)
        assert found["ok"] and "CUDA_VISIBLE_DEVICES" not in found["environment"] and "left out" not in str(found["warnings"])


def test_only_cards_with_an_identity_of_nvidia_are_left_out():
    """Another vendor's variable takes numbers, or means another runtime's order; so who has such cards is told which one spoils the plan."""
    for more in ({"uuid": None}, {"vendor": "amd"}):
        found = make_plan([GEMMA], {"kv_cache_types": ["f16"]}, machines.machine(*cards(24564, 4096, **more)), "0.32.15", ["catalogue"])
        assert "CUDA_VISIBLE_DEVICES" not in found["environment"]
        (told,) = [text for text in found["warnings"] if "better without" in text]
        assert (found["models"][0]["placement"], found["models"][0]["num_gpu"]) == ("partial", 61)  # of 62: never all of it on the CPU
        strict = {"kv_cache_types": ["f16"], "allow_partial_offload": False}
        refused = make_plan([GEMMA], strict, machines.machine(*cards(24564, 4096, **more)), "0.32.15", ["catalogue"])
        assert not refused["ok"] and told in refused["warnings"]
        assert told.startswith("card of 4096 ") and ("ROCR_VISIBLE_DEVICES" in told) == ("vendor" in more)


FAMILIES = st.sampled_from(["deepseek-r1", "qwen3", "gemma3", "gpt-oss", "llama3.3"])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(4000, 50000), min_size=1, max_size=2), st.integers(2000, 50000), FAMILIES, st.sampled_from([8192, 32768]), st.integers(1, 4))
def test_one_more_card_is_never_worse(sizes, another, family, context, parallel):
    def outcome(amounts):
        wants = [{"family": family, "context": context}]
        case, problems = case_of(wants, {"parallel": parallel}, machines.machine(*cards(*amounts), ram=128), "0.32.15", ["catalogue"])
        search = Search(case)
        assert not problems
        return weak_cards.leave_out(case, search, search.run())[2]

    assert weak_cards.worth(outcome([*sizes, another])) >= weak_cards.worth(outcome(sizes))


@settings(max_examples=20, deadline=None)
@given(st.permutations([24564, 4096, 12288]))
def test_the_order_of_the_cards_decides_nothing(sizes):
    found = [
        json.dumps([plan(order, dict(GEMMA, context=32768))["models"][0]["memory"], plan(order, GEMMA)["summary"]], sort_keys=True)
        for order in (sizes, sorted(sizes))
    ]
    assert found[0] == found[1]
