# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The least speed that a chosen tag must have. Fixed tags are the user's word, and embedding models write nothing: neither has one."""

from __future__ import annotations

import collections

from ..machine import bandwidth, speed

DEFAULT = 10.0  # tokens a second: faster than most people read
DEFAULT_WITHOUT_GPU = 5.0
FASTER = 1.25  # for less, nobody lets a card stand idle or gives up a cache in f16

# A tag whose estimate lies below the floor, both in tokens a second: the detail of a Rejected of kind 'slow'.
Slow = collections.namedtuple("Slow", "rate floor")


def of(policy, without_gpu):
    """Tokens a second that llm_policy asks for."""
    if policy.min_tokens_per_second is not None:
        return policy.min_tokens_per_second
    return DEFAULT_WITHOUT_GPU if without_gpu else DEFAULT


def missed(case, want, candidate, placed, patient=False, last_resort=False):
    """Slow where a tag of a family would answer too slowly where it lies; None where it is fast enough, has no floor, or nobody knows.

    patient: nothing of the want is fast enough for a host with a GPU, so the floor of one without holds. last_resort: nothing whole fits the cards, so
    what lies in system memory is held against it although the speed of a card is unknown, since system memory alone may be too slow.
    """
    if want.kind != "family" or candidate.embedding:
        return None
    beside = last_resort and placed.kind in ("cpu", "partial", "experts")
    if beside:
        placed = placed._replace(shares=tuple(_at_its_best(share) for share in placed.shares))
    rate = speed.predicted(candidate.shape, placed, case.host)
    floor = of(case.policy, patient or not case.host.cards)
    return Slow(rate, floor) if rate is not None and rate < floor else None


def _at_its_best(share):
    if share.card is None or share.card.pace is not None:
        return share
    return share._replace(card=share.card._replace(pace=bandwidth.Pace(float("inf"), 1.0, 0.0)))
