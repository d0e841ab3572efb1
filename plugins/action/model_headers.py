# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask over a mirror's host, once for the whole fleet, and keep what came where the plan looks."""

from __future__ import annotations

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible_collections.llmfleet.ollama.plugins.action.plan_models import RUN
from ansible_collections.llmfleet.ollama.plugins.plugin_utils import contact
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.source import metadata
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.source.cache import Cache


class ActionModule(ActionBase):
    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        task_vars = task_vars or {}
        wanted = self._task.args.get("wanted") or []
        over = self._task.delegate_to or task_vars.get("inventory_hostname")
        cache = Cache()
        # The first host of the fleet asks for all; the others wait here, and find it done.
        with cache.alone("over", over):
            left = metadata.unanswered([want for want in wanted if want["over"] == over], cache, RUN)
            if left:
                self._ask(over, left, cache, task_vars)
        result.update(changed=False, msg="asked for %d headers over %s" % (len(left), over))
        return result

    def _ask(self, over, left, cache, task_vars):
        own = (task_vars.get("hostvars") or {}).get(over) or {}
        arguments = {
            "wanted": left,
            "https_proxy": own.get("ollama_https_proxy") or "",
            "no_proxy": ",".join(own.get("ollama_no_proxy") or []),
        }
        try:
            answer = self._execute_module("llmfleet.ollama.model_headers", arguments, task_vars=task_vars)
            why = self._why(over, answer, own) if answer.get("failed") or answer.get("rc") else None
        except (AnsibleConnectionFailure, AnsibleActionFail) as problem:
            answer, why = {}, "Ansible does not reach it: %s" % str(problem).strip().splitlines()[0]
        if why:
            metadata.keep_unasked(left, why, cache, RUN)
        else:
            metadata.keep_answers(answer["answers"], cache, RUN)

    @staticmethod
    def _why(over, answer, own):
        message = str(answer.get("msg") or "")
        python = contact.python_of(own, answer.get("ansible_facts") or {})
        sentence = contact.why(over, message, str(answer.get("module_stderr") or ""), answer.get("rc"), python)
        return sentence.rstrip(".") if sentence else "Ansible's module fails there: %s" % message
