# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible's own sentences of a new inventory's first failures, and the variable that is added to them.

Deleted, somebody who forgot ansible_user would read "Permission denied (publickey,password)" and nothing else.
"""

from __future__ import annotations

import pytest
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.report import advice


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ("Missing sudo password", "ansible_become_password"),
        ("Task failed: Incorrect sudo password", "ansible_become_password"),
        ("sudo: a password is required\n", "ansible_become_password"),
        ("Failed to connect to the host via ssh: root@10.20.0.11: Permission denied (publickey,password).", "ansible_user"),
        ("ssh: Could not resolve hostname gpu-01: Name or service not known", "ansible_host"),
        ("Host key verification failed.", "ssh"),
        ("Error processing keyword 'become_pass': 'vault_become_password' is undefined", "ansible-vault create"),
        ("Module result deserialization failed: No start of json char found", "ansible_python_interpreter"),
        ("ann is not in the sudoers file.", "sudo"),
    ],
)
def test_a_failure_of_the_first_contact_names_what_to_set(said, named):
    found = advice.with_way_out(said)
    assert found.startswith(said.rstrip(". ")) and named in found[len(said) - 2 :] and found.endswith(".")


def test_other_failures_stay_as_they_are():
    """A refusal of ours already says what to do."""
    said = "open_webui_admin_email is not set: write the administrator's address."
    assert advice.with_way_out(said) == said
