# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a set of tags goes on the machine, one for each want: in which order they are loaded, and with which settings of the service."""

from __future__ import annotations

import itertools

from ..machine import placement, speed
from . import floor

_ALL_ORDERS = 3  # models for which every order of loading over several cards is tried


class Together:
    """single: where each of them goes with so much left."""

    def __init__(self, single):
        self.single, self.scope, self.known, self.partly = single, single.scope, single.known, single.partly
        self.wanted, self.policy, self.host, self.rules = single.wanted, single.policy, single.host, single.rules

    def settings(self, tags, context):
        """The preferred settings with which these tags, one for each want, fit together at this context; None where none does."""
        for kind in self.scope.kinds_for(tags):
            load = self.scope.load(context, kind)
            if self.lay(tags, load):
                return load
        return None

    def with_more_on_the_card(self, tags, load):
        """The settings, or those with a lighter cache where more of a mixture's experts then lie on the card and it answers a good deal faster."""
        found, rate = load, self._rate_beside_experts(tags, load)
        kinds = self.scope.kinds_for(tags)
        for kind in kinds[kinds.index(load.k_type) + 1 :] if rate else ():
            lighter = self.scope.load(load.context, kind)
            faster = self.lay(tags, lighter) and self._rate_beside_experts(tags, lighter)
            if faster and faster > floor.FASTER * rate:
                found, rate = lighter, faster
        return found

    def _rate_beside_experts(self, tags, load):
        """Tokens a second of the slowest mixture with experts in system memory; 0 where there is none, or where one of them is not known."""
        laid = zip(tags, self.lay(tags, load))
        rates = [speed.predicted(tag.shape, placed, self.host) for tag, (placed, _before) in laid if placed.kind == "experts"]
        return min(rates) if rates and all(rates) else 0

    def lay(self, tags, load):
        """Where each goes, and what was left before it, in an order of loading in which all fit; None where there is none."""
        key = (tags, load, self.single.concession)
        if key not in self.known.laid:
            self.known.laid[key] = next(filter(None, (self._in_order(order, tags, load) for order in self._orders(tags, load))), None)
        return self.known.laid[key]

    def _orders(self, tags, load):
        """The largest first, since it is the hardest to place; over several cards other orders may do where that one does not. What takes all that is
        left comes last, and of such first the largest, so that as many as can be are whole. A mixture that fits alone may need the embedding models
        before it, since only what is left tells it to leave its experts in system memory."""
        alone = [self.single.alone(want, tag, load.context) for want, tag in zip(self.wanted, tags)]
        last = [want.position in self.partly or placed.kind == "experts" for want, placed in zip(self.wanted, alone)]
        first = tuple(sorted(range(len(tags)), key=lambda i: (last[i], -alone[i].need, i)))
        small = first
        if sum(last) > 1:
            small = tuple(sorted(range(len(tags)), key=lambda i: (last[i], alone[i].need if last[i] else -alone[i].need, i)))
        if len(self.host.cards) < 2 or len(tags) < 2 or self.policy.resident != "all" or len(tags) > _ALL_ORDERS:
            beside = tuple(sorted(first, key=lambda i: tags[i].shape.expert_bytes > 0 and self.single.may_lie_beside(self.wanted[i])))
            return dict.fromkeys((small, first, beside))
        return dict.fromkeys((small, first, *itertools.permutations(first)))

    def _in_order(self, order, tags, load):
        left, ram, found = self.known.empty, self.host.ram_budget, {}
        least = [self._least_on_gpu(self.wanted[i], tags[i], load) for i in order]
        needed = sum(least)
        for i, own in zip(order, least):
            if needed > sum(left):
                return None
            needed -= own
            want, tag = self.wanted[i], tags[i]
            placed = self.single.place(want, tag, load, left, ram)
            if not placed.kind or self.single.slow(want, tag, placed):
                return None
            found[i] = (placed, (left, ram))
            if self.policy.resident == "all":
                left, spent = placement.spend(left, self.host, placed)
                ram -= spent
        if any(placed.kind == "experts" for placed, _before in found.values()) and not self._embeds_lightly(tags, load):
            return None
        return [found[i] for i in range(len(tags))]

    def _least_on_gpu(self, want, tag, load):
        """Bytes of the cards that it takes at the least beside the others; 0 where it may lie in system memory, or goes when the next one comes."""
        aside = want.position in self.partly or want.own_context or want.parameters.get("num_gpu") is not None
        if aside or not self.host.cards or self.policy.resident != "all" or tag.shape.expert_bytes and self.single.may_lie_beside(want):
            return 0
        key = (tag, load)
        if key not in self.known.least:
            self.known.least[key] = placement.least_on_gpu(tag.shape, load, self.rules, self.known.empty)
        return self.known.least[key]

    def _embeds_lightly(self, tags, load):
        """Whether no embedding model is larger than it must be: experts in system memory are too much to pay for a better one."""
        for want, tag in zip(self.wanted, tags):
            if tag.embedding:
                need = self.single.alone(want, tag, load.context).need
                others = [other for other in self.scope.options[want.position] if self.scope.holds(want, other, load.context)]
                if any(self.single.alone(want, other, load.context).need < need for other in others):
                    return False
        return True

    def left(self, chosen):
        """What is left on the cards and in memory when all are loaded."""
        left, ram = self.known.empty, self.host.ram_budget
        for item in chosen if self.policy.resident == "all" else ():
            left, spent = placement.spend(left, self.host, item.placed)
            ram -= spent
        return left, ram
