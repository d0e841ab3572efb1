# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The best set of tags under one concession: what is taken first where not all can be had."""

from __future__ import annotations

from . import combine
from .case import Chosen, Outcome
from .single import Single
from .sizes import Sizes
from .together import Together
from .why_not import WhyNot


class BestSet:
    """concession: what is borne of which wants (case.Concession). single, sizes, together, why_not: what is asked on the way to it."""

    def __init__(self, scope, known, concession):
        self.scope, self.concession, self.partly = scope, concession, concession.partly
        self.wanted, self.policy, self.host = scope.wanted, scope.policy, scope.host
        self.single = Single(scope, known, concession)
        self.sizes, self.together = Sizes(self.single), Together(self.single)
        self.why_not = WhyNot(self.single, self.sizes, self.together)

    def outcome(self):
        """None where no set fits."""
        # The last resort is the least that was asked for, so that a larger card, on which something lies whole at the floor, gives no less.
        contexts = (self.scope.least,) if self.partly else dict.fromkeys((self.scope.half, self.scope.least))
        return next(filter(None, map(self._best, contexts)), None)

    def _best(self, least):
        """The best tags at so many tokens or more: sizes first, then the context, then embedding models, then heavier weights, then the cache's type.

        None where no set fits.
        """
        sizes = [self.sizes.lightest_of_each(want, least) for want in self.wanted]
        if self.partly:
            found = self._last_resort(sizes, least)
        else:
            found = self._whole(sizes, least)
        if found is None:
            return None
        tags, load = found
        laid = self.together.lay(tags, load)
        chosen = [
            Chosen(want, self.scope.aims[want.position], tag, [], placed, load, before)
            for want, tag, (placed, before) in zip(self.wanted, tags, laid)
        ]
        left, ram = self.together.left(chosen)
        for item in chosen:
            item.rejected = self.why_not.passed_over(item, least, left, ram)
        return Outcome(chosen, load, patient=len(self.concession.patient))

    def _whole(self, sizes, least):
        """(tags, settings)"""
        small = [[min(found, key=lambda option: option.weight)] if found and found[0].thing.embedding else found for found in sizes]
        found = combine.best(small, lambda tags: self.together.settings(tags, least))
        if found is None:
            return None
        context, tags = self._longest(found, least)
        if small != sizes:
            tags = self._better_embeddings(tags, context) or tags
        if context == self.scope.contexts[0] and self.host.cards:
            tags = self._heavier(tags, context) or tags
        return tags, self.together.with_more_on_the_card(tags, self.together.settings(tags, context))

    def _better_embeddings(self, tags, context):
        """What the models that answer leave with their whole context."""
        kept = [[combine.Option(0, 0, tag)] if not tag.embedding else self.sizes.lightest_of_each(want, context) for want, tag in zip(self.wanted, tags)]
        return combine.best(kept, lambda chosen: self.together.settings(chosen, context))

    def _heavier(self, tags, context):
        """The weights of these sizes that lose least together; of those that lose as little, the ones that leave the preferred cache."""
        weights = [self.sizes.weights(want, tag, context) for want, tag in zip(self.wanted, tags)]
        found = combine.best(weights, lambda chosen: self.together.settings(chosen, context))
        if found and self.together.settings(found, context).k_type != self.scope.kinds_for(found)[0]:
            exact = combine.best(weights, lambda chosen: self.together.lay(chosen, self.scope.load(context, self.scope.kinds_for(chosen)[0])))
            if exact and _losses(exact) <= _losses(found):
                return exact
        return found

    def _last_resort(self, sizes, least):
        """The least of all, with the lightest cache: whatever is better would be so on a smaller card only. A want that has the cards for itself when its
        turn comes takes nothing from another, and so the best."""
        if not all(sizes):
            return None
        alone = [self.policy.resident == "one" and want.position not in self.partly for want in self.wanted]
        tags = tuple(
            min(found, key=lambda option: (-option.worth if best and not option.thing.embedding else 0, option.weight)).thing
            for best, found in zip(alone, sizes)
        )
        for kind in reversed(self.scope.kinds_for(tags)):
            load = self.scope.load(least, kind)
            if self.together.lay(tags, load):
                return tags, load
        return None

    def _longest(self, tags, least):
        """(the context at which these sizes hold most, their lightest tags that were trained for it). That is the longest at which they fit, unless a tag
        of some size was trained for less than a heavier one holds at a shorter context."""
        found, most = (least, tags), 0
        for context in self.scope.contexts:
            if context < least:
                break
            longer = tuple(self.sizes.lightest(want, tag, context) for want, tag in zip(self.wanted, tags))
            if not all(longer) or not self.together.settings(longer, context):
                continue
            held = sum(min(context, tag.trained) for tag in longer)
            if held > most:
                found, most = (context, longer), held
            if not any(self.sizes.could_hold_more(want, tag, context) for want, tag in zip(self.wanted, longer)):
                break
        return found


def _losses(tags):
    return round(sum(tag.quality["loss"] for tag in tags), 6)
