# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The search for the best tags that fit a host together. It says what it found in types (case.py), not in words.

Every concession is a total order that no machine changes (docs/sizing.md, order of concessions), and the best of what fits is taken. So more memory, which
only adds to what fits, never makes a plan worse.
"""

from __future__ import annotations

from . import headers
from .best_set import BestSet
from .case import Concession, Outcome, Refused, worth
from .known import Known
from .scope import Scope

_TRIED = 3  # wants up to which it is tried which one of them lies best in system memory


class Search:
    """One case. fallbacks: why headers were not read, each reason once. cuts: contexts above what the target was trained for."""

    def __init__(self, case):
        self.case, self.wanted, self.policy, self.host = case, case.wanted, case.policy, case.host
        self.scope, self.known = Scope(case), Known(case.host)
        self.fallbacks, self.cuts = self.scope.headers.fallbacks, self.scope.cuts
        self.taken = self._with(Concession())  # what was tried last, or was found to be the best

    def run(self):
        if self.scope.problems:
            return Outcome(problems=self.scope.problems)
        if not self.host.cards and not self.policy.allow_cpu:
            return Outcome(failure=Refused("no_gpu"))
        if not self.host.cards and not self.host.ram_total:
            return Outcome(failure=Refused("no_memory"))
        while True:
            outcome = self._search()
            if not self._read_headers(outcome):
                return outcome

    def place(self, item, left, ram):
        """Where a model that was chosen goes with so much left on each card and in memory."""
        return self.taken.single.place(item.want, item.candidate, item.load, left, ram)

    def _search(self):
        if not self.wanted:
            return Outcome([], self.scope.load(self.scope.contexts[0], self.scope.kinds[0]))
        for sets in self._sets():
            found = [(outcome, best) for outcome, best in ((best.outcome(), best) for best in sets) if outcome]
            if found:
                outcome, self.taken = max(found, key=lambda one: worth(one[0]))
                return outcome
            self.taken = sets[-1]
        return Outcome(failure=self.taken.why_not.failure(self._would_in_turns))

    def _with(self, concession):
        return BestSet(self.scope, self.known, concession)

    def _sets(self):
        """By which wants may be slow, and which may be computed by the processor: none; those that are slow at their best; and only where nothing whole
        fits, one on the processor (the one with which the list gets most), then all of them. In turns none is in the way of another: then those of which
        nothing fits.

        Without the last resorts a card that is slow or small would be denied what a host without a card is given.
        """
        whole = self._with(Concession())
        yield [whole]
        slow = self._slow_at_best(whole)
        if slow:
            whole = self._with(Concession(slow))
            yield [whole]
        free = [want for want in self.wanted if want.parameters.get("num_gpu") in (None, -1) and not want.require_gpu]
        if self.host.cards and self.policy.allow_partial_offload is not False and free:
            if self.policy.resident == "one":
                free = [want for want in free if not whole.sizes.lightest_of_each(want, self.scope.least)] or free
            places = [want.position for want in free]
            if self.policy.resident == "all" and 1 < len(free) <= _TRIED:
                yield [self._with(Concession(slow | {position}, frozenset([position]))) for position in reversed(places)]
            yield [self._with(Concession(slow.union(places), frozenset(places)))]

    def _slow_at_best(self, whole):
        """The wants of which nothing is fast enough for a host with a GPU although the machine is empty."""
        if not self.host.cards or self.policy.min_tokens_per_second is not None:
            return frozenset()
        return frozenset(want.position for want in self.wanted if not whole.sizes.lightest_of_each(want, self.scope.least))

    def _would_in_turns(self):
        """Whether there would be a plan if the models were loaded in turns: alone, a mixture may have its experts in system memory."""
        if self.policy.resident != "all" or len(self.wanted) < 2:
            return False
        other = Search(self.case._replace(policy=self.policy._replace(resident="one")))
        return not other.scope.problems and bool(other._search().chosen)

    def _read_headers(self, outcome):
        """Read the headers on which the outcome depends; whether one of them changed what is known."""
        if self.case.sources[0] != "header":
            return False
        changed = False
        for want, candidate in headers.decisive(outcome, self.wanted):
            told = self.scope.headers.told(want, candidate)
            if not told:
                continue
            changed = True
            self.scope.replace(want, candidate, told)
            self.known.forget(candidate, told.exact)
        return changed
