# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written twice must say the same: options in Python, PowerShell and the documentation; codes in the fact and its manual.

PowerShell does not run where this suite runs, so a real grammar reads it at least; the Windows workflow runs it.
"""

from __future__ import annotations

import json
import re

import jsonschema
import pytest
import tree_sitter
import tree_sitter_powershell
from ansible.plugins.loader import fragment_loader
from ansible.utils.plugin_docs import get_docstring
from ansible_collections.llmfleet.ollama.plugins.module_utils.accelerators import device, totals
from ansible_collections.llmfleet.ollama.plugins.module_utils.probe import cli, constants, observe
from support import ROOT

MODULE = ROOT / "plugins/modules/win_vram_probe.ps1"
# What win_vram_probe and win_look_probe share.
SCRIPT = ROOT / "plugins/module_utils/VramProbe.psm1"
SCHEMA = json.loads((ROOT / "plugins/module_utils/accelerators/vram.schema.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", ["vram_facts.py", "vram_probe.py", "win_vram_probe.yml"])
def test_options(name):
    documentation = get_docstring(str(ROOT / "plugins/modules" / name), fragment_loader, is_module=True)[0]
    documented = {option: {key: value for key, value in entry.items() if key != "description"} for option, entry in documentation["options"].items()}
    if name == "vram_facts.py":
        assert documented.pop("record_to") == {"type": "path"}
    assert documented == observe.ARGUMENTS


def tree(script):
    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_powershell.language()))
    return parser.parse(script.read_bytes()).root_node


def nodes(node):
    yield node
    for child in node.children:
        yield from nodes(child)


@pytest.mark.parametrize("script", [MODULE, SCRIPT], ids=lambda path: path.name)
def test_powershell_is_powershell(script):
    root = tree(script)
    wrong = [(node.start_point[0] + 1, node.type) for node in nodes(root) if node.type == "ERROR" or node.is_missing]
    assert not root.has_error and wrong == []


def test_powershell_is_51():
    """Operators of later PowerShells: they parse here and break on every Windows as delivered."""
    text = re.sub(r"#.*", "", SCRIPT.read_text(encoding="utf-8"))
    for newer in (r"\?\?", r"\?\.", r"\s\?\s[^{].*\s:\s", r"&&", r"\|\|", r"-Parallel\b", r"\bclean\s*\{", r"-AsHashtable\b"):
        assert re.search(newer, text) is None, newer


def test_powershell_decides_nothing():
    """No vendor numbers, no names of cards, no arithmetic on sizes: those are judged in Python."""
    text = re.sub(r"#.*", "", SCRIPT.read_text(encoding="utf-8"))
    for judgement in ("5140", "4293918720", "10DE", "VEN_", "GeForce", "Radeon", "1024", "1048576", "GB"):
        assert judgement not in text.replace("GGML", ""), judgement


def test_powershell_and_python_ask_alike():
    text = SCRIPT.read_text(encoding="utf-8")
    pieces = [piece for piece in re.findall(r"'([^']*)'", text) if "memory." in piece or piece.startswith("index,")]
    assert pieces[0] + pieces[1] == cli.SMI_FIELDS and pieces[0] + pieces[2] == cli.SMI_OLD_FIELDS
    assert [name for name in constants.VISIBILITY if f"'{name}'" not in text] == []
    text = MODULE.read_text(encoding="utf-8")
    spec = text[text.index("$spec") : text.index("$module =")]
    assert re.findall(r"^\s{8}(\w+) = @\{", spec, re.MULTILINE) == list(observe.ARGUMENTS)
    assert all(spec.count(f"'{choice}'") == 2 for choice in observe.GATHER)


def test_schema():
    """The schema is one, and knows exactly the codes and sources that the interpretation has."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    properties = SCHEMA["properties"]["devices"]["items"]["properties"]
    assert sorted(properties["warnings"]["items"]["properties"]["code"]["enum"]) == sorted(device.WARNINGS)
    assert sorted(properties["source"]["enum"]) == sorted(totals.RANK)
    assert list(properties) == list(device.device("other", "x", "proc"))


def test_manual_names_every_code():
    manual = (ROOT / "docs/facts.md").read_text(encoding="utf-8")
    assert [code for code in device.WARNINGS if f"`{code}`" not in manual] == []


def test_every_code_is_used():
    """A code that nothing raises is a promise that nobody keeps."""
    folder = ROOT / "plugins/module_utils/accelerators"
    text = "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.py") if path.name != "device.py")
    assert [code for code in device.WARNINGS if f'"{code}"' not in text] == []
