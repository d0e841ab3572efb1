# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a web UI needs of the fleet's gateway: its key, of which only the checksum leaves its host, and the certificate to trust."""

from __future__ import annotations

from ansible.plugins.action import ActionBase
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.web_ui import front

MODULE = "llmfleet.ollama.gateway_key"


class ActionModule(ActionBase):
    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        task_vars = task_vars or {}
        _validation, args = self.validate_argument_spec(
            argument_spec={"step": {"type": "str", "choices": ["key", "trust"], "required": True}},
        )
        hostvars, me = task_vars["hostvars"], task_vars["inventory_hostname"]
        backends = self._templar.template(task_vars["open_webui_backends"])
        gateway = front.used(front.front_of(hostvars, me), backends)
        if not gateway or (args["step"] == "trust" and not gateway.own):
            return dict(result, changed=False)
        told = (hostvars[gateway.host].get("ansible_facts") or {}).get("gateway") or {}
        given = {"step": args["step"], "folder": self._templar.template(task_vars["open_webui_config_dir"]), "authority": told.get("authority") or ""}
        done = self._execute_module(MODULE, given, task_vars=task_vars)
        if done.get("failed"):
            return dict(result, **done)
        if args["step"] == "key":
            done["ansible_facts"] = {"open_webui_gateway": {"digest": done["digest"]}}
        elif not done["trusts"] and not self._task.check_mode:
            sentence = "The web UI has to trust the certificate of the gateway %s, which this run does not know; run --tags gateway,open_webui." % gateway.host
            return dict(result, failed=True, changed=False, msg=sentence)
        return dict(result, **done)
