# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Long jobs behind the other tests, which keep one of two cores busy at most: started when the tests are collected, waited for by tests of their own.

Two workers: what scenarios and tests of the lab wait for left nearly a third of two cores idle beside one.
"""

from __future__ import annotations

import concurrent.futures
import threading

import pytest

# In the order in which they begin: scenarios that the lab's own tests would disturb, those that may run beside them, pairs.
SCENARIO, BESIDE, PAIR = KINDS = ("scenario", "beside", "pair")
# One scenario of the second kind at a time: a web UI takes a core where it starts, and so does the lab's hub beside it.
SECOND = (SCENARIO, PAIR, BESIDE)
# They have the images, the network and the engine of the lab, and stand-ins for all else: nothing of its upstream.
NO_UPSTREAM = ("open_webui-variants", "gateway", "open_webui")


class Behind:
    """Jobs that wait for a worker, and the workers."""

    def __init__(self):
        self._waiting = []
        self._lock = threading.Lock()
        self._workers = []

    def add(self, kind: str, call, *arguments) -> concurrent.futures.Future:
        """The future of a job; those of one kind begin in the order in which they came."""
        future = concurrent.futures.Future()
        with self._lock:
            self._waiting.append((kind, future, call, arguments))
        return future

    def work(self, *kinds: str) -> None:
        """One worker more, for jobs of these kinds in this order, until none of them waits."""
        worker = threading.Thread(target=self._serve, args=(kinds,))
        self._workers.append(worker)
        worker.start()

    def busy(self) -> bool:
        """Whether a worker takes what waits."""
        return bool(self._workers)

    def end(self) -> None:
        """No job begins any more; those that have begun are waited for."""
        with self._lock:
            left, self._waiting = self._waiting, []
        for _kind, future, _call, _arguments in left:
            future.cancel()
        for worker in self._workers:
            worker.join()

    def _next(self, kinds):
        with self._lock:
            for kind in kinds:
                for job in self._waiting:
                    if job[0] == kind:
                        self._waiting.remove(job)
                        return job
        return None

    def _serve(self, kinds):
        while job := self._next(kinds):
            _kind, future, call, arguments = job
            try:
                future.set_result(call(*arguments))
            except BaseException as error:  # whoever waits for the job gets it
                future.set_exception(error)


KEY = pytest.StashKey[Behind]()


def of(config: pytest.Config) -> Behind:
    """The jobs of this run of pytest, which ends them."""
    if KEY not in config.stash:
        config.stash[KEY] = Behind()
        config.add_cleanup(config.stash[KEY].end)
    return config.stash[KEY]
