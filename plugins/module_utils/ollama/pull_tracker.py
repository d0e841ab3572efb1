# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the stream of /api/pull says: bytes, rate, time left, and when it has stopped getting anywhere."""

from __future__ import annotations

import time

from ansible_collections.llmfleet.ollama.plugins.module_utils.transfer import Rate

# A stream that moves less than this for a whole timeout is called stalled: Ollama repeats its progress line for ever.
SLOWEST_RATE = 1024
# Ollama hashes the whole model in silence; a slow disk with a slow CPU does this much a second.
HASH_RATE = 20 << 20


class Tracker:
    """Counts the bytes of one model over all attempts to pull it."""

    def __init__(self, timeout, missing=None, fresh=(), clock=time.monotonic):
        self.timeout = timeout
        # Layers that the store lacks, with their sizes, when the manifest is known.
        self.missing = dict(missing or {})
        # Those of which nothing is there: they count from their first byte. Of others the first line tells what an earlier run left.
        self.fresh = frozenset(fresh)
        self.clock = clock
        self.status = ""
        self.layers = {}
        self.done = False
        self.attempts = 0
        self._mark = (clock(), 0)
        self._rate = Rate()

    def begin(self):
        """A new attempt: what is on the disk stays, the patience starts anew."""
        self.attempts += 1
        self.status = ""
        self.done = False
        self._rate.clear()
        self._mark = (self.clock(), self.downloaded)

    @property
    def total(self):
        known = {digest: layer["total"] for digest, layer in self.layers.items()}
        return sum(dict(self.missing, **known).values())

    @property
    def completed(self):
        return sum(layer["completed"] for layer in self.layers.values())

    @property
    def downloaded(self):
        """Bytes that came over the wire, without those that an earlier run had left."""
        return sum(layer["completed"] - layer["found"] for layer in self.layers.values())

    @property
    def rate(self):
        return self._rate.per_second

    @property
    def seconds_left(self):
        return self._rate.seconds_for(self.total - self.completed)

    def silence(self):
        """How long the next line may take."""
        if self.status.startswith(("verifying", "writing", "removing")):
            return self.timeout + self.total // HASH_RATE
        return self.timeout

    def feed(self, message):
        """One line of the stream."""
        now = self.clock()
        status = str(message.get("status") or "")
        moved = status != self.status
        self.status = status
        self.done = self.done or status == "success"
        digest = message.get("digest")
        total, completed = _count(message.get("total")), _count(message.get("completed"))
        if isinstance(digest, str) and digest and total:
            layer = self.layers.get(digest)
            if layer is None:
                found = 0 if digest in self.fresh else min(completed, total)
                layer = self.layers[digest] = {"total": total, "completed": 0, "found": found}
                moved = True
            # A layer whose hash was wrong starts again: the most that was ever there is what came.
            layer["completed"] = min(max(layer["completed"], completed), layer["total"])
        if moved or self.downloaded - self._mark[1] >= SLOWEST_RATE * self.timeout:
            self._mark = (now, self.downloaded)
        self._rate.add(now, self.completed)

    def stalled(self):
        """Lines come, but nothing moves."""
        return self.clock() - self._mark[0] > self.silence()


def _count(value):
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
