# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetches a backup as ansible.builtin.fetch does, for the eyes of the user that runs Ansible alone: it holds the secret key and every chat."""

from __future__ import annotations

import os

from ansible.plugins.action.fetch import ActionModule as Fetch


class ActionModule(Fetch):
    def run(self, tmp=None, task_vars=None):
        _validation, given = self.validate_argument_spec(
            argument_spec={"src": {"type": "str", "required": True}, "dest": {"type": "str", "required": True}},
        )
        # A relative path is the reader's own; Ansible would take it for one beside the playbook.
        folder = os.path.join(os.environ.get("PWD") or os.getcwd(), os.path.expanduser(given["dest"]))
        # This is a process of its own, so nobody else gets the umask.
        before = os.umask(0o077)
        try:
            os.makedirs(folder, exist_ok=True)
            self._task.args = {"src": given["src"], "dest": os.path.join(folder, ""), "flat": True}
            result = super().run(tmp, task_vars)
        finally:
            os.umask(before)
        if not result.get("failed") and os.path.isfile(result.get("dest") or ""):
            # One of that name may have been there.
            os.chmod(result["dest"], 0o600)
        return result
