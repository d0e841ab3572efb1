# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell Prometheus' node exporter of Ollama: decides here, and does on the host what differs."""

from __future__ import annotations

from ansible.plugins.action import ActionBase
from ansible_collections.llmfleet.ollama.plugins.module_utils.defaults import OLLAMA_VERSION
from ansible_collections.llmfleet.ollama.plugins.modules.ollama_numbers import OWNER, PYTHON
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.service import decide, inventory, numbers, warm


class ActionModule(ActionBase):
    _supports_check_mode = True

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        task_vars = task_vars or {}
        _validation, args = self.validate_argument_spec(
            argument_spec={"state": {"type": "str", "choices": ["present", "absent"], "default": "present"}}
        )
        facts = task_vars.get("ansible_facts") or {}
        nothing = {"changed": False}
        present = args["state"] == "present"
        # A plan that is not the last one of this run is told with the next one.
        due = not present or warm.is_due(facts, self._templar.template(task_vars.get("ollama_models_state")))
        if facts.get("os_family") in ("Windows", "Darwin") or not due:
            return nothing
        variables, around = inventory.of_host(task_vars, self._templar.template, {})
        folder = str(variables.get("ollama_textfile_dir") or "") if present else ""
        look = facts.get("look") or {}
        if not folder and look and numbers.LIST not in [entry["path"] for entry in look.get("files") or []]:
            return nothing
        files = {}
        if folder:
            # Before role ollama is there, no defaults are.
            questions = decide.questions({"ollama_version": OLLAMA_VERSION, **variables}, around)
            url = next((asked.url for asked in questions if asked.system == "linux"), None)
            if url is None:
                return nothing
            devices = (facts.get("vram") or {}).get("devices") or []
            files = numbers.files(around.host, folder, facts["model_plan"], devices, url, PYTHON, OWNER)
        options = {"files": files, "folder": folder or None, "paths": list(numbers.PATHS), "name": numbers.NAME}
        return self._execute_module(module_name="llmfleet.ollama.ollama_numbers", module_args=options, task_vars=task_vars)
