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


def test_kinds_begin_in_their_order_and_jobs_of_one_kind_in_that_in_which_they_were_added(jobs):
    ran = []
    added = (behind.PAIR, "p1"), (behind.BESIDE, "b1"), (behind.SCENARIO, "s1"), (behind.PAIR, "p2"), (behind.SCENARIO, "s2")
    futures = [jobs.add(kind, ran.append, name) for kind, name in added]
    jobs.work(*behind.KINDS)
    for future in futures:
        future.result(timeout=60)
    assert ran == ["s1", "s2", "b1", "p1", "p2"]


def test_a_second_worker_leaves_the_web_uis_to_the_first_while_there_is_else_to_do(jobs):
    """Two of them and the lab's own would start on two cores at once; and a kind that nobody takes would never be begun."""
    begun, release, ran = threading.Event(), threading.Event(), []

    def hold():
        begun.set()
        release.wait(60)

    slow = jobs.add(behind.SCENARIO, hold)
    jobs.work(*behind.KINDS)
    assert begun.wait(60)
    quick = [jobs.add(kind, ran.append, name) for kind, name in ((behind.BESIDE, "b"), (behind.SCENARIO, "s2"), (behind.PAIR, "p"))]
    jobs.work(*behind.SECOND)
    for future in quick:
        future.result(timeout=60)
    assert ran == ["s2", "p", "b"] and not slow.done() and set(behind.SECOND) == set(behind.KINDS)
    release.set()


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
