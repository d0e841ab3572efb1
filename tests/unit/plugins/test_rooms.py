# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which room of the code knows which: data flows in one direction, and so do imports.

Deleted, two packages could come to need each other, a target could need what only a controller has, and telling could search again.
"""

from __future__ import annotations

import ast

import pytest
from support import ROOT

OURS = "ansible_collections.llmfleet.ollama.plugins."
PLUGINS = ROOT / "plugins"
MODULES = {".".join(path.relative_to(PLUGINS).with_suffix("").parts): path for path in PLUGINS.rglob("*.py")}


def imports(name):
    """Our own modules that one of them imports, wherever in its file."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[name].read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ImportFrom):
            continue
        base = node.module or ""
        if node.level:
            base = ".".join([*name.split(".")[: -node.level], *filter(None, [node.module])])
        elif base + "." == OURS or base.startswith(OURS):
            base = base[len(OURS):]
        else:
            continue
        found |= {target for alias in node.names for target in (base + "." + alias.name, base) if target in MODULES}
    return found


KNOWS = {name: imports(name) for name in MODULES}


def room(name):
    """The package of a module; one that lies in none is a room of its own, and so are the ground and the top floor of sizing."""
    parts = name.split(".")
    return ".".join(parts[:3] if parts[1] == "sizing" else parts[:2]) if len(parts) > 2 else name


ROOMS = {}
for _name, _targets in KNOWS.items():
    ROOMS.setdefault(room(_name), set()).update(room(target) for target in _targets if room(target) != room(_name))


def circle(graph):
    """Nodes that reach themselves: what is left when everything is taken away that needs nothing which is left."""
    left = dict(graph)
    while left:
        free = {name for name, targets in left.items() if not targets & set(left)}
        if not free:
            return sorted(left)
        left = {name: targets for name, targets in left.items() if name not in free}
    return []


def test_the_arrows_are_seen():
    """An empty graph has no circles either."""
    assert "plugin_utils.sizing.model" in ROOMS["plugin_utils.sizing.machine"] and "module_utils.ollama" in ROOMS["module_utils.models"]
    assert circle({"a": {"b"}, "b": {"a"}, "c": {"a"}, "d": set()}) == ["a", "b", "c"]


@pytest.mark.parametrize("graph", [KNOWS, ROOMS], ids=["modules", "rooms"])
def test_nobody_needs_who_needs_him(graph):
    assert circle(graph) == []


@pytest.mark.parametrize("name", [name for name in MODULES if name.startswith(("module_utils.", "modules."))])
def test_targets_need_nothing_of_the_controller(name):
    """Ansible sends module_utils along and nothing else: the module would not start."""
    assert [target for target in KNOWS[name] if not target.startswith("module_utils.")] == []


@pytest.mark.parametrize("name", ["words", "result"])
def test_telling_does_not_search(name):
    """A sentence that runs the search again may tell of another plan than the one that is shown."""
    searching = {"plugin_utils.sizing.choice." + part for part in ("search", "best_set", "together", "single", "sizes", "why_not")}
    assert searching <= set(MODULES) and not searching & KNOWS["plugin_utils.sizing." + name]
