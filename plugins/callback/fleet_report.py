# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: fleet_report
type: aggregate
version_added: 0.1.0
author: llmfleet authors (@llmfleet)
short_description: Tell after each run what runs where, why, and what changed
description:
  - Prints one table with cards, chosen models, memory, versions and the state of each host, and the reason of each choice or failure.
  - Writes the same as a self-contained HTML page and as JSON.
  - Hosts that a run left out, for example with C(--limit), keep their last rows with their date. A host that left the inventory is named as
    long as nothing was removed from it.
  - The last lines name where Open WebUI is to be had, and as whom.
  - Silent in a run that uses none of the actions of this collection, unless a task of its playbooks or roles fails.
requirements:
  - enabled in configuration (C(callbacks_enabled))
options:
  folder:
    description:
      - Folder of C(fleet.html) and C(fleet.json), made on demand. An empty string writes no file.
      - V({inventory}) stands for the name of the inventory, so that each has a report of its own. A folder without it holds one inventory's
        report, which the next inventory replaces.
    type: str
    default: reports/{inventory}
    env:
      - name: LLMFLEET_REPORT_DIR
    ini:
      - section: fleet_report
        key: folder
  forget:
    description: Hosts that left the inventory and shall not be named any more, since the machine is gone for good.
    type: list
    elements: str
    default: []
    env:
      - name: LLMFLEET_REPORT_FORGET
    ini:
      - section: fleet_report
        key: forget
  table:
    description: Whether to print the table.
    type: bool
    default: true
    env:
      - name: LLMFLEET_REPORT_TABLE
    ini:
      - section: fleet_report
        key: table
"""

import os
import shutil
import time

from ansible.plugins.callback import CallbackBase
from ansible.utils.color import stringc
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.report import collect, document, files, page, place, table
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.report.text import plain

COLLECTION = os.path.realpath(os.path.join(os.path.dirname(__file__), "../.."))


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "llmfleet.ollama.fleet_report"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, display=None, options=None):
        super().__init__(display=display, options=options)
        self.recorder = collect.Recorder()
        self.started = time.time()
        self.running = {}
        self.playbook = ""
        self.check_mode = False
        self.inventory = None
        self.sources = []

    # What happens, in the order in which ansible-core tells it.

    def v2_playbook_on_start(self, playbook):
        self.playbook = os.path.basename(plain(playbook._file_name))

    def v2_playbook_on_play_start(self, play):
        self.check_mode = bool(play.check_mode)
        self.inventory, self.sources = _inventory(play)

    def v2_runner_on_start(self, host, task):
        self.running[host.name, task._uuid] = time.time()

    def v2_runner_on_ok(self, result):
        self._record(result, "ok")

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._record(result, "failed", ignored=ignore_errors)

    def v2_runner_on_skipped(self, result):
        self._record(result, "skipped")

    def v2_runner_on_unreachable(self, result):
        self._record(result, "unreachable")

    def v2_playbook_on_stats(self, stats):
        if self.recorder.relevant:
            self._report(stats)

    def _record(self, result, outcome, ignored=False):
        task, host, now = result.task, result.host, time.time()
        self.recorder.record(
            plain(host.name),
            action=plain(task.resolved_action or task.action),
            task=plain(task.get_name()),
            role=plain(task._role.get_name()) if task._role else "",
            outcome=outcome,
            changed=result.is_changed(),
            ignored=bool(ignored),
            result=result.result,
            groups=[plain(group.name) for group in host.get_groups()],
            own=_is_ours(task),
            took=now - self.running.pop((host.name, task._uuid), now),
        )

    def _report(self, stats):
        pattern = self.get_option("folder")
        identity = place.identity_of(self.sources, place.root_of(pattern))
        folder = place.folder_of(pattern, place.name_of(self.sources), identity, _owner)
        json_path, html_path = os.path.join(folder, "fleet.json"), os.path.join(folder, "fleet.html")
        finished = time.time()
        # A folder that names no inventory may hold another one's report: nothing in it is history of this one.
        previous = files.read_json(json_path) if folder and _owner(folder) == identity else None
        described, of_described = document.is_described(self.recorder.hosts), bool(((previous or {}).get("run") or {}).get("described"))
        # Machines that nobody asked, since they stand in llm_vram_override, leave no trace among those that somebody owns.
        spared = html_path if previous and described and not of_described else ""
        fleet = document.build(
            self.recorder.hosts,
            stats={host: stats.summarize(host) for host in self.recorder.hosts},
            run={
                "playbook": self.playbook,
                "inventory": identity,
                "check_mode": self.check_mode,
                "started": _stamp(self.started),
                "finished": _stamp(finished),
                "seconds": round(finished - self.started, 1),
            },
            previous=previous if described == of_described else None,
            inventory=self.inventory,
            forget=self.get_option("forget"),
        )
        written = []
        if folder and not spared:
            try:
                files.write(json_path, page.as_json(fleet))
                files.write(html_path, page.render(fleet))
                written = [html_path, json_path]
            except OSError as error:
                self._display.warning(f"The fleet report can't be written to '{folder}' ({error}). Name another folder in ansible.cfg, [fleet_report] folder.")
        if self.get_option("table"):
            self._display.display(table.render(fleet, shutil.get_terminal_size((100, 24)).columns, written, stringc, spared))


def _owner(folder):
    """Which inventory's report lies in a folder; None where there is none."""
    return document.inventory_of(files.read_json(os.path.join(folder, "fleet.json")))


def _is_ours(task):
    """Whether a task stands in a file of this collection: in one of its playbooks or roles."""
    path = os.path.realpath(plain(task.get_path() or ""))
    return path.startswith((os.path.join(COLLECTION, "playbooks") + os.sep, os.path.join(COLLECTION, "roles") + os.sep))


def _inventory(play):
    """{host: its groups} of the inventory in its order, also of those that --limit leaves out, and its sources; (None, []) where core doesn't tell."""
    try:
        inventory = play.get_variable_manager()._inventory
        hosts = {plain(name): [plain(group.name) for group in host.get_groups()] for name, host in inventory.hosts.items()}
        return hosts, [plain(source) for source in inventory._sources]
    except AttributeError:
        return None, []


def _stamp(moment):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))
