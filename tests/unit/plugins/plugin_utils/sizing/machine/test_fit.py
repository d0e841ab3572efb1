# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What llama.cpp's fit does where its default split does not hold. Without these tests unequal cards and experts in RAM would be promised wrongly."""

from __future__ import annotations

import pytest
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.machine import budget, placement
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.machine.placement import Load, Rules, share_total
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.model.memory import OVERHEAD, PROCESS_RAM, memory
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.model.shape import Shape
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.source import catalogue
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.versions import era
from hypothesis import given, settings
from hypothesis import strategies as st
from support import GIB, MIB, machines

RULES = Rules((0, 32, 15), era("ii"), GIB)
CUDA = OVERHEAD["cuda"]
MARGIN = RULES.fit_margin


def load(context=8192):
    return Load(context, 1, "f16", "f16", True)


def shape_of(name):
    family, tag = name.split(":")
    return catalogue.find(family, tag).shape


def host(*sizes, ram=64, **more):
    return budget.host(machines.machine(*(machines.card("card", size, 0, i, **more) for i, size in enumerate(sizes)), ram=ram))


def made(layers, experts, dense, output, arch="qwen3moe", **more):
    """A model of equal layers: MiB of experts and of all else in each, and of the output matrix; its cache is 1 MiB a layer for 1024 tokens."""
    keys = {
        "block_count": layers, "embedding_length": 256, "feed_forward_length": 512, "attention.head_count": 4, "attention.head_count_kv": 2,
        "attention.key_length": 128, "attention.value_length": 128, "context_length": 131072, "vocab_size": 1000, **more,
    }  # fmt: skip
    if experts:
        keys.update({"expert_count": 64, "expert_used_count": 4, "expert_feed_forward_length": 128})
    metadata = {"%s.%s" % (arch, key): value for key, value in keys.items()}
    sums = {"layers": [(experts + dense) * MIB] * layers, "input": output * MIB, "output": output * MIB, "experts": experts * layers * MIB}
    return Shape(dict(metadata, **{"general.architecture": arch, "tensor_bytes": sums}))


def base(shape, context):
    """(what a card takes before any layer, cache of one layer) of a made model whose experts are moved."""
    found = memory(shape, placement._settings(shape, load(context), RULES, 0, 0, "cuda"))
    return CUDA + MARGIN + found.compute + found.mask, found.kv_layers[0]


@pytest.mark.parametrize(
    "layers,experts,room,full",
    # By hand from published logs of llama.cpp: RTX 3060 with 6023 MiB beside dense parts, cache and buffers, and 357 MiB of experts a layer
    # (am17an/llama.cpp#6: 25 of 41 layers overflow); RTX 2000 Ada with 945 MiB and 466 MiB (ggml-org/llama.cpp#22673).
    [(41, 357, 6023, 16), (41, 466, 945, 2), (41, 357, 356, 0), (41, 357, 41 * 357 - 1, 40)],
)
def test_layers_get_their_experts_from_the_front_while_they_fit(layers, experts, room, full):
    shape = made(layers, experts, dense=40, output=300)
    fixed, cache = base(shape, 1024)
    size = fixed + experts * MIB + 300 * MIB + layers * (40 * MIB + cache) + room * MIB  # the experts of a layer once more, for prompts
    found = placement.experts(shape, load(1024), RULES, host(1)._replace(cards=(host(1).cards[0]._replace(budget=size),)), [size], 64 * GIB)
    on_card, in_ram = found.shares
    assert (found.kind, found.num_gpu) == ("experts", None)
    assert on_card.weights == (300 + layers * 40 + full * experts) * MIB and on_card.kv == layers * cache
    assert in_ram.card is None and in_ram.weights == (300 + (layers - full) * experts) * MIB  # with the token embedding


def test_over_two_cards_the_dense_parts_lie_on_the_last_and_whole_layers_on_the_first():
    """By hand: 10 layers of 40 + 400 MiB. Either card holds all dense parts; the first one then takes what whole layers it can, and the last one
    turns as many of those that are left into whole ones."""
    shape = made(10, 400, dense=40, output=100)
    fixed, cache = base(shape, 1024)
    one = fixed + 400 * MIB
    left = [one + 3 * (440 * MIB + cache) + 10 * MIB, one + 100 * MIB + 10 * (40 * MIB + cache) + 2 * 400 * MIB]
    shares, in_ram = placement._experts_laid(shape, placement._settings(shape, load(1024), RULES, 0, 0, "cuda"), RULES, host(9000, 9001).cards, left)
    # Three layers leave the last card with their dense parts: 3 x 41 MiB, too little for another 400 MiB.
    assert [share.weights // MIB for share in shares] == [3 * 440, 100 + 7 * 40 + 2 * 400]
    assert in_ram == 5 * 400 * MIB
    assert all(share_total(share) <= amount for share, amount in zip(shares, left, strict=True))


@pytest.mark.parametrize(
    "name,cards,ram,kind",
    # The commonest setups with a mixture of experts; what leaves the card has to fit four fifths of the RAM.
    [
        ("gpt-oss:120b", [24576], 64, "experts"),
        ("gpt-oss:120b", [24576], 48, None),
        ("gpt-oss:20b", [12288], 16, "experts"),
        ("gpt-oss:20b", [8192], 16, "experts"),
        ("gpt-oss:20b", [8192], 8, None),
        ("qwen3-coder:30b", [12288], 32, "experts"),
        ("qwen3-coder:30b", [8192], 32, "experts"),
        ("gpt-oss:120b", [24576, 8192], 64, "experts"),
        ("llama3.3:70b", [24576], 128, None),  # dense: nothing but layers could leave the card
    ],
)
def test_machines_that_people_have(name, cards, ram, kind):
    where = host(*cards, ram=ram)
    found = placement.experts(shape_of(name), load(), RULES, where, placement.usable_left(where), where.ram_budget)
    assert (found and found.kind) == kind


def test_experts_stay_where_memory_is_one_pool_and_where_nobody_fits_them():
    """On a GB10 what leaves the card stays in its memory; before 0.30.0 Ollama counts whole layers."""
    shape = shape_of("gpt-oss:120b")
    soc = host(40000, unified=True, type="integrated")
    assert placement.experts(shape, load(), RULES, soc, placement.usable_left(soc), 999 * GIB) is None
    card = host(24576)
    assert placement.experts(shape, load(), RULES._replace(version=(0, 9, 3)), card, placement.usable_left(card), 999 * GIB) is None
    assert placement.experts(shape, load(), RULES, host(), [], 999 * GIB) is None
    tiny = host(3000)
    assert placement.experts(shape, load(), RULES, tiny, placement.usable_left(tiny), 999 * GIB) is None  # not even the dense parts


MIXTURES = st.sampled_from(["gpt-oss:20b", "gpt-oss:120b", "qwen3:30b-a3b", "qwen3-coder:30b"])


@settings(max_examples=60, deadline=None)
@given(MIXTURES, st.lists(st.integers(4000, 40000), min_size=1, max_size=3), st.integers(8, 256), st.sampled_from([4096, 8192, 32768]))
def test_experts_are_all_somewhere_and_nothing_exceeds_anything(name, sizes, ram, context):
    shape, where = shape_of(name), host(*sizes, ram=ram)
    left = placement.usable_left(where)
    found = placement.experts(shape, load(context), RULES, where, left, where.ram_budget)
    if not found:
        return
    cards = [share for share in found.shares if share.card is not None]
    (on_host,) = [share for share in found.shares if share.card is None]
    assert sum(share.weights for share in cards) + on_host.weights == shape.gpu_weights + shape.input_bytes
    assert sum(share.kv for share in cards) == memory(shape, found.settings).kv
    assert share_total(on_host) <= where.ram_budget and on_host.overhead == PROCESS_RAM
    for share in cards:
        assert share_total(share) <= share.card.budget


@settings(max_examples=40, deadline=None)
@given(MIXTURES, st.integers(4000, 60000), st.integers(0, 20000))
def test_a_larger_card_never_leaves_more_experts_in_ram(name, size, more):
    shape = shape_of(name)

    def in_ram(amount):
        where = host(amount, ram=512)
        found = placement.experts(shape, load(), RULES, where, placement.usable_left(where), where.ram_budget)
        whole = placement.on_gpu(shape, load(), RULES, where, placement.usable_left(where))
        return 0 if whole.kind else found.shares[-1].weights if found else 1 << 60

    assert in_ram(size + more) <= in_ram(size)


@pytest.mark.parametrize(
    "name,context,cards",
    # The larger card alone holds the model, or nearly; Ollama spreads it over both, and llama.cpp's default split overfills the small one.
    [("qwen3:32b", 16384, (24576, 6144)), ("qwen3:32b", 16384, (24576, 8192)), ("llama3.3:70b", 8192, (49140, 8192)), ("llama3.3:70b", 8192, (8192, 49140))],
)
def test_unequal_cards_are_filled_one_after_the_other(name, context, cards):
    """These were refused, or had to give up cache or context, because of a card too much."""
    where = host(*cards)
    found = placement.on_gpu(shape_of(name), load(context), RULES, where, placement.usable_left(where))
    assert found.kind == "multi_gpu" and len(found.shares) == 2
    assert sum(share.weights for share in found.shares) == shape_of(name).gpu_weights
    assert all(share_total(share) <= share.card.budget for share in found.shares)


@pytest.mark.parametrize("cards,layers", [((12288,), 30), ((12288, 12288), 0), ((10240, 8192), 0), ((8192, 8192), 38)])
def test_a_dense_model_lies_on_all_cards_as_far_as_they_reach(cards, layers):
    """The second card was left idle, and with it a model of which most would have fitted was refused."""
    shape = shape_of("qwen3:14b")
    where = host(*cards)
    left = placement.usable_left(where)
    whole = placement.on_gpu(shape, load(32768), RULES, where, left)
    found = placement.partly(shape, load(32768), RULES, where, left, where.ram_budget, 0.5)
    assert bool(whole.kind) is (layers == 0)
    if layers:
        assert (found.kind, found.num_gpu, len(found.shares)) == ("partial", layers, len(cards) + 1)
        assert sum(share.weights for share in found.shares) == shape.gpu_weights + shape.input_bytes
        assert all(share_total(share) <= share.card.budget for share in found.shares if share.card)
        assert found.shares[-1].kv == memory(shape, found.settings).kv - sum(share.kv for share in found.shares[:-1])
        assert placement.partly(shape, load(32768), RULES, where, left, where.ram_budget, (layers + 1) / 40) is None
        assert placement.partly(shape, load(32768), RULES, where, left, share_total(found.shares[-1]) - 1, 0.5) is None


def test_of_a_mixture_llama_cpp_moves_experts_and_no_layers():
    """Even where whole layers would be allowed: num_gpu alone would make it count them."""
    where = host(12288)
    found = placement.partly(shape_of("gpt-oss:20b"), load(), RULES, where, placement.usable_left(where), where.ram_budget, 0.8)
    assert found.kind == "experts" and found.num_gpu is None


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["qwen3:14b", "gemma3:12b", "llama3.3:70b"]), st.lists(st.integers(2000, 40000), min_size=1, max_size=4), st.integers(0, 8000))
def test_what_lies_partly_on_cards_exceeds_none_and_more_memory_never_takes_layers_away(name, sizes, more):
    shape = shape_of(name)

    def laid(amounts):
        where = host(*amounts, ram=256)
        left = placement.usable_left(where)
        found = placement.partly(shape, load(), RULES, where, left, where.ram_budget, 0.0)
        for share in found.shares if found else ():
            assert share.card is None or share_total(share) <= share.card.budget
        if placement.on_gpu(shape, load(), RULES, where, left).kind:
            return shape.blocks
        return found.num_gpu if found else 0

    one = laid(sizes)
    assert laid([size + more for size in sizes]) >= one or len(sizes) > 1


def test_the_fit_fills_the_last_card_first_and_pays_for_the_pipeline_from_its_margin():
    """By hand: 10 dense layers of 400 MiB; the last card takes 7 and the output matrix, the first one the other 3 with all copies in its room."""
    shape = made(10, 0, dense=400, output=100, arch="qwen3")
    settings_ = placement._settings(shape, load(1024), RULES, 0, 0, "cuda")
    found, (fixed, cache) = memory(shape, settings_), base(shape, 1024)
    copies = found.pipeline - found.compute - found.mask
    assert 0 < copies < 512 * MIB
    left = [fixed + copies + 3 * (400 * MIB + cache), fixed + 100 * MIB + 7 * (400 * MIB + cache) + 399 * MIB]
    shares = placement._shares_by_fit(shape, settings_, RULES, host(9000, 9001).cards, left)
    assert [share.weights // MIB for share in shares] == [1200, 2900]
    assert [share.margin for share in shares] == [MARGIN, MARGIN - copies]
    assert all(share_total(share) <= amount for share, amount in zip(shares, left, strict=True))
    assert placement._shares_by_fit(shape, settings_, RULES, host(9000, 9001).cards, [left[0] - 1, left[1]]) is None
    # A margin that the policy has lowered has nothing to give to copies.
    assert placement._shares_by_fit(shape, settings_, RULES._replace(fit_margin=512 * MIB), host(9000, 9001).cards, [size - 512 * MIB for size in left]) is None


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["deepseek-r1:32b", "gemma3:12b", "gpt-oss:20b", "qwen3-next:80b", "nomic-embed-text:v1.5"]),
    st.lists(st.integers(2, 90).map(lambda size: size * 512), min_size=1, max_size=4),
    st.sampled_from([4096, 32768, 131072]),
    st.sampled_from(["f16", "q8_0"]),
)
def test_nothing_whole_takes_less_than_the_least_that_a_set_is_held_against(name, sizes, context, kind):
    """Sets whose sum is more than what all cards have are not tried; a sum that is too large would refuse, in silence, what fits."""
    shape, where = shape_of(name), host(*sizes)
    asked = load(context)._replace(k_type=kind, v_type=kind)
    left = placement.usable_left(where)
    found = placement.on_gpu(shape, asked, RULES, where, left)
    least = placement.least_on_gpu(shape, asked, RULES, left)
    if found.kind:
        rest, _ram = placement.spend(left, where, found)
        assert sum(left) - sum(rest) >= least
    if len(sizes) == 1:
        assert least == found.need - MARGIN  # on one card it is the need itself
    assert placement.least_on_gpu(shape, asked, RULES._replace(version=(0, 9, 3)), left) == 0
