# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look at a host in one module run, and believe nothing of it before it was checked here."""

from __future__ import annotations

from ansible.plugins.action import ActionBase
from ansible_collections.llmfleet.ollama.plugins.module_utils.accelerators.fact import interpret, urgent
from ansible_collections.llmfleet.ollama.plugins.module_utils.defaults import OLLAMA_VERSION
from ansible_collections.llmfleet.ollama.plugins.module_utils.look.host import ARGUMENTS
from ansible_collections.llmfleet.ollama.plugins.module_utils.look.texts import clean
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.first_module import run_first
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.look_schema import complaint
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.service import decide, inventory

# The names that Ansible has for the systems.
SYSTEMS = {"linux": "Linux", "macos": "Darwin", "windows": "Windows"}
# What is asked follows from the inventory, unless a task says it.
SPEC = dict(ARGUMENTS, questions=dict(ARGUMENTS["questions"], required=False), wish={"type": "dict", "default": {}})


class ActionModule(ActionBase):
    _supports_check_mode = True
    _requires_connection = True

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        task_vars = task_vars or {}
        _result, arguments = self.validate_argument_spec(argument_spec=SPEC)
        wish = arguments.pop("wish")
        if arguments["questions"] is None:
            variables, around = inventory.of_host(task_vars, self._templar.template, wish)
            # Before a role is there, no defaults are.
            asked = decide.questions({"ollama_version": OLLAMA_VERSION, **variables}, around)
            arguments["questions"] = [question.to_dict() for question in asked]
        windows = getattr(self._connection._shell, "_IS_WINDOWS", False)
        # Which of the others a host has shows there.
        arguments["questions"] = [asked for asked in arguments["questions"] if (asked["system"] == "windows") is windows]
        probe = "llmfleet.ollama.win_look_probe" if windows else "llmfleet.ollama.look_probe"
        answer = run_first(lambda: self._execute_module(module_name=probe, module_args=arguments, task_vars=task_vars), task_vars)
        if answer.get("failed"):
            # A system that was not asked about, or the way to the host: no sudo, no Python, no PowerShell, a full disk.
            return answer
        seen, observation = answer.get("look"), None
        if isinstance(seen, dict) and "observation" in seen:
            # Of it the fact vram is made; beside that nobody needs it.
            observation, seen["observation"] = seen["observation"], None
        look = clean(seen)
        wrong = complaint(task_vars.get("inventory_hostname", "this host"), look)
        if wrong:
            return {"failed": True, "changed": False, "msg": wrong}
        # Its raw texts keep their line breaks: interpret() reads some of them line by line and gives none of them back unread.
        fact = clean(interpret(observation))
        result = {"changed": False, "ansible_facts": {**self._usual(look, task_vars.get("ansible_facts") or {}), "vram": fact, "look": look}}
        warnings = urgent(fact)
        if warnings:
            result["warnings"] = warnings
        if self._display.verbosity >= 3:
            result["observation"] = observation
        return result

    @staticmethod
    def _usual(look, known):
        """What setup would say of it and nobody has gathered: enough for a task that asks for the host's system."""
        system = SYSTEMS[look["system"]]
        facts = {
            # Which family of Linux it is, nobody asked.
            "system": system, "os_family": None if system == "Linux" else system, "architecture": look.get("architecture"),
            "kernel": look.get("kernel"), "distribution_version": look.get("os_version"), "service_mgr": look.get("service_manager"),
        }
        return {name: value for name, value in facts.items() if value and name not in known}
