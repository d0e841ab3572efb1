# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ollama's releases on a mirror: what came from upstream or was put there by hand, and what is served of it.

    <path>/releases/v<version>/           archives and upstream's sha256sum.txt; nobody reads it over the network
    <path>/public/releases/v<version>/    hard links to verified archives, and a sha256sum.txt that names exactly these
"""

from __future__ import annotations

import os
import re

from ansible_collections.llmfleet.ollama.plugins.module_utils import nofollow
from ansible_collections.llmfleet.ollama.plugins.module_utils.defaults import OLLAMA_VERSION
from ansible_collections.llmfleet.ollama.plugins.module_utils.errors import Failure
from ansible_collections.llmfleet.ollama.plugins.module_utils.files import link, sha256_of, write_file
from ansible_collections.llmfleet.ollama.plugins.module_utils.mirror.held import taken

LIST = "sha256sum.txt"
# Both become parts of paths and of URLs.
SAFE = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+_-]*$")
LINE = re.compile(r"([0-9a-fA-F]{64}) [ *](?:\./)?(\S+)$")


class ReleaseStore:
    """Verifies, publishes, and says what is missing. `verified` is the mirror's index, so that each archive is hashed once. begin: called before each act."""

    def __init__(self, path, wants, verified, exact=False, verify_all=False, check_mode=False, begin=taken):
        self.filled = os.path.join(path, "releases")
        self.public = os.path.join(path, "public", "releases")
        self.verified = verified
        self.exact = exact
        self.verify_all = verify_all
        self.check_mode, self.begin = check_mode, begin
        self.wanted = self._wanted(wants)
        self.missing, self.published, self.corrupt, self.removed, self.mismatches = [], [], [], [], []

    @staticmethod
    def _wanted(wants):
        """{(version, archive): where it comes from}; several hosts want the same one."""
        found = {}
        for want in wants:
            for position, archive in enumerate(want["archives"]):
                if not SAFE.match(want["version"]) or not SAFE.match(archive):
                    raise Failure(
                        "ollama_version: %s of Ollama %s cannot be a file's name; write a release such as %s"
                        % (archive, want["version"], OLLAMA_VERSION)
                    )
                base = "%s/v%s/" % (want["base_url"].rstrip("/"), want["version"])
                # The user's checksum is that of the main archive; the others have theirs in the release's list.
                checksum = want["checksum"] if position == 0 and want["checksum"] != "list" else ""
                pinned = checksum.removeprefix("sha256:") or want.get("sums", {}).get(archive, "")
                found.setdefault(
                    (want["version"], archive),
                    {
                        "version": want["version"],
                        "archive": archive,
                        "url": base + archive,
                        "list_url": pinned if "://" in pinned else base + LIST,
                        "sha256": "" if "://" in pinned else pinned.lower(),
                    },
                )
        return found

    def run(self):
        digests = {}
        for version, archive in sorted(set(self.wanted) | set(self._held())):
            if self.exact and (version, archive) not in self.wanted:
                self._remove(version, archive)
                continue
            digest = self._verify(version, archive)
            if digest:
                digests.setdefault(version, {})[archive] = digest
                self._publish(version, archive)
            elif (version, archive) in self.wanted:
                self.missing.append(self.wanted[version, archive])
        self._write_lists(digests)
        return self

    def _held(self):
        """(version, archive) of each file that is there, wanted or not."""
        for version in _entries(self.filled):
            for archive in _entries(os.path.join(self.filled, version)) if version.startswith("v") else []:
                if archive != LIST and SAFE.match(archive):
                    yield version[1:], archive

    def _path(self, store, version, archive=LIST):
        return os.path.join(store, "v" + version, archive)

    def _verify(self, version, archive):
        """The digest of an archive that is what upstream's list says; nothing for one that is not there or not in the list."""
        path = self._path(self.filled, version, archive)
        wanted = self.wanted.get((version, archive), {}).get("sha256") or self._listed(version).get(archive)
        if not wanted:
            return None
        key = "v%s/%s" % (version, archive)
        try:
            with nofollow.opened(path) as descriptor:
                found = os.fstat(descriptor)
                seen = [found.st_size, found.st_mtime_ns, wanted]
                if self.verified.get(key) == seen and not self.verify_all:
                    return wanted
                if not self.check_mode:
                    self.begin()
                    # The folder is root's: whose file root has put there does not matter.
                    nofollow.seal(descriptor, {found.st_uid})
                digest = sha256_of(descriptor)
                if digest == "sha256:" + wanted:
                    self.verified[key] = seen
                    return wanted
                self.mismatches.append({"archive": key, "wanted": wanted, "found": digest.removeprefix("sha256:")})
        except FileNotFoundError:
            return None
        except nofollow.Foreign:
            pass
        self.corrupt.append(key)
        self._forget(version, archive)
        return None

    def _listed(self, version):
        lines = [LINE.match(line.strip()) for line in _text(self._path(self.filled, version)).splitlines()]
        return {line.group(2): line.group(1).lower() for line in lines if line}

    def _publish(self, version, archive):
        source, target = self._path(self.filled, version, archive), self._path(self.public, version, archive)
        if os.path.exists(target) and os.path.samefile(source, target):
            return
        self.published.append("v%s/%s" % (version, archive))
        if not self.check_mode:
            self.begin()
            with nofollow.opened(source) as descriptor:
                # What only root could read is what upstream's list names, and shall be served.
                os.fchmod(descriptor, 0o644)
                link(source, target, descriptor)

    def _remove(self, version, archive):
        self.removed.append("v%s/%s" % (version, archive))
        self._forget(version, archive)

    def _forget(self, version, archive):
        if self.check_mode:
            return
        self.begin()
        self.verified.pop("v%s/%s" % (version, archive), None)
        for store in (self.public, self.filled):
            if os.path.lexists(self._path(store, version, archive)):
                os.unlink(self._path(store, version, archive))

    def _write_lists(self, digests):
        """The list of what is served decides what a host takes from here; an archive that is gone must not be in it."""
        if self.check_mode:
            return
        for version in set(digests) | {entry[1:] for entry in _entries(self.public)}:
            lines = "".join("%s  ./%s\n" % (digest, archive) for archive, digest in sorted(digests.get(version, {}).items()))
            target = self._path(self.public, version)
            if lines:
                if _text(target) != lines:
                    self.begin()
                    write_file(target, lines.encode())
                continue
            for store in (self.public, self.filled):
                # The list of a release of which nothing is left goes too, unless somebody still waits for an archive of it.
                if store == self.public or not any(wanted == version for wanted, _archive in self.wanted):
                    self._clear(os.path.dirname(self._path(store, version)))

    def _clear(self, folder):
        """Removes the list and then the folder, if nothing else is in it."""
        if not os.path.isdir(folder) or _entries(folder) not in ([], [LIST]):
            return
        self.begin()
        if _entries(folder):
            os.unlink(os.path.join(folder, LIST))
        os.rmdir(folder)

    def result(self):
        return {
            "missing": self.missing,
            "published": self.published,
            "corrupt": self.corrupt,
            "mismatches": self.mismatches,
            "removed": self.removed,
            "served": self._served(),
        }

    def _served(self):
        versions = [version for version in _entries(self.public) if version.startswith("v")]
        listed = [(version, _text(os.path.join(self.public, version, LIST)).splitlines()) for version in versions]
        return ["%s/%s" % (version, line.split("./")[1]) for version, lines in listed for line in lines]

    @property
    def changed(self):
        return bool(self.published or self.corrupt or self.removed)


def _text(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as handle:
            return handle.read()
    except OSError:
        return ""


def _entries(folder):
    return sorted(os.listdir(folder)) if os.path.isdir(folder) else []
