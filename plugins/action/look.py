# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look at a host in one module run, and believe nothing of it before it was checked here."""

from __future__ import annotations

import dataclasses
import re
import time

from ansible.plugins.action import ActionBase
from ansible_collections.llmfleet.ollama.plugins.module_utils.accelerators.fact import interpret, urgent
from ansible_collections.llmfleet.ollama.plugins.module_utils.defaults import OLLAMA_VERSION
from ansible_collections.llmfleet.ollama.plugins.module_utils.look.host import ARGUMENTS
from ansible_collections.llmfleet.ollama.plugins.module_utils.look.texts import clean
from ansible_collections.llmfleet.ollama.plugins.plugin_utils import held_look, preload, windows_change
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.first_module import run_first
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.look_schema import complaint
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.service import decide, inventory

preload.plugins()

# The names that Ansible has for the families of Linux, by what /etc/os-release says.
FAMILIES = {
    "debian": "Debian", "ubuntu": "Debian", "rhel": "RedHat", "fedora": "RedHat", "centos": "RedHat", "suse": "Suse", "opensuse": "Suse",
    "arch": "Archlinux", "alpine": "Alpine", "gentoo": "Gentoo",
}
# What Ansible itself has found out, where ansible_python_interpreter leaves it to it.
PYTHON = "discovered_interpreter_python"
# What is asked follows from the inventory, unless a task says it.
SPEC = dict(
    ARGUMENTS, questions=dict(ARGUMENTS["questions"], required=False), wish={"type": "dict", "default": {}}, reuse={"type": "bool", "default": False},
)


class ActionModule(ActionBase):
    _supports_check_mode = True
    _requires_connection = True

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        task_vars = task_vars or {}
        _result, arguments = self.validate_argument_spec(argument_spec=SPEC)
        wish, reuse = arguments.pop("wish"), arguments.pop("reuse")
        problems = []
        if arguments["questions"] is None:
            variables, around = inventory.of_host(task_vars, self._templar.template, wish)
            # Before a role is there, no defaults are.
            wishes = {"ollama_version": OLLAMA_VERSION, **variables}
            questions = decide.questions(wishes, around)
            arguments["questions"] = [question.to_dict() for question in questions]
            problems = decide.unasked(wishes, around)
            if not arguments["proofs_path"] and "ollama_models_proofs_path" in task_vars:
                arguments["proofs_path"] = self._templar.template(task_vars["ollama_models_proofs_path"]) or None
        windows = getattr(self._connection._shell, "_IS_WINDOWS", False)
        # Which of the others a host has shows there.
        arguments["questions"] = [question for question in arguments["questions"] if (question["system"] == "windows") is windows]
        asked = held_look.asked(arguments["questions"], arguments["proofs_path"])
        if reuse and self._still_holds(task_vars.get("ansible_facts") or {}, asked, arguments["filesystems"]):
            return {"changed": False, "msg": "was looked at in this run"}
        probe = "llmfleet.ollama.win_look_probe" if windows else "llmfleet.ollama.look_probe"
        answer = run_first(lambda: self._execute_module(module_name=probe, module_args=arguments, task_vars=task_vars), task_vars)
        if answer.get("failed") and problems:
            # It was not asked, since the paths that it would be asked about cannot be.
            return dict(answer, msg=" ".join(problem.say for problem in problems), problems=[dataclasses.asdict(problem) for problem in problems])
        if answer.get("failed"):
            # A system that was not asked about, or the way to the host: no sudo, no Python, no PowerShell, a full disk.
            return answer
        seen, observation = answer.get("look"), None
        if isinstance(seen, dict) and "observation" in seen:
            # Of it the fact vram is made; beside that nobody needs it.
            observation, seen["observation"] = seen["observation"], None
        if windows and isinstance(seen, dict) and isinstance(seen.get("change"), dict):
            seen["change"] = windows_change.told(seen["change"])
        look = clean(seen)
        wrong = complaint(task_vars.get("inventory_hostname", "this host"), look)
        if wrong:
            return {"failed": True, "changed": False, "msg": wrong}
        # One that a role made for itself is for the decision behind it, which may refuse what somebody then mends: the next run of the role looks again.
        look.update(asked=asked.get(look["system"]), run="" if reuse else held_look.run_of(self._task), seen_at=int(time.time()))
        # Its raw texts keep their line breaks: interpret() reads some of them line by line and gives none of them back unread.
        fact = clean(interpret(observation))
        result = {"changed": False, "ansible_facts": {**self._usual(look, task_vars.get("ansible_facts") or {}), "vram": fact, "look": look}}
        warnings = urgent(fact)
        # Which Python it is; a task behind would ask the host for it again.
        python = (answer.get("ansible_facts") or {}).get(PYTHON)
        if isinstance(python, str):
            result["ansible_facts"][PYTHON] = python
        if warnings:
            result["warnings"] = warnings
        if self._display.verbosity >= 3:
            result["observation"] = observation
        return result

    def _still_holds(self, facts, asked, filesystems):
        look, measured = facts.get("look") or {}, (facts.get("vram") or {}).get("filesystems") or []
        return held_look.until(look, held_look.run_of(self._task), asked) and set(filesystems) <= {entry["path"] for entry in measured}

    @staticmethod
    def _usual(look, known):
        """What setup would say of it and nobody has gathered: enough for a task that asks for the host's system."""
        system, like = held_look.SYSTEMS[look["system"]], look.get("os_like") or []
        family = next((FAMILIES[name] for name in like if name in FAMILIES), like[0].capitalize() if like else system)
        facts = {
            "system": system, "os_family": family, "architecture": look.get("architecture"), "kernel": look.get("kernel"),
            "distribution": re.sub("( GNU/| )Linux.*", "", look.get("os_name") or ""), "distribution_version": look.get("os_version"),
            "service_mgr": look.get("service_manager"),
        }
        return {name: value for name, value in facts.items() if value and known.get(name, value) == value}
