# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first module of a run: gather facts as ansible.builtin.setup does, and say what keeps modules from working there."""

from __future__ import annotations

from ansible.plugins.action import ActionBase
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.first_module import run_first


def _missing(needs, facts):
    """Facts that are needed and not known. A Windows host is never asked for its service manager, since it has but one."""
    there = set(facts) | ({"service_mgr"} if facts.get("os_family") == "Windows" else set())
    return [name for name in needs if name not in there]


class ActionModule(ActionBase):
    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        task_vars = task_vars or {}
        task = self._task.copy()
        task.args = dict(self._task.args)
        needs = task.args.pop("needs", None)
        if needs and not _missing(needs, task_vars.get("ansible_facts") or {}):
            return {"changed": False, "msg": "all of it is known"}
        # As the task `ansible.builtin.setup` would run, on every platform.
        task.action = "ansible.builtin.setup"
        setup = self._shared_loader_obj.action_loader.get(
            "ansible.builtin.normal",
            task=task,
            connection=self._connection,
            play_context=self._play_context,
            loader=self._loader,
            templar=self._templar,
            shared_loader_obj=self._shared_loader_obj,
        )
        return run_first(lambda: setup.run(task_vars=task_vars), task_vars)
