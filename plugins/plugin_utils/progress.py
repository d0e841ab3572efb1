# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far long work on a host has come: looked at with the host's shell, which costs no module run, and told less often the longer it takes."""

from __future__ import annotations

import json
import os
import shlex
import time

from ansible import constants as C
from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.utils.display import Display
from ansible_collections.llmfleet.ollama.plugins.module_utils.bytes import gib, speed

display = Display()

# The next line comes when another fifth of the time has passed: ten lines in the first half minute, a bit more than one a minute in the end.
SHORTEST, LONGEST, SHARE = 2.0, 50.0, 5
# So many hosts may speak as if they were alone; more of them share the lines of these.
VOICES = 3
# Looking is cheap, but no host needs it twice a second for an hour.
QUICKEST_LOOK, SLOWEST_LOOK, LOOK_SHARE = 0.5, 5.0, 20
# A host that can't be reached for so many looks while its work goes on is reported as unreachable.
LOST_LOOKS = 15


def pause_after(seconds):
    """How long work that has taken so many seconds may be silent."""
    return min(LONGEST, max(SHORTEST, seconds / SHARE))


def duration(seconds):
    if seconds < 60:
        return "%d s" % seconds
    if seconds < 3600:
        return "%d min" % round(seconds / 60)
    return "%d h %d min" % (seconds // 3600, seconds % 3600 // 60)


class Floor:
    """When anybody of this run last told how far it is. Tasks run in forks, so it is the time of a file that they and the callbacks share."""

    def __init__(self, path=None):
        self.path = path or os.path.join(C.DEFAULT_LOCAL_TMP, "llmfleet-progress")

    def take(self):
        with open(self.path, "a", encoding="utf-8"):
            os.utime(self.path)

    def silent_for(self):
        try:
            return max(0.0, time.time() - os.stat(self.path).st_mtime)
        except FileNotFoundError:
            return float("inf")


class Ticker:
    """Prints how far one host is, when it is time for another line."""

    def __init__(self, host, hosts=1, say=display.display, clock=time.monotonic, floor=None):
        self.host = host
        self.crowd = max(1.0, hosts / VOICES)
        self.say = say
        self.clock = clock
        self.floor = floor or Floor()
        self.begun = clock()
        self.at = None
        self.topic = None
        self.topic_since = self.begun

    def __call__(self, state):
        if not state.get("what"):
            return
        now = self.clock()
        # "pulling 6a0746a1ec1a" changes with every layer, small ones last milliseconds: one word is enough.
        status = state.get("status", "").split(" sha256")[0]
        topic = (state["what"], "pulling" if status.startswith("pulling") else status)
        news = topic != self.topic
        if news:
            self.topic, self.topic_since = topic, now
        if self.at is None or self._due(now, news):
            self.at = now
            self.floor.take()
            self.say("%s: %s" % (self.host, line(state, topic[1], now - self.topic_since)))

    def _due(self, now, news):
        silent = now - self.at
        if news:
            return silent >= SHORTEST * self.crowd
        pause = pause_after(now - self.begun)
        # A host speaks for the others too, unless it is the only one that still does.
        return silent >= pause * self.crowd or (silent >= pause and self.floor.silent_for() >= pause)


def line(state, status, seconds):
    """One line's words; `seconds` is how long this model, file or image has been in this status."""
    words = state["what"]
    if state.get("count", 1) > 1:
        words += " (%d of %d)" % (state["number"], state["count"])
    if status != "pulling":
        return "%s, %s%s" % (words, status, ", %s" % duration(seconds) if seconds >= SHORTEST else "")
    total, done = state.get("total_bytes") or 0, state.get("completed_bytes") or 0
    if total:
        words += " %3d %%, %s of %s" % (int(100 * done / total), gib(done), gib(total))
    elif done:
        words += ", %s" % gib(done)
    else:
        words += ", pulling"
    if state.get("rate"):
        words += ", %s" % speed(state["rate"])
    if state.get("seconds_left") is not None:
        words += ", %s left" % duration(state["seconds_left"])
    return words


def ticker_for(task_vars):
    """The ticker of a task's host; Ansible works on at most `forks` hosts of the batch at once."""
    hosts = min(len(task_vars.get("ansible_play_batch") or [0]), int(task_vars.get("ansible_forks") or 1))
    return Ticker(task_vars.get("inventory_hostname", "host"), hosts)


def looks(look, sleep=time.sleep, clock=time.monotonic):
    """What `look` says, again and again. The work goes on without us, so a short break of the line is no reason to lose it."""
    begun, lost = clock(), 0
    while True:
        sleep(min(SLOWEST_LOOK, max(QUICKEST_LOOK, (clock() - begun) / LOOK_SHARE)))
        try:
            answer = look()
        except AnsibleConnectionFailure:
            lost += 1
            if lost > LOST_LOOKS:
                raise
            continue
        lost = 0
        yield answer


def result_of_job(execute, path, ticker, died):
    """The result of what module_utils/job.py has left running on the host, once it is there. `execute` runs a line of the host's shell."""
    # The process is asked for after its file: one that ended in between has written its result before.
    # Its number is the first thing in the file.
    pid = "sed 's/^{\"pid\": \\([0-9]*\\).*/\\1/' %s" % shlex.quote(path)
    look = "cat %s; if kill -0 $(%s); then echo; echo alive; fi 2>/dev/null" % (shlex.quote(path), pid)
    gone = 0
    for answer in looks(lambda: execute(look)):
        state, alive = _read_state(answer["stdout"])
        if state is not None and "result" in state:
            execute("rm -r %s" % shlex.quote(os.path.dirname(path)))
            return state["result"]
        gone = 0 if alive else gone + 1
        if gone > 1:
            raise AnsibleActionFail(died)
        ticker((state or {}).get("progress") or {})
    return None  # never: a look that fails for long raises


def _read_state(text):
    """(state, whether its process lives) from what the shell printed."""
    lines = [each for each in text.splitlines() if each.strip()]
    alive = bool(lines) and lines[-1].strip() == "alive"
    for each in lines:
        try:
            state = json.loads(each)
        except ValueError:
            continue
        if isinstance(state, dict) and "pid" in state:
            return state, alive
    return None, alive
