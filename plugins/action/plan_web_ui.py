# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide on the controller what a web UI needs: no connection to the host, no change, and no secret in what is returned."""

from __future__ import annotations

import time

from ansible.errors import AnsibleActionFail
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.controller_action import ControllerAction
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.problems import told
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.web_ui import plan
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.web_ui.wish import BadWish, read


class ActionModule(ControllerAction):
    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        task_vars = task_vars or {}
        _validation, args = self.validate_argument_spec(
            argument_spec={
                "wishes": {"type": "dict", "required": True},
                "seen": {"type": "dict"},
                "checks": {"type": "list", "elements": "str", "choices": list(plan.CHECKS), "default": []},
                "archive": {"type": "dict"},
                "given": {"type": "dict"},
            }
        )
        me, hostvars = task_vars["inventory_hostname"], task_vars["hostvars"]
        around = plan.Around(
            me=me,
            address=hostvars[me].get("ansible_host") or "",
            # The second is the play's, where no variable says it.
            connection=hostvars[me].get("ansible_connection") or task_vars.get("ansible_connection") or "",
            os_family=task_vars.get("ansible_facts", {}).get("os_family") or "",
            check_mode=self._task.check_mode,
            hostvars=hostvars,
            now=time.time(),
        )
        try:
            decided = plan.decide(read(args["wishes"]), around, args["seen"], args["checks"], args["archive"], args["given"])
        except BadWish as problem:
            raise AnsibleActionFail(str(problem))
        if decided["problems"]:
            # Only the sentences: Ansible prints all of a failed result.
            return dict(result, failed=True, changed=False, msg=told(decided["problems"]))
        return dict(result, changed=False, **decided)
