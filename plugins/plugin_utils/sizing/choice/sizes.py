# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which tags of one want are worth a try beside others: of each size the lightest, or the heavier ones of a size."""

from __future__ import annotations

from ..machine import placement
from . import combine


class Sizes:
    """single: where a tag goes by itself, which says what it weighs."""

    def __init__(self, single):
        self.single, self.scope, self.known, self.partly, self.rules = single, single.scope, single.known, single.partly, single.rules

    def lightest_of_each(self, want, least, stands=True):
        """Of each size the lightest tag, of those that may be chosen on the empty machine unless stands is false."""
        key = (self.scope.twins[want.position], self.scope.aims[want.position], want.context, least, stands, *self.single.conceded[want.position])
        if key not in self.known.sizes:
            self.known.sizes[key] = self._of_each(want, least, stands)
        return self.known.sizes[key]

    def _of_each(self, want, least, stands):
        found = {}
        for tag in self.scope.options[want.position]:
            if self.scope.holds(want, tag, least) and (not stands or self.single.stands(want, tag, least)):
                alone = self.single.alone(want, tag, least)
                need = self._in_memory(tag, least) if want.position in self.partly else alone.need
                if tag.size not in found or need < found[tag.size].weight:
                    found[tag.size] = combine.Option(tag.worth, need, tag, alone.kind == "experts")
        return list(found.values())

    def _in_memory(self, tag, context):
        """Bytes that it takes without a card. Of what may lie partly in system memory that is its weight on every machine: by what it takes here, a
        larger card would make a tag heavier whose first layers it holds than one that it still leaves to the processor."""
        load = self.scope.load(context, self.scope.kinds_for((tag,))[-1])
        return placement.on_cpu(tag.shape, load, self.rules, placement.NO_LIMIT).need

    def lightest(self, want, tag, context):
        """Of the size of a tag at this context; None where none of it stands there."""
        return min(self._same(want, tag, context), key=lambda other: self.single.alone(want, other, context).need, default=None)

    def weights(self, want, tag, context):
        """All of the size of a tag at this context, worth the more the less they lose."""
        return [
            combine.Option(-other.quality["loss"], self.single.alone(want, other, context).need, other) for other in self._same(want, tag, context)
        ]

    def could_hold_more(self, want, tag, context):
        """Whether a tag was trained for less than is wanted of it, and another one of its size for more."""
        if tag.trained >= min(context, self.scope.aims[want.position].context or 0):
            return False
        return any(other.size == tag.size and other.trained > tag.trained for other in self.scope.options[want.position])

    def _same(self, want, tag, context):
        """The tags of its size that reach the context; where none does, those that were trained for most, if that is its floor."""
        found = [other for other in self.scope.options[want.position] if other.size == tag.size and self.single.stands(want, other, context)]
        aim = self.scope.aims[want.position]
        reach = [other for other in found if other.trained >= min(context, aim.context or 0)]
        if reach:
            return reach
        near = [other for other in found if self.scope.holds(want, other, context)]
        longest = max((other.trained for other in near), default=0)
        return [other for other in near if other.trained == longest]
