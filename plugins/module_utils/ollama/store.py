# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads Ollama's model store on this machine: manifests, blobs, free space. All of it is optional: a store may be out of reach."""

from __future__ import annotations

import os

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
            with open(path, "rb") as handle:
                return Manifest(handle.read(MAX_MANIFEST))
        except (OSError, ValueError):
            return None

    def blob_path(self, digest):
        return os.path.join(self.path, "blobs", digest.replace(":", "-"))

    def bad_blobs(self, manifest):
        """Layers of a model that are absent or have the wrong size. Ollama itself trusts any file of the right name."""
        return [digest for digest, size in manifest.layers.items() if _size(self.blob_path(digest), unknown=size) != size]

    def drop_blob(self, digest):
        """Removes a blob of the wrong size, so that the next pull fetches it."""
        try:
            os.unlink(self.blob_path(digest))
        except FileNotFoundError:
            return False
        return True

    def partial_bytes(self, digest):
        """What an interrupted pull has left of a layer: its file is sparse, so count what is allocated."""
        try:
            return os.stat(self.blob_path(digest) + "-partial").st_blocks * 512
        except OSError:
            return 0

    def free_bytes(self):
        """Free bytes of the file system that the store is on, for a user without root's reserve."""
        path = self.path
        while not os.path.isdir(path) and os.path.dirname(path) != path:
            path = os.path.dirname(path)
        try:
            stat = os.statvfs(path)
        except OSError:
            return None
        return stat.f_bavail * stat.f_frsize


def _size(path, unknown):
    """Size of a file, None when there is none, `unknown` when this user may not look."""
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return None
    except OSError:
        return unknown


def _find(folder, parts):
    """Follows the parts of a name below a folder, without regard to case."""
    for part in parts:
        exact = os.path.join(folder, part)
        if not os.path.exists(exact):
            try:
                match = [entry for entry in os.listdir(folder) if entry.lower() == part.lower()]
            except OSError:
                return None
            if not match:
                return None
            exact = os.path.join(folder, match[0])
        folder = exact
    return folder
