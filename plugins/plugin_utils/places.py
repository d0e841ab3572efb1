# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories that a whole host shares. A role makes its own below them and gives, closes or removes none of them."""

from __future__ import annotations

import posixpath
import re

_SHARED = re.compile(
    r"""/
    | /(bin|boot|data|dev|etc|home|lib\w*|media|mnt|opt|proc|root|run|sbin|srv|sys|tmp|usr|var)
    | /usr/(bin|etc|games|include|lib\w*|libexec|local|sbin|share|src)
    | /usr/local/\w+
    | /var/(backups|cache|lib|local|log|mail|opt|run|spool|tmp|www)
    | /(etc|var/lib)/(systemd|docker|containers|ansible)
    | /home/[^/]+ | /root/\.\w+
    | /(Applications|Library|System|Users|Volumes|private|cores)
    | /private/(etc|tmp|var) | /Users/[^/]+ | /Library/\w+
    | [A-Z]:\\? | [A-Z]:\\(Windows|Users)(\\[^\\]+)? | [A-Z]:\\(Program\ Files(\ \(x86\))?|ProgramData)
    """,
    re.X | re.I,
)


def is_shared(path: str) -> bool:
    """Is it such a directory? One whose name goes up again (..) counts as one, since it says another place than it seems to."""
    plain = re.sub(r"\\+$", "", path) if re.match("[A-Za-z]:", path) else posixpath.normpath(path).replace("//", "/")
    return _SHARED.fullmatch(plain) is not None or ".." in re.split(r"[/\\]", path)


def refusal(variable: str, path: str, like: str) -> str:
    return "%s is %s, which a whole host shares; write a directory of its own such as %s." % (variable, path, like)
