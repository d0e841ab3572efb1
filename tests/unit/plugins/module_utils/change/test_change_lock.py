# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One controller at a time, and nobody for ever.

Deleted, two runs would take each other's half-unpacked release for their own, or a run that was killed would keep everybody out.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import stat
import threading

import pytest
from ansible_collections.llmfleet.ollama.plugins.module_utils.change import lock


class Clock:
    def __init__(self, boot="first", seconds=1000):
        self.boot, self.seconds = boot, seconds

    @staticmethod
    def wall():
        return 1764280800

    def since_start(self):
        return self.seconds


def holder(token="a", **said):
    return {"token": token, "who": "anna@desk", "doing": "Ollama 0.32.15", "controller": "desk 1", "process": "17", "started": "then", **said}


@pytest.fixture
def folder(tmp_path):
    return str(tmp_path / "run" / "llmfleet" / "lock")


def test_the_first_one_has_it_and_the_second_is_told_who(folder):
    lock.take(folder, holder(), Clock())
    with pytest.raises(lock.Held) as refused:
        lock.take(folder, holder("b", who="otto@lap"), Clock(seconds=1190))
    assert lock.words(refused.value.holder) == (
        "anna@desk changes this host (Ollama 0.32.15) since 2025-11-27 22:00 UTC, and gave its last sign of life 3 minutes ago; wait until that run is over, "
        "or until 2025-11-27 22:11 UTC if nothing more is heard of it (15 minutes after that sign, or with a start of the host), and run this again."
    )
    assert lock.read(folder, Clock())["who"] == "anna@desk"
    assert "within the last minute" in lock.words(dict(refused.value.holder, silent_seconds=59))


# clock of the second one, what it knows to be gone -> whether it gets in
ENDS = {
    "silent for less than 15 minutes": (Clock(seconds=1899), "", False), "silent for 15 minutes": (Clock(seconds=1900), "", True),
    "the host was started anew": (Clock("second", 1001), "", True), "a start that nobody can name": (Clock("", 1001), "", True),
    "before its own time": (Clock(seconds=999), "", True), "its run is known to be gone": (Clock(), "a", True), "another one is": (Clock(), "c", False),
}


@pytest.mark.parametrize("case", ENDS)
def test_when_it_ends(folder, case):
    clock, over, gets_in = ENDS[case]
    lock.take(folder, holder(), Clock())
    if gets_in:
        lock.take(folder, holder("b"), clock, over)
        assert lock.read(folder, clock)["token"] == "b"
    else:
        with pytest.raises(lock.Held):
            lock.take(folder, holder("b"), clock, over)


def test_signs_of_life(folder):
    """Of the holder's only: a job that lives on after its run was killed does not keep out who took over."""
    lock.take(folder, holder(), Clock())
    assert lock.renew(folder, "a", Clock(seconds=1800)) and not lock.renew(folder, "b", Clock(seconds=1801))
    assert lock.read(folder, Clock(seconds=2699))["silent_seconds"] == 899
    assert not lock.renew(folder, "a", Clock(seconds=2700)), "it was silent too long, and somebody may have come"


def test_something_long_gives_signs_of_life_for_its_run(folder):
    """Deleted: half an hour of saving uploads would look like a run that was killed, and a second controller would start the container amid it."""
    clock, told = Clock(), threading.Event()

    class Telling(Clock):
        def since_start(self):
            if threading.current_thread() is not threading.main_thread():
                told.set()
            return clock.seconds

    lock.take(folder, holder(), clock)
    clock.seconds = 1890
    with lock.alive_meanwhile(folder, Telling(), every=0.01):
        assert told.wait(60)
    assert lock.read(folder, clock)["silent_seconds"] == 0
    clock.seconds = 9999
    with lock.alive_meanwhile(folder, clock, every=0.01):
        assert lock.read(folder, clock) is None, "a lock that nobody has is not taken"


def test_the_same_run_keeps_it_and_frees_its_own_only(folder):
    lock.take(folder, holder(), Clock())
    lock.keep(folder, holder(doing="the removal of Ollama"), Clock(seconds=1100))
    assert lock.read(folder, Clock(seconds=1100))["since"] == 1764280800
    lock.free(folder, "b", Clock())
    assert lock.read(folder, Clock(seconds=1100))
    lock.free(folder, "a", Clock(seconds=1100))
    assert lock.read(folder, Clock(seconds=1100)) is None and os.listdir(folder) == ["guard"]


def test_work_inside_of_other_work_of_one_run_lets_go_of_nothing(folder):
    """A release that a mirror needs, a removal on the way back: what is around it goes on as the only one."""
    for _piece in range(2):
        lock.take(folder, holder(), Clock())
    lock.keep(folder, holder(), Clock())
    lock.renew(folder, "a", Clock())
    lock.free(folder, "a", Clock())
    with pytest.raises(lock.Held):
        lock.take(folder, holder("b"), Clock())
    lock.free(folder, "a", Clock())
    lock.take(folder, holder("b"), Clock(), over="a")
    with pytest.raises(lock.Held):
        lock.keep(folder, holder("a"), Clock())
    lock.free(folder, "b", Clock())
    assert lock.read(folder, Clock()) is None, "it had it once"


def test_a_holder_that_an_earlier_release_of_this_collection_wrote(folder):
    """Two controllers need not have the same one."""
    lock.take(folder, holder(), Clock())
    with open(folder + "/holder.json", encoding="utf-8") as file:
        said = json.load(file)
    del said["depth"]
    with open(folder + "/holder.json", "w", encoding="utf-8") as file:
        json.dump(said, file)
    assert lock.read(folder, Clock())["token"] == "a"
    lock.free(folder, "a", Clock())
    assert lock.read(folder, Clock()) is None


def test_only_root_enters_and_nobodys_link_is_followed(folder, tmp_path):
    lock.take(folder, holder(), Clock())
    assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
    os.unlink(folder + "/holder.json")
    (tmp_path / "theirs").write_text("{}")
    os.symlink(str(tmp_path / "theirs"), folder + "/holder.json")
    assert lock.read(folder, Clock()) is None
    os.symlink(str(tmp_path / "theirs"), folder + "/holder.json.new")
    with pytest.raises(OSError):
        lock.take(folder, holder(), Clock())
    assert (tmp_path / "theirs").read_text() == "{}"


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"token": 1}', "[" * 100000])
def test_a_spoilt_file_holds_nobody_off(folder, text):
    lock.take(folder, holder(), Clock())
    with open(folder + "/holder.json", "w", encoding="utf-8") as file:
        file.write(text)
    assert lock.read(folder, Clock()) is None
    lock.take(folder, holder("b"), Clock())


def _race(folders, token, together, answers):
    for folder in folders:
        together.wait(60)
        try:
            lock.take(folder, holder(token), Clock())
            answers.put((folder, token))
        except lock.Held:
            answers.put((folder, ""))
        except OSError as error:
            answers.put((folder, repr(error)))


def test_of_many_at_the_same_moment_one_gets_in(tmp_path):
    """Each time the folder is not there yet: the first ones make it at once. All start together, as often as it takes to meet in every step."""
    forked = multiprocessing.get_context("fork")
    folders, runs = [str(tmp_path / str(number) / "run" / "lock") for number in range(25)], 4
    together, answers = forked.Barrier(runs), forked.Queue()
    racers = [forked.Process(target=_race, args=(folders, "t%d" % number, together, answers)) for number in range(runs)]
    for racer in racers:
        racer.start()
    got = [answers.get(timeout=120) for _answer in range(runs * len(folders))]
    for racer in racers:
        racer.join()
    for folder in folders:
        said = [token for where, token in got if where == folder]
        assert len(said) == runs and len([token for token in said if token]) == 1, said
        assert lock.read(folder, Clock())["token"] in said
