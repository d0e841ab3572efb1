# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold for every machine, whatever its cards. Without these tests a rule could be right for the examples only."""

from __future__ import annotations

import json

import machines
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing import catalogue, data, memory
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.plan import make_plan
from hypothesis import given, settings
from hypothesis import strategies as st

MIB = 1024**2
VERSIONS = st.sampled_from(["0.9.3", "0.32.15"])
SIZES = st.integers(1500, 90000)
FAMILIES = st.sampled_from(["deepseek-r1", "qwen3", "gemma3", "llama3.2", "qwen3.5", "gpt-oss"])
TAGS = st.sampled_from([tag for family in data.families() for tag in catalogue.family_tags(family)])


def plan(sizes, family="deepseek-r1", version="0.32.15", context=8192, least=4096, **policy):
    cards = [machines.card("card", size, 0, i) for i, size in enumerate(sizes)]
    want = {"family": family, "context": context, "min_context": least}
    return make_plan([want], policy, machines.machine(*cards), version, ["catalogue"])


def worth(found, family):
    """Quality of a plan: the place of its tag in the family, then the conceded cache and context."""
    if not found["ok"]:
        return (-1, 0, 0)
    entry = found["models"][0]
    names = [tag.name for tag in catalogue.family_tags(family)][::-1]
    return (names.index(entry["name"]), entry["kv_cache_type"] == "f16", entry["context"])


@settings(max_examples=60, deadline=None)
@given(SIZES, st.integers(0, 20000), FAMILIES, VERSIONS)
def test_more_memory_never_gives_a_worse_plan(size, more, family, version):
    assert worth(plan([size + more], family, version), family) >= worth(plan([size], family, version), family)


@settings(max_examples=60, deadline=None)
@given(st.lists(SIZES, min_size=1, max_size=4), FAMILIES, VERSIONS, st.integers(1, 4))
def test_no_plan_exceeds_a_card(sizes, family, version, parallel):
    found = plan(sizes, family, version, parallel=parallel)
    for entry in found["models"]:
        for device in entry["devices"]:
            assert device["total_bytes"] <= device["budget_bytes"] == sizes[device["index"]] * MIB
            parts = ("weights_bytes", "kv_cache_bytes", "compute_bytes", "overhead_bytes", "margin_bytes")
            assert sum(device[part] for part in parts) == device["total_bytes"]
        total = entry["memory"]["total_bytes"]
        assert total == sum(device["total_bytes"] for device in entry["devices"]) == entry["budget_bytes"] - entry["headroom_bytes"]


@settings(max_examples=40, deadline=None)
@given(st.lists(SIZES, min_size=2, max_size=4), st.randoms(use_true_random=False), VERSIONS)
def test_the_order_of_the_cards_changes_nothing(sizes, random, version):
    cards = [machines.card("card", size, 0, i) for i, size in enumerate(sizes)]
    shuffled = cards[:]
    random.shuffle(shuffled)
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
    """With exactly the missing bytes added, the tag fits."""
    found = plan([size], family, kv_cache_types=["f16"])
    for row in found["rejected"][-2:]:
        if row["short_by_bytes"]:
            extra = -(-row["short_by_bytes"] // MIB) + 1
            again = plan([size + extra], family, kv_cache_types=["f16"])
            assert row["name"] not in [other["name"] for other in again["rejected"]]
