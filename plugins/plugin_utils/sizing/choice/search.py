# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The search for the best tags that fit a host together. It says what it found in types (case.py), not in words."""

from __future__ import annotations

import itertools

from .. import data, versions
from ..errors import BadInput
from ..machine import placement
from ..machine.placement import Load
from . import candidates, floor, wants
from .case import Chosen, Crowded, Nothing, Outcome, Refused, Rejected

_NEAR_MISS = 0.06  # a tag that misses by so little by the catalogue is worth its header


class _NothingFits(Exception):
    def __init__(self, want, rejected):
        super().__init__(want.where)
        self.want, self.rejected = want, rejected


class Search:
    """One case. fallbacks: why headers were not read, each reason once."""

    def __init__(self, case):
        self.case = case
        self.wanted, self.policy, self.host, self.rules = case.wanted, case.policy, case.host, case.rules
        self.fallbacks = []
        self.options = {}
        self.lightest = {}
        self._exact = {}

    def run(self):
        problems = self._prepare()
        if problems:
            return Outcome(problems=problems)
        if not self.host.cards and not self.policy.allow_cpu:
            return Outcome(failure=Refused("no_gpu"))
        if not self.host.cards and not self.host.ram_total:
            return Outcome(failure=Refused("no_memory"))
        loads = self._loads()
        too_many = self._too_many(loads) if len(self.wanted) > 1 and self.policy.resident == "all" else None
        if too_many:
            return Outcome(failure=self._failure(too_many, [], loads))
        for tried in (loads, [load for load in loads if load.k_type == "f16"]):
            if not tried:
                continue
            for by_size, look_ahead in itertools.product((False, True) if len(self.host.cards) > 1 else (False,), (False, True)):
                try:
                    chosen = self._choose(tried, look_ahead, by_size)
                except _NothingFits as problem:
                    failed = problem
                    continue
                load = self._settle(chosen, tried)
                if load:
                    return Outcome(sorted(chosen, key=lambda item: item.want.position), load)
                failed = None
        return Outcome(failure=self._failure(failed.want, failed.rejected, loads) if failed else Refused("no_setting"))

    def _failure(self, want, rejected, loads):
        """Why a want has no tag: none fits the host at all, or one would if it were alone."""
        if len(self.wanted) > 1 and self.policy.resident == "all":
            try:
                candidate, placed, _rejected = self._pick(want, loads, placement.usable_left(self.host), self.host.ram_budget)
            except _NothingFits as alone:
                rejected = alone.rejected
            else:
                return Crowded(candidate, placed)
        return Nothing(want, rejected, want.own_context or min(loads[-1].context, want.context or loads[-1].context))

    # -- candidates and settings

    def _prepare(self):
        """The candidates of each want; sentences about those that have none."""
        problems = []
        for want in self.wanted:
            try:
                if want.kind == "family":
                    found = candidates.for_family(want, self.policy)
                else:
                    found = [candidates.for_model(want, self.case.sources, self._read)]
                found = self._gates(want, found)
                _check_context(want, found)
                self.options[want.position] = found
            except BadInput as problem:
                problems.append(str(problem))
        return problems

    def _gates(self, want, found):
        kept, newest = [], None
        for candidate in found:
            requires = candidate.metadata.get("requires")
            if requires and versions.parse(requires) > self.case.version:
                newest = requires
                continue
            kept.append(candidate)
        if not kept:
            raise BadInput("%s: %s needs Ollama %s or later: raise ollama_version" % (want.where, want.target, newest))
        return kept

    def _loads(self):
        """Settings of the service from what is wanted to the last concession: first extra context goes, then the cache's precision."""
        shared = [want for want in self.wanted if not want.own_context and not _silent_embedding(want, self.options[want.position])]
        stated = [want.context for want in shared if want.context]
        most = max(stated) if stated else wants.DEFAULT_CONTEXT
        least = max([want.min_context for want in shared if want.context] or [min(most, wants.DEFAULT_MIN_CONTEXT)])
        kinds = [kind for kind in self.policy.kv_cache_types if kind == "f16" or self.case.flash] or ["f16"]
        return [
            Load(context, self.policy.parallel, kind, kind, self.case.flash)
            for kind in kinds
            for context in wants.ladder(most, min(least, most))
        ]

    @staticmethod
    def _allowed(load, candidate):
        return load.k_type == "f16" or candidate.shape.flash_attention or candidate.shape.encoder

    def _last(self, loads, candidate):
        for load in reversed(loads):
            if self._allowed(load, candidate):
                return load
        return loads[-1]._replace(k_type="f16", v_type="f16")

    # -- one candidate

    def place(self, want, candidate, load, left, ram):
        """Where a candidate goes with so much left on each card and in memory; its kind is None where it does not fit."""
        if want.own_context:
            load = load._replace(context=want.own_context)
        if not self.host.cards:
            return placement.on_cpu(candidate.shape, load, self.rules, ram)
        layers = want.parameters.get("num_gpu")
        if layers is not None and 0 <= layers < candidate.shape.blocks:
            return self._by_hand(candidate, load, left, ram, layers)
        placed = placement.on_gpu(candidate.shape, load, self.rules, self.host, left)
        if placed.kind:
            limit = self.case.spills.limit(candidate, load, placed, self._need)
            if limit is not None and placed.need > limit:
                return placed._replace(kind=None, shares=(), short=placed.need - limit)
            return placed
        if self.policy.allow_partial_offload and not want.require_gpu and layers in (None, -1):
            share = self.policy.min_offload_share if want.kind == "family" else 0.0
            part = placement.partly(candidate.shape, load, self.rules, self.host, left, ram, share)
            if part:
                return part
        return placed

    def _by_hand(self, candidate, load, left, ram, layers):
        """num_gpu of a managed model: llama.cpp takes exactly so many layers, whatever would fit."""
        if layers == 0:
            return placement.on_cpu(candidate.shape, load, self.rules, ram)
        part = placement.partly(candidate.shape, load, self.rules, self.host, left, ram, 0.0, layers)
        return part or placement.on_gpu(candidate.shape, load, self.rules, self.host, left)._replace(kind=None)

    def _need(self, candidate, load):
        return placement.on_gpu(candidate.shape, load, self.rules, self.host, placement.usable_left(self.host)).need

    def _header_of(self, want, candidate, placed):
        """The candidate by its own header, where that source comes first and the answer may depend on it; text where there is no such model."""
        if self.case.sources[0] != "header" or candidate.source == "header":
            return candidate
        if not placed.kind and placed.short > _NEAR_MISS * placed.need:
            return candidate
        if candidate.name not in self._exact:
            metadata, why, final = self._read(candidate.name)
            self._exact[candidate.name] = candidate.with_header(metadata) if metadata else why if final else candidate
        return self._exact[candidate.name]

    def _read(self, name):
        metadata, why, final = self.case.header(name)
        if why and not final and why not in self.fallbacks:
            self.fallbacks.append(why)
        return metadata, why, final

    def _pick(self, want, loads, left, ram):
        """(candidate, where it goes, those passed over) for a want; raises _NothingFits."""
        rejected = []
        for candidate in self._ordered(want):
            load = self._last(loads, candidate)
            needed = want.own_context or (want.min_context if want.context else 0)
            if candidate.shape.context_train and candidate.shape.context_train < needed and not candidate.embedding:
                rejected.append(Rejected(candidate, "trained", detail=candidate.shape.context_train))
                continue
            placed = self.place(want, candidate, load, left, ram)
            exact = self._header_of(want, candidate, placed)
            if isinstance(exact, str):
                rejected.append(Rejected(candidate, "gone", detail=exact))
                continue
            if exact is not candidate:
                candidate, load = exact, self._last(loads, exact)
                placed = self.place(want, candidate, load, left, ram)
            if not placed.kind:
                rejected.append(Rejected(candidate, "short", placed))
                continue
            slow = floor.missed(self.case, want, candidate, placed)
            if slow:
                rejected.append(Rejected(candidate, "slow", placed, slow))
                continue
            return candidate, placed, rejected
        raise _NothingFits(want, rejected)

    def _ordered(self, want):
        options = self.options[want.position]
        if self.host.cards or want.kind != "family":
            return options
        # On a CPU the bytes of a token are its time: of one size the smallest file that loses little comes first.
        order = data.families()[want.target]["order"]
        return sorted(options, key=lambda c: (order.index(c.row.size), c.download_bytes))

    # -- all of them

    def _sequence(self, by_size=False):
        """Models that are given come first, the largest before all, since it is the hardest to place; families get what is left, in their order.

        by_size: families too by the size of their lightest tag, for lists that can be placed in no other way.
        """

        def rank(want):
            family = want.kind == "family" and not by_size
            return family, 0 if family else -min(c.shape.file_bytes for c in self.options[want.position]), want.position

        return sorted(self.wanted, key=rank)

    def _place_lightest(self, want, loads, left, ram):
        """Where the lightest tag of a want that fits would go; None where none does."""
        if want.position not in self.lightest:
            self.lightest[want.position] = sorted(self.options[want.position], key=lambda c: c.shape.gpu_weights)
        for candidate in self.lightest[want.position]:
            placed = self.place(want, candidate, self._last(loads, candidate), left, ram)
            if placed.kind:
                return placed
        return None

    def _too_many(self, loads):
        """The first want of which not even the lightest tag fits beside the lightest of those before it; None if all do."""
        leeway = 1 + _NEAR_MISS if self.case.sources[0] == "header" else 1  # by their headers they may be smaller
        left, ram = [int(size * leeway) for size in placement.usable_left(self.host)], self.host.ram_budget * leeway
        for want in self._sequence(by_size=True):
            placed = self._place_lightest(want, loads, left, ram)
            if not placed:
                return want
            if self.policy.resident == "all":
                left, spent = placement.spend(left, self.host, placed)
                ram -= spent
        return None

    def _choose(self, loads, look_ahead, by_size):
        left, ram, chosen = placement.usable_left(self.host), self.host.ram_budget, []
        sequence = self._sequence(by_size)
        for number, want in enumerate(sequence):
            kept_left, kept_ram = left, ram
            if look_ahead:
                for later in sequence[number + 1 :]:
                    placed = self._place_lightest(later, loads, kept_left, kept_ram)
                    if placed:
                        kept_left, spent = placement.spend(kept_left, self.host, placed)
                        kept_ram -= spent
            candidate, placed, rejected = self._pick(want, loads, kept_left, kept_ram)
            chosen.append(Chosen(want, candidate, rejected))
            if self.policy.resident == "all":
                placed = self.place(want, candidate, self._last(loads, candidate), left, ram)
                left, spent = placement.spend(left, self.host, placed)
                ram -= spent
        return chosen

    def _settle(self, chosen, loads):
        """The first settings, in the order of concessions, with which all the chosen models fit."""
        for load in loads:
            if not all(self._allowed(load, item.candidate) for item in chosen):
                continue
            left, ram = placement.usable_left(self.host), self.host.ram_budget
            for item in chosen:
                item.before = (left, ram)
                item.load = load
                item.placed = self.place(item.want, item.candidate, load, left, ram)
                if not item.placed.kind:
                    break
                if self.policy.resident == "all":
                    left, spent = placement.spend(left, self.host, item.placed)
                    ram -= spent
            else:
                return load
        return None


def _silent_embedding(want, found):
    """An embedding model for which nobody wrote a context takes what it was trained for, and moves nobody else's."""
    return found[0].embedding and not want.own_context and "context" not in want.item and "min_context" not in want.item


def _check_context(want, found):
    if _silent_embedding(want, found):
        return
    longest = max(candidate.shape.context_train or 1 << 62 for candidate in found)
    own = want.own_context
    asked, variable = (own, ".parameters.num_ctx") if own else (want.context, ".context")
    if asked and asked > longest:
        raise BadInput(
            "%s%s is %d, but %s was trained for %d tokens: write %d or less"
            % (want.where, variable, asked, want.target, longest, longest)
        )
