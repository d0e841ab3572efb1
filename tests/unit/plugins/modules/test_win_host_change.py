# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The PowerShell that takes a Windows host and keeps its record parses, takes what the action gives it, and tells what that reads.

PowerShell does not run where this suite runs, so grammar and names are what can be shown; tests/windows runs it on the hosted workflow. Deleted, an
option that is missing there would stop every change of a Windows host, on the host only.
"""

from __future__ import annotations

import re

import pytest
import tree_sitter
import tree_sitter_powershell
import yaml
from ansible_collections.llmfleet.ollama.plugins.plugin_utils import windows_change
from support import ROOT

SCRIPT = ROOT / "plugins/modules/win_host_change.ps1"
SHARED = ROOT / "plugins/module_utils/HostChange.psm1"
PESTER = ROOT / "tests/windows/HostChange.Tests.ps1"
TEXT, SAID = SCRIPT.read_text(encoding="utf-8"), SHARED.read_text(encoding="utf-8")
PARSER = tree_sitter.Parser(tree_sitter.Language(tree_sitter_powershell.language()))


def nodes(node):
    yield node
    for child in node.children:
        yield from nodes(child)


@pytest.mark.parametrize("script", [SCRIPT, SHARED, PESTER], ids=lambda path: path.name)
def test_it_parses(script):
    tree = PARSER.parse(script.read_text(encoding="utf-8").encode("utf-8")).root_node
    broken = [node for node in nodes(tree) if node.type == "ERROR" or node.is_missing]
    assert not broken, [(node.start_point, node.text.decode()[:60]) for node in broken]


@pytest.mark.parametrize("text", [TEXT, SAID], ids=["module", "shared"])
def test_it_is_for_windows_powershell_5(text):
    code = re.sub(r"(?m)^\s*#.*$", "", text)
    for newer in (r"\?\?", r"\?\.", r"&&", r"\|\|", r"-Parallel\b", r"-AsHashtable\b"):
        assert re.search(newer, code) is None, newer
    assert text.isascii()


def spec():
    text = TEXT[TEXT.index("$spec") : TEXT.index("$module =")]
    return dict(re.findall(r"(?m)^ {8}(\w+) = @\{ ?(.*?)(?: \})?$", text))


def test_its_options_are_documented():
    options = yaml.safe_load(SCRIPT.with_suffix(".yml").read_text(encoding="utf-8"))["DOCUMENTATION"]["options"]
    assert list(spec()) == list(options)
    for name, text in spec().items():
        default = re.search(r"default = (\S+)", text)
        if default:
            shown = {"$false": False, "''": "", "@()": [], "'none'": "none"}[default[1]]
            assert shown == options[name]["default"], name
    choices = re.search(r"choices = ([^;]+);", spec()["act"])[1]
    assert re.findall(r"'(\w+)'", choices) == options["act"]["choices"]


def asked(state, seen):
    """Every argument that a state sends, for a host that says `seen`."""
    given = []

    def ask(arguments):
        given.append(arguments)
        return {"is_root": True, "swapped": bool(arguments.get("swap")), **seen}

    me = {"token": "a", "who": "anna@desk", "controller": "desk", "process": "1", "started": "then"}
    change = {"record": "C:\\x", "asked": "1.0", "before": {}, "paths": ["C:\\f"], "task": "ollama", "door": "llmfleet ollama", "rule": {"port": "1"}}
    change["rights"] = "x"
    wanted = {"record": None, "change": None, "doing": "", "over": "", "holder": me, "state": state}
    wanted.update({"change": change} if state == "begin" else {"record": "C:\\x"})
    windows_change._Work(ask, wanted, False).done()
    return given


@pytest.mark.parametrize("state", ["begin", "renew", "restore", "done"])
def test_what_is_sent_are_its_options(state):
    for given in asked(state, {"found": [{"path": "C:\\f", "kind": "file"}], "since_start": 1, "now": 1}):
        assert set(given) <= set(spec()), given


def test_what_is_read_is_told():
    told = set(re.findall(r"\$module\.Result\.(\w+) = ", TEXT))
    assert told == {"changed", "swapped", "is_root", "holder", "record", "found", "since_start", "now"}
    assert told - {"changed"} == set(yaml.safe_load(SCRIPT.with_suffix(".yml").read_text(encoding="utf-8"))["RETURN"])
    assert set(re.findall(r"^ {8}(\w+) = ", SAID, re.M)) == {"since_start", "now"}


def test_what_it_uses_of_the_shared_part_is_given_out():
    """PowerShell finds a function that is not there when it comes to it, on the host only."""
    own = set(re.findall(r"(?m)^function ([\w-]+)", TEXT))
    shared = set(re.findall(r"(?m)^function ([\w-]+)", SAID))
    given = set(re.findall(r"[\w-]+", SAID[SAID.rindex("Export-ModuleMember -Function") :].partition("Function ")[2]))
    look = (ROOT / "plugins/modules/win_look_probe.ps1").read_text(encoding="utf-8")
    used = set(re.findall(r"\b((?:Get|Test|Save|Clear|Close|Write|Restore|Enter|Invoke)-[A-Z]\w+)", TEXT + look))
    assert given == shared and (own & shared) == set()
    windows = {"Get-Acl", "Get-ScheduledTask", "Get-FileHash", "Get-CimInstance", "Get-Item", "Get-ChildItem", "Get-Command", "Get-NetTCPConnection"}
    looked = set(re.findall(r"(?m)^function ([\w-]+)", look))
    unknown = used - own - shared - looked - windows
    assert unknown <= {"Get-Process", "Get-NetFirewallRule", "Test-Path", "Get-VramObservation"}, unknown


def test_only_administrators_may_write_what_it_makes():
    """Folder, guard and key: protected, owned by the administrators, for SYSTEM and them."""
    texts = re.findall(r"'(O:[^']+)'", TEXT)
    assert len(texts) == 3 and len(re.findall(r"\bGet-Security '", TEXT)) == 4
    for text in texts:
        owner, rules = re.fullmatch(r"O:(\w\w)G:BAD:P(?:AI)?((?:\([^)]+\))+)", text).groups()
        assert owner == "BA" and [rule.split(";")[-1].rstrip(")") for rule in re.findall(r"\([^)]+\)", rules)] == ["SY", "BA"], text
