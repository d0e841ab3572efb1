# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge on the controller what the plans of all hosts say together: no connection, no change."""

from __future__ import annotations

from ansible_collections.llmfleet.ollama.plugins.plugin_utils.controller_action import ControllerAction
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.placement import aliases, memory, table
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.problems import told
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.machine import described


class ActionModule(ControllerAction):
    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        task_vars = task_vars or {}
        _validation, args = self.validate_argument_spec(argument_spec={"tell": {"type": "bool", "default": False}})
        hosts, hostvars = task_vars["groups"].get("ollama") or [], task_vars["hostvars"]
        facts = {host: hostvars[host].get("ansible_facts") or {} for host in hosts}
        plans = {host: known["model_plan"] for host, known in facts.items() if (known.get("model_plan") or {}).get("ok")}
        # A name may stand for something else in another group; what is wrong in several hosts is told once.
        problems = []
        for names in (aliases.read(hostvars[host].get(aliases.VARIABLE))[0] for host in plans):
            problems += [one for one in aliases.wrong(names, plans, len(plans) == len(hosts)) if one not in problems]
        if problems:
            return dict(result, failed=True, changed=False, msg=told(problems, " "))
        models = {host: plan.get("models") or [] for host, plan in plans.items()}
        earlier = memory.plans() if len(plans) < len(hosts) else {}
        remembered = {host: earlier[host] for host in hosts if host not in models and earlier.get(host)}
        machines = {host: hostvars[host].get("llm_vram_override") or facts[host].get("vram") or {} for host in plans}
        devices = {host: described.checked(machine).get("devices") or [] for host, machine in machines.items()}  # each has a plan, so all can be read
        fleet = table.rows({**remembered, **models}, devices)
        # One host is all in the report's own table.
        if args["tell"] and len(fleet["hosts"]) > 1:
            for line in ["", *table.lines(fleet, remembered)]:
                self._display.display(line)
        return dict(result, changed=False, fleet=fleet)
