# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A long piece of work that outlives the connection which started it, and says in a file how far it is.

The action plugin reads that file with `cat`: no second module has to be sent to the host to look.
"""

from __future__ import annotations

import os
import tempfile
import time
import traceback

from ansible_collections.llmfleet.ollama.plugins.module_utils.files import write_json

WRITE_EVERY = 1.0


class StateFile:
    """`{"pid": …, "progress": {…}}` while the work goes on, with "result" when it is over."""

    def __init__(self, path, clock=time.monotonic):
        self.path = path
        self.clock = clock
        self.written = None
        self.pid = os.getpid()

    def progress(self, state):
        now = self.clock()
        if self.written is None or now - self.written >= WRITE_EVERY:
            self.written = now
            write_json(self.path, {"pid": self.pid, "progress": state}, 0o600)

    def finish(self, result):
        write_json(self.path, {"pid": self.pid, "result": result}, 0o600)


def start(work, what):
    """Runs `work(progress)` in a process of its own; returns the path of its state file at once. `what` names the work in a failure."""
    path = os.path.join(tempfile.mkdtemp(prefix="llmfleet-"), "state.json")
    StateFile(path).progress({})
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return path
    # From here on nothing may return or raise: there are two of us until the parent's wait is over.
    try:
        os.setsid()
        if os.fork():
            os._exit(0)
        os.chdir("/")
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(null, stream)
        state = StateFile(path)
        state.progress({})
        try:
            result = work(state.progress)
        except BaseException as exc:
            words = "%s ended with %s: %s" % (what, exc.__class__.__name__, exc)
            result = {"failed": True, "msg": words, "exception": traceback.format_exc()}
        state.finish(result)
    finally:
        os._exit(0)
