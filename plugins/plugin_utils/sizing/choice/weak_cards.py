# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A card too many: Ollama spreads a model over all cards, and each of them wants its own buffers and margin. Where the plan is better without some of the
cards, or the same but for the type of the cache at a good deal more of speed, the service is shown the others only."""

from __future__ import annotations

import collections
import itertools
import math

from ..machine import speed
from . import floor
from .case import worth
from .search import Search

_WANTS = 4  # up to which every choice of cards is tried; of more, unequal cards are left out from the smallest on, and from the slowest on
_CHOICES = 16  # that are tried at most


def leave_out(case, search, outcome):
    """(case, search, outcome, cards left out): as given, unless the same wants get more on fewer cards."""
    return _fewer(case, search, outcome) if _named(case) else (case, search, outcome, ())


def spoiling(case, search, outcome):
    """Cards without which the plan would be better, but which nothing hides from Ollama for certain."""
    return () if _named(case) else _fewer(case, search, outcome)[3]


def _named(case):
    """Only NVIDIA's driver takes a list of identities that is certain to mean these cards."""
    return all(card.group == "nvidia" and card.key.startswith("GPU-") for card in case.host.cards)


def _fewer(case, search, outcome):
    """The best of every choice of cards, so that no card which somebody plugs in makes a plan worse: a small one wants its buffers, a large one may be slow,
    and one like the others makes Ollama take a larger micro-batch."""
    cards, many = case.host.cards, len(case.wanted) > _WANTS
    alike = len({(card.budget, card.pace) for card in cards}) < 2
    if len(cards) < 2 or outcome.problems or alike and (many or _has_all(outcome)):
        return case, search, outcome, ()
    found, most = (case, search, outcome, ()), worth(outcome)
    for kept in _choices(cards, many):
        fewer = case._replace(host=case.host._replace(cards=tuple(card for card in cards if card in kept)))
        other = Search(fewer)
        tried = other.run()
        gets = worth(tried)
        if tried.problems or gets[:-1] < most[:-1]:
            continue
        before, after = slowest(*found[::2]), slowest(fewer, tried)
        # The type of the cache, which is the last concession, is no reason to be slow.
        if gets[:-1] > most[:-1] or gets > most and after >= before or after > floor.FASTER * (before or float("inf")):
            found, most = (fewer, other, tried, tuple(card for card in cards if card not in kept)), gets
    return found


def _choices(cards, many):
    """Sets of cards to keep, none of them all: of equal cards one is as good as another. The fewest left out first, and the smallest ones."""
    kinds = collections.defaultdict(list)
    for card in sorted(cards, key=lambda card: (-card.budget, card.key)):
        kinds[card._replace(key="", index=0)].append(card)
    by_kind = list(kinds.values())
    counts = [range(len(equal), -1, -1) for equal in by_kind]
    if many or math.prod(map(len, counts)) - 2 > _CHOICES:
        largest_first = list(itertools.chain(*by_kind))
        fastest_first = sorted(largest_first, key=lambda card: -card.pace.bandwidth if card.pace else 0)
        firsts = [set(order[:count]) for count in range(len(cards) - 1, 0, -1) for order in (largest_first, fastest_first)]
        return [kept for i, kept in enumerate(firsts) if kept not in firsts[:i]]
    chosen = [set(itertools.chain(*(equal[:count] for equal, count in zip(by_kind, choice)))) for choice in itertools.product(*counts)]
    return sorted((kept for kept in chosen if 0 < len(kept) < len(cards)), key=lambda kept: -len(kept))


def slowest(case, outcome):
    """Tokens a second of the slowest model that answers; 0 where one of them is not known."""
    rates = [speed.predicted(item.candidate.shape, item.placed, case.host) for item in outcome.chosen if not item.candidate.embedding]
    return min(rates) if rates and all(rates) else 0


def _has_all(outcome):
    """Whether nothing was conceded, so that no plan on fewer of cards that are all alike can be better."""
    slow = any(item.placed.kind in ("partial", "cpu") for item in outcome.chosen)
    shorter = any(outcome.load.context < (item.aim.context or 0) for item in outcome.chosen)
    return bool(outcome.chosen) and outcome.load.k_type == "f16" and not slow and not shorter and not any(item.rejected for item in outcome.chosen)
