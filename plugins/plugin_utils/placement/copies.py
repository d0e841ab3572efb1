# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""On which hosts a model goes that is wanted a number of times (`replicas`). Pure: who holds what, and how well, is asked of a function.

One tag, the best that so many hosts can hold; of these the hosts that have it, else the ones with the fewest copies of other models, then by speed and
room. So nothing moves without need, and no order of hosts changes anything.
"""

from __future__ import annotations

import dataclasses

from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.fit import Found


@dataclasses.dataclass(frozen=True)
class Tag:
    """worth: of its size, loss: of its weights, as a host's own plan compares them."""

    name: str
    worth: float = 0.0
    loss: float = 0.0


@dataclasses.dataclass(frozen=True)
class Place:
    """hosts: that get the tag, those that are away first; missing: copies that have no host."""

    tag: str = ""
    hosts: tuple = ()
    missing: int = 0


def place(count: int, sizes: list, hosts: list, fit, holds: dict, away: dict, busy: dict) -> Place:
    """Where the copies go.

    sizes: lists of Tags, best size first; hosts: that take part in the run; fit(host, tag's name): a Found, or None where it does not go there; holds: how
    much {host: {tag's name: number}} speaks for a host that has it; away: {host: tag's name} of hosts that cannot be asked and keep what they have;
    busy: {host: copies of other models}.
    """
    if away:
        # Whoever is away cannot change, so nobody does.
        names = sorted(away.values())
        kept = max(names, key=lambda name: (names.count(name), -_rank(sizes, name)))
        sizes = [[next((tag for size in sizes for tag in size if tag.name == kept), Tag(kept))]]
    found = _best(count, sizes, hosts, fit, away)
    if found is None:
        # As many as there can be: the caller tells what is missing.
        most = max((_able(tag, hosts, fit, away) for size in sizes for tag in size), default=0)
        if not most:
            return Place(missing=count)
        found, short = _best(most, sizes, hosts, fit, away), count - most
    else:
        short = 0
    tag, least = found
    staying = [host for host in sorted(away) if away[host] == tag.name][:count]
    fits = {host: fit(host, tag.name) for host in hosts}
    good = [host for host, how in fits.items() if how and how.grade >= least]
    good.sort(key=lambda host: (-holds.get(host, {}).get(tag.name, 0), busy.get(host, 0), -fits[host].speed, -fits[host].room, host))
    return Place(tag.name, (*staying, *good[: count - short - len(staying)]), short)


def _rank(sizes: list, name: str) -> int:
    order = [tag.name for size in sizes for tag in size]
    return order.index(name) if name in order else len(order)


def _staying(tag: Tag, away: dict) -> int:
    return sum(name == tag.name for name in away.values())


def _able(tag: Tag, hosts: list, fit, away: dict) -> int:
    return _staying(tag, away) + sum(fit(host, tag.name) is not None for host in hosts)


def _best(count: int, sizes: list, hosts: list, fit, away: dict):
    """(the best tag that so many hosts hold, how good the last of them has to be), in the order in which a host's own plan concedes: on the cards, half
    of the context, the size, the rest of the context, the weights. None where no tag has so many."""
    best = None
    for size in sizes:
        for tag in size:
            fits = sorted(filter(None, (fit(host, tag.name) for host in hosts)), key=lambda how: (*how.grade, how.context), reverse=True)
            need = count - _staying(tag, away)
            if len(fits) < need:
                continue
            last = fits[need - 1] if need > 0 else Found(True, True, 0, 0.0, 0)
            key = (*last.grade, tag.worth, last.context, -tag.loss)
            if best is None or key > best[0]:
                best = (key, tag, last.grade)
        if best and best[2] == (True, True):
            break  # smaller ones would be worth less
    return best and best[1:]
