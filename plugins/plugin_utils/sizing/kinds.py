# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts of one kind: those of which nothing differs that a plan reads. A fleet has few kinds, and each of them is planned once."""

from __future__ import annotations

import collections
import pickle

_KEPT = 1024  # kinds that are remembered; the one that was not asked for longest goes first

_plans = collections.OrderedDict()


def once(case, make):
    """make(case), from an earlier case of the same kind if there was one. What make returns is remembered and never changed: each host gets a copy
    (by pickle, which also knows the strings that ansible-core marks and takes a third of the time of copying in Python)."""
    host, cards = _nameless(case.host)
    key = _key(case, host)
    if key in _plans:
        _plans.move_to_end(key)
    else:
        made = pickle.dumps(make(case._replace(host=host)), pickle.HIGHEST_PROTOCOL)
        _plans[key] = (made, case.header)  # a header that is kept cannot give its identity to another one
        if len(_plans) > _KEPT:
            _plans.popitem(last=False)
    return _named(pickle.loads(_plans[key][0]), cards)


def of(case):
    """What hosts of one kind have in common. As long as somebody keeps the case's header, it is of no other kind."""
    return _key(case, _nameless(case.host)[0])


def _key(case, host):
    return (
        repr(case.wanted), case.policy, host._replace(environment=None), case.version, repr(vars(case.spills)), case.flash, case.sources,
        id(case.header), case.place, repr(case.families),
    )


def _nameless(host):
    """(the host as all of its kind are, {identity there: card here}). Only the order of identities and numbers is kept, since ties are broken by it, and
    of equal cards not even that."""
    equal = collections.defaultdict(list)
    for position, card in enumerate(host.cards):
        equal[card._replace(key="", index=0)].append(position)
    indexes = [card.index for card in host.cards]
    for positions in equal.values():
        for position, index in zip(positions, sorted(indexes[i] for i in positions)):
            indexes[position] = index
    ranks = {key: rank for rank, key in enumerate(sorted(card.key for card in host.cards))}
    cards = tuple(
        card._replace(key=("GPU-%05d" if card.key.startswith("GPU-") else "%05d") % ranks[card.key], index=index)
        for card, index in zip(host.cards, indexes)
    )
    return host._replace(cards=cards, warnings=()), {neutral.key: card for neutral, card in zip(cards, host.cards)}


def _named(made, cards):
    """The plan of a kind as that of one host: with the identities and numbers of its own cards."""
    for entry in made["models"]:
        for device in entry["devices"]:
            device["index"] = cards[device.pop("key")].index
        entry["devices"].sort(key=lambda device: device["index"])
    visible = made["environment"].get("CUDA_VISIBLE_DEVICES")
    if visible:
        made["environment"]["CUDA_VISIBLE_DEVICES"] = ",".join(cards[key].key for key in visible.split(","))
    return made
