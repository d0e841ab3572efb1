# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask llama.cpp what a planned model takes: the host's own server through the module, or the controller's here."""

from __future__ import annotations

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.llmfleet.ollama.plugins.module_utils.oracle import llama_server
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.oracle import xllamacpp
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.source.cache import Cache


class ActionModule(ActionBase):
    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        if self._task.args.get("ask", "host") != "controller":
            result.update(self._execute_module(task_vars=task_vars))
            return result
        _validation, options = self.validate_argument_spec(argument_spec=llama_server.OPTIONS)
        planned = options["planned"]
        if not planned:
            raise AnsibleActionFail("planned is missing: with ask=controller give the model's entry of model_plan.models")
        result["changed"] = False
        name = planned.get("name")
        if planned.get("placement") != "gpu":
            why = "it is planned on several cards, of which the controller has none (llm_oracle: host asks the host itself)"
            result.update(asked=False, why=why)
            return result
        try:
            cache = Cache()
            result.update(xllamacpp.judge(xllamacpp.answer(options, cache), planned))
        except xllamacpp.Unusable as problem:
            raise AnsibleActionFail(str(problem))
        except (llama_server.NoAnswer, OSError) as problem:
            result.update(asked=False, why=str(problem), warnings=["%s keeps the computed size: %s" % (name, problem)])
        return result
