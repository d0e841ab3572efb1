# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What to do about a failure that Ansible itself words: it names what went wrong, and not the variable that a new inventory lacks."""

from __future__ import annotations

import re

_WAYS_OUT = (
    (r"missing \w+ password|incorrect \w+ password|a password is required", "set ansible_become_password, best in a vault, or add --ask-become-pass"),
    (r"permission denied \([\w,-]*publickey", "check ansible_user, and that it may come in with your SSH key (ansible_ssh_private_key_file)"),
    (r"could not resolve hostname|name or service not known", "set ansible_host to the host's address"),
    (r"host key verification failed", "sign in once with ssh and accept the host's key"),
    (
        r"'vault_\w+' is undefined",
        "write it into your vault (`ansible-vault create`, or `edit` where there is one, `group_vars/all/vault.yml` beside your inventory) "
        "and run with --ask-vault-pass",
    ),
    (r"no start of json char found", "set ansible_python_interpreter to a Python that starts there, such as /usr/bin/python3"),
    (r"not in the sudoers file|may not run sudo", "let ansible_user use sudo, or name a user who may"),
)


def with_way_out(message: str) -> str:
    """The message, and what to do where that is known."""
    for pattern, way_out in _WAYS_OUT:
        if re.search(pattern, message, re.IGNORECASE):
            return f"{message.rstrip('. ')}: {way_out}."
    return message
