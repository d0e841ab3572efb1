# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Holds a run at the beginning of a task, so that a test can cut it off there however fast or slow the machine is."""

from __future__ import annotations

DOCUMENTATION = r"""
name: stop_at
type: aggregate
short_description: Hold a run at the beginning of a task
description:
  - When a task of the name in E(LLMFLEET_STOP_AT) begins, this says so and waits until the run is killed.
"""

import os
import time

from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "stop_at"
    CALLBACK_NEEDS_ENABLED = True

    def v2_playbook_on_task_start(self, task, is_conditional):
        if task.get_name().endswith(os.environ["LLMFLEET_STOP_AT"]):
            self._display.display("HELD at %s" % task.get_name())
            while True:
                time.sleep(1)
