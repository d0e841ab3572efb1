# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the probe of the host's system and interpret what it brings home: one interpretation for every system."""

from __future__ import annotations

import json
import os

from ansible.plugins.action import ActionBase
from ansible_collections.llmfleet.ollama.plugins.module_utils.accelerators.fact import interpret, urgent
from ansible_collections.llmfleet.ollama.plugins.module_utils.accelerators.redact import redact
from ansible_collections.llmfleet.ollama.plugins.module_utils.probe.observe import ARGUMENTS


class ActionModule(ActionBase):
    _supports_check_mode = True
    _requires_connection = True

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        _result, arguments = self.validate_argument_spec(argument_spec=dict(ARGUMENTS, record_to={"type": "path"}))
        record_to = arguments.pop("record_to")
        windows = getattr(self._connection._shell, "_IS_WINDOWS", False)
        probe = "llmfleet.ollama.win_vram_probe" if windows else "llmfleet.ollama.vram_probe"
        answer = self._execute_module(module_name=probe, module_args=arguments, task_vars=task_vars)
        if answer.get("failed"):
            # The probes themselves never fail; what can is the way to them: no Python, no PowerShell, a full disk.
            return answer
        observation = answer.get("observation")
        if record_to and not self._task.check_mode:
            self._record(record_to, redact(observation))
        fact = interpret(observation)
        result = {"changed": False, "ansible_facts": {"vram": fact}}
        warnings = urgent(fact)
        if warnings:
            result["warnings"] = warnings
        if self._display.verbosity >= 3:
            result["observation"] = observation
        return result

    def _record(self, path, observation):
        os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            json.dump(observation, file, indent=1, sort_keys=True)
            file.write("\n")
