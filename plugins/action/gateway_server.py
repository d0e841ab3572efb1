# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a gateway is told of the host that a play is about; the role names the state, the gateway is whom the task is delegated to."""

from __future__ import annotations

from ansible.plugins.action import ActionBase

MODULE = "llmfleet.ollama.gateway_server"


class ActionModule(ActionBase):
    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        task_vars = task_vars or {}
        given = dict(self._task.args)
        if not given:
            given = {
                "server": task_vars["inventory_hostname"],
                "state": self._templar.template(task_vars["__gateway_server"]),
                "seconds": self._templar.template(task_vars["gateway_drain_seconds"]),
            }
        return dict(result, **self._execute_module(MODULE, given, task_vars=task_vars))
