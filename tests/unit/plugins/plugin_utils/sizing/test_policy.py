# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Order of concessions, placement on every kind of machine, several models at once. Without these tests a plan could promise what does not fit."""

from __future__ import annotations

import itertools

import pytest
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing import words
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.choice.case import Rejected
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.choice.floor import Slow
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.machine import budget
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.plan import make_plan
from support import GIB, MIB

R1 = {"family": "deepseek-r1", "context": 8192, "min_context": 4096}


def plan(vram, *models, version="0.32.15", sources=("catalogue",), header=None, proofs=None, filesystem=None, **policy):
    return make_plan(list(models) or [R1], policy, vram, version, list(sources), header, proofs, filesystem)


def pick(vram, *models, **more):
    found = plan(vram, *models, **more)
    assert found["ok"], found["errors"]
    entry = found["models"][0]
    return entry["tag"], entry["context"], entry["kv_cache_type"], entry["placement"]


@pytest.mark.parametrize(
    "total,reserved,expected",
    [
        (4096, 150, ("1.5b-qwen-distill-q8_0", 8192, "f16", "gpu")),
        (6144, 200, ("7b", 4096, "q8_0", "gpu")),
        (8188, 225, ("8b", 8192, "f16", "gpu")),
        (12288, 368, ("14b", 8192, "f16", "gpu")),
        (16376, 376, ("14b", 8192, "f16", "gpu")),
        (24564, 400, ("32b", 8192, "f16", "gpu")),
        (49140, 600, ("70b", 8192, "f16", "gpu")),
    ],
)
def test_one_card(make_machine, make_card, total, reserved, expected):
    assert pick(make_machine(make_card("card", total, reserved))) == expected


def test_concessions_come_in_order(make_machine, make_card):
    """The cache's precision first, then the context down to half, then a smaller model with all of it: one line of a table is one card."""
    seen = [pick(make_machine(make_card("card", total, 368)))[:3] for total in range(12288, 10100, -128)]
    steps = [step for step, _same in itertools.groupby(seen)]
    assert steps == [
        ("14b", 8192, "f16"), ("14b", 8192, "q8_0"), ("14b", 6144, "q8_0"), ("14b", 4096, "q8_0"),
        ("8b-0528-qwen3-q8_0", 8192, "q8_0"), ("8b", 8192, "f16"),
    ]  # fmt: skip


def test_the_context_asked_for_is_what_decides(make_machine, make_card):
    """A 24 GiB card holds 32b at 8192 tokens and not at Ollama's own 32768."""
    card = make_machine(make_card("RTX 4090", 24564, 400))
    assert pick(card)[0] == "32b"
    assert pick(card, dict(R1, context=32768, min_context=32768), kv_cache_types=["f16"])[0] == "14b-qwen-distill-q8_0"


def test_weights_below_q4_and_fp16_are_never_chosen(make_machine, make_card):
    found = plan(make_machine(make_card("H200", 144384, 700)))
    assert found["models"][0]["quantization"] == "Q8_0"
    assert pick(make_machine(make_card()), dict(R1, quantizations=["F16"]))[0] == "1.5b-qwen-distill-fp16"


def test_uneven_cards_and_their_order(make_machine, make_card):
    big, small = make_card("RTX 3090", 24576, 316, 0), make_card("RTX 3060", 12288, 368, 1)
    one, other = plan(make_machine(big, small)), plan(make_machine(small, big))
    assert one["models"] == other["models"]
    for device in one["models"][0]["devices"]:
        assert device["total_bytes"] <= device["budget_bytes"]


def test_the_sum_of_the_cards_is_not_enough(make_machine, make_card):
    """Three cards with 42.8 GiB together: one card of that size holds 70b, they don't, since each has its own buffers and margin."""
    assert plan(make_machine(make_card("one", 43800, 0)), kv_cache_types=["f16"])["models"][0]["tag"] == "70b"
    three = plan(make_machine(*(make_card("three", 14600, 0, i) for i in range(3))), kv_cache_types=["f16"])
    assert three["models"][0]["tag"] != "70b"
    assert any(row["name"] == "deepseek-r1:70b" and row["short_by_bytes"] > 0 for row in three["rejected"])


def test_a_card_that_ollama_believes_too_small_is_not_counted_on(make_machine, make_card):
    """It fits one card by 0.6 GiB, but Ollama predicts more than 80 % of the free bytes and spreads it: the plan says so."""
    entry = plan(make_machine(make_card(index=0), make_card(index=1)), dict(R1, quantizations=["Q4_K_M"], family="llama3.1"))["models"][0]
    assert entry["placement"] == "gpu"
    two = plan(make_machine(make_card(index=0), make_card(index=1)), {"model": "deepseek-r1:14b", "context": 8192})["models"][0]
    assert two["placement"] == "multi_gpu" and len(two["devices"]) == 2


def test_apple_pays_for_the_whole_file_from_one_pool(make_machine, make_card):
    mac = make_card(
        "Apple M4", vendor="apple", type="integrated", unified=True, compute_capability=None, source="metal",
        memory_total_bytes=32 * GIB, memory_usable_bytes=int(21.3 * GIB),
    )  # fmt: skip
    entry = plan(make_machine(mac, ram=32), min_tokens_per_second=1)["models"][0]
    assert entry["tag"] == "32b" and entry["memory"]["total_bytes"] <= entry["budget_bytes"] == int(21.3 * GIB)
    assert entry["memory"]["overhead_bytes"] > 512 * MIB  # Metal's minimum and the host's buffers


def test_a_gb10_is_planned_from_its_memory_and_not_from_what_is_free(make_machine, make_card):
    card = make_card(
        "NVIDIA GB10", type="integrated", unified=True, compute_capability="12.1", source="proc",
        memory_total_bytes=130663165952, memory_usable_bytes=130663165952, memory_free_bytes=41 * GIB,
    )  # fmt: skip
    entry = plan(make_machine(card, ram=121), min_tokens_per_second=1)["models"][0]
    assert entry["tag"].startswith("70b") and entry["budget_bytes"] < 130663165952 * 0.9


def test_strix_halo_counts_and_other_integrated_gpus_do_not(make_machine, make_card):
    halo = make_card(
        "Radeon 8060S", vendor="amd", type="integrated", unified=True, gfx_target="gfx1151", compute_capability=None, source="sysfs",
        memory_usable_bytes=118111600640, memory_dedicated_bytes=512 * MIB,
    )  # fmt: skip
    assert plan(make_machine(halo, ram=125), min_tokens_per_second=1)["models"][0]["tag"].startswith("70b")
    other = dict(halo, gfx_target="gfx1103", memory_usable_bytes=8 * GIB)
    found = plan(make_machine(other, ram=32))
    assert found["models"][0]["placement"] == "cpu" and any("integrated" in warning for warning in found["warnings"])


def test_cards_that_cannot_be_used_are_named(make_machine, make_card):
    locked = make_card(accessible=False)
    unknown = make_card(index=1, memory_usable_bytes=None, memory_total_bytes=None)
    old = make_card("Tesla K80", index=2, compute_capability="3.7")
    found = plan(make_machine(locked, unknown, old))
    assert found["models"][0]["placement"] == "cpu" and len(found["warnings"]) == 3


def test_old_cards_have_no_flash_attention_before_0_30(make_machine, make_card):
    for capability, flash in (("6.1", "0"), ("7.5", "1"), (None, "1"), ("unknown", "1")):
        found = plan(make_machine(make_card(compute_capability=capability)), version="0.9.3")
        assert found["environment"]["OLLAMA_FLASH_ATTENTION"] == flash
        assert flash == "1" or found["models"][0]["kv_cache_type"] == "f16"


def test_partial_offload_unless_it_is_forbidden(make_machine, make_card):
    card = make_machine(make_card("GTX 1050", 2048, 50))
    assert not plan(card, allow_partial_offload=False)["ok"]
    entry = plan(card, dict(R1, context=4096), min_offload_share=0.25)["models"][0]
    assert entry["placement"] == "partial" and 7 <= entry["num_gpu"] < 28
    assert entry["memory"]["total_bytes"] <= entry["budget_bytes"] and entry["memory"]["host_bytes"] > 0
    assert not plan(card, dict(R1, context=4096), min_offload_share=0.99)["ok"]
    assert not plan(card, dict(R1, require_gpu=True), allow_partial_offload=True, min_offload_share=0.1)["ok"]


GPT_OSS = {"family": "gpt-oss", "context": 8192}


def test_experts_go_to_system_memory_unless_that_is_forbidden(make_machine, make_card):
    """gpt-oss:20b on 12 GB and 120b on 24 GB with 64 GB of RAM are what everybody runs there; whole layers on the CPU are not."""
    for card, tag in ((make_card(), "20b"), (make_card("RTX 3090", 24576, 316), "120b")):
        entry = plan(make_machine(card), GPT_OSS)["models"][0]
        assert (entry["tag"], entry["placement"], entry["num_gpu"]) == (tag, "experts", None)
        assert 0 < entry["gpu_bytes"] < entry["memory"]["total_bytes"] <= entry["budget_bytes"]
        assert "in system memory for its experts" in entry["reason"]
    small = make_machine(make_card())
    (refused,) = plan(small, GPT_OSS, allow_experts_in_ram=False)["errors"]
    assert "et llm_policy.allow_experts_in_ram to true" in refused
    assert "allow_experts_in_ram" not in str(plan(make_machine(make_card(total=1024)), {"family": "llama3.2"}, allow_experts_in_ram=False)["errors"])
    assert not plan(small, dict(GPT_OSS, require_gpu=True))["ok"]
    assert plan(small, R1)["models"][0]["gpu_bytes"] is None
    assert not plan(make_machine(make_card(), ram=4), GPT_OSS)["ok"]  # nowhere to put them


def test_experts_in_ram_stand_beside_embedding_models_only(make_machine, make_card):
    """llama.cpp fills the card to its margin, so whatever comes later would be unloaded, or lie on the CPU: small models lie there first."""
    embedding, other = {"model": "nomic-embed-text"}, {"model": "llama3.2:1b", "context": 8192}
    card = make_machine(make_card())
    found = plan(card, GPT_OSS, embedding)
    assert [entry["placement"] for entry in found["models"]] == ["experts", "gpu"]
    assert any("nomic-embed-text:latest finds no room if it is loaded after gpt-oss:20b" in text for text in found["warnings"])
    (device,), (beside,) = (entry["devices"] for entry in found["models"])
    assert device["total_bytes"] + beside["total_bytes"] - beside["margin_bytes"] <= device["budget_bytes"]
    assert not plan(card, GPT_OSS, other, allow_partial_offload=False)["ok"]
    assert [entry["placement"] for entry in plan(card, GPT_OSS, other, resident="one")["models"]] == ["experts", "gpu"]
    # As a last resort beside others, too, as a dense model would, and it is said in which order they fit.
    found = plan(card, GPT_OSS, other)
    assert [entry["placement"] for entry in found["models"]] == ["experts", "gpu"]
    assert any("llama3.2:1b finds no room if it is loaded after gpt-oss:20b" in text for text in found["warnings"])


def test_a_lighter_quantization_on_the_card_comes_before_experts_of_a_heavier_one(make_machine, make_card):
    entry = plan(make_machine(make_card("RTX 3090", 24576, 316)), {"family": "qwen3-coder", "context": 8192})["models"][0]
    assert (entry["tag"], entry["placement"]) == ("30b", "gpu")


def test_a_smaller_cache_on_the_card_comes_before_experts_in_ram(make_machine, make_card):
    """On a 24 GB card 64k tokens of qwen3-coder fit with a cache in q8_0, three times as fast."""
    want = {"family": "qwen3-coder", "context": 65536, "min_context": 65536}
    card = make_machine(make_card("RTX 4090", 24576, 316))
    assert pick(card, want) == ("30b", 65536, "q8_0", "gpu")
    assert pick(card, want, kv_cache_types=["f16"]) == ("30b", 65536, "f16", "experts")


def test_a_mixture_of_ones_own_gets_no_num_gpu(make_machine, make_card):
    """With num_gpu llama.cpp fits nothing, and whole layers leave the card: slow where it need not be."""
    for policy in ({}, {"allow_partial_offload": True}):
        want = {"name": "mine", "from": "gpt-oss:20b", "parameters": {"num_predict": 300}}
        entry = plan(make_machine(make_card()), want, **policy)["models"][0]
        assert entry["placement"] == "experts" and entry["parameters"] == {"num_predict": 300}
    dense = {"name": "mine", "from": "deepseek-r1:14b", "parameters": {"num_predict": 300}}
    entry = plan(make_machine(make_card(total=10240)), dense, allow_partial_offload=True)["models"][0]
    assert entry["placement"] == "partial" and entry["num_gpu"] and entry["parameters"] == {"num_predict": 300}


def test_a_managed_model_takes_its_layers_and_its_own_context(make_machine, make_card):
    want = {"name": "r1-short", "from": "deepseek-r1:32b", "parameters": {"num_predict": 300, "num_ctx": 4096, "num_gpu": 20}}
    entry = plan(make_machine(make_card()), want)["models"][0]
    assert (entry["name"], entry["from"], entry["context"], entry["placement"]) == ("r1-short", "deepseek-r1:32b", 4096, "partial")
    assert entry["parameters"] == want["parameters"]


def test_a_model_on_the_cpu_of_unified_memory_takes_from_the_gpu(make_machine, make_card):
    """One pool: what is on the CPU and what is on the GPU of a GB10 stay below it together."""
    card = make_card("NVIDIA GB10", 96 * 1024, 0, unified=True, type="integrated")
    wants = [
        {"name": "slow", "from": "llama3.3:70b", "parameters": {"num_gpu": 0}},
        {"name": "half", "from": "llama3.3:70b", "parameters": {"num_gpu": 40}},
    ]
    alone, both = (plan(make_machine(card, ram=96), *chosen) for chosen in (wants[:1], wants))
    assert alone["ok"] and not both["ok"]


def test_num_gpu_is_taken_literally(make_machine, make_card):
    """1.5b would fit wholly, but llama.cpp does what it is told."""

    def managed(layers):
        want = {"name": "mine", "from": "deepseek-r1:1.5b", "parameters": {"num_gpu": layers}}
        entry = plan(make_machine(make_card()), want)["models"][0]
        return entry["placement"], entry["num_gpu"]

    assert managed(10) == ("partial", 10)
    assert managed(0) == ("cpu", None)
    assert managed(99) == ("gpu", None)
    too_many = {"name": "mine", "from": "deepseek-r1:70b", "parameters": {"num_gpu": 60}}
    assert not plan(make_machine(make_card()), too_many)["ok"]


def test_no_gpu_a_small_model_that_is_fast_enough(make_machine):
    big = plan(make_machine(ram=256))
    assert big["models"][0]["tag"] == "8b" and big["rejected"][-1]["short_by_tokens_per_second"] > 0
    assert plan(make_machine(ram=256, cpu={"count": 2}))["models"][0]["tag"] == "1.5b"  # two cores compute half of what the memory gives
    fast = plan(make_machine(ram=256), min_tokens_per_second=1)
    assert fast["models"][0]["tag"] == "32b"
    assert plan(make_machine(ram=256), {"model": "deepseek-r1:70b"})["models"][0]["placement"] == "cpu"  # a fixed tag is the user's word
    assert not plan(make_machine(ram=256), allow_cpu=False)["ok"]


@pytest.fixture
def spark(make_machine, make_card):
    """128 GB at 273 GB/s: wide and slow."""
    return make_machine(make_card("NVIDIA GB10", 120 * 1024, 0, unified=True, type="integrated"), ram=128)


def test_a_chosen_tag_answers_fast_enough(spark):
    """Without the floor a GB10 gets a 70b in q8_0 at 3 tokens a second, since it fits."""
    found = plan(spark)
    assert found["models"][0]["tag"].startswith("32b") and not found["warnings"]
    out = {row["name"]: row for row in found["rejected"]}["deepseek-r1:70b"]
    assert out["short_by_bytes"] is None and 4 < out["short_by_tokens_per_second"] < 6
    assert plan(spark, min_tokens_per_second=0)["models"][0]["tag"] == "70b-llama-distill-q8_0"
    assert plan(spark, min_tokens_per_second=5)["models"][0]["tag"] == "70b"


def test_the_refusal_for_speed_says_the_estimate_and_the_knob(spark):
    """Whoever asks for too much learns how fast the nearest one would be, and which variable to change."""
    (error,) = plan(spark, {"family": "llama3.3"}, min_tokens_per_second=10)["errors"]
    assert "70b about 5.2 tokens a second, below the 10 of llm_policy.min_tokens_per_second, and 1 more" in error
    assert "Lower llm_policy.min_tokens_per_second, name a tag with 'model:'" in error


def test_what_is_slow_at_its_best_has_the_floor_of_a_host_without_a_gpu(spark, make_machine, make_card):
    """Else a GPU would be denied what a processor is given, and a larger one what a smaller one has in part; the others of the list stay fast."""
    found = plan(spark, {"family": "llama3.3", "context": 16384}, {"family": "gemma4", "context": 16384})
    slow, fast = found["models"]
    assert (slow["name"], slow["placement"], slow["context"], slow["kv_cache_type"]) == ("llama3.3:70b", "gpu", 16384, "f16")
    assert "at about 5.2 tokens a second (nothing of llama3.3 reaches the 10 of llm_policy.min_tokens_per_second here)" in slow["reason"]
    assert fast["tokens_per_second"]["predicted"] >= 10 and "reaches" not in fast["reason"]
    several = [make_card("NVIDIA GeForce RTX 4060 Ti", 16380, 0, i) for i in range(6)]
    kinds = [plan(make_machine(*several[:count], ram=64), {"family": "llama3.3"}) for count in range(1, 7)]
    assert [found["ok"] for found in kinds] == sorted(found["ok"] for found in kinds)
    assert kinds[-1]["models"][0]["placement"] == "multi_gpu" and 5 <= kinds[-1]["models"][0]["tokens_per_second"]["predicted"] < 10
    assert not plan(spark, {"family": "llama3.3"}, min_tokens_per_second=6)["ok"]


def test_a_better_embedding_model_drives_no_experts_into_system_memory(make_machine, make_card):
    """2 x RTX 5060 Ti: an 8b in q8_0 for embeddings made a chat of 94 tokens a second one of 22."""
    cards = [make_card("NVIDIA GeForce RTX 5060 Ti", 15900, 0, i) for i in range(2)]
    wants = {"family": "qwen3-coder", "context": 65536}, {"family": "qwen3-embedding"}
    coder = plan(make_machine(*cards, ram=64), *wants)["models"][0]
    assert (coder["placement"], coder["context"]) == ("multi_gpu", 65536) and coder["tokens_per_second"]["predicted"] > 80
    small = plan(make_machine(make_card("NVIDIA GeForce RTX 3060", 11920, 0), ram=64), *wants)
    assert [(entry["tag"], entry["placement"]) for entry in small["models"]] == [("30b", "experts"), ("0.6b", "gpu")]


def test_a_refusal_that_turns_would_change_says_so(make_machine, make_card):
    """Without the last resort two mixtures are never kept there with their experts in system memory, but one after the other each may be; turns do not
    help what fits nowhere."""
    one = make_machine(make_card("NVIDIA GeForce RTX 3060", 11920, 0), ram=64)
    (error,) = plan(one, {"family": "gpt-oss", "context": 16384}, {"family": "qwen3-coder", "context": 16384}, allow_partial_offload=False)["errors"]
    assert "et llm_policy.resident to one, so that the models are loaded in turns or choose a smaller model" in error
    (error,) = plan(one, {"family": "gpt-oss", "context": 16384}, {"family": "llama3.3"}, allow_partial_offload=False)["errors"]
    assert "nothing of gpt-oss fits" in error and "resident" not in error


def test_a_fixed_tag_and_an_embedding_model_have_no_floor(spark):
    """The user's word is taken; an embedding model writes no tokens, and as a family it must not fail for their speed."""
    found = plan(spark, {"model": "llama3.3:70b-instruct-q8_0"}, {"family": "qwen3-embedding"}, min_tokens_per_second=1000)
    assert found["ok"] and not found["warnings"]


def test_an_unknown_card_warns_and_refuses_nothing(make_machine, make_card):
    """A card that is newer than the list would get nothing, or a tag by a guess; twice the same card is one sentence."""
    found = plan(make_machine(*(make_card("NVIDIA GeForce RTX 6090", 49152, 0, i) for i in range(2))), min_tokens_per_second=1000)
    assert found["models"][0]["tag"].startswith("70b")
    (warning,) = [text for text in found["warnings"] if "min_tokens_per_second" in text]
    assert "RTX 6090" in warning and "memory_bandwidth_bytes_per_second" in warning


def test_the_plan_tells_the_estimate_and_what_was_measured(make_machine, make_card):
    """Three figures for each model: two of the plan, and the one that an earlier proof saw on these cards with this version."""
    machine = make_machine(make_card())
    fresh = plan(machine)["models"][0]
    assert fresh["tokens_per_second"]["measured"] is None
    assert fresh["tokens_per_second"]["predicted"] > fresh["tokens_per_second"]["at_full_context"] > 20
    assert "to spare, at about %.0f tokens a second; " % fresh["tokens_per_second"]["predicted"] in fresh["reason"]
    proof = {"ok": True, "ollama_version": "0.32.15", "size_bytes": 10 * GIB, "tokens_per_second": 2.04}
    known = plan(machine, proofs={"deepseek-r1:14b@sha256:1": proof})
    # It is told, and decides nothing: a tag that once was slow is not passed over for it.
    assert known["models"] == [dict(fresh, tokens_per_second=dict(fresh["tokens_per_second"], measured=2.0))]


@pytest.mark.parametrize(
    "change",
    [
        {"ok": False, "size_vram_bytes": 10 * GIB},
        {"ollama_version": "0.31.0"},
        {"ollama_version": None},
        {"size_bytes": 200000},  # a stand-in of the lab
        {"devices": ["another card 1"]},
        {"tokens_per_second": None},
        {"tokens_per_second": "fast"},
        {"tokens_per_second": True},
    ],
)
def test_what_was_measured_of_something_else_is_not_told(make_machine, make_card, change):
    """A stand-in answers at any speed: its rate beside the estimate of the real model would be taken for the truth."""
    proof = {"ok": True, "ollama_version": "0.32.15", "size_bytes": 10 * GIB, "size_vram_bytes": 10 * GIB, "tokens_per_second": 30.0, **change}
    found = plan(make_machine(make_card()), proofs={"deepseek-r1:14b@sha256:1": proof})
    assert found["models"][0]["tokens_per_second"]["measured"] is None


def test_an_embedding_model_has_no_rate(make_machine, make_card):
    """It writes no tokens; a figure would be an invention."""
    (entry,) = plan(make_machine(make_card()), {"model": "nomic-embed-text"})["models"]
    assert entry["tokens_per_second"] == {"predicted": None, "at_full_context": None, "measured": None} and "tokens a second" not in entry["reason"]


def test_several_models_live_together(make_machine, make_card):
    found = plan(make_machine(make_card()), R1, {"model": "nomic-embed-text"})
    chat, embed = found["models"]
    assert (chat["name"], chat["tag"], embed["name"], embed["placement"]) == ("deepseek-r1:14b", "14b", "nomic-embed-text:latest", "gpu")
    together = sum(entry["memory"]["total_bytes"] - entry["memory"]["margin_bytes"] for entry in found["models"]) + 1024 * MIB
    assert together <= (12288 - 368) * MIB
    assert found["environment"]["OLLAMA_MAX_LOADED_MODELS"] == "2"


@pytest.mark.parametrize("family", ["nomic-embed-text", "mxbai-embed-large", "bge-m3"])
def test_an_embedding_family_lives_beside_a_chat_family(make_machine, make_card, family):
    """The commonest pair of all: an embedding family was held against the default context, which nobody had written, and failed every host."""
    for wants in ([{"family": family}], [{"family": family}, dict(R1, context=2048, min_context=2048)], [R1, {"family": family}]):
        found = plan(make_machine(make_card("RTX 3090", 24576, 316)), *wants)
        assert found["ok"], found["errors"]
        assert found["environment"]["OLLAMA_CONTEXT_LENGTH"] == str(next((want["context"] for want in wants if "context" in want), 8192))


def test_ollamas_own_belief_about_living_together_is_told(make_machine, make_card):
    """8b and 7b fit together, but of what 8b leaves Ollama will not use more than four fifths."""
    wants = [{"model": "deepseek-r1:8b", "context": 8192}, {"model": "deepseek-r1:7b", "context": 8192}]
    found = plan(make_machine(make_card("card", 11700, 0)), *wants, fit_margin_bytes=512 * MIB)
    assert found["ok"] and any("in turns" in warning for warning in found["warnings"])
    assert not plan(make_machine(make_card("card", 24576, 0)), *wants)["warnings"]


def test_two_families_share_a_card_and_the_later_one_is_not_starved(make_machine, make_card):
    found = plan(make_machine(make_card()), R1, {"family": "llama3.2", "context": 8192, "min_context": 4096})
    assert found["ok"] and [entry["family"] for entry in found["models"]] == ["deepseek-r1", "llama3.2"]
    together = sum(entry["memory"]["total_bytes"] - entry["memory"]["margin_bytes"] for entry in found["models"]) + 1024 * MIB
    assert together <= (12288 - 368) * MIB


def test_models_over_two_cards_are_packed_whatever_their_order(make_machine, make_card):
    """The largest is placed first; that another order of requests would not find room for it is said."""
    machine = make_machine(make_card("card", 5400, 0, 0), make_card("card", 5400, 0, 1))
    wants = [{"model": "nomic-embed-text"}, {"model": "llama3.2:3b"}, {"model": "gemma3:4b"}]
    for order in (wants, wants[::-1]):
        found = plan(machine, *order)
        assert found["ok"], found["errors"]
        cards = {entry["name"]: [device["index"] for device in entry["devices"]] for entry in found["models"]}
        assert cards["gemma3:4b"] != cards["llama3.2:3b"] == cards["nomic-embed-text:latest"]
    assert any("gemma3:4b finds no room if it is loaded after" in text for text in found["warnings"])


def test_families_that_fit_in_one_order_only_are_placed_in_it(make_machine, make_card):
    """Beside a small model Ollama would believe gpt-oss too large for its card; it has to be placed first, wherever it stands in the list."""
    machine = make_machine(make_card("card", 1500, 0, 0), make_card("card", 16612, 0, 1))
    wants = [{"family": family, "context": 4096} for family in ("gpt-oss", "deepseek-r1")]
    assert plan(machine, *wants)["ok"] and plan(machine, *wants[::-1])["ok"]


def test_a_vision_model_leaves_room_for_its_own_buffer(make_machine, make_card):
    """The projector's buffer is not in what llama.cpp fits, so the next model has to do without it."""
    wants = [{"model": "gemma3:4b", "context": 8192}, {"model": "llama3.2:3b", "context": 8192}]
    alone = plan(make_machine(make_card()), wants[0])["models"][0]["memory"]
    assert alone["projector_bytes"] > 256 * MIB
    both = plan(make_machine(make_card()), *wants)
    assert sum(entry["memory"]["total_bytes"] - GIB for entry in both["models"]) + GIB <= both["models"][0]["devices"][0]["budget_bytes"]


def test_cards_described_by_hand_are_told_apart(make_machine):
    """Without number and identity (llm_vram_override) two cards were taken for one, and what is loaded on one was not missed there."""
    cards = [{"vendor": "nvidia", "name": "L4", "memory_usable_bytes": size * GIB} for size in (22, 11)]
    wants = [{"model": "deepseek-r1:14b", "context": 8192}, {"model": "qwen3:14b", "context": 8192}, {"model": "llama3.2:3b"}]
    found = plan({"devices": cards, "system_memory": {"total_bytes": 64 * GIB}}, *wants)
    used = [0, 0]
    for entry in found["models"]:
        for device in entry["devices"]:
            used[device["index"]] += device["total_bytes"] - device["margin_bytes"]
    assert found["ok"] and 0 < used[0] <= 21 * GIB and 0 < used[1] <= 10 * GIB


def test_loaded_in_turns_each_has_the_card_for_itself(make_machine, make_card):
    found = plan(make_machine(make_card()), R1, {"model": "qwen3:14b", "context": 4096}, resident="one")
    assert found["ok"] and found["environment"]["OLLAMA_MAX_LOADED_MODELS"] == "1"
    assert [entry["tag"] for entry in found["models"]] == ["14b", "14b"]


QWEN = {"family": "qwen3", "context": 4096}


def test_who_is_left_with_crumbs_is_told_of_turns(make_machine, make_card):
    """Two families share a small card badly, and the variable that helps stands in the documentation only."""
    small = make_machine(make_card())
    found = plan(small, R1, QWEN)
    together, alone = ([entry["name"] for entry in other["models"]] for other in (found, plan(small, R1, QWEN, resident="one")))
    hints = [entry["name"] for entry in found["models"] if "loaded in turns (llm_policy.resident: one) this host holds" in entry["reason"]]
    assert together != alone and hints == [name for name, better in zip(together, alone, strict=True) if name != better]
    assert " and ".join(alone) in next(entry["reason"] for entry in found["models"] if entry["name"] in hints)


def test_nobody_is_told_of_turns_that_would_change_nothing(make_machine, make_card):
    """Where both fit, where they take turns already, and for an embedding model beside one that chats, the words would be noise."""
    small, large = make_machine(make_card()), make_machine(make_card("H200", 144384, 700, 0))
    fitting = [{"model": "deepseek-r1:7b", "context": 4096}, {"model": "qwen3:0.6b", "context": 4096}]
    for found in (plan(large, *fitting), plan(small, R1, QWEN, resident="one"), plan(small, R1, {"model": "nomic-embed-text"})):
        assert found["ok"] and not [entry for entry in found["models"] if "in turns" in entry["reason"]]


def test_who_gets_less_context_is_told_which_tag_holds_all_of_it(make_machine, make_card):
    """The floor decides between a larger model and a longer memory, and nothing else says what the other choice would be."""
    wanted = dict(R1, context=32768)
    machine = make_machine(make_card())
    entry = plan(machine, wanted)["models"][0]
    other = plan(machine, dict(wanted, min_context=32768))["models"][0]
    assert entry["context"] < other["context"] == 32768 and entry["tag"] != other["tag"]
    assert entry["reason"].endswith("; %s holds all 32768 (min_context: 32768)" % other["tag"]), entry["reason"]


def test_nobody_is_told_of_a_context_that_nothing_holds_or_that_is_there(make_machine, make_card):
    wide, small = make_machine(make_card("H200", 144384, 700, 0)), make_machine(make_card("GTX 1050", 4096, 100, 0))
    fixed = {"model": "deepseek-r1:1.5b", "context": 131072, "min_context": 4096}
    for found in (plan(wide, dict(R1, context=32768)), plan(small, dict(R1, context=131072)), plan(small, fixed)):
        assert found["ok"] and not [entry for entry in found["models"] if "min_context" in entry["reason"]], found["summary"]


def test_nobody_is_told_of_the_tag_that_is_chosen_already(make_machine, make_card):
    """Of two families the second pays for the first one's context: "7b holds all 24576" beside 7b would be read as a mistake."""
    entries = plan(make_machine(make_card()), dict(R1, context=24576), {"family": "qwen3"}, {"model": "nomic-embed-text"})["models"]
    assert entries[0]["context"] < 24576
    assert not [entry for entry in entries if "; %s holds all" % entry["tag"] in entry["reason"]], [entry["reason"] for entry in entries]


def test_a_name_alone_may_stand_beside_a_want_with_less_context(make_machine, make_card):
    """An entry of the list may be a name and nothing more."""
    entries = plan(make_machine(make_card()), dict(R1, context=24576), "nomic-embed-text")["models"]
    assert "(min_context: 24576)" in entries[0]["reason"] and entries[1]["name"] == "nomic-embed-text:latest"


def test_a_model_without_flash_attention_keeps_the_cache_exact(make_machine, make_card):
    eight = make_machine(*(make_card("H200", 144384, 700, i) for i in range(8)))
    entry = plan(eight, dict(R1, quantizations=["Q4_K_M"]), kv_cache_types=["q8_0", "f16"])["models"][0]
    assert (entry["tag"], entry["kv_cache_type"], entry["flash_attention"]) == ("671b", "f16", False)
    found = plan(eight, {"model": "deepseek-r1:671b", "context": 4096})
    assert found["environment"]["OLLAMA_FLASH_ATTENTION"] == "0"


def test_parallel_requests_are_paid_for(make_machine, make_card):
    assert pick(make_machine(make_card()), parallel=4)[0] != "14b" or pick(make_machine(make_card()), parallel=4)[1] < 8192
    assert plan(make_machine(make_card()), parallel=4)["environment"]["OLLAMA_NUM_PARALLEL"] == "4"


def test_reserved_memory_is_left_to_others(make_machine, make_card):
    free, reserved = (plan(make_machine(make_card()), reserve_bytes=size)["models"][0] for size in (0, 3 * GIB))
    assert reserved["memory"]["total_bytes"] <= free["budget_bytes"] - 3 * GIB
    old = plan(make_machine(make_card()), version="0.9.3", reserve_bytes=3 * GIB)
    assert old["environment"]["OLLAMA_GPU_OVERHEAD"] == str(3 * GIB)


def test_cards_on_windows_keep_a_desktop_free(make_machine, make_card):
    entry = plan(make_machine(make_card(source="registry")))["models"][0]
    assert entry["budget_bytes"] == (12288 - 368 - 1024) * MIB


def test_processes_without_bytes_keep_a_desktop_free(make_machine, make_card):
    """NVML on Windows: once Ollama runs beside the desktop, the desktop's memory must not count as ours, or the plan grows into it."""
    desktop, ours = {"name": "dwm.exe", "memory_bytes": None}, {"name": "ollama.exe", "memory_bytes": None}

    def room(holders, used):
        card = make_card("RTX 3060", 12288, 0, memory_used_bytes=used * MIB, memory_used_by=holders)
        return plan(make_machine(card), {"model": "llama3.2:3b"})["models"][0]["budget_bytes"] // MIB

    assert room([desktop], 700) == room([desktop, ours], 9000) == 12288 - 1024
    assert room([desktop], 3000) == 12288 - 3008


def test_processes_without_a_name_are_told_of(make_machine, make_card):
    found = plan(make_machine(make_card(memory_used_bytes=4 * GIB)))
    assert any("cannot be named" in warning for warning in found["warnings"])


def test_the_header_decides_where_it_is_asked(make_machine, make_card):
    """The file turns out larger than the catalogue's row: the tag is not promised."""
    from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.source import catalogue

    real = dict(catalogue.find("deepseek-r1", "14b").metadata, source="header")
    real["tensor_bytes"] = dict(real["tensor_bytes"], output=real["tensor_bytes"]["output"] + 3 * GIB)
    asked = []

    def header(name):
        asked.append(name)
        return (real, None, False) if name == "deepseek-r1:14b" else (None, None, False)

    found = plan(make_machine(make_card()), sources=("header", "catalogue"), header=header)
    assert found["models"][0]["tag"] != "14b" and "deepseek-r1:14b" in asked
    assert "deepseek-r1:671b" not in asked  # hopeless tags cost no header


def test_a_silent_registry_is_a_warning_and_the_catalogue_helps(make_machine, make_card):
    found = plan(make_machine(make_card()), sources=("header", "catalogue"), header=lambda name: (None, "nobody answers", False))
    assert found["ok"] and any("nobody answers" in warning for warning in found["warnings"])


def test_a_tag_that_the_registry_does_not_have_is_not_chosen(make_machine, make_card):
    def header(name):
        return None, "%s does not exist there" % name, name == "deepseek-r1:14b"

    found = plan(make_machine(make_card()), sources=("header", "catalogue"), header=header)
    assert found["models"][0]["tag"] != "14b" and "does not exist there" in str(found["rejected"])
    fixed = plan(make_machine(make_card()), {"model": "deepseek-r1:14b"}, sources=("header", "catalogue"), header=header)
    assert not fixed["ok"] and "does not exist there" in fixed["errors"][0]


def test_tags_that_need_a_newer_ollama_are_left_out(make_machine, make_card):
    from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.source import catalogue

    newer = dict(catalogue.find("deepseek-r1", "14b").metadata, source="header", requires="0.40.0")
    found = plan(make_machine(make_card()), {"model": "deepseek-r1:14b"}, sources=("header",), header=lambda name: (newer, None, False))
    assert not found["ok"] and "raise ollama_version" in found["errors"][0]


def test_the_disk_of_the_model_store(make_machine, make_card):
    rows = [{"path": "/srv/models", "mount_point": "/srv", "total_bytes": 100 * GIB, "free_bytes": 40 * GIB}]
    assert plan(make_machine(make_card(), filesystems=rows), filesystem="/srv/models")["disk_free_bytes"] == 40 * GIB
    rows[0]["total_bytes"] = 5 * GIB
    found = plan(make_machine(make_card(), filesystems=rows), filesystem="/srv/models/x")
    assert not found["ok"] and "ollama_models_dir" in found["errors"][0]


def test_nothing_wanted_is_a_plan_too(make_machine, make_card):
    found = make_plan([], {"fit_margin_bytes": 512 * MIB}, make_machine(make_card()), "0.32.15", ["catalogue"])
    assert found["ok"] and not found["models"] and not found["environment"] and found["summary"] == "no model is wanted"


class TestClosedLoop:
    """What a host showed is not promised again; else every run would try the same and fail the same."""

    KEY = "deepseek-r1:14b@abc"

    def spilled(self, **more):
        record = {
            "ollama_version": "0.32.15",
            "context_length": 8192,
            "size_bytes": 10 * GIB,
            "size_vram_bytes": 10 * GIB - 500 * MIB,
            "ok": False,
        }
        return {self.KEY: dict(record, **more)}

    def test_it_steps_down_once_and_says_why(self, make_machine, make_card):
        found = plan(make_machine(make_card()), proofs=self.spilled())
        entry = found["models"][0]
        assert (entry["tag"], entry["context"], entry["kv_cache_type"]) == ("14b", 8192, "q8_0")
        before = plan(make_machine(make_card()))["models"][0]
        assert before["memory"]["total_bytes"] - entry["memory"]["total_bytes"] >= 500 * MIB

    def test_experts_that_the_card_did_not_hold_are_not_planned_so_again(self, make_machine, make_card):
        """What was missing is in RAM by plan, so the bytes say nothing; that the plan was not met does."""
        first = plan(make_machine(make_card()), GPT_OSS)
        record = self.spilled(size_vram_bytes=5 * GIB, size_bytes=14 * GIB, gpu_bytes=first["models"][0]["gpu_bytes"])[self.KEY]
        proofs = {"gpt-oss:20b@abc": record}
        again = plan(make_machine(make_card()), GPT_OSS, proofs=proofs)
        assert again["models"][0]["context"] < 8192
        assert "since at 8192 tokens less of it was on the cards than planned" in again["models"][0]["reason"]
        short = dict(GPT_OSS, context=4096)
        assert plan(make_machine(make_card()), short, proofs=proofs)["models"] == plan(make_machine(make_card()), short)["models"]
        whole = make_machine(make_card("RTX 4060 Ti", 16376, 376))
        assert plan(whole, {"model": "gpt-oss:20b", "context": 8192}, proofs=proofs)["models"][0]["placement"] == "gpu"

    def test_it_stays_calm_once_the_smaller_setting_holds(self, make_machine, make_card):
        proofs = {self.KEY: {"ollama_version": "0.32.15", "context_length": 4096, "ok": True, "spilled": list(self.spilled().values())}}
        first = plan(make_machine(make_card()), proofs=self.spilled())
        assert plan(make_machine(make_card()), proofs=proofs)["models"] == first["models"]

    def test_another_version_other_cards_or_a_dead_driver_are_no_reason(self, make_machine, make_card):
        fresh = plan(make_machine(make_card()))["models"]
        for more in ({"ollama_version": "0.31.0"}, {"devices": ["RTX 4090 24000"]}, {"size_vram_bytes": 0}):
            assert plan(make_machine(make_card()), proofs=self.spilled(**more))["models"] == fresh
        cards = plan(make_machine(make_card()))["cards"]
        assert plan(make_machine(make_card()), proofs=self.spilled(devices=cards))["models"] != fresh


def test_the_hosts_own_server_is_believed(make_machine, make_card):
    """model_oracle said that 500 MiB are missing: the plan saves at least those."""
    from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.choice.spills import from_oracle

    before = plan(make_machine(make_card()))["models"][0]
    answer = {"asked": True, "where": "device", "fits": False, "missing_bytes": 500 * MIB, "free_bytes": 11 * GIB}
    results = [dict(answer, ansible_loop_var="planned", planned=before)]
    after = plan(make_machine(make_card()), proofs=from_oracle(results, "0.32.15"))["models"][0]
    assert before["memory"]["total_bytes"] - after["memory"]["total_bytes"] >= 500 * MIB
    for silent in ({"asked": False}, {"where": "host"}, {"missing_bytes": 0}):
        assert from_oracle([dict(results[0], **silent)], "0.32.15") == {}


@pytest.mark.parametrize("rate,least,said", [(9.97, 10, "9.9"), (9.4, 10, "9.4"), (19.96, 20, "19.9"), (24.9, 25, "24.9"), (31.2, 60, "31")])
def test_a_speed_that_misses_the_floor_does_not_read_like_it(rate, least, said):
    """'about 10.0 tokens a second, below the 10 of' was said of gemma4:31b-it-qat on a Strix Halo."""
    row = Rejected(None, "slow", None, Slow(rate, least))
    assert words.rejected(None, row) == "about %s tokens a second, below the %d of llm_policy.min_tokens_per_second" % (said, least)


@pytest.mark.parametrize("total,lent", [(24, 16), (64, 48)])
def test_a_mac_described_by_hand_has_what_macos_lends_its_gpu(make_machine, make_card, total, lent):
    """Nobody who compares Macs knows that figure; by all of the memory but the system's, 24 GB of it held gemma4:26b and 19 GiB of buffers."""
    host = make_machine(make_card("Apple M4 Pro", total * 1024, vendor="apple", unified=True, type="integrated"), ram=total)
    del host["devices"][0]["memory_usable_bytes"]
    (card,) = budget.host(host).cards
    assert card.budget == lent * GIB


def test_a_miss_that_rounds_away_is_told_in_mebibytes(make_machine, make_card):
    """'would need 4.5 GiB of 4.5 GiB' helps nobody."""
    found = plan(make_machine(make_card("NVIDIA GeForce RTX 3060 Laptop GPU", 6144, 1584), ram=8), {"family": "qwen3", "context": 16384})
    (row,) = [row for row in found["rejected"] if row["name"] == "qwen3:4b"]
    assert 0 < row["short_by_bytes"] < 40 * MIB
    assert row["why"] == "would need %d MiB more than 4.5 GiB" % -(-row["short_by_bytes"] // MIB)
    assert found["models"][0]["reason"].split("; ")[1].startswith("4b would need %d MiB more" % -(-row["short_by_bytes"] // MIB))
