# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Models come and go while nobody else changes the host, and a look takes nothing.

Deleted, two runs would pull and remove each other's models, or a converged run would keep somebody else out.
"""

from __future__ import annotations

import os

import pytest
from ansible_collections.llmfleet.ollama.plugins.module_utils.change import lock
from ansible_collections.llmfleet.ollama.plugins.modules import ollama_models as module

ME = {"token": "a", "who": "anna@desk", "controller": "desk 1", "process": "17", "started": "then"}


class Clock:
    boot, seconds = "first", 0

    @staticmethod
    def wall():
        return 0

    def since_start(self):
        return self.seconds


class Converger:
    """Work of two steps, an hour each in the eyes of the clock's owner."""

    changes = True
    progress = None

    def __init__(self, clock, seen):
        self.clock, self.seen = clock, seen

    def act(self):
        for _step in range(2):
            self.clock.seconds += 800
            self.progress({"what": "x"})
            self.seen()
        return {"changed": True}


@pytest.fixture
def asked(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return type("Module", (), {"check_mode": False, "params": {"holder": ME}})()


def test_a_pull_gives_signs_of_life_and_lets_go(tmp_path, asked):
    folder, clock, told = str(tmp_path / "lock"), Clock(), []
    converger = Converger(clock, lambda: told.append(lock.read(folder, clock)["silent_seconds"]))
    hold = lock.Hold(folder, module.who(asked, converger), clock).take()
    with pytest.raises(lock.Held) as refused:
        lock.take(folder, {**ME, "token": "b", "doing": ""}, clock)
    assert "anna@desk changes this host (models) since" in lock.words(refused.value.holder)
    assert module.run(converger, hold) == {"changed": True} and told == [0, 0] and lock.read(folder, clock) is None


def test_it_lets_go_whatever_happens(tmp_path, asked):
    folder, clock = str(tmp_path / "lock"), Clock()

    def fails():
        raise KeyError("x")

    converger = Converger(clock, fails)
    with pytest.raises(KeyError):
        module.run(converger, lock.Hold(folder, module.who(asked, converger), clock).take())
    assert lock.read(folder, clock) is None


def test_nothing_is_taken_where_nothing_changes_or_by_whom_it_cannot(tmp_path, asked, monkeypatch):
    converger = Converger(Clock(), lambda: None)
    for name, value in (("check_mode", True), ("params", {"holder": None})):
        assert module.who(type("Module", (), {"check_mode": False, "params": {"holder": ME}, name: value})(), converger) is None
    converger.changes = False
    assert module.who(asked, converger) is None
    converger.changes = True
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert module.who(asked, converger) is None
    module.run(converger, lock.Hold(str(tmp_path / "lock"), None, Clock()).take())
    assert not (tmp_path / "lock").exists()
