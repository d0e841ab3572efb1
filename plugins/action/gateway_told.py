# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say where the gateway is: to the report and the web UI as a fact, and to clients as the file that they have to trust."""

from __future__ import annotations

import os
from pathlib import Path

from ansible.errors import AnsibleActionFail
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.controller_action import ControllerAction


class ActionModule(ControllerAction):
    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        _validation, args = self.validate_argument_spec(
            argument_spec={"fact": {"type": "dict", "required": True}, "copy": {"type": "str", "default": ""}},
        )
        fact, check = args["fact"], self._task.check_mode
        # A dry run has changed nothing that could be told.
        told = {} if check else {"ansible_facts": {"gateway": fact}}
        if not (args["copy"] and fact.get("authority")):
            return dict(result, changed=False, **told)
        # A relative path is the reader's own.
        path = Path(os.environ.get("PWD") or os.getcwd(), Path(args["copy"]).expanduser())
        try:
            changed = not path.is_file() or path.read_text(encoding="ascii", errors="replace") != fact["authority"]
            if changed and not check:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(fact["authority"], encoding="ascii")
        except OSError as problem:
            raise AnsibleActionFail(
                "gateway_authority_copy: %s cannot be written on this machine (%s); name a file of yours, or leave it out." % (path, problem.strerror)
            ) from problem
        return dict(result, changed=changed, path=str(path), **told)
