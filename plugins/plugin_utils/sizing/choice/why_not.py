# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why not: what is better than a chosen tag and is out, and why there is no set at all."""

from __future__ import annotations

from ..machine import placement
from . import wants
from .case import Crowded, Nothing, Refused, Rejected

_USABLE = 2048  # tokens; nobody is sent to a shorter context


class WhyNot:
    """Of the best set under one concession, by what it was chosen by."""

    def __init__(self, single, sizes, together):
        self.single, self.sizes, self.together = single, sizes, together
        self.scope, self.known, self.partly = single.scope, single.known, single.partly
        self.wanted, self.policy, self.host, self.rules = single.wanted, single.policy, single.host, single.rules

    def passed_over(self, item, least, left, ram):
        """The tags that would be better than the chosen one, and why each is out while the others of the list stay as they are."""
        if self.policy.resident == "all":
            kept, spent = placement.spend([0] * len(left), self.host, item.placed)
            left, ram = placement.Left(self.host, [amount - own for amount, own in zip(left, kept)]), ram + spent
        own = list(self.scope.gone.get(item.want.position, ()))
        # Wants of one kind that lie on one card are told the same.
        key = (self.scope.twins[item.want.position], self.scope.aims[item.want.position], item.want.context, item.candidate, least, left, ram,
               *self.single.conceded[item.want.position])
        if key not in self.known.passed_over:
            self.known.passed_over[key] = self._better(item, least, left, ram)
        return own + self.known.passed_over[key]

    def _better(self, item, least, left, ram):
        rejected = []
        lightest = {option.thing for option in self.sizes.lightest_of_each(item.want, least, stands=False)}
        for tag in self._ordered(item.want):
            if tag is item.candidate:
                break
            # A heavier quantization of a size needs the whole context.
            row = self._why(item.want, tag, least if tag in lightest else self.scope.contexts[0], left, ram)
            if row:
                rejected.append(row)
        return rejected

    def _ordered(self, want):
        """Best first. On a CPU the bytes of a token are its time: of one size the smallest file that loses little comes first."""
        options = self.scope.options[want.position]
        return options if self.host.cards else sorted(options, key=lambda tag: (-tag.worth, tag.download_bytes))

    def _why(self, want, tag, context, left, ram):
        if not self.scope.holds(want, tag, context):
            return Rejected(tag, "trained", detail=tag.shape.context_train)
        placed = self.single.place(want, tag, self.scope.load(context, self.scope.kinds_for((tag,))[-1]), left, ram)
        if not placed.kind:
            return Rejected(tag, "short", placed, self._memory_short(want, tag, placed.settings, left, ram))
        slow = self.single.slow(want, tag, placed)
        return Rejected(tag, "slow", placed, slow) if slow else None

    def failure(self, would_in_turns):
        """Why there is no set: a want of which nothing fits the host at all, or wants that fit one by one. would_in_turns: asks for a plan with the models
        loaded in turns."""
        left, ram = self.known.empty, self.host.ram_budget
        lightest = []
        for want in self.wanted:
            sizes = self.sizes.lightest_of_each(want, self.scope.least)
            if not sizes:
                rows = [self._why(want, tag, self.scope.least, left, ram) for tag in self._ordered(want)]
                rejected = [*self.scope.gone.get(want.position, ()), *filter(None, rows)]
                tokens = want.own_context and self.scope.aims[want.position].context or self.scope.least
                return Nothing(want, rejected, tokens, would_in_turns(), self._shorter(want))
            lightest.append(min(sizes, key=lambda option: option.weight).thing)
        if self.policy.resident != "all":
            return Refused("no_setting")
        placed = [self.single.alone(want, tag, self.scope.least) for want, tag in zip(self.wanted, lightest)]
        margins = [sum(share.margin for share in where.shares) for where in placed]
        need = sum(where.need for where in placed) - sum(margins) + max(margins)
        shorter = (context for context in self._less_context() if self.together.settings(tuple(lightest), context))
        return Crowded(lightest, need, self.scope.least, next(shorter, 0))

    def _less_context(self):
        """Contexts below the least that was asked for with which something may still be done, the longest first."""
        return wants.ladder(self.scope.least, _USABLE)[1:]

    def _shorter(self, want):
        """(a context below the least with which a tag of the want would fit, that tag), the longest first."""
        contexts = () if want.own_context else self._less_context()
        found = [(context, next((tag for tag in self._ordered(want) if self.single.stands(want, tag, context)), None)) for context in contexts]
        return tuple(one for one in found if one[1])

    def _memory_short(self, want, tag, settings, left, ram):
        """Bytes of system memory that are missing for the experts of a mixture, or for what the cards leave of another model; None where they may not lie
        there, where that would be too slow, or where that is not what is missing."""
        load, beside = self.scope.load(settings.context, settings.k_type), None
        if not self.host.cards:
            return None
        if tag.shape.expert_bytes:
            if self.single.may_lie_beside(want):
                beside = placement.experts(tag.shape, load, self.rules, self.host, left, placement.NO_LIMIT)
        elif want.position in self.partly:
            share = self.policy.min_offload_share if want.kind == "family" else 0.0
            beside = placement.partly(tag.shape, load, self.rules, self.host, left, placement.NO_LIMIT, share)
            beside = None if beside is None or self.single.slow(want, tag, beside) else beside
        return beside and max(0, sum(placement.share_total(share) for share in beside.shares if share.card is None) - ram) or None
