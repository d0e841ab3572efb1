# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold for every machine, whatever its cards. Without these tests a rule could be right for the examples only."""

from __future__ import annotations

import json
import random

from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing import data
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.choice import candidates
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.model import memory
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.plan import make_plan
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.source import catalogue
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support import MIB, machines

# A floor that is half of one context and an eighth of another.
FLOORS = [{"family": "deepseek-r1", "context": size, "min_context": 4096} for size in (4096, 32768)]
VERSIONS = st.sampled_from(["0.9.3", "0.32.15"])
SIZES = st.integers(1500, 90000)
FAMILIES = st.sampled_from(["deepseek-r1", "qwen3", "gemma3", "llama3.2", "qwen3.5", "gpt-oss"])
TAGS = st.sampled_from([tag for family in data.families() for tag in catalogue.family_tags(family)])


WANTS = st.one_of(
    st.builds(lambda family, size: {"family": family, "context": size, "min_context": 4096}, FAMILIES, st.sampled_from([4096, 8192, 32768])),
    st.sampled_from(["nomic-embed-text", "gemma3:4b", "llama3.2:3b"]).map(lambda name: {"model": name}),
)


def plan(sizes, family="deepseek-r1", version="0.32.15", context=8192, least=4096, **policy):
    cards = [machines.card("card", size, 0, i) for i, size in enumerate(sizes)]
    want = {"family": family, "context": context, "min_context": least}
    return make_plan([want], policy, machines.machine(*cards), version, ["catalogue"])


def worth(found):
    """A plan as the order of concessions sees it: whole on the cards, half of the contexts, sizes, the rest of the context, the loss of heavier weights,
    the cache. Whole comes first: system memory is slow, and nothing lies there in part while all of it fits the cards at the floor that was stated. Weights
    of which no layer lies on a card gain nothing by being heavier."""
    if not found["ok"]:
        return (-1,)
    whole, half, sizes, contexts, losses, exact = 0, 0, 0.0, 0, 0.0, 0
    for entry in found["models"]:
        row = catalogue.find(entry["family"], entry["tag"])
        wanted = entry["requested"].get("context", 8192)
        trained = max(tag.shape.context_train or wanted for tag in catalogue.family_tags(entry["family"]))
        whole += entry["placement"] not in ("partial", "cpu")
        half += 2 * entry["context"] >= min(wanted, trained) or bool(entry["embedding"])
        sizes += candidates.worths(entry["family"])[row.size] * (0.25 if entry["embedding"] else 1)
        contexts, losses = contexts + entry["context"], losses - (1 if entry["placement"] == "cpu" else row.quality["loss"])
        exact += entry["kv_cache_type"] == "f16" and entry["placement"] in ("gpu", "multi_gpu")
    return whole, half, round(sizes, 6), contexts, round(losses, 6), exact


@settings(max_examples=60, deadline=None)
@given(SIZES, st.integers(0, 20000), FAMILIES, VERSIONS)
@example(1766, 75, "deepseek-r1", "0.32.15")  # heavier weights on the processor, then lighter ones in part on the card
def test_more_memory_never_gives_a_worse_plan(size, more, family, version):
    assert worth(plan([size + more], family, version)) >= worth(plan([size], family, version))


@settings(max_examples=30, deadline=None)
@given(st.lists(SIZES, min_size=1, max_size=4), FAMILIES, VERSIONS, st.integers(1, 4))
@example([2780, 2780, 2780], "qwen3.5", "0.32.15", 1)  # the buffers of experts in system memory passed the first card
def test_no_plan_exceeds_a_card(sizes, family, version, parallel):
    found = plan(sizes, family, version, parallel=parallel, allow_partial_offload=False)
    for entry in found["models"]:
        for device in entry["devices"]:
            assert device["total_bytes"] <= device["budget_bytes"] == sizes[device["index"]] * MIB
            parts = ("weights_bytes", "kv_cache_bytes", "compute_bytes", "overhead_bytes", "margin_bytes")
            assert sum(device[part] for part in parts) == device["total_bytes"]
        total = entry["memory"]["total_bytes"]
        assert total == sum(device["total_bytes"] for device in entry["devices"]) == entry["budget_bytes"] - entry["headroom_bytes"]


@settings(max_examples=40, deadline=None)
@given(st.lists(SIZES, min_size=2, max_size=4), st.randoms(use_true_random=False), VERSIONS)
def test_the_order_of_the_cards_changes_nothing(sizes, chance, version):
    cards = [machines.card("card", size, 0, i) for i, size in enumerate(sizes)]
    shuffled = cards[:]
    chance.shuffle(shuffled)
    want = [{"family": "deepseek-r1", "context": 8192, "min_context": 4096}]
    one, other = (make_plan(want, {}, machines.machine(*order), version, ["catalogue"]) for order in (cards, shuffled))
    assert json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


@settings(max_examples=80, deadline=None)
@given(TAGS, st.integers(512, 65536), st.integers(1, 32768), st.sampled_from(["f16", "q8_0", "q4_0"]))
def test_more_context_never_needs_less(tag, context, more, kind):
    if not tag.shape.flash_attention:
        kind = "f16"
    one, other = (
        memory.describe(tag.shape, memory.settings_for(tag.shape, size, 1, kind, True, (0, 32, 15), 512))
        for size in (context, context + more)
    )
    assert other["total_bytes"] >= one["total_bytes"]
    assert all(value >= 0 for value in one.values())


@settings(max_examples=40, deadline=None)
@given(SIZES, FAMILIES, VERSIONS)
def test_the_same_input_gives_the_same_plan(size, family, version):
    assert json.dumps(plan([size], family, version)) == json.dumps(plan([size], family, version))


@settings(max_examples=40, deadline=None)
@given(SIZES, FAMILIES)
def test_every_rejected_tag_is_really_too_large(size, family):
    """With exactly the missing bytes added, the tag fits. At 4096 tokens, since with more of them Ollama takes a larger micro-batch on a larger card."""
    found = plan([size], family, context=4096, kv_cache_types=["f16"])
    for row in found["rejected"][-2:]:
        if row["short_by_bytes"]:
            extra = -(-row["short_by_bytes"] // MIB) + 1
            again = plan([size + extra], family, context=4096, kv_cache_types=["f16"])
            assert row["name"] not in [other["name"] for other in again["rejected"]]


def together(sizes, wants, version="0.32.15", **policy):
    cards = [machines.card("card", size, 0, i) for i, size in enumerate(sizes)]
    return make_plan(wants, policy, machines.machine(*cards), version, ["catalogue"])


@settings(max_examples=40, deadline=None)
@given(st.lists(SIZES, min_size=1, max_size=4), st.lists(WANTS, min_size=1, max_size=4), VERSIONS, st.integers(1, 4), st.booleans())
def test_models_that_stay_loaded_never_exceed_a_card_together(sizes, wants, version, parallel, partly):
    found = together(sizes, wants, version, parallel=parallel, allow_partial_offload=partly)
    used = dict.fromkeys(range(len(sizes)), 0)
    for entry in found["models"]:
        assert partly or entry["placement"] in ("gpu", "multi_gpu", "experts")
        assert entry["context"] >= entry["requested"].get("min_context", 0)
        for device in entry["devices"]:
            used[device["index"]] += device["total_bytes"] - device["margin_bytes"]
            assert used[device["index"]] <= device["budget_bytes"] == sizes[device["index"]] * MIB
    for index, size in enumerate(sizes):  # whichever was loaded last still had its margin
        margins = [device["margin_bytes"] for entry in found["models"] for device in entry["devices"] if device["index"] == index]
        assert used[index] + min(margins, default=0) <= size * MIB


@settings(max_examples=60, deadline=None)
@given(SIZES, st.lists(WANTS, min_size=2, max_size=3), st.integers(0, 20000), st.randoms(use_true_random=False))
@example(1500, [FLOORS[0], FLOORS[1]], 2572, random.Random(0))  # in part at half of the context, then whole at the floor
@example(7181, [{"family": "gpt-oss", "context": 32768, "min_context": 4096}, {"model": "nomic-embed-text"}], 7181, random.Random(0))  # experts, then whole
@example(17239, [{"family": "qwen3.5", "context": 4096, "min_context": 4096}, {"model": "nomic-embed-text"}], 988, random.Random(0))  # 27b then fits alone
def test_what_several_models_get_is_no_accident(size, wants, more, chance):
    """Another order of the list, a larger card, one model less, or models in turns never turn a plan into none.

    One card: over several, Ollama's own rules (a model spreads over all cards if it is believed too large for one) make no such promise.
    """
    sizes = [size]
    found = together(sizes, wants)
    shuffled = wants[:]
    chance.shuffle(shuffled)
    if found["ok"]:
        assert together(sizes, shuffled)["ok"]
        assert worth(together([size + more], wants)) >= worth(found)
        assert together(sizes, wants[:-1])["ok"]
        assert together(sizes, wants, resident="one")["ok"]


@settings(max_examples=60, deadline=None)
@given(st.integers(8, 512), st.lists(WANTS, min_size=1, max_size=3), st.sampled_from(["apple", "nvidia", "amd"]))
@example(10, [{"family": "deepseek-r1", "context": 4096, "min_context": 4096}, {"model": "gemma3:4b"}], "apple")  # would not fit with layers on the CPU either
def test_unified_memory_is_one_pool(gigabytes, wants, vendor):
    """Apple, GB10, Strix Halo: with the host's buffers all models stay below what the machine leaves to them."""
    pool = gigabytes * 1024
    usable = pool * 3 // 4 if vendor == "apple" else pool
    card = machines.card("soc", usable, 0, vendor=vendor, unified=True, type="integrated", gfx_target="gfx1151", memory_dedicated_bytes=0)
    found = make_plan(wants, {}, machines.machine(card, ram=gigabytes), "0.32.15", ["catalogue"])
    used = 0
    for entry in found["models"]:
        assert entry["placement"] == "gpu"
        used += entry["memory"]["total_bytes"] - entry["memory"]["margin_bytes"]
    system = max(min(4 * 1024, pool // 3), pool // 10)
    assert used <= min(usable, pool - system) * MIB
