# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: heartbeat
type: aggregate
version_added: 0.1.0
author: llmfleet authors (@llmfleet)
short_description: Say once a minute what a silent run is doing
description:
  - Downloads and pulls of this collection show how far they are. All else that takes long (unpacking an archive, installing a package, saving
    a database, loading a model into memory, tasks of other collections) is silent until it ends.
  - When nothing was printed for a while, this prints which task still runs on which hosts and for how long.
requirements:
  - enabled in configuration (C(callbacks_enabled))
options:
  seconds:
    description: How long a run may be silent. C(0) turns this off.
    type: int
    default: 55
    env:
      - name: LLMFLEET_HEARTBEAT_SECONDS
    ini:
      - section: heartbeat
        key: seconds
"""

import threading

from ansible.plugins.callback import CallbackBase
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.heartbeat import Running
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.report.text import plain

LOOK_SECONDS = 1.0


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "llmfleet.ollama.heartbeat"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, display=None, options=None):
        super().__init__(display=display, options=options)
        self.running = Running()
        self.over = threading.Event()
        self.thread = None

    def _watch(self):
        seconds = self.get_option("seconds")
        while not self.over.wait(LOOK_SECONDS):
            for line in self.running.overdue(seconds):
                self._display.display(line)

    def v2_playbook_on_start(self, playbook):
        if self.get_option("seconds"):
            self.over.clear()
            self.thread = threading.Thread(target=self._watch, name="llmfleet-heartbeat", daemon=True)
            self.thread.start()

    def v2_playbook_on_stats(self, stats):
        # One ansible-playbook may be given several playbooks; each ends here.
        self.over.set()
        if self.thread:
            self.thread.join()

    def v2_runner_on_start(self, host, task):
        self.running.begin(plain(host.name), task._uuid, plain(task.get_name()))

    def v2_runner_on_ok(self, result):
        self._end(result)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._end(result)

    def v2_runner_on_skipped(self, result):
        self._end(result)

    def v2_runner_on_unreachable(self, result):
        self._end(result)

    def v2_runner_item_on_ok(self, result):
        self.running.hear()

    def v2_runner_item_on_failed(self, result):
        self.running.hear()

    def v2_runner_retry(self, result):
        self.running.hear()

    def _end(self, result):
        self.running.end(plain(result.host.name), result.task._uuid)
