# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where one tag goes on the machine, whatever else lies there, under one concession; and whether it may be chosen at all."""

from __future__ import annotations

import itertools

from ..machine import placement
from . import floor


class Single:
    """conceded: position of a want: (whether it may be slow, whether it may lie in system memory beside a GPU)."""

    def __init__(self, scope, known, concession):
        case = scope.case
        self.case, self.wanted, self.policy, self.host, self.rules = case, case.wanted, case.policy, case.host, case.rules
        self.scope, self.known, self.concession, self.partly = scope, known, concession, concession.partly
        self.conceded = {want.position: (want.position in concession.patient, want.position in concession.partly) for want in self.wanted}

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
        if placed.kind or not candidate.shape.expert_bytes or not self.may_lie_beside(want) or not self.scope.lightest_of_its_size(want, candidate):
            return placed
        kinds = [kind for kind in self.policy.kv_cache_types if kind != load.k_type and (kind == "f16" or candidate.shape.flash_attention)]
        if any(placement.on_gpu(candidate.shape, load._replace(k_type=kind, v_type=kind), self.rules, self.host, left).kind for kind in kinds):
            return placed  # a smaller cache is the smaller concession
        beside = placement.experts(candidate.shape, load, self.rules, self.host, left, ram)
        return placed if beside is None or self.case.spills.missed(candidate, beside.settings.context) else beside

    def may_lie_beside(self, want):
        """Whether experts of a mixture may lie in system memory: that is what llama.cpp makes of one that no card holds."""
        return self.policy.allow_experts_in_ram and not want.require_gpu and self._talks_alone(want)

    def _talks_alone(self, want):
        """Whether nothing but embedding models stays loaded beside it. With experts in system memory it fills the cards to their margin, so what is
        loaded after it finds no room there; small models may lie there first, or do without."""
        others = [other for other in self.wanted if other is not want] if self.policy.resident == "all" else []
        return all(tag.embedding for other in others for tag in self.scope.options[other.position])

    def _need(self, candidate, load):
        return placement.on_gpu(candidate.shape, load, self.rules, self.host, self.known.empty).need

    def alone(self, want, candidate, context):
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

    def stands(self, want, candidate, context):
        """Whether it may be chosen where it has the machine for itself."""
        key = (self.scope.twins[want.position], candidate, context, *self.conceded[want.position])
        if key not in self.known.stands:
            alone = self.alone(want, candidate, context)
            # A mixture fills the cards with any cache, so that what takes least need not be what is fast.
            loads = [self.scope.load(context, kind) for kind in self.scope.kinds_for((candidate,))] if alone.kind == "experts" else ()
            places = itertools.chain([alone], (self.place(want, candidate, load, self.known.empty, self.host.ram_budget) for load in loads))
            self.known.stands[key] = any(placed.kind and not self.slow(want, candidate, placed) for placed in places)
        return self.known.stands[key]

    def slow(self, want, candidate, placed):
        """floor.Slow where it answers too slowly there, else None."""
        return floor.missed(self.case, want, candidate, placed, *self.conceded[want.position])
