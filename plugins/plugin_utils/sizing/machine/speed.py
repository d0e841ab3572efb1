# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tokens a second that one stream gets: the bytes that a token reads over the bandwidth of where they lie. docs/sizing.md, speed."""

from __future__ import annotations

import collections
import functools

from .. import data
from ..model import memory as model_memory

NOMINAL_TOKENS = 1024  # in the cache where a rate is stated without the context
HYBRID_LAUNCHES = 0.5  # a recurrent layer starts so many more kernels than one of attention
EXPERT_LAUNCHES = 1.0

# Tokens a second with NOMINAL_TOKENS in the cache, and with the whole context of one sequence in it.
Rate = collections.namedtuple("Rate", "predicted at_full_context")
# What one token reads on one device, and the device. pace: bandwidth.Pace.
Part = collections.namedtuple("Part", "bytes layers pace")
# What one token reads from system memory. layers: those that are computed there beside a GPU; experts: a whole model with experts on the CPU.
InRam = collections.namedtuple("InRam", "bytes layers experts", defaults=(0, False))


def estimate(shape, placed, host):
    """The Rate of a model (model.shape.Shape) where it lies (placement.Placement with shares) on a machine (budget.Host).

    None for an encoder, which writes no tokens, where the bandwidth of a card that it needs is unknown, and where nothing is placed.
    """
    nominal = predicted(shape, placed, host)
    return None if nominal is None else Rate(nominal, _at(shape, placed, host, placed.settings.context))


def predicted(shape, placed, host):
    """The first of estimate's rates alone, for who only holds a floor against it."""
    if shape.encoder or not placed.shares or any(share.card is not None and share.card.pace is None for share in placed.shares):
        return None
    return _at(shape, placed, host, min(NOMINAL_TOKENS, placed.settings.context))


def _at(shape, placed, host, tokens):
    on_cards = tuple((share.weights, share.kv, share.card.pace) for share in placed.shares if share.card is not None)
    kept = sum(share.kv for share in placed.shares if share.card is None)
    cache = _cache_read(shape, placed.settings, tokens)
    return 1 / _seconds(shape, placed.kind, placed.num_gpu, on_cards, kept, cache, host.ram_bandwidth, host.cores)


@functools.lru_cache(maxsize=65536)
def _seconds(shape, kind, num_gpu, on_cards, kept, cache, ram_bandwidth, cores):
    """on_cards: (weights, cache, pace) of each card; kept: cache in system memory; cache: bytes that a token reads of all of it."""
    weights, active, blocks = shape.gpu_weights, shape.active_bytes, max(1, shape.blocks)
    if not on_cards:
        return seconds((), InRam(active + cache, 0, bool(shape.experts)), ram_bandwidth, cores)
    on_card = min(sum(part[0] for part in on_cards), weights)
    in_ram = weights - on_card
    held = max(1, kept + sum(part[1] for part in on_cards))
    if kind == "experts":
        away = in_ram * shape.experts_used // max(1, shape.experts)
        layers_away = -(-in_ram * blocks // max(1, shape.expert_bytes))
        layers_here = blocks  # layers of experts in RAM still have their attention on the card
    else:
        away = active * in_ram // max(1, weights)
        layers_away = blocks - num_gpu if kind == "partial" and num_gpu is not None else 0
        layers_here = blocks - layers_away
    parts = []
    for part_weights, part_cache, pace in on_cards:
        part = part_weights / max(1, on_card)
        parts.append(Part((active - away) * part + cache * part_cache / held, layers_here * part, pace))
    ram = InRam(away + cache * kept / held, layers_away) if away or kept else None
    return seconds(parts, ram, ram_bandwidth, cores, bool(shape.experts), any(shape.recurrent))


def seconds(parts, ram=None, ram_bandwidth=None, cores=None, experts=False, hybrid=False):
    """The time of one token: cards in turn, then what lies in system memory."""
    known = data.load("bandwidth")["ram"]
    launches = 1 + (EXPERT_LAUNCHES if experts else 0) + (HYBRID_LAUNCHES if hybrid else 0)
    total = max(0, len(parts) - 1) * known["card_us"] / 1e6
    for part in parts:
        total += part.bytes / (part.pace.bandwidth * part.pace.efficiency) + part.layers * part.pace.launch * launches
    if ram:
        rate = ram_bandwidth * known["experts_efficiency" if ram.experts else "efficiency"]
        if cores:
            rate = min(rate, cores * known["core_gb_per_second"] * 1e9)  # a few cores cannot use what the memory gives
        total += ram.bytes / rate + ram.layers * known["layer_us"] / 1e6
    return total


@functools.lru_cache(maxsize=65536)
def _cache_read(shape, settings, tokens):
    """Bytes of cache and state that one sequence with so many tokens reads for the next one."""
    one = settings._replace(context=max(1, tokens), parallel=1)
    found = model_memory.memory(shape, one)
    return found.kv + found.recurrent
