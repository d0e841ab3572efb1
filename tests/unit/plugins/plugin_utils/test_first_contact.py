# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run says when the first module does not work on a host.

Deleted, a shim of pyenv in place of Python would again end in "No start of json char found", and a forgotten sudo password in words that name no
variable.
"""

from __future__ import annotations

import sys

import pytest
from ansible_collections.llmfleet.ollama.plugins.plugin_utils import contact
from support import plays

JSON = "Module result deserialization failed: No start of json char found"

CASES = {
    "a shim of pyenv": ((JSON, "pyenv: python3.13: command not found\n", 127, "/shims/python3.13"), "(/shims/python3.13) does not start (pyenv: python3.13"),
    "no such file": (("The module interpreter '/no' was not found.", "/bin/sh: 1: /no: not found\n", 127, "/no"), "ansible_python_interpreter"),
    "not to be run": (("", "/bin/sh: 1: /opt: Permission denied\n", 126, None), "(found on its PATH) does not start"),
    # The words of sudo, as ansible-core 2.19 and older releases pass them on.
    "no password, 2.19": (
        ("Task failed: Premature end of stream.\n>>> Standard Error\nsudo: a password is required", "", None, None),
        "--ask-become-pass (-K)",
    ),
    "no password": (("Missing sudo password", "", None, None), "ansible_become_password"),
    "wrong password, 2.19": (("Duplicate become password prompt encountered", "", None, None), "does not take the password"),
    "wrong password": (("Incorrect sudo password", "", None, None), "does not take the password"),
    "nobody of sudo's": (("bob is not in the sudoers file.", "", 1, None), "may not use sudo; take one who may in ansible_user"),
    # As Debian is where root got a password; told as the Python's fault it would lead astray.
    "no sudo, 2.19": (
        ("Premature end of stream waiting for become success.\n>>> Standard Error\n/bin/sh: 1: sudo: not found", "", None, None),
        "ansible_become_method to su",
    ),
    "no sudo": ((JSON, "bash: line 1: sudo: command not found\n", 127, "/usr/bin/python3"), "There is no sudo on gpu-01"),
    "something else": (("Unsupported parameters: colour", "", 1, "/usr/bin/python3"), None),
    "a broken module": ((JSON, "", 1, "/usr/bin/python3"), None),
}


@pytest.mark.parametrize("name", CASES)
def test_the_sentence_names_the_variable(name):
    given, says = CASES[name]
    said = contact.why("gpu-01", *given)
    assert said is None if says is None else (says in said and "gpu-01" in said and said.count(".") < 8 and "\n" not in said), said


@pytest.mark.parametrize("python, says", [(None, "facts are there"), ("/no/such/python", "set ansible_python_interpreter to one that does")])
def test_the_action_gathers_facts_or_says_why_not(tmp_path, python, says):
    """Without the real thing nothing would show that the task runs as ansible.builtin.setup does."""
    (tmp_path / "play.yml").write_text(
        "- hosts: all\n  gather_facts: false\n  tasks:\n"
        "    - llmfleet.ollama.first_contact: {gather_subset: ['!all', '!min', platform]}\n"
        "    - ansible.builtin.debug: {msg: \"{{ 'facts are there' if 'architecture' in ansible_facts else 'none' }}\"}\n",
        encoding="utf-8",
    )
    done = plays.written(tmp_path, "-i", "localhost,", "-c", "local", "-e", f"ansible_python_interpreter={python or sys.executable}", "play.yml")
    assert says in done.text and (done.code == 0) is (python is None), done.text
