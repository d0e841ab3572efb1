# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs module ollama_store_move, and shows how far a copy to another disk has come."""

from __future__ import annotations

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.progress import result_of_job, ticker_for
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.signs import Signs

display = Display()

DIED = (
    "moving the models ended on the host without a result: it was killed, or the host ran out of memory; run again, nothing is lost and "
    "what was copied is kept"
)


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        task_vars = task_vars or {}
        result = self._execute_module(
            module_name="llmfleet.ollama.ollama_store_move",
            module_args=dict(self._task.args, background=not self._task.async_val),
            task_vars=task_vars,
            wrap_async=self._task.async_val,
        )
        job = result.pop("job", None)
        if job is None:
            return result
        result = result_of_job(self._low_level_execute_command, job, Signs(self, task_vars, ticker_for(task_vars)), DIED)
        for warning in result.pop("warnings", []):
            display.warning(warning)
        return result
