# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What would lead out of a refusal. Each way is tried, since a wish that forbids something need not be what stands in the way."""

from __future__ import annotations

import itertools

from ..machine import budget
from .case import Nothing
from .search import Search

_FASTEST = 6  # times what is assumed of system memory: twelve channels of DDR5-6400 on a machine that is taken for four of DDR4-3200


def out_of(case, found):
    """Lists of changes that help where nothing of a want fits (Nothing): those that do so alone, else the first two that do so together; and the longest
    context with which something of it would be planned, with that tag."""
    levers = _levers(case, found)
    alone = [[name] for name, changed in levers.items() if _helps(changed(case), found.want)]
    if not alone:
        both = itertools.combinations(levers, 2)
        alone = next(([list(two)] for two in both if _helps(levers[two[1]](levers[two[0]](case)), found.want)), [])
    return alone, _shorter(case, found)


def _levers(case, found):
    want, policy, short = found.want, case.policy, [row for row in found.rejected if row.kind == "short"]
    levers = {}
    if want.kind == "family":
        levers["speed"] = lambda one: _with(one, min_tokens_per_second=0.0)
    if case.host.ram_assumed and any(row.kind == "slow" for row in found.rejected):
        levers["memory"] = lambda one: one._replace(host=one.host._replace(ram_bandwidth=_FASTEST * one.host.ram_bandwidth))
    if case.host.cards and policy.allow_experts_in_ram is False and any(row.candidate.shape.experts for row in short):
        levers["experts"] = lambda one: _with(one, allow_experts_in_ram=True)
    if case.host.cards and policy.allow_partial_offload is False and short:
        levers["partial"] = lambda one: _with(one, allow_partial_offload=True)
    if want.require_gpu and short:
        levers["gpu"] = lambda one: _wanting(one, want, require_gpu=False)
    if policy.parallel > 1:
        levers["parallel"] = lambda one: _with(one, parallel=1)
    if policy.kv_cache_types == ("f16",):
        levers["cache"] = lambda one: _with(one, kv_cache_types=("f16", "q8_0"))
    if policy.reserve_bytes and case.host.cards:
        levers["reserve"] = lambda one: _with_cards(one, lambda card: card.budget + policy.reserve_bytes)
    if short and any(budget.lent(card, case.host) > card.budget for card in case.host.cards):
        levers["limit"] = lambda one: _with_cards(one, lambda card: max(card.budget, budget.lent(card, case.host)))
    return levers


def _with_cards(case, room):
    cards = tuple(card._replace(budget=room(card), usable=max(card.usable, room(card))) for card in case.host.cards)
    return case._replace(host=case.host._replace(cards=cards))


def _with(case, **changed):
    return case._replace(policy=case.policy._replace(**changed))


def _wanting(case, want, **changed):
    return case._replace(wanted=[one._replace(**changed) if one.position == want.position else one for one in case.wanted])


def _helps(case, want):
    """Whether it is another want, if any, that nothing fits then."""
    outcome = Search(case).run()
    if outcome.failure is None or outcome.problems:
        return not outcome.problems
    return not (isinstance(outcome.failure, Nothing) and outcome.failure.want.position == want.position)


def _shorter(case, found):
    """What fits the empty machine for itself need not be what the search would take, so each is tried, the longest first."""
    return next((one for one in found.shorter if _helps(_wanting(case, found.want, min_context=one[0]), found.want)), ())
