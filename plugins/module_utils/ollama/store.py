# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads Ollama's model store on this machine: manifests, blobs, free space. All of it is optional: a store may be out of reach.

It belongs to the server's user, so nothing of it is reached through that user's links.
"""

from __future__ import annotations

import os
import stat

from ansible_collections.llmfleet.ollama.plugins.module_utils import nofollow
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.registry import MAX_MANIFEST, Manifest


class Store:
    """The folder that OLLAMA_MODELS names."""

    def __init__(self, path):
        self.path = path

    def manifest_path(self, name):
        """Path of a model's manifest, found without regard to case as Ollama does."""
        return _find(os.path.join(self.path, "manifests"), name)

    def manifest(self, name):
        """The Manifest of a model that is in the store, None where it can't be read."""
        path = self.manifest_path(name)
        if path is None:
            return None
        try:
            return Manifest(nofollow.read(path, MAX_MANIFEST))
        except (OSError, ValueError):
            return None

    def manifests(self):
        """(parts of the name, path) of every file that lies where a manifest does, in order. Whether the parts make a name is not looked at."""
        base = os.path.join(self.path, "manifests")
        stack = [()]
        while stack:
            parts = stack.pop()
            there = nofollow.names(os.path.join(base, *parts))
            folders = [name for name, mode in there.items() if stat.S_ISDIR(mode) and len(parts) < 3]
            stack += [parts + (name,) for name in reversed(folders)]
            for name, mode in there.items():
                if len(parts) == 3 and stat.S_ISREG(mode) and not name.startswith("."):
                    yield parts + (name,), os.path.join(base, *parts, name)

    def blob_path(self, digest):
        return os.path.join(self.path, "blobs", digest.replace(":", "-"))

    def bad_blobs(self, manifest):
        """Layers of a model that are absent or have the wrong size. Ollama itself trusts any file of the right name."""
        return [digest for digest, size in manifest.layers.items() if _size(self.blob_path(digest), unknown=size) != size]

    def drop_blob(self, digest):
        """Removes a blob of the wrong size, so that the next pull fetches it."""
        try:
            nofollow.unlink(self.blob_path(digest))
        except (FileNotFoundError, nofollow.Foreign):
            return False
        return True

    def partial_bytes(self, digest):
        """What an interrupted pull has left of a layer: its file is sparse, so count what is allocated."""
        try:
            return nofollow.lstat(self.blob_path(digest) + "-partial").st_blocks * 512
        except OSError:
            return 0

    def free_bytes(self):
        """Free bytes of the file system that the store is on, for a user without root's reserve."""
        path = self.path
        while not os.path.isdir(path) and os.path.dirname(path) != path:
            path = os.path.dirname(path)
        try:
            room = os.statvfs(path)
        except OSError:
            return None
        return room.f_bavail * room.f_frsize


def _size(path, unknown):
    """Size of a file, None when there is none, `unknown` when this user may not look, or would have to follow somebody's link."""
    try:
        found = nofollow.lstat(path)
    except FileNotFoundError:
        return None
    except OSError:
        return unknown
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def _find(folder, parts):
    """Follows the parts of a name below a folder, without regard to case."""
    for part in parts:
        there = nofollow.names(folder)
        if part not in there:
            part = next((entry for entry in there if entry.lower() == part.lower()), None)
            if part is None:
                return None
        folder = os.path.join(folder, part)
    return folder
