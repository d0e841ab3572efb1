#!/usr/bin/python
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ollama_numbers
short_description: Tell Prometheus' node exporter what Ollama has loaded and what the plan says of it
version_added: 0.1.0
author:
  - llmfleet authors (@llmfleet)
description:
  - Where role C(ollama) has C(ollama_textfile_dir), a timer of systemd has a small program write C(llmfleet.prom) in that folder, as the folder's
    owner and without capabilities. Without that variable, or with O(state=absent), all of it goes away.
  - The action reads C(ansible_facts.model_plan), C(ansible_facts.vram) and the variables of role C(ollama); without a plan it does nothing.
options:
  state:
    description: With V(present) what the variable says, with V(absent) nothing is told.
    type: str
    choices: [present, absent]
    default: present
  files:
    description: Content of each file by its path. Set by the action.
    type: dict
    default: {}
  folder:
    description: That of the node exporter. Set by the action.
    type: path
  paths:
    description: Program, list, unit and timer. Set by the action.
    type: list
    elements: path
    default: []
  name:
    description: The file that the program writes. Set by the action.
    type: str
    default: llmfleet.prom
attributes:
  action:
    description: The action decides on the controller, and runs the module on the host.
    support: full
  check_mode:
    description: Says what would change.
    support: full
  diff_mode:
    description: Shows each file that differs.
    support: full
  idempotent:
    description: Changes nothing where the files are the same and the timer runs.
    support: full
  platform:
    description: Linux with systemd; of another host nothing is done.
    platforms: linux
    support: full
"""

EXAMPLES = r"""
- name: Tell Prometheus' node exporter what is loaded and what was planned
  llmfleet.ollama.ollama_numbers:

- name: Tell it nothing any more
  llmfleet.ollama.ollama_numbers:
    state: absent
"""

RETURN = r"""
path:
  description: The file that node exporter reads; empty for none.
  returned: always
  type: str
"""

import json
import os
import pwd
import sys

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.llmfleet.ollama.plugins.module_utils.files import write_file

ARGUMENTS = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "files": {"type": "dict", "default": {}},
    "folder": {"type": "path"},
    "paths": {"type": "list", "elements": "path", "default": []},
    "name": {"type": "str", "default": "llmfleet.prom"},
}
# Written by the action, which cannot know them.
PYTHON = "@PYTHON@"
OWNER = "@OWNER@"


class Numbers:
    def __init__(self, module):
        self.module, self.params = module, module.params
        self.folder = self.params["folder"] or ""
        self.program, self.list, self.service, self.timer = self.params["paths"]
        self.file = os.path.join(self.folder, self.params["name"]) if self.folder else ""

    def run(self):
        files = self._files()
        before = {path: _content(path) for path in self.params["paths"]}
        stale = [path for path in files if before[path] != files[path]]
        gone = [path for path in before if before[path] is not None and path not in files]
        told = self._told(before[self.list])
        if told and told != self.file and os.path.lexists(told):
            gone.append(told)
        silent = bool(files) and (self._run("is-active") != 0 or not os.path.exists(self.file))
        if not self.module.check_mode:
            self._drop(gone)
            self._have(files, stale, silent)
        diff = [
            {"before": before[path] or "", "after": files.get(path, ""), "before_header": path, "after_header": path}
            for path in before
            if path in stale or path in gone
        ]
        self.module.exit_json(changed=bool(stale or gone or silent), path=self.file, diff=diff)

    def _files(self):
        """What shall lie there."""
        if not self.params["files"]:
            return {}
        if not os.path.isdir(self.folder):
            self.module.fail_json(
                msg="ollama_textfile_dir %s is no folder; install the node exporter, make the folder, or leave the variable out." % self.folder
            )
        owner = os.stat(self.folder).st_uid
        try:
            owner = pwd.getpwuid(owner).pw_name
        except KeyError:
            pass
        python = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable
        return {path: text.replace(PYTHON, python).replace(OWNER, str(owner)) for path, text in self.params["files"].items()}

    def _told(self, listed):
        """The file that an earlier run has had written, maybe in another folder."""
        try:
            return str(json.loads(listed or "{}").get("file") or "")
        except (ValueError, AttributeError):
            return ""

    def _drop(self, gone):
        if self.timer in gone:
            self.module.run_command(["systemctl", "disable", "--now", os.path.basename(self.timer)])
            self.module.run_command(["systemctl", "stop", os.path.basename(self.service)])
        for path in gone:
            os.unlink(path)
        if self.timer in gone:
            self._must(["systemctl", "daemon-reload"])

    def _have(self, files, stale, silent):
        for path in stale:
            write_file(path, files[path].encode("utf-8"))
            os.chmod(path, 0o644)
        if not stale and not silent:
            return
        self._must(["systemctl", "daemon-reload"])
        self._must(["systemctl", "start", os.path.basename(self.service)], "; journalctl -u %s says why" % os.path.basename(self.service))
        self._must(["systemctl", "enable", os.path.basename(self.timer)])
        self._must(["systemctl", "restart", os.path.basename(self.timer)])

    def _run(self, verb):
        return self.module.run_command(["systemctl", "--quiet", verb, os.path.basename(self.timer)])[0]

    def _must(self, argv, way=""):
        code, out, err = self.module.run_command(argv)
        if code:
            said = (err or out).strip().splitlines() or ["%s ends with %d" % (argv[0], code)]
            self.module.fail_json(msg="Prometheus' node exporter is told nothing of Ollama: %s%s" % (said[-1], way))


def _content(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError:
        return None


def main():
    Numbers(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)).run()


if __name__ == "__main__":
    main()
