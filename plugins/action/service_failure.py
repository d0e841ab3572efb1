# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say on the controller why a new Ollama does not serve, and what serves now."""

from __future__ import annotations

from ansible_collections.llmfleet.ollama.plugins.plugin_utils.controller_action import ControllerAction
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.service import failure

VARIABLES = ("ollama_version", "ollama_port", "ollama_wait_seconds", "ollama_models_dir", "ollama_download_checksum")


class ActionModule(ControllerAction):
    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        _validation, args = self.validate_argument_spec(
            argument_spec={
                "service": {"type": "dict", "required": True},
                "fetching": {"type": "bool", "default": False},
                "serving": {"type": "bool", "default": False},
                "proof": {"type": "dict", "default": {}},
                "back": {"type": "dict", "default": {}},
                "record": {"type": "dict"},
                "log": {"type": "dict", "default": {}},
                "touched": {"type": "bool", "default": False},
                "stores": {"type": "list", "elements": "str", "default": []},
            }
        )
        known = {name: self._templar.template(task_vars[name]) for name in VARIABLES}
        # Ansible's own words for what a block was left for.
        failed, task = task_vars.get("ansible_failed_result") or {}, task_vars.get("ansible_failed_task") or {}
        service, look = args["service"], task_vars["ansible_facts"]["look"]
        if args["serving"]:
            said = failure.not_settled(service, known["ollama_version"], task.get("name") or "a task", failed)
            # In check mode nothing was started.
            return dict(result, changed=False, failed=True, msg=failed.get("msg") if self._task.check_mode else said)
        if args["fetching"]:
            if failed.get("fetching"):
                # It was said where the release was fetched.
                return dict(failed)
            said = failure.not_fetched(service, known["ollama_version"], known["ollama_download_checksum"], failed)
            untouched = {} if service["steps"].get("open") else {"untouched": True}
            return dict(result, changed=False, failed=True, msg=said, fetching=True, **untouched)
        happened = failure.Attempt(
            system=look["system"], service=service, version=known["ollama_version"], port=known["ollama_port"], seconds=known["ollama_wait_seconds"],
            proof=args["proof"], back=args["back"], task=task.get("name") or "a task", result=failed, lines=failure.lines(args["log"]),
            pid=look["service"]["pid"], touched=args["touched"], stores=args["stores"], store=known["ollama_models_dir"],
            record=args["record"],
        )
        return dict(
            result, changed=False, msg=failure.told(happened), taken_away=failure.is_taken_away(happened),
            serves=failure.serves(happened), settled=service["steps"].get("record", "") if failure.is_proved(happened) else "",
        )
