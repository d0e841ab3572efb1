#!/usr/bin/python
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ollama_warm
short_description: Keep models loaded that the plan wants warm
version_added: 0.1.0
author:
  - llmfleet authors (@llmfleet)
description:
  - Loads the models whose want has C(keep_warm), and has them loaded again after each start of the server, by a unit of systemd that belongs to it, a job
    of launchd, or a scheduled task on Windows. Without such a model, or with O(state=absent), these go away.
  - The action reads C(ansible_facts.model_plan) and the variables of role C(ollama); without a plan it does nothing.
  - A model that is loaded already costs one question to the server. Used by the roles C(ollama_models) and C(ollama).
extends_documentation_fragment: [llmfleet.ollama.holder]
options:
  state:
    description: With V(present) what the plan says, with V(absent) nothing is kept loaded.
    type: str
    choices: [present, absent]
    default: present
  files:
    description: Content of each file by its path. Set by the action.
    type: dict
    default: {}
  starter:
    description: The file of O(files) that starts the program. Set by the action.
    type: path
  program:
    description: The program that loads the models. Set by the action.
    type: path
  list:
    description: The list of models that it reads. Set by the action.
    type: path
  label:
    description: Name of the job of launchd; empty for systemd. Set by the action.
    type: str
    default: ""
attributes:
  action:
    description: The action decides on the controller, and runs the module where Python is.
    support: full
  check_mode:
    description: Says what would change.
    support: full
  diff_mode:
    description: Shows no differences.
    support: none
  idempotent:
    description: Changes nothing where the models are loaded and the files are the same.
    support: full
  platform:
    description: Linux with systemd, macOS and Windows.
    platforms: all
    support: full
"""

EXAMPLES = r"""
- name: Keep models loaded that the plan wants warm
  llmfleet.ollama.ollama_warm:

- name: Keep none loaded any more
  llmfleet.ollama.ollama_warm:
    state: absent
"""

RETURN = r"""
models:
  description: Names of the models that stay loaded.
  returned: always
  type: list
  elements: str
"""

import datetime
import json
import os
import platform
import sys

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.llmfleet.ollama.plugins.module_utils.change import lock
from ansible_collections.llmfleet.ollama.plugins.module_utils.files import write_file
from ansible_collections.llmfleet.ollama.plugins.module_utils.look.common import clock
from ansible_collections.llmfleet.ollama.plugins.module_utils.models.local import Local
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.api import OllamaApi, OllamaError
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.names import parse_name

ARGUMENTS = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "files": {"type": "dict", "default": {}},
    "starter": {"type": "path"},
    "program": {"type": "path"},
    "list": {"type": "path"},
    "label": {"type": "str", "default": ""},
    "holder": {"type": "dict", "options": lock.OPTIONS},
    "over": {"type": "str", "default": ""},
}
# Of the Python that runs this module, written by the action, which cannot know it.
PYTHON = "@PYTHON@"
# What keep_alive -1 makes of a model's end is centuries away.
YEARS = 50


class Warm:
    def __init__(self, module):
        self.module, self.params = module, module.params
        self.unit = os.path.basename(self.params["starter"])
        # Of a Mac that is a stand-in, which asks to install a Python.
        python = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") and not self.params["label"] else sys.executable
        self.files = {path: text.replace(PYTHON, python) for path, text in self.params["files"].items()}

    def run(self):
        wanted = json.loads(self.files[self.params["list"]]) if self.files else {"models": []}
        stale = [path for path, text in self.files.items() if not _holds(path, text)]
        gone = [] if self.files else [path for path in (self.params["starter"], self.params["program"], self.params["list"]) if os.path.exists(path)]
        cold = self._cold(wanted)
        if not self.module.check_mode:
            hold = self._hold(stale or gone or cold)
            try:
                self._drop(gone)
                self._have(stale, cold)
            finally:
                hold.free()
        changed = bool(stale or gone or (cold if self.module.check_mode else set(cold) - set(self._cold(wanted))))
        self.module.exit_json(changed=changed, models=[model["name"] for model in wanted["models"]])

    def _hold(self, changes):
        """The host for this piece of work; nothing where nothing changes, or where it is not root's to take."""
        taken = self.params.get("holder") and changes and os.geteuid() == 0
        me = dict(self.params["holder"], doing="models that stay loaded") if taken else None
        try:
            return lock.Hold(lock.FOLDERS.get(platform.system()), me, clock(), self.params.get("over", "")).take()
        except lock.Held as held:
            self.module.fail_json(msg=lock.words(held.holder), held=held.holder)

    def _cold(self, wanted):
        """Models that are not loaded for good. A server that does not answer has none."""
        if not wanted["models"]:
            return []
        local = Local(OllamaApi(wanted["url"]))
        try:
            local.read()
            running = local.running().items()
        except OllamaError:
            return [model["name"] for model in wanted["models"]]
        # Two names of the same weights are loaded once, under either.
        stay = {str(entry.get("digest")).replace("sha256:", "") for _name, entry in running if _stays(entry)}
        held = {model["name"]: local.models.get(parse_name(model["name"]).key) for model in wanted["models"]}
        return [name for name, entry in held.items() if not (entry and entry["digests"] & stay)]

    def _drop(self, gone):
        if not gone:
            return
        if self.params["label"]:
            # What is not loaded cannot be unloaded, and that is as well.
            self.module.run_command(["/bin/launchctl", "bootout", "system/" + self.params["label"]])
        else:
            self.module.run_command(["systemctl", "disable", "--now", self.unit])
        for path in gone:
            os.unlink(path)
        if not self.params["label"]:
            self._must(["systemctl", "daemon-reload"])

    def _have(self, stale, cold):
        for path in stale:
            write_file(path, self.files[path].encode("utf-8"))
            os.chmod(path, 0o644)
        if not self.files or not (stale or cold):
            return
        if self.params["label"]:
            if stale:
                self.module.run_command(["/bin/launchctl", "bootout", "system/" + self.params["label"]])
                self._must(["/bin/launchctl", "bootstrap", "system", self.params["starter"]])
            self._must([sys.executable, self.params["program"], self.params["list"]])
            return
        if stale:
            self._must(["systemctl", "daemon-reload"])
            self._must(["systemctl", "enable", self.unit])
        self._must(["systemctl", "restart", self.unit], "; journalctl -u %s says why" % self.unit)

    def _must(self, argv, way=""):
        code, out, err = self.module.run_command(argv)
        if code:
            said = (err or out).strip().splitlines() or ["%s ends with %d" % (argv[0], code)]
            self.module.fail_json(msg="The models that keep_warm wants loaded are not: %s%s" % (said[-1], way))


def _holds(path, text):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read() == text
    except OSError:
        return False


def _stays(entry):
    year = str(entry.get("expires_at") or "")[:4]
    return year.isdigit() and int(year) > datetime.datetime.now(datetime.timezone.utc).year + YEARS


def main():
    Warm(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)).run()


if __name__ == "__main__":
    main()
