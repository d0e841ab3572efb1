# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast bytes come, and when the rest of them will be there."""

from __future__ import annotations

from collections import deque

# The rate is that of the last seconds, so that the time left follows the line.
WINDOW = 15.0


class Rate:
    def __init__(self):
        self._samples = deque()

    def clear(self):
        self._samples.clear()

    def add(self, now, count):
        self._samples.append((now, count))
        while now - self._samples[0][0] > WINDOW:
            self._samples.popleft()

    @property
    def per_second(self):
        if len(self._samples) < 2:
            return 0
        (first, before), (last, after) = self._samples[0], self._samples[-1]
        return int((after - before) / (last - first)) if last > first else 0

    def seconds_for(self, count):
        """None where nothing comes."""
        return int(count / self.per_second) if self.per_second > 0 else None
