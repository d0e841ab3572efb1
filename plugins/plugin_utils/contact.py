# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why the first module of a run does not work on a host, in one sentence with the variable. Pure functions."""

from __future__ import annotations

import re

_NO_PASSWORD = re.compile(r"missing (sudo|become|su|doas) password|a (terminal|password) is required|no password was provided", re.IGNORECASE)
_WRONG_PASSWORD = re.compile(r"incorrect (sudo|become|su|doas) password|duplicate become password prompt|sorry, try again", re.IGNORECASE)
_NOT_ALLOWED = re.compile(r"(is )?not in the sudoers file|may not run sudo|is not allowed to (run|execute)", re.IGNORECASE)
# The shell's words; Debian has no sudo where its installer was given a password for root.
_NO_SUDO = re.compile(r"\b(sudo|doas): (command )?not found|\b(sudo|doas): permission denied|command not found: (sudo|doas)", re.IGNORECASE)
_NO_PYTHON = re.compile(r"no start of json char found|module interpreter .* was not found", re.IGNORECASE)


def python_of(variables, facts) -> str | None:
    """The Python that Ansible has tried: the host's own variable, else what a discovery found."""
    named = variables.get("ansible_python_interpreter")
    return named if named and not named.startswith("auto") else facts.get("discovered_interpreter_python")


def why(host: str, message: str, errors: str, code: int | None, python: str | None) -> str | None:
    """message: Ansible's own; errors: what the host wrote to its standard error; code: its exit status. None where Ansible's words must do."""
    said = f"{message}\n{errors}"
    # Before the password: sudo asks for one before it says that it would not have helped.
    if _NOT_ALLOWED.search(said):
        return f"The user on {host} may not use sudo; take one who may in ansible_user, or let an administrator allow it."
    if _NO_PASSWORD.search(said):
        return f"sudo on {host} asks for a password; run with --ask-become-pass (-K), or put it into your vault as ansible_become_password."
    if _WRONG_PASSWORD.search(said):
        return (
            f"sudo on {host} does not take the password of --ask-become-pass or ansible_become_password; "
            "give that of the user there, who must be allowed to use sudo."
        )
    if _NO_SUDO.search(said):
        return (
            f"There is no sudo on {host}; install it and let your user use it, or set ansible_become_method to su "
            "and give root's password with --ask-become-pass (-K)."
        )
    # 126 and 127 are the shell's: there is no such program, or it is none.
    if code in (126, 127) or (_NO_PYTHON.search(said) and errors.strip()):
        reason = next((line.strip() for line in errors.splitlines() if line.strip()), "no reason given")
        return (
            f"The Python that Ansible uses on {host} ({python or 'found on its PATH'}) does not start ({reason}); "
            "set ansible_python_interpreter to one that does, such as /usr/bin/python3."
        )
    return None
