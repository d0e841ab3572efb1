# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Have what runs beside Ollama: decides here, and does on the host what differs."""

from __future__ import annotations

import os
import tempfile

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.llmfleet.ollama.plugins.module_utils.defaults import OLLAMA_VERSION, path_of
from ansible_collections.llmfleet.ollama.plugins.plugin_utils import holder, windows_change
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.service import beside, decide, inventory, warm
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.service.programs import text

SYSTEMS = {"Windows": "windows", "Darwin": "macos"}


class ActionModule(ActionBase):
    _supports_check_mode = True

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        task_vars = task_vars or {}
        _validation, args = self.validate_argument_spec(
            argument_spec={"state": {"type": "str", "choices": ["present", "absent"], "default": "present"}}
        )
        facts = task_vars.get("ansible_facts") or {}
        present = args["state"] == "present"
        nothing = {"changed": False, "models": [], "path": ""}
        # A plan that is not the last one of this run is followed with the next one.
        if present and not warm.is_due(facts, self._templar.template(task_vars.get("ollama_models_state"))):
            return nothing
        plan = facts.get("model_plan") or {} if present else {}
        system = SYSTEMS.get(facts.get("os_family"), "linux")
        variables, around = inventory.of_host(task_vars, self._templar.template, {})
        # Before a role is there, no defaults are.
        questions = decide.questions({"ollama_version": OLLAMA_VERSION, **variables}, around)
        question = next((asked for asked in questions if asked.system == system), None)
        folder = str(variables.get("ollama_textfile_dir") or "") if present else ""
        devices = (facts.get("vram") or {}).get("devices") or []
        proofs = self._templar.template(task_vars.get("ollama_models_proofs_path")) or path_of("proofs")
        options = beside.asked(system, plan, facts.get("look") or {}, question, folder, around.host, devices, proofs)
        if not options:
            return nothing
        if system == "windows":
            names = [model["name"] for model in warm.models(plan)]
            return {**nothing, **self._windows(warm.place(system, question.install_dir), options["warm"]["files"], question.user, task_vars, names)}
        return holder.asked(
            lambda asked: self._execute_module(module_name="llmfleet.ollama.ollama_beside", module_args=asked, task_vars=task_vars), options
        )

    def _windows(self, where, files, account, task_vars, names):
        there = {path: self._content(path) for path in (where.program, where.list)}
        differs = any(there[path] != files.get(path) for path in there)
        if not differs or self._task.check_mode:
            return {"changed": differs, "models": names}
        options = {
            "script": text("windows/warm_task.ps1"),
            "error_action": "stop",
            "parameters": warm.task(where, files, account),
        }
        with windows_change.taken(self, task_vars, "models that stay loaded"):
            answer = self._execute_module(module_name="ansible.windows.win_powershell", module_args=options, task_vars=task_vars)
        return answer if answer.get("failed") else {"changed": True, "models": names}

    def _content(self, path):
        """A file of a Windows host, None where there is none."""
        with tempfile.TemporaryDirectory(prefix="llmfleet-warm-") as folder:
            local = os.path.join(folder, "file")
            try:
                self._connection.fetch_file(path, local)
            except AnsibleConnectionFailure:
                raise
            except AnsibleError:
                return None
            try:
                with open(local, encoding="utf-8", newline="") as file:
                    return file.read()
            except OSError:
                return None
