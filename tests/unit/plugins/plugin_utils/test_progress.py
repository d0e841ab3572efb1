# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How often a person reads how far it is: never a silent minute, and no thousand lines an hour."""

from __future__ import annotations

import os
import time
from itertools import pairwise

import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible_collections.llmfleet.ollama.plugins.module_utils.transfer import Rate
from ansible_collections.llmfleet.ollama.plugins.plugin_utils import progress
from support import GIB


class Shared:
    """A floor with the test's own clock."""

    def __init__(self, now):
        self.now, self.taken = now, None

    def take(self):
        self.taken = self.now[0]

    def silent_for(self):
        return float("inf") if self.taken is None else self.now[0] - self.taken


def speak(hosts, seconds, step=2.0, active=lambda host, second: True):
    """[(second, line)] of hosts that download for so long, each looked at every `step` seconds."""
    now, said = [0.0], []
    floor = Shared(now)
    tickers = [
        progress.Ticker("h%d" % host, hosts, lambda text: said.append((now[0], text)), lambda: now[0], floor) for host in range(hosts)
    ]
    while now[0] < seconds:
        for host, ticker in enumerate(tickers):
            if active(host, now[0]):
                ticker({"what": "x:40b", "status": "pulling a", "total_bytes": 40 * GIB, "completed_bytes": int(now[0]) << 20, "rate": 1 << 20})
        now[0] += step
    return said


def silence(said, begin, end):
    """The longest one between the lines of this time."""
    moments = [begin] + [second for second, _line in said if begin < second < end] + [end]
    return max(later - earlier for earlier, later in pairwise(moments))


def test_an_hour_of_one_host_has_no_silent_minute_and_few_lines():
    """Without the schedule there are 1800 lines an hour; with one that goes on slowing down there are silent minutes."""
    said = speak(1, 3600)
    assert silence(said, 0, 3600) < 60
    assert len(said) <= 100
    # The first half minute is where a person looks whether it works at all.
    assert sum(second < 30 for second, _line in said) >= 8


def test_twenty_hosts_do_not_flood():
    """Twenty hosts that each speak as if they were alone would print 24 lines a minute for ever."""
    said = speak(20, 3600)
    assert silence(said, 0, 3600) < 60
    assert sum(second > 600 for second, _line in said) < 60 * 6
    speakers = [line.split(":")[0] for second, line in said if second > 1800]
    assert set(speakers) == {"h%d" % host for host in range(20)}, "a host was never heard for half an hour"


def test_the_last_of_twenty_hosts_speaks_for_itself():
    """A schedule by the number of hosts alone leaves the slowest one silent for minutes once the others are done."""
    said = speak(20, 3600, active=lambda host, second: host == 7 or second < 900)
    assert silence(said, 960, 3600) < 60


def test_a_new_topic_is_told_soon_and_a_long_status_with_its_time():
    """'loading' for ten minutes looks hung without the time, and 'verifying' after a long pull would wait for its turn."""
    now, said = [0.0], []
    ticker = progress.Ticker("h", 1, said.append, lambda: now[0], Shared(now))
    ticker({"what": "x:40b", "status": "pulling a", "total_bytes": 100, "completed_bytes": 1})
    now[0] = 1000.0
    ticker({"what": "x:40b", "status": "pulling a", "total_bytes": 100, "completed_bytes": 100})
    now[0] = 1003.0
    ticker({"what": "x:40b", "status": "verifying sha256 digest"})
    now[0] = 1090.0
    ticker({"what": "x:40b", "status": "verifying sha256 digest"})
    assert said[-2:] == ["h: x:40b, verifying", "h: x:40b, verifying, 1 min"]
    ticker({})
    assert len(said) == 4


@pytest.mark.parametrize(
    "state, expected",
    [
        (
            {"total_bytes": 2 * GIB, "completed_bytes": GIB, "rate": 8 << 20, "seconds_left": 128},
            "x  50 %, 1.0 GiB of 2.0 GiB, 8.0 MiB/s, 2 min left",
        ),
        ({"completed_bytes": GIB, "rate": 8 << 20}, "x, 1.0 GiB, 8.0 MiB/s"),
        ({}, "x, pulling"),
        ({"count": 3, "number": 2, "total_bytes": 8, "completed_bytes": 2}, "x (2 of 3)  25 %, 2 bytes of 8 bytes"),
        ({"total_bytes": 8, "completed_bytes": 2, "seconds_left": 4000}, "x  25 %, 2 bytes of 8 bytes, 1 h 6 min left"),
    ],
)
def test_a_line_says_what_is_known(state, expected):
    """A server that does not say how long a file is must not end in a division by zero, or in '0 % of 0'."""
    assert progress.line({"what": "x", **state}, "pulling", 0) == expected


def test_floor_is_shared_between_processes(tmp_path):
    """Tasks of several hosts run in forks: what one says must hush the others and the heartbeat."""
    path = str(tmp_path / "floor")
    floor = progress.Floor(path)
    assert floor.silent_for() == float("inf")
    child = os.fork()
    if not child:
        progress.Floor(path).take()
        os._exit(0)
    os.waitpid(child, 0)
    assert floor.silent_for() < 5
    os.utime(path, (time.time() - 100, time.time() - 100))
    assert 99 < floor.silent_for() < 110


def test_hosts_at_once_are_the_batch_within_the_forks():
    """Five hosts with one fork work one after another: each is alone, and none may be slowed down."""
    variables = {"inventory_hostname": "a", "ansible_play_batch": ["a", "b", "c", "d", "e", "f"], "ansible_forks": 20}
    assert progress.ticker_for(variables).crowd == 2
    assert progress.ticker_for({**variables, "ansible_forks": 1}).crowd == 1
    assert progress.ticker_for({}).host == "host"


def test_a_short_break_of_the_line_is_borne_and_a_long_one_is_not():
    """The work goes on without us; but a host that stays away is unreachable, not slow."""
    outcomes = [1, AnsibleConnectionFailure("gone"), 2] + [AnsibleConnectionFailure("gone")] * (progress.LOST_LOOKS + 1)

    def look():
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    slept = []
    answers = progress.looks(look, sleep=slept.append, clock=lambda: sum(slept))
    assert [next(answers), next(answers)] == [1, 2]
    with pytest.raises(AnsibleConnectionFailure):
        next(answers)
    assert slept[0] == progress.QUICKEST_LOOK and max(slept) <= progress.SLOWEST_LOOK


def test_rate_is_that_of_the_last_seconds():
    """The time left must follow a line that has become slow, and be unknown where nothing comes."""
    rate = Rate()
    assert rate.per_second == 0 and rate.seconds_for(10) is None
    for second in range(100):
        rate.add(second, second * 1000 if second < 50 else 50000 + (second - 50) * 10)
    assert rate.per_second == 10 and rate.seconds_for(100) == 10
    rate.clear()
    assert rate.per_second == 0
