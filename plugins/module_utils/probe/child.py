# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run what may crash or hang in forked children that stream what they find, side by side and under one deadline.

A driver can segfault the process that asks it, or leave it in a state in which not even SIGKILL ends it. So every probe of a
driver runs in a child of its own; a crash or a hang costs the one device that the child was asking about.
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import time


class Job:
    """One probe: `work(emit, settled)` runs in the child, `records` collects what it emitted.

    `work` announces each step with emit({"start": key}) and skips the keys in `settled`: after a crash or a hang the next child
    goes on behind the step that failed. `fatal` steps are needed by all later ones, so their failure ends the job.
    """

    def __init__(self, name, work, fatal=("init",)):
        self.name = name
        self.work = work
        self.fatal = fatal
        self.records = []
        self.failed = {}
        self.settled = set()
        self.status = "ok"
        self.detail = None
        self.duration = 0.0
        self._pid = None
        self._fd = None
        self._current = None
        self._buffer = b""
        self._complete = False
        self._started = None
        self._heard = None

    def fork(self, deadline):
        reader, writer = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            self._run(writer, deadline)
        os.close(writer)
        self._fd = reader
        self._current = None
        self._complete = False
        self._buffer = b""
        self._heard = time.monotonic()
        self._started = self._started or self._heard

    def _run(self, writer, deadline):
        """The child: never returns into the module's code."""
        try:
            # An unkillable child that keeps the module's stdout would keep Ansible's SSH channel open after the module has ended.
            null = os.open(os.devnull, os.O_RDWR)
            for fd in (0, 1, 2):
                os.dup2(null, fd)
            os.closerange(3, writer)
            os.closerange(writer + 1, 256)
            os.setsid()
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            # Should the parent be killed, the child still ends.
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(int(max(deadline - time.monotonic(), 0)) + 5)

            def emit(record):
                os.write(writer, json.dumps(record).encode() + b"\n")

            try:
                self.work(emit, self.settled)
            except Exception as error:  # the parent must learn of it, whatever it is
                emit({"error": "%s: %s" % (type(error).__name__, error)})
            emit({"end": True})
        finally:
            os._exit(0)

    def feed(self, data):
        self._heard = time.monotonic()
        self._buffer += data
        lines = self._buffer.split(b"\n")
        self._buffer = lines.pop()
        for line in lines:
            try:
                record = json.loads(line.decode("utf-8", "replace"))
            except (ValueError, RecursionError):
                continue
            if isinstance(record, dict):
                self._take(record)

    def _take(self, record):
        if "start" in record:
            self._settle()
            self._current = record["start"]
        elif "end" in record:
            self._settle()
            self._complete = True
        elif "error" in record:
            self.status = "error"
            self.detail = record["error"]
        else:
            self.records.append(record)

    def _settle(self):
        if self._current is not None:
            self.settled.add(self._current)
            self._current = None

    def close(self, kill=False):
        """Stop listening to the child. Return the signal that ended it, if it is known."""
        os.close(self._fd)
        self._fd = None
        if kill:
            try:
                os.killpg(self._pid, signal.SIGKILL)
            except OSError:
                try:
                    os.kill(self._pid, signal.SIGKILL)
                except OSError:
                    pass  # it has ended by itself meanwhile
        # Never a blocking wait: a child in uninterruptible sleep would hold us for as long as it sleeps.
        until = time.monotonic() + 0.2
        while True:
            try:
                pid, status = os.waitpid(self._pid, os.WNOHANG)
            except OSError:
                return None
            if pid:
                return os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
            if time.monotonic() > until:
                return None
            time.sleep(0.001)

    def give_up(self, how, detail):
        """The child is gone. Blame the step it was in and say whether another child should go on behind it."""
        step = self._current
        if step is not None and step not in self.fatal:
            self.failed[step] = how
            self._settle()
            return True
        self.status = how
        self.detail = detail if step is None else "%s in step '%s'" % (detail, step)
        return False

    def silent_until(self, deadline, total):
        """A step may be slow, since a driver wakes each GPU on first use; but the GPUs behind it shall have their turn too."""
        if self._current in self.fatal:
            return deadline
        left = deadline - self._heard
        return min(deadline, self._heard + max(left / 2.0, total / 4.0))


def run(jobs, timeout, meanwhile=None):
    """Run the jobs side by side; `meanwhile` runs in this process while they work and may return more of them. Return all."""
    total = float(timeout)
    deadline = time.monotonic() + total
    for job in jobs:
        job.fork(deadline)
    if meanwhile is not None:
        more = meanwhile()
        for job in more:
            job.fork(deadline)
        jobs = jobs + more
    active = list(jobs)
    while active:
        now = time.monotonic()
        wait = min(job.silent_until(deadline, total) for job in active) - now
        ready = select.select([job._fd for job in active], [], [], max(wait, 0))[0]
        for job in list(active):
            if job._fd in ready:
                data = os.read(job._fd, 65536)
                if data:
                    job.feed(data)
                    continue
                number = job.close()
                again = not job._complete and job.give_up("crashed", "the probe ended by signal %s" % number)
            elif time.monotonic() >= job.silent_until(deadline, total):
                job.close(kill=True)
                again = job.give_up("timeout", "no answer within %d s" % round(total))
            else:
                continue
            if again and time.monotonic() < deadline:
                job.fork(deadline)
            else:
                if again:
                    job.status, job.detail = "timeout", "no answer within %d s" % round(total)
                active.remove(job)
                job.duration = time.monotonic() - job._started
    return jobs
