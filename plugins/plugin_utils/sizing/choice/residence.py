# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Models that fit together by the plan's arithmetic, but of which Ollama may unload one for another."""

from __future__ import annotations

import collections
import itertools

from .. import versions
from ..machine import ollama_rules, placement

# Ollama believes that an item takes so much beside the largest, of what is then free, and will unload one for the other.
Overrated = collections.namedtuple("Overrated", "item largest believed free")
# An item finds no room where it is loaded after these.
Late = collections.namedtuple("Late", "item after")


def evictions(search, chosen):
    """What may be unloaded although everything fits, as Overrated and Late."""
    case = search.case
    if case.policy.resident == "one" or len(chosen) < 2 or case.version < versions.FIRST_FIT or not case.host.cards:
        return []
    largest_first = sorted(chosen, key=lambda item: -item.placed.need)
    return _overrated(case.host, largest_first) + _late(search, largest_first)


def _overrated(host, largest_first):
    found, left = [], placement.usable_left(host)
    for number, item in enumerate(largest_first):
        free = max(0, sum(left) if item.placed.kind == "multi_gpu" else max(left))
        settings = item.placed.settings
        believed = ollama_rules.predicted(item.candidate.shape, settings.context, settings.parallel)
        if number and believed > ollama_rules.FILL * free:
            found.append(Overrated(item, largest_first[0], believed, free))
        left, _ram = placement.spend(left, host, item.placed)
    return found


def _late(search, largest_first):
    """On several cards it depends on the order of the requests where each model lands, and so whether the last one finds room; one that
    lies partly in system memory takes all that it finds."""
    host = search.case.host
    if len(host.cards) < 2 and not any(item.placed.kind in ("experts", "partial") for item in largest_first):
        return []
    orders = itertools.permutations(largest_first) if len(largest_first) < 5 else [largest_first[::-1]]
    for order in orders:
        left, ram = placement.usable_left(host), host.ram_budget
        for item in order:
            placed = search.place(item, left, ram)
            if not placed.kind:
                return [Late(item, order[: order.index(item)])]
            left, spent = placement.spend(left, host, placed)
            ram -= spent
    return []
