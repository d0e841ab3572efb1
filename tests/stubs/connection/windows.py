# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The way to a simulated Windows host: it has a PowerShell that nobody may use, and files that can be brought and taken."""

from __future__ import annotations

import json
from pathlib import Path

from ansible.errors import AnsibleError
from ansible.plugins.connection import ConnectionBase

DOCUMENTATION = """
    name: windows
    short_description: connect to a simulated Windows host
    description: [Test helper of tests/stubs.]
    options:
      state:
        description: File that is the host.
        vars: [{name: stub_state}]
"""


class Connection(ConnectionBase):
    transport = "llmfleet_stubs.host.windows"
    module_implementation_preferences = (".ps1", ".exe", "")
    has_pipelining = True

    def __init__(self, *args, **kwargs):
        self._shell_type = "powershell"
        super().__init__(*args, **kwargs)

    def _connect(self):
        return self

    def exec_command(self, cmd, in_data=None, sudoable=True):
        raise AnsibleError(f"no module of this host is simulated by running it: {cmd[:200]}")

    def _host(self):
        path = Path(self.get_option("state"))
        return path, json.loads(path.read_text(encoding="utf-8"))

    def put_file(self, in_path, out_path):
        path, state = self._host()
        state["files"][out_path] = {"type": "file", "text": Path(in_path).read_text(encoding="utf-8")}
        path.write_text(json.dumps(state, indent=1, sort_keys=True), encoding="utf-8")

    def fetch_file(self, in_path, out_path):
        found = self._host()[1]["files"].get(in_path)
        if not found:
            # As psrp and winrm say it.
            raise AnsibleError(f"failed to transfer file to '{out_path}': Path at '{in_path}' does not exist")
        Path(out_path).write_text(found["text"], encoding="utf-8")

    def close(self):
        self._connected = False
