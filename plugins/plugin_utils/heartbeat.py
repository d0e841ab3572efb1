# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which tasks run on which hosts, and what to say of them when nobody has said anything for a while."""

from __future__ import annotations

import threading
import time

from ansible_collections.llmfleet.ollama.plugins.plugin_utils.progress import Floor, duration

# Hosts that a line names before it counts the others.
NAMED = 3


class Running:
    """Told by the thread that runs the play, asked by the one that watches the clock."""

    def __init__(self, clock=time.monotonic, floor=None):
        self._clock = clock
        self._floor = floor or Floor()
        self._lock = threading.Lock()
        self._tasks = {}
        self._heard = clock()

    def begin(self, host, uuid, name):
        with self._lock:
            self._heard = self._clock()
            self._tasks.setdefault(uuid, {"name": name, "hosts": {}})["hosts"][host] = self._heard

    def end(self, host, uuid):
        with self._lock:
            self._heard = self._clock()
            task = self._tasks.get(uuid)
            if task:
                task["hosts"].pop(host, None)
                if not task["hosts"]:
                    del self._tasks[uuid]

    def hear(self):
        """Something was printed for another reason."""
        with self._lock:
            self._heard = self._clock()

    def overdue(self, seconds):
        """One line for each running task, if nothing was told for so long; else none."""
        with self._lock:
            now = self._clock()
            if not self._tasks or min(now - self._heard, self._floor.silent_for()) < seconds:
                return []
            self._heard = now
            return [_line(task, now) for task in self._tasks.values()]


def _line(task, now):
    hosts = sorted(task["hosts"])
    words = ", ".join(hosts[:NAMED]) + (" and %d more" % (len(hosts) - NAMED) if len(hosts) > NAMED else "")
    return "%s: still at '%s', %s" % (words, task["name"], duration(now - min(task["hosts"].values())))
