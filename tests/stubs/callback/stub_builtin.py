# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lead the role's calls of ansible.builtin modules to the simulated host.

A module of ansible.builtin cannot be shadowed by a collection path. The change is made in the process that forks the workers,
and only for tasks of the role under test: what a scenario's own plays do stays real.
"""

from __future__ import annotations

from ansible.executor.task_executor import TaskExecutor
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
    name: stub_builtin
    type: aggregate
    short_description: run the role's ansible.builtin modules on the simulated host
    description: [Test helper of tests/stubs.]
"""

STUBBED = {"command", "copy", "file", "group", "setup", "uri", "user"}
ROLE = "ollama"


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "stub_builtin"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self):
        super().__init__()
        real = TaskExecutor._get_action_handler_with_module_context

        def led_aside(executor, templar):
            collection, _dot, name = executor._task.action.rpartition(".")
            role = executor._task._role
            if collection == "ansible.builtin" and name in STUBBED and role and role.get_name().split(".")[-1] == ROLE:
                executor._task.action = f"llmfleet_stubs.builtin.{name}"
            return real(executor, templar)

        TaskExecutor._get_action_handler_with_module_context = led_aside
