# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The look of Windows parses, takes what the action gives it, and fills every field of the schema.

PowerShell does not run where this suite runs, so grammar and names are what can be shown; the Windows workflow runs the whole module and holds
its answer against the schema. Deleted, a field that is missing there would stop every Windows host, on the host only.
"""

from __future__ import annotations

import re

import pytest
import tree_sitter
import tree_sitter_powershell
from ansible_collections.llmfleet.ollama.plugins.module_utils.look import common, host
from ansible_collections.llmfleet.ollama.plugins.plugin_utils import look_schema
from support import ROOT

SCRIPT = ROOT / "plugins/modules/win_look_probe.ps1"
TEXT = SCRIPT.read_text(encoding="utf-8")
CODE = re.sub(r"(?m)^\s*#.*$", "", TEXT)
PARSER = tree_sitter.Parser(tree_sitter.Language(tree_sitter_powershell.language()))


def nodes(node):
    yield node
    for child in node.children:
        yield from nodes(child)


def parsed(text):
    return PARSER.parse(text.encode("utf-8")).root_node


def tables(text=TEXT):
    """Keys of every table literal, not those of tables inside it."""
    found = []
    for table in nodes(parsed(text)):
        if table.type == "hash_literal_expression":
            keys = [child for child in nodes(table) if child.type == "key_expression"]
            found.append({key.text.decode().strip() for key in keys if owner(key) == table})
    return found


def owner(key):
    while key.type != "hash_literal_expression":
        key = key.parent
    return key


def table(key):
    return next(keys for keys in tables() if key in keys)


@pytest.mark.parametrize("script", [SCRIPT, ROOT / "tests/windows/run_look.ps1"], ids=lambda path: path.name)
def test_it_parses(script):
    broken = [node for node in nodes(parsed(script.read_text(encoding="utf-8"))) if node.type == "ERROR" or node.is_missing]
    assert not broken, [(node.start_point, node.text.decode()[:60]) for node in broken]


def test_it_is_for_windows_powershell_5():
    """Operators of later PowerShells are syntax errors on every Windows as it comes, and a script without BOM is read in the machine's code page."""
    for newer in (r"\?\?", r"\?\.", r"\s\?\s[^{].*\s:\s", r"&&", r"\|\|", r"-Parallel\b", r"\bclean\s*\{", r"-AsHashtable\b"):
        assert re.search(newer, CODE) is None, newer
    assert TEXT.isascii()


def test_options():
    spec = TEXT[TEXT.index("$spec") : TEXT.index("$module =")]
    assert re.findall(r"^\s{8}(\w+) = @\{", spec, re.M) == list(host.ARGUMENTS)
    assert re.findall(r"^\s{16}(\w+) = @\{", spec, re.M) == list(host.QUESTION)
    for name, option in host.QUESTION.items():
        line = re.search(r"^\s{16}%s = @\{(.*)\}$" % name, spec, re.M).group(1)
        assert ("required = $true" in line) is option.get("required", False) and "type = '%s'" % option["type"] in line


def test_every_field_is_filled():
    """And none that the schema does not have: what nobody reads is not collected."""
    filled = set(re.findall(r"^\$look\.(\w+) = ", CODE, re.M)) | table("observation")
    assert filled == set(look_schema.SCHEMAS["windows"].fields)


def test_every_field_of_a_field_is_filled():
    fields = look_schema.SCHEMAS["windows"].fields
    assert table("changed_at") == set(look_schema.FILE.fields)
    assert table("needs_reload") == set(fields["service"].fields) and table("groups") == set(fields["user"].fields)
    assert table("batteries") == set(fields["task"].fields) and table("inbound") == set(fields["door"].fields["rule"].fields)
    assert table("off") == set(fields["door"].fields)
    assert [keys for keys in tables() if "missing_mount" in keys] == [set(look_schema.PLACE)] * 2
    for place in ("install", "store"):
        more = set(re.findall(r"^    \$look\.%s\.(\w+) = " % place, CODE, re.M))
        assert more | set(look_schema.PLACE) == set(fields[place].fields)
    others = fields["store"].fields["other_stores"].inner, fields["resolved"].inner, fields["failed"].inner, fields["api"]
    assert [list(record.fields) for record in others if set(record.fields) not in tables()] == []


def test_no_reader_has_a_variable_of_the_one_that_runs_it():
    """PowerShell looks for a variable where a block is called before it looks where the block was written, and $name is $Name."""
    runner = next(node.text.decode() for node in nodes(parsed(TEXT)) if node.type == "function_statement" and "Read-Field" in node.text.decode())
    own = {name.lower() for name in re.findall(r"\$(\w+)", runner)} - {"watch", "module", "failed", "null", "_"}
    readers = CODE[CODE.index("$identity = ") :].lower()
    assert own == {"lookfield", "lookreader"} and [name for name in own if "$" + name in readers] == []


def test_both_systems_ask_the_api_alike():
    kinds = {"name": "String", "model": "String", "digest": "String", "expires_at": "String", "modified_at": "String"}
    said = dict(re.findall(r"(\w+) = \[(\w+)\]", TEXT[TEXT.index("$kinds = @{") : TEXT.index("foreach ($row in")]))
    assert said == {name: kinds.get(name, "Int64") for name in common.API_FIELDS}
    assert f"$largestAnswer = {common.LARGEST_ANSWER}" in TEXT and f"$largestFile = {common.LARGEST_FILE}" in TEXT
