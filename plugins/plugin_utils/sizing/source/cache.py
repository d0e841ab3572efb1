# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was read from a registry, kept on the controller for the whole fleet. A damaged or half-written entry is as good as none."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import tempfile
import time

_FORMAT = 1  # of the entries; another number in a file means that another release wrote it


def default_folder():
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(base, "llmfleet", "metadata")


class Cache:
    def __init__(self, folder=None, clock=time.time):
        self.folder = folder or default_folder()
        self.clock = clock

    def _path(self, kind, key, ending=".json"):
        return os.path.join(self.folder, "%s-%s%s" % (kind, hashlib.sha256(key.encode("utf-8")).hexdigest()[:40], ending))

    def get(self, kind, key, max_age=None):
        """The entry, or None where there is none, it is older than max_age seconds, or it is damaged."""
        try:
            with open(self._path(kind, key), encoding="utf-8") as stream:
                entry = json.load(stream)
        except (OSError, ValueError):
            return None
        if not isinstance(entry, dict) or entry.get("format") != _FORMAT or entry.get("key") != key:
            return None
        written = entry.get("written")
        if max_age is not None and (not isinstance(written, (int, float)) or not 0 <= self.clock() - written <= max_age):
            return None
        return entry.get("value")

    def put(self, kind, key, value):
        """Written whole or not at all; a cache that cannot be written is no reason to fail."""
        path = self._path(kind, key)
        temporary = None
        try:
            os.makedirs(self.folder, mode=0o700, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=self.folder, prefix=".new-")
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                json.dump({"format": _FORMAT, "key": key, "written": self.clock(), "value": value}, stream)
            os.replace(temporary, path)
        except OSError:
            if temporary:
                with contextlib.suppress(OSError):
                    os.unlink(temporary)

    @contextlib.contextmanager
    def alone(self, kind, key):
        """Only one process of the fleet's run at a time, so that a header is fetched once."""
        try:
            os.makedirs(self.folder, mode=0o700, exist_ok=True)
            stream = open(self._path(kind, key, ".lock"), "w", encoding="utf-8")
        except OSError:
            yield
            return
        with stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            yield
