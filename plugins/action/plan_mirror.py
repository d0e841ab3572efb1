# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide on the controller what a model mirror needs: no connection to the host, no change."""

from __future__ import annotations

from ansible.errors import AnsibleActionFail
from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.controller_action import ControllerAction
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.mirror import plan, wants
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.mirrors import BadTree
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.problems import told

# By the names of the role's variables, so that a wrong value is refused with the one that the user has written.
PREFIX = "model_mirror_"
WISHES = {
    "state": {"type": "str", "choices": ["present", "absent"], "required": True},
    "purge": {"type": "bool", "required": True},
    "models": {"type": "list", "elements": "str", "required": True},
    "releases": {"type": "bool", "required": True},
    "exact": {"type": "bool", "required": True},
    "upstream": {"type": "str", "required": True},
    "server_names": {"type": "list", "elements": "str", "required": True},
    "port": {"type": "int", "required": True},
    "tls_certificate": {"type": "str", "required": True},
    "tls_key": {"type": "str", "required": True},
    "allowed_cidrs": {"type": "list", "elements": "str", "required": True},
    "store": {"type": "str", "required": True},
    "user": {"type": "str", "required": True},
    "ollama_version": {"type": "str", "required": True},
    "ollama_port": {"type": "int", "required": True},
}
# Of role ollama, where the inventory has them.
PROXY = {"https_proxy": {"type": "str", "default": ""}, "no_proxy": {"type": "list", "elements": "str"}}
PATHS = {name: {"type": "str", "required": True} for name in ("site", "unit", "environment", "nginx", "ipv6", "filler", "record")}


class ActionModule(ControllerAction):
    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        task_vars = task_vars or {}
        _validation, args = self.validate_argument_spec(
            argument_spec={
                "wishes": {"type": "dict", "required": True, "options": {PREFIX + name: kind for name, kind in WISHES.items()}},
                "proxy": {"type": "dict", "default": {}, "options": PROXY},
                "paths": {"type": "dict", "required": True, "options": PATHS},
                "seen": {"type": "dict"},
                "after": {"type": "dict"},
            }
        )
        try:
            wanted = wants.wants_of(task_vars["groups"], task_vars["hostvars"], task_vars["inventory_hostname"])
        except BadTree as problem:
            raise AnsibleActionFail(str(problem))
        service_mgr = task_vars.get("ansible_facts", {}).get("service_mgr") or "systemd"
        wish = {name.removeprefix(PREFIX): value for name, value in args["wishes"].items()}
        wish.update(dict.fromkeys(PROXY), **args["proxy"])
        # The same word as for the fleet's own servers.
        wish["accept_untested_version"] = boolean(self._templar.template(task_vars.get("ollama_accept_untested_version", False)), strict=False)
        decided = plan.decide(wish, wanted, args["paths"], args["seen"], args["after"], service_mgr, self._task.check_mode)
        if decided["problems"]:
            # Only the sentences: Ansible prints all of a failed result.
            return dict(result, failed=True, changed=False, msg=told(decided["problems"], " "))
        if "@" in wish["https_proxy"]:
            # With -v, Ansible prints a result, and the proxy's password is in it.
            result["_ansible_no_log"] = True
        return dict(result, changed=False, **decided)
