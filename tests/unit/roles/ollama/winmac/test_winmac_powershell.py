# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The PowerShell of the role parses, says what the role reads, and is what the simulated host was written for.

No PowerShell is at hand where these tests run, so grammar and names are what can be shown.
"""

from __future__ import annotations

import re

import pytest
import tree_sitter
import tree_sitter_powershell
import yaml
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.service import warm
from support import ROOT

ROLE = ROOT / "roles/ollama"
SCRIPTS = sorted((ROLE / "files/windows").glob("*.ps1"))
# Those that an action sends.
SENT = [path for path in SCRIPTS if path.name.startswith("warm")]
PARSER = tree_sitter.Parser(tree_sitter.Language(tree_sitter_powershell.language()))


def nodes(node):
    yield node
    for child in node.children:
        yield from nodes(child)


def parsed(text):
    return PARSER.parse(text.encode("utf-8")).root_node


def keys_of(table):
    """Keys of one hash literal, not those of tables inside it."""
    found = []
    for child in nodes(table):
        if child.type == "key_expression":
            owner = child.parent
            while owner.type != "hash_literal_expression":
                owner = owner.parent
            if owner == table:
                found.append(child.text.decode().strip())
    return set(found)


def tables(text):
    return [node for node in nodes(parsed(text)) if node.type == "hash_literal_expression"]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_script_parses(script):
    broken = [node for node in nodes(parsed(script.read_text(encoding="utf-8"))) if node.type == "ERROR" or node.is_missing]
    assert not broken, [(node.start_point, node.text.decode()[:60]) for node in broken]


def test_the_parser_would_notice():
    """A test that can't fail shows nothing."""
    assert parsed("if ($a { 'b' }").has_error


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_script_is_for_windows_powershell_5(script):
    """PowerShell 7's operators are syntax errors on every Windows host as it comes."""
    text = re.sub(r"(?m)^\s*#.*$", "", script.read_text(encoding="utf-8"))
    assert not re.search(r"\?\?|&&|\|\||\?\.|\?\[| \? [^{]+ : ", text)
    assert "ForEach-Object -Parallel" not in text
    assert text.isascii(), "Windows PowerShell reads a script without BOM in the machine's code page"


def declared_in(script):
    text = script.read_text(encoding="utf-8")
    return set(re.findall(r"(?m)^    \[[\w\[\]]+\]\$(\w+),?$", text.split("param(", 1)[1].split("\n)", 1)[0]))


def test_parameters_of_the_sent_scripts_are_those_that_are_sent():
    task, program = ROLE / "files/windows/warm_task.ps1", ROLE / "files/windows/warm.ps1"
    assert sorted(SENT) == sorted([task, program])
    assert declared_in(task) == set(warm.task(warm.place("windows", "C:\\ollama"), {}, "S-1-5-19"))
    started = re.search(r"-File .*' -f", task.read_text(encoding="utf-8")).group()
    assert {name.lstrip("-") for name in re.findall(r"-[A-Z]\w+", started)} - {"File"} == declared_in(program)


@pytest.mark.parametrize("script", [path for path in SCRIPTS if path not in SENT], ids=lambda path: path.name)
def test_parameters_of_the_tasks_are_those_of_the_script(script):
    """win_powershell fails on a parameter that the script lacks, on the host only."""
    declared = declared_in(script)
    calls = []
    for path in (ROLE / "tasks/windows").glob("*.yml"):
        calls += list(uses(yaml.safe_load(path.read_text(encoding="utf-8")), script.name))
    assert calls, f"{script.name} is used by no task"
    for given in calls:
        assert set(given) == declared


def uses(tasks, name):
    for task in tasks:
        yield from uses(task.get("block", []) + task.get("rescue", []), name)
        call = task.get("ansible.windows.win_powershell")
        if call and name in call["script"]:
            yield call["parameters"]


def test_every_script_stands_in_a_file():
    """What is written into a task is read by no grammar and simulated by nothing."""
    for path in (ROLE / "tasks/windows").glob("*.yml"):
        text = path.read_text(encoding="utf-8")
        assert "win_shell" not in text
        for line in text.splitlines():
            assert not line.strip().startswith("script:") or "lookup('ansible.builtin.file', 'windows/" in line
