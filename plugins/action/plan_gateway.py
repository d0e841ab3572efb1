# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide on the controller what the gateway of a fleet needs: no connection to the host, no change, and of a key only its checksum leaves."""

from __future__ import annotations

from ansible_collections.llmfleet.ollama.plugins.plugin_utils.controller_action import ControllerAction
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.gateway import fleet, inventory, plan
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.problems import told


class ActionModule(ControllerAction):
    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        task_vars = task_vars or {}
        _validation, args = self.validate_argument_spec(argument_spec={"seen": {"type": "dict"}})
        seen = args["seen"]
        me, hostvars = task_vars["inventory_hostname"], task_vars["hostvars"]
        wish, wrong = inventory.wish_of(task_vars, self._templar.template)
        if wrong:
            return dict(result, failed=True, changed=False, msg=wrong)
        service_mgr = task_vars.get("ansible_facts", {}).get("service_mgr") or "systemd"
        gateways = task_vars["groups"].get("gateway") or [me]
        here = plan.Here(me, hostvars[me].get("ansible_host") or me, gateways[0])
        around = fleet.fleet_of(task_vars["groups"], hostvars, me, (seen or {}).get("record"), (seen or {}).get("web_uis"))
        decided = plan.decide(wish, around, here, seen, service_mgr, self._task.check_mode)
        if decided["problems"]:
            # Only the sentences: Ansible prints all of a failed result.
            return dict(result, failed=True, changed=False, msg=told(decided["problems"], " "))
        return dict(result, changed=False, **decided)
