# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge on the controller what the plans of all hosts say together: no connection, no change."""

from __future__ import annotations

from ansible_collections.llmfleet.ollama.plugins.plugin_utils.controller_action import ControllerAction
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.placement import aliases
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.problems import told


class ActionModule(ControllerAction):
    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        task_vars = task_vars or {}
        self.validate_argument_spec(argument_spec={})
        hosts, hostvars = task_vars["groups"].get("ollama") or [], task_vars["hostvars"]
        plans = {host: (hostvars[host].get("ansible_facts") or {}).get("model_plan") or {} for host in hosts}
        plans = {host: plan for host, plan in plans.items() if plan.get("ok")}
        names = {}
        for host in plans:
            names.update(aliases.read(hostvars[host].get("llm_aliases"))[0])
        problems = aliases.wrong(names, plans, len(plans) == len(hosts))
        if problems:
            return dict(result, failed=True, changed=False, msg=told(problems, " "))
        return dict(result, changed=False)
