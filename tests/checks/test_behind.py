# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The jobs behind the other tests: one that is never begun would leave `make test` waiting for ever, one that fails must fail its own test alone."""

from __future__ import annotations

import threading

import pytest
from support import behind


@pytest.fixture
def jobs():
    made = behind.Behind()
    yield made
    made.end()


def test_scenarios_come_before_pairs_in_the_order_in_which_they_were_added(jobs):
    ran = []
    futures = [jobs.add(kind, ran.append, name) for kind, name in ((behind.PAIR, "p1"), (behind.SCENARIO, "s1"), (behind.PAIR, "p2"), (behind.SCENARIO, "s2"))]
    jobs.work(*behind.KINDS)
    for future in futures:
        future.result(timeout=60)
    assert ran == ["s1", "s2", "p1", "p2"]


def test_a_second_worker_takes_scenarios_alone(jobs):
    """It would hold the first pair, and the tests after the scenarios would share two cores with two of them."""
    release, ran = threading.Event(), []
    slow = jobs.add(behind.SCENARIO, release.wait)
    quick = jobs.add(behind.SCENARIO, ran.append, "s2")
    pair = jobs.add(behind.PAIR, ran.append, "p")
    jobs.work(*behind.KINDS)
    jobs.work(behind.SCENARIO)
    quick.result(timeout=60)
    assert ran == ["s2"] and not slow.done() and not pair.done()
    release.set()
    pair.result(timeout=60)
    assert ran == ["s2", "p"]


def test_a_job_that_fails_fails_whoever_waits_for_it_and_nobody_else(jobs):
    def fall():
        raise ValueError("no lab")

    failing, next_one = jobs.add(behind.SCENARIO, fall), jobs.add(behind.SCENARIO, str)
    jobs.work(*behind.KINDS)
    with pytest.raises(ValueError, match="no lab"):
        failing.result(timeout=60)
    assert next_one.result(timeout=60) == ""


def test_at_the_end_no_job_begins_and_the_one_that_runs_is_waited_for(jobs):
    """Else a run that is stopped would go on with half an hour of scenarios that nobody waits for."""
    begun, release = threading.Event(), threading.Event()

    def hold():
        begun.set()
        release.wait(60)

    running, waiting = jobs.add(behind.SCENARIO, hold), jobs.add(behind.SCENARIO, str)
    jobs.work(*behind.KINDS)
    assert begun.wait(60)
    threading.Timer(0.1, release.set).start()
    jobs.end()
    assert running.done() and waiting.cancelled()
