# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A controller that is cut off: an ansible-playbook of its own process group, watched task by task."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from pathlib import Path

from dealing import Moment, Timeline
from support import ROOT, plays

# What a run may take on a machine that has other things to do.
PATIENCE = 1800


class Controller:
    """One ansible-playbook. Its output is read as it comes, so that somebody can act when a task begins."""

    living: set[Controller] = set()

    def __init__(self, log: Path, *words: str, stop_at: str = "") -> None:
        """stop_at: the task at whose beginning it is held, for cuts that have to be the same each time."""
        log.parent.mkdir(parents=True, exist_ok=True)
        environment = dict(
            os.environ, ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"), ANSIBLE_NOCOLOR="1", PYTHONUNBUFFERED="1",
            LLMFLEET_REPORT_DIR=str(log.with_suffix("")),
            # As a person's ssh may have it: a connection that says nothing for so long is over.
            ANSIBLE_SSH_ARGS="-o ControlMaster=auto -o ControlPersist=120s -o ServerAliveInterval=5 -o ServerAliveCountMax=2",
        )  # fmt: skip
        if stop_at:
            callbacks = {"ANSIBLE_CALLBACK_PLUGINS": str(ROOT / "tests/faults/callback"), "ANSIBLE_CALLBACKS_ENABLED": "stop_at"}
            environment.update(callbacks, LLMFLEET_STOP_AT=stop_at)
        self.log, self.words, self.timeline = log, words, Timeline()
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self._begun = time.monotonic()
        self._process = subprocess.Popen(
            ["ansible-playbook", *words], cwd=ROOT, env=environment, process_group=0,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.living.add(self)

    def _read(self) -> None:
        with open(self.log, "w", encoding="utf-8") as log:
            for line in self._process.stdout:
                log.write(line)
                log.flush()
                with self._changed:
                    self._heard(line.rstrip("\n"))
                    self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    def _heard(self, line: str) -> None:
        self.lines.append(line)
        now = time.monotonic() - self._begun
        if line.startswith(("TASK [", "PLAY [")):
            self.timeline.tasks.append((now, line.strip("* ")))
        elif line.startswith("changed: [") and not self.timeline.first_change:
            self.timeline.first_change = len(self.timeline.tasks) - 1
        elif line.startswith("PLAY RECAP"):
            self.timeline.over = now

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def running(self) -> bool:
        return self._process.poll() is None

    def code(self, patience: float = PATIENCE) -> int:
        """Waits for its end; one that does not come to an end is killed, which is -9."""
        try:
            self._process.wait(patience)
        except subprocess.TimeoutExpired:
            self.send(signal.SIGKILL)
            self._process.wait()
        self._reader.join(30)
        self.living.discard(self)
        return self._process.returncode

    @classmethod
    def kill_all(cls) -> None:
        for one in list(cls.living):
            one.send(signal.SIGKILL)

    def send(self, number: int) -> None:
        """To it and its workers, as the terminal does with Ctrl-C, and as the end of its machine would."""
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            pass

    def held(self, patience: float = PATIENCE) -> bool:
        """Waits until it is held at its task; False where the run is over before."""
        return self._wait(lambda: any(line.startswith("HELD at ") for line in self.lines[-3:]), patience)

    def wait_until(self, moment: Moment, patience: float = PATIENCE) -> bool:
        """Until the moment; False where the run is over before."""
        if not self._wait(lambda: self._reached(moment) is not None, patience):
            return False
        reached = self._reached(moment)
        left = reached + moment.wait(reached) - (time.monotonic() - self._begun)
        if left > 0:
            time.sleep(left)
        return self.running() and not self.timeline.over

    def _reached(self, moment: Moment) -> float | None:
        """When its task began: the one of this name that is nearest to its number, since another state of the host has a task more or less."""
        same = [(abs(index - moment.task), began) for index, (began, name) in enumerate(self.timeline.tasks) if name == moment.name]
        close = [row for row in same if row[0] <= 12]
        if close:
            return min(close)[1]
        beyond = moment.task + 12
        return self.timeline.tasks[beyond][0] if len(self.timeline.tasks) > beyond else None

    def _wait(self, there, patience: float) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: there() or not self._reader.is_alive() or self._process.poll() is not None, patience)
            return there() and self.running()

    def recap(self) -> dict[str, dict[str, int]]:
        return plays.recap(self.text)

    def changed(self, *hosts: str) -> dict[str, int]:
        return {host: counts["changed"] for host, counts in self.recap().items() if counts["changed"] and (not hosts or host in hosts)}

    def tail(self) -> str:
        return self.text[-3000:]
