# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a look found under the paths and in the install directory that it was asked for."""

from __future__ import annotations

import hashlib
import re

from .contract import Problem


def by_path(look):
    """{path: entry of look_schema.FILE}; what is not there is not in it."""
    return {entry["path"]: entry for entry in look["files"]}


def holds(entry, content):
    """Is an entry (or None) a file with exactly this text?"""
    return bool(entry) and entry["kind"] == "file" and entry["sha256"] == hashlib.sha256(content.encode("utf-8")).hexdigest()


def name_of_target(entry):
    """The last part of what a link leads to; '' for no link."""
    return re.split(r"[/\\]", (entry or {}).get("target") or "")[-1]


def unlinkable(install_dir, files, *links):
    """Problems of places where the role keeps a link and somebody else something that it does not remove."""
    return [
        Problem(
            "link_taken", "ollama_install_dir",
            "%s is a %s, where role ollama keeps a link to a release; move it away, or write another ollama_install_dir than %s."
            % (path, files[path]["kind"], install_dir),
        )
        for path in links if files.get(path, {"kind": "link"})["kind"] != "link"
    ]


class Releases:
    """The directories of install_dir that begin with a digit. leftover: how the names end that a cut-off run leaves."""

    def __init__(self, names, version, current, leftover):
        self._version, self._current = version, current
        self.names = list(names)
        self.leftovers = [name for name in self.names if re.search(leftover, name)]
        self._others = [name for name in self.names if name != version and name not in self.leftovers]

    @property
    def complete(self):
        return self._version in self.names

    @property
    def outdated(self):
        """Those that are neither in use nor the one to go back to. Only once another one takes over, so that there is one to go back to."""
        return [name for name in self._others if name != self._current] if self._current not in ("", self._version) else []

    @property
    def previous(self):
        """The one to go back to, '' without any."""
        return self._current if self._current != self._version else (self._others or [""])[-1]
