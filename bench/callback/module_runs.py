# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Counts the modules that are sent to hosts. Only for bench/count_module_runs.py, which says where to record them."""

from __future__ import annotations

DOCUMENTATION = r"""
name: module_runs
type: notification
short_description: Record each module that is sent to a host
description: Writes a line of JSON for each call of ActionBase._execute_module to the file that MODULE_RUNS_RECORD names.
"""

import functools
import json
import os

from ansible.plugins.action import ActionBase
from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "module_runs"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, display=None, options=None):
        super().__init__(display=display, options=options)
        record = os.environ.get("MODULE_RUNS_RECORD")
        self.disabled = not record
        if record:
            ActionBase._execute_module = _recording(ActionBase._execute_module, record)


def _recording(execute, record):
    """Tasks run in forks of this process, which inherit the changed method; short appends of theirs don't mix in a file."""

    @functools.wraps(execute)
    def recorded(self, module_name=None, *args, **kwargs):
        variables = self._templar.available_variables
        entry = {
            "host": str(variables.get("inventory_hostname")),
            "module": str(module_name or self._task.action),
            "delegated": bool(self._task.delegate_to),
        }
        with open(record, "a", encoding="utf-8") as handle:
            handle.write(json.dumps(entry) + "\n")
        return execute(self, module_name, *args, **kwargs)

    return recorded
