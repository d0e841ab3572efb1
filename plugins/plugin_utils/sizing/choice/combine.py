# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One option for each want, so that all fit together and their worth is the largest. Nothing here knows what an option is."""

from __future__ import annotations

import collections

# worth: what is added up; weight: bytes that it takes, so that of two options the lighter one is known; elastic: whether it takes what is left and does
# with less, so that its weight says nothing against it
Option = collections.namedtuple("Option", "worth weight thing elastic", defaults=(False,))

_EXACT = 4  # wants for which every combination is considered; more are upgraded one by one
_TRIES = 3000  # combinations that are tried at most
_EQUAL = 1e-9


def best(options, fits):
    """The things chosen, one for each want; None where not even the lightest fit together. fits: of a tuple of things.

    What is worth how much never depends on the machine, and what fits one machine fits a larger one: so more memory cannot give less.
    """
    if not all(options):
        return None
    lists = [_useful(found) for found in options]
    top = tuple(found[0] for found in lists)
    if fits(_things(top)):
        return _things(top)
    bottom = tuple(found[-1] for found in lists)
    if not fits(_things(bottom)):
        return None
    found = _upgraded(lists, bottom, fits)
    if 1 < len(lists) <= _EXACT:
        elastic = [[option for option in found if option.elastic] for found in options]
        found = _Search([_ranked(dict.fromkeys([*kept, *more])) for kept, more in zip(lists, elastic)], bottom, fits, found).run()
    return _things(found)


def _things(options):
    return tuple(option.thing for option in options)


def _useful(options):
    """Best first, without those that take as much as a better one or more; so the last is the lightest."""
    kept = []
    for option in _ranked(options):
        if not kept or option.weight < kept[-1].weight:
            kept.append(option)
    return kept


def _ranked(options):
    return sorted(options, key=lambda option: (-option.worth, option.weight))


def _steps(lists):
    """Every step from one option of a want to a better one, in the order of worth for a byte; a want's own steps stay in their order."""
    steps = []
    for position, options in enumerate(lists):
        now = len(options) - 1
        while now > 0:
            # The step of the best ratio, which may leap over options; so ratios fall from step to step.
            ratios = [
                ((options[then].worth - options[now].worth) / (options[then].weight - options[now].weight), -then) for then in range(now)
            ]
            ratio, then = max(ratios)
            now = -then
            steps.append((-ratio, position, options[now]))
    return sorted(steps, key=lambda step: (step[0], step[1], step[2].worth))


def _upgraded(lists, bottom, fits):
    """As many steps as fit, taken in one order that is the same on every machine."""
    steps = _steps(lists)

    def after(count):
        now = list(bottom)
        for _ratio, position, option in steps[:count]:
            now[position] = option
        return tuple(now)

    low, high = 0, len(steps)
    while low < high:
        middle = (low + high + 1) // 2
        if fits(_things(after(middle))):
            low = middle
        else:
            high = middle - 1
    return after(low)


class _Search:
    """All combinations, best first in the order of the list, without those that cannot win."""

    def __init__(self, lists, lightest, fits, found):
        self.lists, self.lightest, self.fits, self.found = lists, lightest, fits, found
        self.worth = sum(option.worth for option in found) - 2 * _EQUAL  # of two that are worth the same, the one that serves the first want better
        self.tries = 0
        # The most that the wants from each one on could add.
        self.rest = [sum(options[0].worth for options in lists[i:]) for i in range(len(lists) + 1)]

    def run(self):
        self._go([], 0.0)
        return self.found

    def _go(self, chosen, worth):
        position = len(chosen)
        if position == len(self.lists):
            self.found, self.worth = tuple(chosen), worth
            return
        for option in self.lists[position]:
            if worth + option.worth + self.rest[position + 1] <= self.worth + _EQUAL or self.tries >= _TRIES:
                return
            self.tries += 1
            if self.fits(_things([*chosen, option, *self.lightest[position + 1 :]])):
                self._go([*chosen, option], worth + option.worth)
