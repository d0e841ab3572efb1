# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads Ollama's model store on this machine: manifests, blobs, free space. All of it is optional: a store may be out of reach.

It belongs to the server's user, so nothing of it is reached through that user's links.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat

from ansible_collections.llmfleet.ollama.plugins.module_utils import nofollow
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.manifest import LISTS_SINCE, MAX_MANIFEST, Manifest
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.names import DEFAULT_HOST, STORE_HOST
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.version import version_tuple

# Where names lie: since 0.40, and before.
NEWER, OLDER = "manifests-v2", "manifests"
BLOB_LINK = re.compile(r"^(?:\.\./)+blobs/sha256-([0-9a-f]{64})$")


class Store:
    """The folder that OLLAMA_MODELS names."""

    def __init__(self, path, version=""):
        self.path = path
        self.read_by(version)

    def read_by(self, version):
        """Which release opens it: an older one does not see the newer folder, whose names may be of another day. '' where nobody says."""
        self.sees_newer = not version or version_tuple(version) >= LISTS_SINCE

    def manifest_path(self, name):
        """Path of a model's name, found without regard to case as Ollama does: that of 0.40 and later before the older one."""
        paths = self.manifest_paths(name, self.sees_newer)
        return paths[0] if paths else None

    def manifest_paths(self, name, newer=True):
        """Every path of a model's name. In the newer folder it is a link to the blob of the manifest, and one that leads nowhere does not count."""
        found = []
        for host in _hosts_of(name[0]) if newer else ():
            path = _find(os.path.join(self.path, NEWER), (host, *name[1:]))
            if path and self._body(path) is not None:
                found.append(path)
        older = _find(os.path.join(self.path, OLDER), name)
        return found + ([older] if older else [])

    def manifest(self, name):
        """The Manifest of a model that is in the store, None where it can't be read; of a list with the child that this machine runs."""
        paths = self.manifest_paths(name, self.sees_newer)
        manifest = next(filter(None, (self._manifest(path) for path in paths)), None)
        if manifest is None:
            return None
        # What Ollama has converted has another digest; what was pulled lies beside it, in the list or under the older name.
        older = self._manifest(_find(os.path.join(self.path, OLDER), name))
        if older is not None:
            manifest.also |= {digest.replace("sha256:", "") for digest in older.named} | {older.digest}
            manifest.kept.append(set(older.layers))
        for child in manifest.children:
            body = child.body or self._blob("sha256:" + child.digest)
            if body is not None:
                manifest.kept.append(set(Manifest(body).layers))
        return manifest

    def _manifest(self, path):
        """The Manifest that a name leads to. An anchor stands for the manifest that it keeps, byte for byte, where that is there."""
        try:
            manifest = Manifest(self._body(path) if path else b"")
            for digest in manifest.named:
                kept = self._blob(digest)
                if kept is not None and Manifest(kept).same_layers(manifest):
                    anchor, manifest = manifest, Manifest(kept)
                    manifest.also = anchor.identities
                    break
            child = manifest.choose()
            if child is not None:
                body = child.body or self._blob("sha256:" + child.digest)
                if body is not None:
                    manifest.take(child, body)
        except (OSError, TypeError, ValueError):
            return None
        return manifest

    def _body(self, path):
        """The bytes behind a name, None where there are none: of a file, or of the blob that a link of a newer store names."""
        try:
            target = nofollow.link_target(path)
            if target is None:
                return nofollow.read(path, MAX_MANIFEST)
            # Only the name of the blob counts: wherever else such a link leads, it is not followed.
            match = BLOB_LINK.search(target)
            return self._blob("sha256:" + match.group(1)) if match else None
        except OSError:
            return None

    def _blob(self, digest):
        """The bytes of a manifest's blob, None where they are not what its name says."""
        try:
            body = nofollow.read(self.blob_path(digest), MAX_MANIFEST)
        except OSError:
            return None
        return body if "sha256:" + hashlib.sha256(body).hexdigest() == digest else None

    def manifests(self):
        """(parts of the name, path) of every name in the store, each once, in order. Whether the parts make a name is not looked at."""
        seen = set()
        for area in (NEWER, OLDER):
            for parts, path in self._names(area):
                if parts not in seen and (area == OLDER or self._body(path) is not None):
                    seen.add(parts)
                    yield parts, path

    def used_blobs(self):
        """Digests of every blob that a name needs, in either folder; None where one can't be read."""
        used = set()
        for area in (NEWER, OLDER):
            for _parts, path in self._names(area):
                body = self._body(path)
                if body is None and area == NEWER:
                    # A link that leads nowhere names nothing.
                    continue
                try:
                    manifest = Manifest(body or b"")
                except ValueError:
                    return None
                used |= manifest.blobs | {"sha256:" + manifest.digest}
                for child in manifest.children:
                    inner = child.body or self._blob("sha256:" + child.digest)
                    used |= Manifest(inner).blobs if inner is not None else set()
        return used

    def _names(self, area):
        base = os.path.join(self.path, area)
        stack = [()]
        while stack:
            parts = stack.pop()
            there = nofollow.names(os.path.join(base, *parts))
            folders = [name for name, mode in there.items() if stat.S_ISDIR(mode) and len(parts) < 3]
            stack += [parts + (name,) for name in reversed(folders)]
            for name, mode in there.items():
                kinds = stat.S_ISREG(mode) or (area == NEWER and stat.S_ISLNK(mode))
                if len(parts) == 3 and kinds and not name.startswith("."):
                    yield ((_host_of(parts[0]), *parts[1:], name) if area == NEWER else parts + (name,)), os.path.join(base, *parts, name)

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


def _hosts_of(host):
    """How a newer store writes a registry's host: without a colon, and the public one by another name."""
    return [STORE_HOST, host] if host.lower() == DEFAULT_HOST else [host.replace(":", "%3A")]


def _host_of(folder):
    return DEFAULT_HOST if folder.lower() == STORE_HOST else re.sub("%3[aA]", ":", folder)


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
