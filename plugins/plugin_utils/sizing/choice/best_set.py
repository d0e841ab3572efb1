# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The best set of tags under one concession, and why there is none."""

from __future__ import annotations

import itertools

from ..machine import placement, speed
from . import combine, floor, wants
from .case import Chosen, Crowded, Nothing, Outcome, Refused, Rejected

_USABLE = 2048  # tokens; nobody is sent to a shorter context
_NO_LIMIT = 1 << 62  # bytes
_ALL_ORDERS = 3  # models for which every order of loading over several cards is tried


class BestSet:
    """concession: what is borne of which wants (case.Concession)."""

    def __init__(self, scope, known, concession):
        case = scope.case
        self.case, self.wanted, self.policy, self.host, self.rules = case, case.wanted, case.policy, case.host, case.rules
        self.scope, self.known, self.concession, self.partly = scope, known, concession, concession.partly
        # position of a want: (whether it may be slow, whether it may lie in system memory)
        self._conceded = {want.position: (want.position in concession.patient, want.position in concession.partly) for want in self.wanted}

    def outcome(self):
        """None where no set fits."""
        # The last resort is the least that was asked for, so that a larger card, on which something lies whole at the floor, gives no less.
        contexts = (self.scope.least,) if self.partly else dict.fromkeys((self.scope.half, self.scope.least))
        return next(filter(None, map(self._best, contexts)), None)

    # -- one candidate

    def place(self, want, candidate, load, left, ram):
        """Where a candidate goes with so much left on each card and in memory; its kind is None where it does not fit."""
        key = (self.scope.twins[want.position], candidate, load, left, ram, want.position in self.partly)
        if key not in self.known.placed:
            self.known.placed[key] = self._place(want, candidate, load, left, ram)
        return self.known.placed[key]

    def _place(self, want, candidate, load, left, ram):
        if want.own_context:
            load = load._replace(context=self.scope.aims[want.position].context)
        if not self.host.cards:
            return placement.on_cpu(candidate.shape, load, self.rules, ram)
        layers = want.parameters.get("num_gpu")
        if layers is not None and 0 <= layers < candidate.shape.blocks:
            return self._by_hand(candidate, load, left, ram, layers)
        placed = self._on_cards(want, candidate, load, left, ram)
        if placed.kind:
            limit = self.case.spills.limit(candidate, load, placed, self._need)
            if limit is not None and placed.need > limit:
                return placed._replace(kind=None, shares=(), short=placed.need - limit)
            return placed
        # As a last resort a mixture of experts takes what others have left, as a dense model does; a warning says in which order they fit.
        if want.position in self.partly and (not candidate.shape.experts or self.policy.allow_experts_in_ram and not want.require_gpu):
            share = self.policy.min_offload_share if want.kind == "family" else 0.0
            part = placement.partly(candidate.shape, load, self.rules, self.host, left, ram, share)
            if part:
                return part
            if self.policy.allow_cpu and not share and not any(card.unified for card in self.host.cards):
                whole = placement.on_cpu(candidate.shape, load, self.rules, ram)
                return whole if whole.kind else placed
        return placed

    def _by_hand(self, candidate, load, left, ram, layers):
        """num_gpu of a managed model: llama.cpp takes exactly so many layers, whatever would fit."""
        if layers == 0:
            return placement.on_cpu(candidate.shape, load, self.rules, ram)
        part = placement.partly(candidate.shape, load, self.rules, self.host, left, ram, 0.0, layers)
        return part or placement.on_gpu(candidate.shape, load, self.rules, self.host, left)._replace(kind=None)

    def _on_cards(self, want, candidate, load, left, ram):
        """On the cards as a whole; else, of a mixture of experts, with as many experts in system memory as they do not hold."""
        placed = placement.on_gpu(candidate.shape, load, self.rules, self.host, left)
        if placed.kind or not candidate.shape.expert_bytes or not self._may_lie_beside(want) or not self.scope.lightest_of_its_size(want, candidate):
            return placed
        kinds = [kind for kind in self.policy.kv_cache_types if kind != load.k_type and (kind == "f16" or candidate.shape.flash_attention)]
        if any(placement.on_gpu(candidate.shape, load._replace(k_type=kind, v_type=kind), self.rules, self.host, left).kind for kind in kinds):
            return placed  # a smaller cache is the smaller concession
        beside = placement.experts(candidate.shape, load, self.rules, self.host, left, ram)
        return placed if beside is None or self.case.spills.missed(candidate, beside.settings.context) else beside

    def _may_lie_beside(self, want):
        """Whether experts of a mixture may lie in system memory: that is what llama.cpp makes of one that no card holds."""
        return self.policy.allow_experts_in_ram and not want.require_gpu and self._talks_alone(want)

    def _talks_alone(self, want):
        """Whether nothing but embedding models stays loaded beside it. With experts in system memory it fills the cards to their margin, so what is
        loaded after it finds no room there; small models may lie there first, or do without."""
        others = [other for other in self.wanted if other is not want] if self.policy.resident == "all" else []
        return all(tag.embedding for other in others for tag in self.scope.options[other.position])

    def _need(self, candidate, load):
        return placement.on_gpu(candidate.shape, load, self.rules, self.host, self.known.empty).need

    def _alone(self, want, candidate, context):
        """Where it goes on the empty machine with the smallest cache with which it fits."""
        key = (self.scope.twins[want.position], candidate, context, want.position in self.partly)
        if key not in self.known.alone:
            found = None
            for kind in self.scope.kinds_for((candidate,)):
                placed = self.place(want, candidate, self.scope.load(context, kind), self.known.empty, self.host.ram_budget)
                if found is None or (not placed.kind, placed.need) < (not found.kind, found.need):
                    found = placed
            self.known.alone[key] = found
        return self.known.alone[key]

    def _stands(self, want, candidate, context):
        """Whether it may be chosen where it has the machine for itself."""
        key = (self.scope.twins[want.position], candidate, context, *self._conceded[want.position])
        if key not in self.known.stands:
            alone = self._alone(want, candidate, context)
            # A mixture fills the cards with any cache, so that what takes least need not be what is fast.
            loads = [self.scope.load(context, kind) for kind in self.scope.kinds_for((candidate,))] if alone.kind == "experts" else ()
            places = itertools.chain([alone], (self.place(want, candidate, load, self.known.empty, self.host.ram_budget) for load in loads))
            self.known.stands[key] = any(placed.kind and not self._slow(want, candidate, placed) for placed in places)
        return self.known.stands[key]

    def _slow(self, want, candidate, placed):
        return floor.missed(self.case, want, candidate, placed, *self._conceded[want.position])

    # -- all of them

    def _best(self, least):
        """The best tags at so many tokens or more: sizes first, then the context, then embedding models, then heavier weights, then the cache's type.

        None where no set fits.
        """
        sizes = [self.sizes(want, least) for want in self.wanted]
        if self.partly:
            found = self._last_resort(sizes, least)
        else:
            found = self._whole(sizes, least)
        if found is None:
            return None
        tags, load = found
        laid = self._lay(tags, load)
        chosen = [
            Chosen(want, self.scope.aims[want.position], tag, [], placed, load, before)
            for want, tag, (placed, before) in zip(self.wanted, tags, laid)
        ]
        left, ram = self._left(chosen)
        for item in chosen:
            item.rejected = self._passed_over(item, least, left, ram)
        return Outcome(chosen, load, patient=len(self.concession.patient))

    def _whole(self, sizes, least):
        """(tags, settings)"""
        small = [[min(found, key=lambda option: option.weight)] if found and found[0].thing.embedding else found for found in sizes]
        found = combine.best(small, lambda tags: self._settings(tags, least))
        if found is None:
            return None
        context, tags = self._longest(found, least)
        if small != sizes:
            tags = self._better_embeddings(tags, context) or tags
        if context == self.scope.contexts[0] and self.host.cards:
            tags = self._heavier(tags, context) or tags
        return tags, self._with_more_on_the_card(tags, self._settings(tags, context))

    def _better_embeddings(self, tags, context):
        """What the models that answer leave with their whole context."""
        kept = [[combine.Option(0, 0, tag)] if not tag.embedding else self.sizes(want, context) for want, tag in zip(self.wanted, tags)]
        return combine.best(kept, lambda chosen: self._settings(chosen, context))

    def _heavier(self, tags, context):
        """The weights of these sizes that lose least together; of those that lose as little, the ones that leave the preferred cache."""
        weights = [self._weights(want, tag, context) for want, tag in zip(self.wanted, tags)]
        found = combine.best(weights, lambda chosen: self._settings(chosen, context))
        if found and self._settings(found, context).k_type != self.scope.kinds_for(found)[0]:
            exact = combine.best(weights, lambda chosen: self._lay(chosen, self.scope.load(context, self.scope.kinds_for(chosen)[0])))
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
            if self._lay(tags, load):
                return tags, load
        return None

    def sizes(self, want, least, stands=True):
        """Of each size the lightest tag, of those that may be chosen on the empty machine unless stands is false."""
        key = (self.scope.twins[want.position], self.scope.aims[want.position], want.context, least, stands, *self._conceded[want.position])
        if key not in self.known.sizes:
            self.known.sizes[key] = self._lightest_of_each(want, least, stands)
        return self.known.sizes[key]

    def _lightest_of_each(self, want, least, stands):
        found = {}
        for tag in self.scope.options[want.position]:
            if self.scope.holds(want, tag, least) and (not stands or self._stands(want, tag, least)):
                alone = self._alone(want, tag, least)
                need = self._in_memory(tag, least) if want.position in self.partly else alone.need
                if tag.size not in found or need < found[tag.size].weight:
                    found[tag.size] = combine.Option(tag.worth, need, tag, alone.kind == "experts")
        return list(found.values())

    def _in_memory(self, tag, context):
        """Bytes that it takes without a card. Of what may lie partly in system memory that is its weight on every machine: by what it takes here, a
        larger card would make a tag heavier whose first layers it holds than one that it still leaves to the processor."""
        load = self.scope.load(context, self.scope.kinds_for((tag,))[-1])
        return placement.on_cpu(tag.shape, load, self.rules, _NO_LIMIT).need

    def _longest(self, tags, least):
        """(the context at which these sizes hold most, their lightest tags that were trained for it). That is the longest at which they fit, unless a tag
        of some size was trained for less than a heavier one holds at a shorter context."""
        found, most = (least, tags), 0
        for context in self.scope.contexts:
            if context < least:
                break
            longer = tuple(self._lightest(want, tag, context) for want, tag in zip(self.wanted, tags))
            if not all(longer) or not self._settings(longer, context):
                continue
            held = sum(min(context, tag.trained) for tag in longer)
            if held > most:
                found, most = (context, longer), held
            if not any(self._could_hold_more(want, tag, context) for want, tag in zip(self.wanted, longer)):
                break
        return found

    def _could_hold_more(self, want, tag, context):
        """Whether a tag was trained for less than is wanted of it, and another one of its size for more."""
        trained = tag.trained
        if trained >= min(context, self.scope.aims[want.position].context or 0):
            return False
        return any(other.size == tag.size and other.trained > trained for other in self.scope.options[want.position])

    def _same(self, want, tag, context):
        """The tags of its size that reach the context; where none does, those that were trained for most, if that is its floor."""
        found = [other for other in self.scope.options[want.position] if other.size == tag.size and self._stands(want, other, context)]
        aim = self.scope.aims[want.position]
        reach = [other for other in found if other.trained >= min(context, aim.context or 0)]
        if reach:
            return reach
        near = [other for other in found if self.scope.holds(want, other, context)]
        longest = max((other.trained for other in near), default=0)
        return [other for other in near if other.trained == longest]

    def _lightest(self, want, tag, context):
        return min(self._same(want, tag, context), key=lambda other: self._alone(want, other, context).need, default=None)

    def _weights(self, want, tag, context):
        return [
            combine.Option(-other.quality["loss"], self._alone(want, other, context).need, other) for other in self._same(want, tag, context)
        ]

    def _settings(self, tags, context):
        """The preferred settings with which these tags, one for each want, fit together at this context; None where none does."""
        for kind in self.scope.kinds_for(tags):
            load = self.scope.load(context, kind)
            if self._lay(tags, load):
                return load
        return None

    def _with_more_on_the_card(self, tags, load):
        """The settings, or those with a lighter cache where more of a mixture's experts then lie on the card and it answers a good deal faster."""
        found, rate = load, self._rate_beside_experts(tags, load)
        kinds = self.scope.kinds_for(tags)
        for kind in kinds[kinds.index(load.k_type) + 1 :] if rate else ():
            lighter = self.scope.load(load.context, kind)
            faster = self._lay(tags, lighter) and self._rate_beside_experts(tags, lighter)
            if faster and faster > floor.FASTER * rate:
                found, rate = lighter, faster
        return found

    def _rate_beside_experts(self, tags, load):
        """Tokens a second of the slowest mixture with experts in system memory; 0 where there is none, or where one of them is not known."""
        laid = zip(tags, self._lay(tags, load))
        rates = [speed.predicted(tag.shape, placed, self.host) for tag, (placed, _before) in laid if placed.kind == "experts"]
        return min(rates) if rates and all(rates) else 0

    def _lay(self, tags, load):
        """Where each goes, and what was left before it, in an order of loading in which all fit; None where there is none."""
        key = (tags, load, self.concession)
        if key not in self.known.laid:
            self.known.laid[key] = next(filter(None, (self._in_order(order, tags, load) for order in self._orders(tags, load))), None)
        return self.known.laid[key]

    def _orders(self, tags, load):
        """The largest first, since it is the hardest to place; over several cards other orders may do where that one does not. What takes all that is
        left comes last, and of such first the largest, so that as many as can be are whole. A mixture that fits alone may need the embedding models
        before it, since only what is left tells it to leave its experts in system memory."""
        alone = [self._alone(want, tag, load.context) for want, tag in zip(self.wanted, tags)]
        last = [want.position in self.partly or placed.kind == "experts" for want, placed in zip(self.wanted, alone)]
        first = tuple(sorted(range(len(tags)), key=lambda i: (last[i], -alone[i].need, i)))
        small = first
        if sum(last) > 1:
            small = tuple(sorted(range(len(tags)), key=lambda i: (last[i], alone[i].need if last[i] else -alone[i].need, i)))
        if len(self.host.cards) < 2 or len(tags) < 2 or self.policy.resident != "all" or len(tags) > _ALL_ORDERS:
            beside = tuple(sorted(first, key=lambda i: tags[i].shape.expert_bytes > 0 and self._may_lie_beside(self.wanted[i])))
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
            placed = self.place(want, tag, load, left, ram)
            if not placed.kind or self._slow(want, tag, placed):
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
        if aside or not self.host.cards or self.policy.resident != "all" or tag.shape.expert_bytes and self._may_lie_beside(want):
            return 0
        key = (tag, load)
        if key not in self.known.least:
            self.known.least[key] = placement.least_on_gpu(tag.shape, load, self.rules, self.known.empty)
        return self.known.least[key]

    def _embeds_lightly(self, tags, load):
        """Whether no embedding model is larger than it must be: experts in system memory are too much to pay for a better one."""
        for want, tag in zip(self.wanted, tags):
            if tag.embedding:
                need = self._alone(want, tag, load.context).need
                others = [other for other in self.scope.options[want.position] if self.scope.holds(want, other, load.context)]
                if any(self._alone(want, other, load.context).need < need for other in others):
                    return False
        return True

    def _left(self, chosen):
        """What is left on the cards and in memory when all are loaded."""
        left, ram = self.known.empty, self.host.ram_budget
        for item in chosen if self.policy.resident == "all" else ():
            left, spent = placement.spend(left, self.host, item.placed)
            ram -= spent
        return left, ram

    # -- why not

    def _passed_over(self, item, least, left, ram):
        """The tags that would be better than the chosen one, and why each is out while the others of the list stay as they are."""
        if self.policy.resident == "all":
            kept, spent = placement.spend([0] * len(left), self.host, item.placed)
            left, ram = placement.Left(self.host, [amount - own for amount, own in zip(left, kept)]), ram + spent
        own = list(self.scope.gone.get(item.want.position, ()))
        # Wants of one kind that lie on one card are told the same.
        key = (self.scope.twins[item.want.position], self.scope.aims[item.want.position], item.want.context, item.candidate, least, left, ram,
               *self._conceded[item.want.position])
        if key not in self.known.passed_over:
            self.known.passed_over[key] = self._better(item, least, left, ram)
        return own + self.known.passed_over[key]

    def _better(self, item, least, left, ram):
        rejected = []
        lightest = {option.thing for option in self.sizes(item.want, least, stands=False)}
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
        placed = self.place(want, tag, self.scope.load(context, self.scope.kinds_for((tag,))[-1]), left, ram)
        if not placed.kind:
            return Rejected(tag, "short", placed, self._memory_short(want, tag, placed.settings, left, ram))
        slow = self._slow(want, tag, placed)
        return Rejected(tag, "slow", placed, slow) if slow else None

    def failure(self, would_in_turns):
        """Why there is no set: a want of which nothing fits the host at all, or wants that fit one by one."""
        left, ram = self.known.empty, self.host.ram_budget
        lightest = []
        for want in self.wanted:
            sizes = self.sizes(want, self.scope.least)
            if not sizes:
                rows = [self._why(want, tag, self.scope.least, left, ram) for tag in self._ordered(want)]
                rejected = [*self.scope.gone.get(want.position, ()), *filter(None, rows)]
                tokens = want.own_context and self.scope.aims[want.position].context or self.scope.least
                return Nothing(want, rejected, tokens, would_in_turns(), self._shorter(want))
            lightest.append(min(sizes, key=lambda option: option.weight).thing)
        if self.policy.resident != "all":
            return Refused("no_setting")
        placed = [self._alone(want, tag, self.scope.least) for want, tag in zip(self.wanted, lightest)]
        margins = [sum(share.margin for share in where.shares) for where in placed]
        need = sum(where.need for where in placed) - sum(margins) + max(margins)
        shorter = (context for context in self._less_context() if self._settings(tuple(lightest), context))
        return Crowded(lightest, need, self.scope.least, next(shorter, 0))

    def _less_context(self):
        """Contexts below the least that was asked for with which something may still be done, the longest first."""
        return wants.ladder(self.scope.least, _USABLE)[1:]

    def _shorter(self, want):
        """(a context below the least with which a tag of the want would fit, that tag), the longest first."""
        contexts = () if want.own_context else self._less_context()
        found = [(context, next((tag for tag in self._ordered(want) if self._stands(want, tag, context)), None)) for context in contexts]
        return tuple(one for one in found if one[1])

    def _memory_short(self, want, tag, settings, left, ram):
        """Bytes of system memory that are missing for the experts of a mixture, or for what the cards leave of another model; None where they may not lie
        there, where that would be too slow, or where that is not what is missing."""
        load, beside = self.scope.load(settings.context, settings.k_type), None
        if not self.host.cards:
            return None
        if tag.shape.expert_bytes:
            if self._may_lie_beside(want):
                beside = placement.experts(tag.shape, load, self.rules, self.host, left, _NO_LIMIT)
        elif want.position in self.partly:
            share = self.policy.min_offload_share if want.kind == "family" else 0.0
            beside = placement.partly(tag.shape, load, self.rules, self.host, left, _NO_LIMIT, share)
            beside = None if beside is None or self._slow(want, tag, beside) else beside
        return beside and max(0, sum(placement.share_total(share) for share in beside.shares if share.card is None) - ram) or None


def _losses(tags):
    return round(sum(tag.quality["loss"] for tag in tags), 6)
