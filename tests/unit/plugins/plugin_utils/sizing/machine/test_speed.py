# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tokens a second of a placement, computed by hand beside the code."""

from __future__ import annotations

import pytest
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing import data, versions
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.machine import bandwidth, budget, placement, speed
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.source import catalogue
from support import GIB, machines

VERSION = (0, 32, 15)


def shape(family, tag):
    return catalogue.find(family, tag).shape


def placed(model, host, context=8192, how=placement.on_gpu):
    load = placement.Load(context, 1, "f16", "f16", True)
    rules = placement.Rules(VERSION, versions.era_of_ollama(VERSION), GIB)
    if how is placement.on_cpu:
        return placement.on_cpu(model, load, rules, host.ram_budget)
    if how is placement.partly:
        return placement.partly(model, load, rules, host, [card.budget for card in host.cards], host.ram_budget, 0.0)
    return placement.on_gpu(model, load, rules, host, [card.budget for card in host.cards])


def cache_of(model, tokens):
    """llama and qwen: keys and values of every layer in f16."""
    return tokens * model.layers * 2 * max(model.kv_heads) * model.dk * 2


def test_one_card_reads_weights_and_cache_and_starts_kernels():
    """The formula itself: each term that is left out moves this figure."""
    host = budget.host(machines.machine(machines.card("NVIDIA GeForce RTX 4090", 24576)))
    model = shape("llama3.1", "8b")
    found = speed.estimate(model, placed(model, host), host)
    for rate, tokens in ((found.predicted, 1024), (found.at_full_context, 8192)):
        seconds = (model.gpu_weights + cache_of(model, tokens)) / (1008e9 * 0.85) + 32 * 55e-6
        assert rate == pytest.approx(1 / seconds, rel=1e-6)


def test_cards_work_in_turn():
    """Two cards hold more and are no faster: each reads its part while the other waits."""
    host = budget.host(machines.machine(*(machines.card("NVIDIA GeForce RTX 3090", 24576, 316, i) for i in range(2))))
    model = shape("llama3.3", "70b")
    where = placed(model, host)
    seconds = (model.gpu_weights + cache_of(model, 1024)) / (936.2e9 * 0.85) + 80 * 55e-6 + 200e-6
    assert where.kind == "multi_gpu"
    assert speed.estimate(model, where, host).predicted == pytest.approx(1 / seconds, rel=1e-3)


def test_a_mixture_of_experts_reads_the_experts_of_a_token_only():
    """30b-a3b as a dense model would come out at a fifth of its speed and lose against every 8b."""
    host = budget.host(machines.machine(machines.card("NVIDIA GeForce RTX 4090", 24576)))
    model = shape("qwen3", "30b-a3b")
    seconds = (model.active_bytes + cache_of(model, 1024)) / (1008e9 * 0.85) + 48 * 55e-6 * 2
    assert speed.estimate(model, placed(model, host), host).predicted == pytest.approx(1 / seconds, rel=1e-3)
    assert model.active_bytes < model.gpu_weights / 5


def test_experts_in_ram_are_read_from_ram():
    """Dense parts and cache on the card at its speed, the experts of a token at that of the RAM."""
    host = budget.host(machines.machine(machines.card("NVIDIA GeForce RTX 3090", 24576), cpu={"count": 16}))
    model, (card,) = shape("gpt-oss", "120b"), host.cards
    whole = placed(model, budget.host(machines.machine(machines.card("NVIDIA H100 80GB HBM3", 81559))))
    dense, cached = model.gpu_weights - model.expert_bytes, whole.shares[0].kv
    shares = (placement.Share(card, dense, cached, 0, 0, 0), placement.Share(None, model.expert_bytes + model.input_bytes, 0, 0, 0, 0))
    found = speed.estimate(model, whole._replace(kind="experts", shares=shares), host)
    read = model.expert_bytes * model.experts_used / model.experts
    on_card = model.active_bytes - read
    floor = read / (51.2e9 * 0.5) + model.blocks * 100e-6 + on_card / (936.2e9 * 0.85) + 36 * 55e-6 * 2
    assert 1 / floor * 0.93 < found.predicted < 1 / floor  # the cache of a window is not computed here
    assert found.predicted > 8


def test_the_experts_that_the_plan_puts_into_ram_are_the_ones_that_are_read_there():
    """The estimate reads a placement's shares; a change of their meaning would make experts in RAM as fast as on the card."""
    host = budget.host(machines.machine(machines.card("NVIDIA GeForce RTX 3090", 24576), ram=128, cpu={"count": 16}))
    model = shape("gpt-oss", "120b")
    load, rules = placement.Load(8192, 1, "f16", "f16", True), placement.Rules(VERSION, versions.era_of_ollama(VERSION), GIB)
    where = placement.experts(model, load, rules, host, [card.budget for card in host.cards], host.ram_budget)
    away = model.gpu_weights - sum(share.weights for share in where.shares if share.card)
    assert 0.4 * model.expert_bytes < away < model.expert_bytes
    found = speed.estimate(model, where, host)
    in_ram = away * model.experts_used / model.experts / 25.6e9 + 100e-6 * model.blocks * away / model.expert_bytes
    assert in_ram < 1 / found.predicted < in_ram + 36 * 2 * 55e-6 + model.active_bytes / (936.2e9 * 0.85) + 0.001


def test_recurrent_layers_start_more_kernels():
    """Hybrids (qwen3.6) were predicted too fast without it."""
    pace = bandwidth.Pace(10**12, 0.85, 55e-6)
    plain, hybrid, both = (
        speed.seconds([speed.Part(0, 40, pace)], hybrid=recurrent, experts=mixture) for recurrent, mixture in ((False, False), (True, False), (True, True))
    )
    assert (hybrid / plain, both / plain) == (pytest.approx(1.5), pytest.approx(2.5))


def test_layers_in_ram_cost_the_time_of_ram():
    """A split of whole layers is a few times slower than the card, and the estimate has to say so."""
    host = budget.host(machines.machine(machines.card("NVIDIA GeForce RTX 4060", 6144), cpu={"count": 16}))
    model = shape("llama3.1", "8b")
    where = placed(model, host, how=placement.partly)
    on_card = where.shares[0]
    in_ram = model.gpu_weights - on_card.weights
    cache = cache_of(model, 1024)
    near = cache * on_card.kv / sum(share.kv for share in where.shares)
    seconds = (on_card.weights + near) / (272e9 * 0.85) + where.num_gpu * 55e-6
    seconds += (in_ram + cache - near) / (51.2e9 * 0.5) + (32 - where.num_gpu) * 100e-6
    assert where.kind == "partial"
    assert speed.estimate(model, where, host).predicted == pytest.approx(1 / seconds, rel=1e-3)


@pytest.mark.parametrize(("cores", "rate"), [(None, 25.6e9), (16, 25.6e9), (2, 13e9)])
def test_few_cores_bound_before_the_memory_does(cores, rate):
    """Two virtual cores compute 13 GB of weights a second, whatever the memory behind them gives."""
    host = budget.host(machines.machine(cpu={"count": cores}))
    model = shape("llama3.1", "8b")
    found = speed.estimate(model, placed(model, host, how=placement.on_cpu), host)
    assert found.predicted == pytest.approx(rate / (model.active_bytes + cache_of(model, 1024)), rel=1e-6)


@pytest.mark.parametrize(("family", "tag"), [("deepseek-r1", "8b"), ("deepseek-r1", "7b"), ("llama3.1", "8b")])
def test_an_unknown_machine_without_a_gpu_carries_a_7b_at_five_tokens(family, tag):
    """The default bandwidth is chosen for this: such machines answer a 7b or 8b at a bearable speed, and were refused before."""
    host = budget.host(machines.machine(cpu={"count": 4}))
    model = shape(family, tag)
    assert speed.estimate(model, placed(model, host, how=placement.on_cpu), host).predicted >= 5


@pytest.mark.parametrize(
    ("family", "tag", "card", "ram", "rate"),
    [
        ("llama3.3", "70b-instruct-q8_0", {"name": "NVIDIA GB10", "total": 120 * 1024}, 128, 3.0),
        ("gpt-oss", "120b", {"name": "NVIDIA GB10", "total": 120 * 1024}, 128, 50),
        ("llama3.3", "70b-instruct-q8_0", {"name": "Radeon 8060S", "vendor": "amd", "gfx_target": "gfx1151", "total": 110 * 1024}, 128, 2.6),
    ],
)
def test_unified_memory_is_wide_and_slow(family, tag, card, ram, rate):
    """A 70b in q8_0 fits 128 GB of unified memory and answers at 3 tokens a second: the reason for all of this."""
    host = budget.host(machines.machine(machines.card(reserved=0, unified=True, type="integrated", **card), ram=ram))
    model = shape(family, tag)
    assert speed.estimate(model, placed(model, host), host).predicted == pytest.approx(rate, rel=0.1)


def test_an_unknown_card_has_no_estimate():
    """None, never a guess: a floor is not held against what nobody knows."""
    host = budget.host(machines.machine(machines.card("NVIDIA GeForce RTX 6090", 32768)))
    model = shape("llama3.1", "8b")
    assert speed.estimate(model, placed(model, host), host) is None


def test_an_encoder_has_no_estimate_and_a_miss_neither():
    """Embedding models write no tokens; a placement that failed lies nowhere."""
    host = budget.host(machines.machine(machines.card()))
    encoder, large = shape("nomic-embed-text", "v1.5"), shape("llama3.3", "70b")
    assert speed.estimate(encoder, placed(encoder, host, 2048), host) is None
    assert speed.estimate(large, placed(large, host), host) is None


def test_the_constants_are_those_that_were_fitted():
    """docs/sizing.md names them; a slip here would be a change of every estimate."""
    assert data.load("bandwidth")["ram"] == {
        "default_gb_per_second": 51.2, "efficiency": 0.5, "experts_efficiency": 0.35, "core_gb_per_second": 6.5, "layer_us": 100, "card_us": 200,
        "server": {"above_gib": 256, "above_cores": 24, "gb_per_second": 102.4},
    }  # fmt: skip
