# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide on the controller what the gateway of a fleet needs: no connection to the host, no change, and of a key only its checksum leaves."""

from __future__ import annotations

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.controller_action import ControllerAction
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.gateway import fleet, plan
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.problems import told

# A wrong value is refused by the name of the variable that the user has written.
PREFIX = "gateway_"
WISHES = {
    "state": {"type": "str", "choices": ["present", "absent"], "required": True},
    "host": {"type": "str", "required": True},
    "port": {"type": "int", "required": True},
    "metrics_port": {"type": "int", "required": True},
    "keys": {"type": "list", "required": True, "no_log": True},
    "accept_no_keys": {"type": "bool", "required": True},
    "accept_plain_http": {"type": "bool", "required": True},
    "allowed_cidrs": {"type": "list", "elements": "str", "required": True},
    "redirect_port": {"type": "int", "required": True},
    "tls_names": {"type": "list", "elements": "str", "required": True},
    "tls_certificate": {"type": "str", "required": True},
    "tls_key": {"type": "str", "required": True, "no_log": False},
    "max_body_bytes": {"type": "int", "required": True},
    "max_connections": {"type": "int", "required": True},
    "queue_requests": {"type": "int", "required": True},
    "queue_seconds": {"type": "int", "required": True},
    "timeout_seconds": {"type": "int", "required": True},
}


class ActionModule(ControllerAction):
    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        task_vars = task_vars or {}
        _validation, args = self.validate_argument_spec(argument_spec={"seen": {"type": "dict"}})
        seen = args["seen"]
        # The role's own variables, whose defaults are there while it runs.
        given = {PREFIX + name: self._templar.template(task_vars[PREFIX + name]) for name in WISHES if PREFIX + name in task_vars}
        checked = ArgumentSpecValidator({PREFIX + name: kind for name, kind in WISHES.items()}).validate(given)
        if checked.error_messages:
            return dict(result, failed=True, changed=False, msg=" ".join(checked.error_messages))
        me, hostvars = task_vars["inventory_hostname"], task_vars["hostvars"]
        wish = {name.removeprefix(PREFIX): value for name, value in checked.validated_parameters.items()}
        service_mgr = task_vars.get("ansible_facts", {}).get("service_mgr") or "systemd"
        gateways = task_vars["groups"].get("gateway") or [me]
        here = plan.Here(me, hostvars[me].get("ansible_host") or me, gateways[0])
        around = fleet.fleet_of(task_vars["groups"], hostvars, me, (seen or {}).get("record"))
        decided = plan.decide(wish, around, here, seen, service_mgr, self._task.check_mode)
        if decided["problems"]:
            # Only the sentences: Ansible prints all of a failed result.
            return dict(result, failed=True, changed=False, msg=told(decided["problems"], " "))
        return dict(result, changed=False, **decided)
