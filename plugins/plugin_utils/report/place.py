# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the report of an inventory lies: two inventories in one checkout never touch each other's rows."""

from __future__ import annotations

import hashlib
import os
import re

PLACEHOLDER = "{inventory}"
# Names that say nothing: the only such file of a folder is called as the folder is, and is the same inventory.
GENERIC = ("hosts", "inventory", "main", "all")
LONGEST = 60


def name_of(sources) -> str:
    """What an inventory is called: inventories/mine, inventories/mine/hosts.yml and mine.yml are 'mine', two sources are 'base+mine'."""
    names = [_slug(_listed(source) or _stem(_place(source))) for source in sources]
    name = "+".join(dict.fromkeys(names)) or "inventory"
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 9]}-{_short(name)}"


def identity_of(sources, start: str) -> list[str]:
    """Which inventory that is, seen from `start`: a checkout that is moved as a whole keeps its reports, and no path of a home is told."""
    return [_listed(source) or _relative(_place(source), start) for source in sources]


def root_of(pattern: str) -> str:
    """The folder that holds the reports of all inventories; the report's own one where the pattern names no inventory."""
    return os.path.abspath(pattern.split(PLACEHOLDER)[0] or ".")


def folder_of(pattern: str, name: str, identity: list[str], owner_of) -> str:
    """The folder for an inventory: named after it, with a mark behind where another inventory of that name was there first.

    owner_of(folder): identity of the inventory whose report lies there, None where there is none.
    """
    plain = pattern.replace(PLACEHOLDER, name)
    if plain == pattern:
        return plain
    marked = pattern.replace(PLACEHOLDER, f"{name}-{_short(' '.join(identity))}")
    if owner_of(marked) is not None or owner_of(plain) not in (None, identity):
        return marked
    return plain


def _listed(source: str) -> str:
    """A list of hosts on the command line, as `-i one,two,`."""
    return ",".join(part.strip() for part in source.split(",") if part.strip()) if "," in source else ""


def _place(source: str) -> str:
    path = os.path.abspath(source)
    folder = os.path.dirname(path)
    if not _generic(path) or os.path.isdir(path) or not os.path.basename(folder):
        return path
    alike = [entry for entry in os.listdir(folder) if _generic(entry) and not os.path.isdir(os.path.join(folder, entry))] if os.path.isdir(folder) else []
    return folder if len(alike) < 2 else path


def _generic(path: str) -> bool:
    return os.path.splitext(os.path.basename(path))[0] in GENERIC


def _stem(path: str) -> str:
    base = os.path.basename(path)
    return base if os.path.isdir(path) else os.path.splitext(base)[0]


def _relative(path: str, start: str) -> str:
    try:
        return os.path.relpath(path, start).replace(os.sep, "/")
    except ValueError:  # another drive
        return path


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._]+", "-", text).strip("-.") or "inventory"


def _short(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:8]
