# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A card too many: Ollama spreads a model over all cards, and each of them wants its own buffers and margin. Where the plan is better without the
weakest cards, or the same but for the type of the cache at a good deal more of speed, the service is shown the others only."""

from __future__ import annotations

from ..machine import speed
from .case import worth
from .search import Search

_FASTER = 1.25  # for less, nobody wants to see a card stand idle


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
    cards = case.host.cards
    if len({card.budget for card in cards}) < 2 or outcome.problems or _has_all(outcome):
        return case, search, outcome, ()
    found, most = (case, search, outcome, ()), worth(outcome)
    largest_first = sorted(cards, key=lambda card: (-card.budget, card.key))
    for count in range(len(cards) - 1, 0, -1):
        kept = set(largest_first[:count])
        fewer = case._replace(host=case.host._replace(cards=tuple(card for card in cards if card in kept)))
        other = Search(fewer)
        tried = other.run()
        # The type of the cache, which is the last concession, is no reason to be slow.
        if tried.problems or worth(tried)[:-1] < most[:-1]:
            continue
        if worth(tried) > most or slowest(fewer, tried) > _FASTER * (slowest(*found[::2]) or float("inf")):
            found, most = (fewer, other, tried, tuple(card for card in cards if card not in kept)), max(most, worth(tried))
    return found


def slowest(case, outcome):
    """Tokens a second of the slowest model that answers; 0 where one of them is not known."""
    rates = [speed.predicted(item.candidate.shape, item.placed, case.host) for item in outcome.chosen if not item.candidate.embedding]
    return min(rates) if rates and all(rates) else 0


def _has_all(outcome):
    """Whether nothing was conceded, so that no other plan can be better."""
    slow = any(item.placed.kind in ("partial", "cpu", "multi_gpu") for item in outcome.chosen)
    return bool(outcome.chosen) and outcome.load.k_type == "f16" and not slow and not any(item.rejected or item.has_less for item in outcome.chosen)
