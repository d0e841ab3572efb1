# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs module open_webui_image, which leaves a pull running on the host, and shows how far that is."""

from __future__ import annotations

from ansible.plugins.action import ActionBase
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.progress import result_of_job, ticker_for

DIED = "the pull of the image ended on the host without a result: it was killed, or the host ran out of memory; run again, the engine keeps whole layers"


class ActionModule(ActionBase):
    _supports_check_mode = True

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        task_vars = task_vars or {}
        result = self._execute_module(
            module_name="llmfleet.ollama.open_webui_image",
            module_args=dict(self._task.args, background=not self._task.check_mode),
            task_vars=task_vars,
        )
        job = result.pop("job", None)
        if job is not None:
            result = result_of_job(self._low_level_execute_command, job, ticker_for(task_vars), DIED)
        if not self._task.diff:
            result.pop("diff", None)
        return result
