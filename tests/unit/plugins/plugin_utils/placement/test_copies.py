# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the copies of a model go. Deleted, a run could move a model for nothing, the order of an inventory could decide, and a host more could make
the fleet worse."""

from __future__ import annotations

import pytest
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.placement.copies import Place, Tag, place
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.fit import Found
from hypothesis import given, settings
from hypothesis import strategies as st

SIZES = [[Tag("big-q8", 6, 0.0), Tag("big", 6, 0.1)], [Tag("mid", 5, 0.1)], [Tag("small", 3, 0.1)]]
NEEDS = {"big-q8": 70, "big": 40, "mid": 20, "small": 4}


def fits(rooms, speeds=None):
    """Hosts that have so much room, and give half of the context where little is left."""

    def fit(host, tag):
        left = rooms[host] - NEEDS[tag]
        return Found(True, left >= 2, 8192 if left >= 4 else 4096, (speeds or {}).get(host, 10.0), left) if left >= 0 else None

    return fit


def placed(count, rooms, speeds=None, holds=None, away=None, busy=None):
    return place(count, SIZES, list(rooms), fits(rooms, speeds), {host: dict.fromkeys([tag], 2) for host, tag in (holds or {}).items()}, away or {}, busy or {})


@pytest.mark.parametrize(
    "count,rooms,more,tag,hosts",
    [
        (1, {"a": 24, "b": 48}, {}, "big", ("b",)),
        (2, {"a": 24, "b": 48}, {}, "mid", ("b", "a")),
        (2, {"a": 24, "b": 48, "c": 48}, {}, "big", ("b", "c")),
        # Of two that can, the faster one, then the one with more room, then by name.
        (1, {"a": 48, "b": 48}, {"speeds": {"b": 20.0}}, "big", ("b",)),
        (1, {"a": 48, "b": 50}, {}, "big", ("b",)),
        (1, {"a": 48, "b": 48}, {}, "big", ("a",)),
        # Spread before speed, and what is there stays there.
        (1, {"a": 48, "b": 48}, {"busy": {"a": 1}, "speeds": {"a": 20.0}}, "big", ("b",)),
        (1, {"a": 48, "b": 48}, {"holds": {"a": "big"}, "busy": {"a": 1}, "speeds": {"b": 20.0}}, "big", ("a",)),
        # Half of the context is worth more than the size, as in a host's own plan.
        (1, {"a": 41}, {}, "mid", ("a",)),
        # Weights after the context: all of it with lighter ones.
        (1, {"a": 73}, {}, "big", ("a",)),
        (1, {"a": 80}, {}, "big-q8", ("a",)),
        # Who is away keeps what it has, and nobody gets another tag meanwhile.
        (2, {"b": 80, "c": 80}, {"away": {"a": "mid"}}, "mid", ("a", "b")),
        (1, {"b": 80}, {"away": {"a": "mid"}}, "mid", ("a",)),
    ],
)
def test_where_copies_go(count, rooms, more, tag, hosts):
    assert placed(count, rooms, **more) == Place(tag, hosts)


@pytest.mark.parametrize(
    "count,rooms,away,there",
    [
        (3, {"a": 24, "b": 3}, {}, Place("mid", ("a",), 2)),
        (1, {"a": 3}, {}, Place("", (), 1)),
        (2, {"a": 3}, {"c": "gone"}, Place("gone", ("c",), 1)),
    ],
)
def test_what_is_missing_is_counted(count, rooms, away, there):
    fit = fits(rooms)
    known = place(count, SIZES, list(rooms), lambda host, tag: fit(host, tag) if tag in NEEDS else None, {}, away, {})
    assert known == there


ROOMS = st.dictionaries(st.sampled_from("abcdefg"), st.integers(0, 90), min_size=1)
SPEEDS = st.fixed_dictionaries({host: st.sampled_from([5.0, 10.0, 40.0]) for host in "abcdefgh"})


@settings(max_examples=20, deadline=None)
@given(ROOMS, SPEEDS, st.integers(1, 4))
def test_a_second_run_moves_nothing(rooms, speeds, count):
    first = placed(count, rooms, speeds)
    faster = {host: speeds[host] if host in first.hosts else 1000.0 for host in rooms}
    again = placed(count, rooms, faster, holds=dict.fromkeys(first.hosts, first.tag))
    assert (again.tag, sorted(again.hosts)) == (first.tag, sorted(first.hosts))


@settings(max_examples=20, deadline=None)
@given(ROOMS, SPEEDS, st.integers(1, 4))
def test_a_host_that_is_off_keeps_its_place_and_moves_nobody(rooms, speeds, count):
    first = placed(count, rooms, speeds)
    if not first.hosts:
        return
    gone, *staying = first.hosts
    left = {host: room for host, room in rooms.items() if host != gone}
    again = placed(count, left, speeds, holds=dict.fromkeys(staying, first.tag), away={gone: first.tag})
    assert (again.tag, sorted(again.hosts)) == (first.tag, sorted(first.hosts))


@settings(max_examples=20, deadline=None)
@given(ROOMS, SPEEDS, st.integers(1, 4), st.randoms(use_true_random=False))
def test_the_order_of_hosts_decides_nothing(rooms, speeds, count, chance):
    names = list(rooms)
    chance.shuffle(names)
    assert placed(count, rooms, speeds) == placed(count, {name: rooms[name] for name in names}, speeds)


@settings(max_examples=20, deadline=None)
@given(ROOMS, SPEEDS, st.integers(1, 4), st.integers(0, 90))
def test_one_host_more_is_never_worse(rooms, speeds, count, room):
    def worth(there):
        tags = {tag.name: tag for size in SIZES for tag in size}
        grades = [fits({**rooms, "h": room})(host, there.tag) for host in there.hosts]
        return (-there.missing, min((how.grade for how in grades), default=()), tags[there.tag].worth if there.tag else 0)

    assert worth(placed(count, {**rooms, "h": room}, speeds)) >= worth(placed(count, rooms, speeds))
