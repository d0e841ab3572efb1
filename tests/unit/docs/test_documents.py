# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""README.md and docs/*.md without a machine: every block is one that the tests know what to do with, and names only what there is.

The commands themselves are run by tests/e2e/readme.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from support import ROOT, documents

BLOCKS = [block for path in documents.documents() for block in documents.blocks(path)]
COMMANDS = [block for block in BLOCKS if block.kind == "console"]
PARTS = [block for block in BLOCKS if block.kind == "yaml"]
# Of a task list a page shows modules; of anything else variables.
OURS = re.compile(r"^(llm|ollama|open_webui|model_mirror|gateway)_\w+$")
PROGRAM = re.compile(r"^\$? ?(sudo |[A-Z_]+=\S+ )*(ansible\S*|make|docker|lab/\S+|jq|curl|systemctl|journalctl|git|pip|python3?) ", re.MULTILINE)


def known_variables() -> set[str]:
    """What the argument specs of the roles describe, and what playbooks, roles and plugins read besides."""
    found = set()
    for specs in ROOT.glob("roles/*/meta/argument_specs.yml"):
        for entry in yaml.safe_load(specs.read_text(encoding="utf-8"))["argument_specs"].values():
            found |= set(entry.get("options") or {})
    for file in [*ROOT.glob("playbooks/**/*.yml"), *ROOT.glob("roles/**/*.yml"), *ROOT.glob("plugins/filter/*.py"), *ROOT.glob("plugins/action/*.py")]:
        found |= set(re.findall(r"(?<![\w.])(?:llm|open_webui_backend)_[a-z_]+", file.read_text(encoding="utf-8")))
    return found


def test_known_variables_are_found():
    """An empty list would make each name in a page look wrong, and one with everything in it would find nothing."""
    assert {"ollama_allowed_cidrs", "llm_models", "llm_registry", "open_webui_admin_email"} <= known_variables()
    assert "ollama_allowed_cidr" not in known_variables()


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.place)
def test_each_block_says_what_it_is(block):
    """A command in a block of an unknown kind would be run by nobody."""
    assert block.kind in documents.KINDS, f"{block.place}: write one of {', '.join(sorted(documents.KINDS))} behind the fence, not '{block.kind}'"
    assert block.kind != "powershell" or block.marker.startswith(documents.NOT_RUN), f"{block.place}: no test types this, so say why"
    if block.marker:
        assert block.kind in ("console", "powershell"), f"{block.place}: only what is typed can be left out"
        assert block.marker == documents.ON_A_MACHINE or re.match(f"({documents.NOT_RUN}|{documents.LONG})\\S.+", block.marker), (
            f"{block.place}: '{block.marker}' is no marker with a reason, see tests/support/documents.py"
        )
    if block.kind in ("text", "ini"):
        assert not PROGRAM.search(block.text), f"{block.place}: this is typed, so it is a console block"


@pytest.mark.parametrize("path", documents.documents(), ids=lambda path: path.name)
def test_no_command_is_indented(path):
    """Markdown's other way to write code would be read by nobody."""
    text = documents.FENCE.sub("", path.read_text(encoding="utf-8"))
    assert not re.search(r"^ {4}(ansible|make|docker|lab/)", text, re.MULTILINE), f"{path.name}: put what is typed into a fenced console block"


@pytest.mark.parametrize("block", PARTS, ids=lambda block: block.place)
def test_yaml_is_yaml_and_names_what_there_is(block):
    """A misspelt variable is ignored by Ansible, and whoever copied it never learns why nothing happens."""
    content = yaml.safe_load(block.text)
    named = set(re.findall(r"^(?:- )?(?:\s*- )?\s*([a-z]\w+):", block.text, re.MULTILINE)) if content else set()
    unknown = {name for name in named if OURS.match(name)} - known_variables()
    assert not unknown, f"{block.place}: nothing reads {', '.join(sorted(unknown))}"


@pytest.mark.parametrize("block", COMMANDS, ids=lambda block: block.place)
def test_commands_name_playbooks_and_inventories_that_exist(block):
    """Cheaper than to run them, and so also said of those that are not run."""
    written = {str(Path(found.file).parts[1]) for found in BLOCKS if found.file.startswith("inventories/")}
    for line in block.commands:
        for playbook in re.findall(r"(?<=\s)((?:playbooks/)?[a-z_]+\.yml)\b", line if line.startswith("ansible-playbook") else ""):
            assert (ROOT / playbook).is_file() or playbook in [found.file for found in BLOCKS], f"{block.place}: there is no {playbook}"
        for inventory in re.findall(r"-i inventories/([\w-]+)", line):
            assert (ROOT / "inventories" / inventory).is_dir() or inventory in written, f"{block.place}: there is no inventories/{inventory}"


def test_links_lead_somewhere():
    """A page that was moved leaves dead links behind."""
    for path in documents.documents():
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text(encoding="utf-8")):
            assert "://" in target or (path.parent / target).exists(), f"{path.name}: {target}"


def test_the_readme_is_short():
    """It is the page that everybody reads."""
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


def test_blocks_are_read_with_their_markers(tmp_path):
    """A parser that passes over a block would let everything else here pass."""
    page = tmp_path / "page.md"
    page.write_text("# x\n\n<!-- not run: why -->\n```console\na  # b\nc \\\n  d\n```\n\n```yaml\n# inventories/mine/hosts.yml\nall:\n```\n")
    first, second = documents.blocks(page)
    assert (first.kind, first.marker, first.commands, first.line) == ("console", "not run: why", ["a", "c   d"], 4)
    assert (second.kind, second.file, second.commands) == ("yaml", "inventories/mine/hosts.yml", [])


@pytest.mark.parametrize("path", documents.documents(), ids=lambda path: path.name)
def test_commands_within_a_sentence_name_playbooks_that_exist(path):
    """They are typed as well, and nobody runs them here."""
    text = documents.FENCE.sub("", path.read_text(encoding="utf-8"))
    for playbook in re.findall(r"`ansible-playbook [^`]*?((?:playbooks/)?[a-z_]+\.yml)\b", text):
        assert (ROOT / playbook).is_file(), f"{path.name}: there is no {playbook}"


def test_commands_for_a_fleet_name_its_inventory():
    """Without -i it is inventories/local: whoever types an uninstall for his Macs would lose what runs on his own machine."""
    texts = {path: path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md")}
    typed = {path.name: re.findall(r"(?:^|`)(ansible-playbook [^\n`]+)", text, re.MULTILINE) for path, text in texts.items()}
    typed |= {path.name: re.findall(r"^# +(ansible-playbook .+)", path.read_text(encoding="utf-8"), re.MULTILINE) for path in ROOT.glob("playbooks/*.yml")}
    assert len([line for lines in typed.values() for line in lines]) > 20
    for name, lines in typed.items():
        assert all(" -i inventories/" in line for line in lines), (name, [line for line in lines if " -i inventories/" not in line])
