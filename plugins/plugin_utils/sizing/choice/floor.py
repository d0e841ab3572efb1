# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The least speed that a chosen tag must have. Fixed tags are the user's word, and embedding models write nothing: neither has one."""

from __future__ import annotations

import collections

from ..machine import speed

DEFAULT = 10.0  # tokens a second: faster than most people read
DEFAULT_WITHOUT_GPU = 5.0

# A tag whose estimate lies below the floor, both in tokens a second: the detail of a Rejected of kind 'slow'.
Slow = collections.namedtuple("Slow", "rate floor")


def of(policy, host):
    """Tokens a second that llm_policy asks for on this host."""
    if policy.min_tokens_per_second is not None:
        return policy.min_tokens_per_second
    return DEFAULT if host.cards else DEFAULT_WITHOUT_GPU


def missed(case, want, candidate, placed):
    """Slow where a tag of a family would answer too slowly where it lies; None where it is fast enough, has no floor, or nobody knows."""
    if want.kind != "family" or candidate.embedding:
        return None
    rate = speed.predicted(candidate.shape, placed, case.host)
    floor = of(case.policy, case.host)
    return Slow(rate, floor) if rate is not None and rate < floor else None
