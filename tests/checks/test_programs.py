# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs stand in files, where a linter reads them and a test can run them.

Deleted, a shell or Python program could be written into a task, which no grammar reads and nothing simulates, and would first run on a host.
"""

from __future__ import annotations

import re
import subprocess

import jinja
import pytest
import yaml
from support import ROOT

TRACKED = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
# A word that takes the next one for a program; in a list, quoted in an expression, or behind the interpreter's name.
TAKES_PROGRAM = re.compile(r"-e?c")
OF_A_FILE = r"lookup\('ansible\.builtin\.file', '[\w/]+\.(sh|py|ps1)'\)"
IN_AN_EXPRESSION = re.compile(r"'-e?c',\s*(?P<program>%s|[^,\]]+)" % OF_A_FILE)
# Behind the first it runs on the controller, where a checkout may lie in a folder with a blank in its name.
IN_A_TEXT = re.compile(r"\b(?:sh|bash|python3?)\s+-e?c\s|\b(?:lookup|query|q)\(\s*'(?:ansible\.builtin\.)?(?:pipe|lines)'")
# Modules whose text is a program, with the key that holds it.
SHELLS = {"ansible.builtin.shell": "cmd", "ansible.builtin.raw": "cmd", "ansible.windows.win_shell": "cmd", "ansible.windows.win_powershell": "script"}
# Path and first words of what stays, and why.
EXCUSED = {
    ("roles/open_webui/tasks/database_command.yml", "set -eu; umask 077"): "the command is the user's own; what is around it reads a secret first",
    ("roles/open_webui/tasks/docker_container.yml", "python -c"): "the image's own Python, in a container that has no file of ours",
}


def scripts() -> list[str]:
    """Every shell script that git knows, by its name or its first line."""
    found = []
    for name in TRACKED:
        path = ROOT / name
        if path.is_file() and not path.is_symlink() and path.suffix in ("", ".sh"):
            with path.open("rb") as handle:
                first = handle.readline()
            if path.suffix == ".sh" or re.match(rb"#!.*\b(ba)?sh\b", first):
                found.append(name)
    return found


def test_shellcheck():
    """An unquoted variable, a `cd` that is not checked, or syntax that dash doesn't have would be found by a host."""
    found = scripts()
    assert {".ci/run", "lab/bootstrap.sh", "roles/ollama/files/macos/door.sh"} <= set(found)
    # SC2010 is about names with odd letters in `ls | grep`; those that a script here looks for are versions.
    done = subprocess.run(["shellcheck", "--exclude=SC2010", *found], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout[-8000:]


def looked_up(text) -> bool:
    """Whether a text is a file's content; PowerShell's may have another file's in front."""
    return bool(re.fullmatch(r"\{\{ %s.*\}\}" % OF_A_FILE, str(text).strip(), re.DOTALL))


def names_of_files(value) -> set[str]:
    """Variables whose value is a file's content."""
    if isinstance(value, list):
        return {name for item in value for name in names_of_files(item)}
    if isinstance(value, dict):
        own = {name for name, item in value.items() if isinstance(item, str) and looked_up(item)}
        return own | {name for item in value.values() for name in names_of_files(item)}
    return set()


def programs(value, known=None):
    """Each text in a YAML value that is a program and is not looked up in a file, itself or by a variable of this value."""
    known = names_of_files(value) if known is None else known
    if isinstance(value, str):
        named = [found["program"] for found in IN_AN_EXPRESSION.finditer(value)]
        if IN_A_TEXT.search(value) or any(name not in known and not re.fullmatch(OF_A_FILE, name) for name in named):
            yield value
    elif isinstance(value, list):
        for before, item in zip([None, *value], value, strict=False):
            if isinstance(before, str) and TAKES_PROGRAM.fullmatch(before) and not looked_up(item):
                yield str(item)
            else:
                yield from programs(item, known)
    elif isinstance(value, dict):
        for name, item in value.items():
            key = SHELLS.get(name)
            if key:
                text = item.get(key, "") if isinstance(item, dict) else item
                if not looked_up(text):
                    yield text
            yield from programs(item, known)


def test_no_program_stands_in_yaml():
    """Task files, variables and playbooks alike; a new excuse needs its reason, and one that excuses nothing any more goes."""
    found = []
    for name in TRACKED:
        if re.match(r"(roles/(?!.*/meta/)|playbooks/|site).*\.yml$", name) and (ROOT / name).is_file():
            for document in yaml.load_all((ROOT / name).read_text(encoding="utf-8"), jinja.Loader):
                found += [(name, text) for text in programs(document)]
    excuses = {(name, text): [key for key in EXCUSED if key[0] == name and text.strip().startswith(key[1])] for name, text in found}
    assert [where for where, matching in excuses.items() if not matching] == []
    assert {key for matching in excuses.values() for key in matching} == set(EXCUSED)


@pytest.mark.parametrize(
    "text",
    [
        "argv: [/bin/sh, -ec, 'a; b']",
        "argv: \"{{ ['/bin/sh', '-c', __program, 'x'] + y }}\"",
        "cmd: bash -c 'a'",
        "x: \"{{ lookup('ansible.builtin.pipe', 'cat ' ~ role_path ~ '/a') }}\"",
        "ansible.builtin.shell: a",
        "ansible.builtin.shell: {cmd: a}",
        "ansible.windows.win_powershell: {script: 'Get-Item', parameters: {}}",
        "block: [{vars: {x: [python3, -c, print()]}}]",
    ],
)
def test_a_program_in_yaml_is_seen(text):
    """A search that overlooks one of the ways to write it would stay green with that one."""
    assert list(programs(yaml.safe_load(text)))


@pytest.mark.parametrize(
    "text",
    [
        "argv: [/bin/sh, -c, \"{{ lookup('ansible.builtin.file', 'linux/a.sh') }}\", a]",
        "argv: \"{{ ['/bin/sh', '-c', lookup('ansible.builtin.file', 'linux/a.sh')] + y }}\"",
        "ansible.windows.win_powershell: {script: \"{{ lookup('ansible.builtin.file', 'windows/a.ps1') }}\"}",
        "{argv: \"{{ ['/bin/sh', '-c', __keep, 'x'] + y }}\", vars: {__keep: \"{{ lookup('ansible.builtin.file', 'linux/keep.sh') }}\"}}",
        "argv: [tar, --czf, a]",
    ],
)
def test_a_program_in_a_file_is_none_in_yaml(text):
    assert not list(programs(yaml.safe_load(text)))
