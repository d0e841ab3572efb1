# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look at a host in one module run, and believe nothing of it before it was checked here."""

from __future__ import annotations

from ansible.plugins.action import ActionBase
from ansible_collections.llmfleet.ollama.plugins.module_utils.accelerators.fact import interpret, urgent
from ansible_collections.llmfleet.ollama.plugins.module_utils.look.host import ARGUMENTS
from ansible_collections.llmfleet.ollama.plugins.module_utils.look.texts import clean
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.look_schema import complaint


class ActionModule(ActionBase):
    _supports_check_mode = True
    _requires_connection = True

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        _result, arguments = self.validate_argument_spec(argument_spec=ARGUMENTS)
        windows = getattr(self._connection._shell, "_IS_WINDOWS", False)
        # Which of the others a host has shows there.
        arguments["questions"] = [asked for asked in arguments["questions"] if (asked["system"] == "windows") is windows]
        probe = "llmfleet.ollama.win_look_probe" if windows else "llmfleet.ollama.look_probe"
        answer = self._execute_module(module_name=probe, module_args=arguments, task_vars=task_vars)
        if answer.get("failed"):
            # A system that was not asked about, or the way to the host: no Python, no PowerShell, a full disk.
            return answer
        seen, observation = answer.get("look"), None
        if isinstance(seen, dict) and "observation" in seen:
            # Of it the fact vram is made; beside that nobody needs it.
            observation, seen["observation"] = seen["observation"], None
        look = clean(seen)
        wrong = complaint((task_vars or {}).get("inventory_hostname", "this host"), look)
        if wrong:
            return {"failed": True, "changed": False, "msg": wrong}
        # Its raw texts keep their line breaks: interpret() reads some of them line by line and gives none of them back unread.
        fact = clean(interpret(observation))
        result = {"changed": False, "ansible_facts": {"vram": fact, "look": look}}
        warnings = urgent(fact)
        if warnings:
            result["warnings"] = warnings
        if self._display.verbosity >= 3:
            result["observation"] = observation
        return result
