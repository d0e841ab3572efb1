# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signs of life for the host that a run changes, while the controller waits for something long there."""

from __future__ import annotations

import contextlib
import time

from ansible.errors import AnsibleError
from ansible_collections.llmfleet.ollama.plugins.plugin_utils import holder, windows_change


class Signs:
    """A ticker that tells the host, too, now and then, that this run lives. A host that nobody holds is not taken."""

    # A third of what a holder may be silent for.
    EVERY = 300

    def __init__(self, action, task_vars, ticker, clock=time.monotonic):
        self._action, self._task_vars, self._ticker, self._clock = action, task_vars, ticker, clock
        self._told_at = clock()

    def __call__(self, state):
        self._ticker(state)
        if self._clock() - self._told_at < self.EVERY:
            return
        self._told_at = self._clock()
        # One that cannot be reached for a moment is looked after by whoever follows the work.
        with contextlib.suppress(AnsibleError):
            if getattr(self._action._connection._shell, "_IS_WINDOWS", False):
                windows_change.run(self._action, self._task_vars, {"state": "renew"})
                return
            self._action._execute_module(
                module_name="llmfleet.ollama.host_change", module_args={"state": "renew", "holder": holder.me()}, task_vars=self._task_vars,
            )
