# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Another machine in a folder: its files, its /proc, and programs that answer as documented."""

from __future__ import annotations

import getpass
import grp
import json
import os
import types

import pytest
from ansible_collections.llmfleet.ollama.plugins.module_utils.look import common, host
from ansible_collections.llmfleet.ollama.plugins.module_utils.probe.observe import ARGUMENTS as PROBE

UNAME = {
    "linux": types.SimpleNamespace(sysname="Linux", machine="x86_64", release="6.1.0-30-amd64"),
    "macos": types.SimpleNamespace(sysname="Darwin", machine="x86_64", release="24.6.0"),
}
ME = getpass.getuser()
MY_GROUP = grp.getgrgid(os.getgid()).gr_name
HEADER = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


class Machine:
    """What a test puts into the folder, the look finds."""

    def __init__(self, root, tools):
        self.root, self.tools = root, tools
        self.tools.mkdir()
        self.root.mkdir()
        self.question = {
            "record": "/opt/ollama/.before",
            "user": ME, "port": 11434, "url": "http://127.0.0.1:1", "install_dir": "/opt/ollama", "models_dir": "/srv/models",
            "service": "ollama.service", "door": "llmfleet_ollama", "settings": "/etc/systemd/system/ollama.service.d/10-llmfleet.conf",
            "moving": "/opt/ollama/.moving", "paths": [], "names": [], "tools": [],
        }

    def write(self, path, text="", mode=0o644):
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text if isinstance(text, bytes) else text.encode())
        target.chmod(mode)
        return target

    def folder(self, path, mode=0o755):
        target = self.root / path.lstrip("/")
        target.mkdir(parents=True, exist_ok=True)
        target.chmod(mode)
        return target

    def link(self, path, target):
        (self.root / path.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
        os.symlink(target, self.root / path.lstrip("/"))

    def tool(self, name, script):
        path = self.tools / name
        path.write_text("#!/bin/sh\n" + script + "\n", encoding="utf-8")
        path.chmod(0o755)

    def blob(self, store, digit, size=1):
        self.write("%s/blobs/sha256-%s" % (store, digit * 64), b"x" * size)

    def listener(self, address, port, inode, pid=None, name="nginx"):
        """`address` as the kernel writes it, in hexadecimal."""
        table = self.root / "proc/net" / ("tcp6" if len(address) > 8 else "tcp")
        table.parent.mkdir(parents=True, exist_ok=True)
        known = table.read_text(encoding="utf-8") if table.exists() else HEADER
        row = "   0: %s:%04X 00000000:0000 0A 00000000:00000000 00:00000000 00000000   999        0 %d 1 0000000000000000 100 0 0 10 0\n"
        table.write_text(known + row % (address, port, inode), encoding="utf-8")
        if pid:
            self.link("proc/%d/fd/%d" % (pid, inode), "socket:[%d]" % inode)
            self.write("proc/%d/comm" % pid, name + "\n")

    @property
    def path(self):
        return "%s:/usr/bin:/bin" % self.tools

    def look(self, system="linux", uname=None, **asked):
        params = {name: entry.get("default") for name, entry in PROBE.items()}
        params.update(timeout=5, allow_cli=False, gather=["system"], proofs_path=None)
        params["questions"] = [dict(self.question, system=system, **asked)]
        found = host.look(params, uname=uname or UNAME[system], root=str(self.root), programs=self.path, paths=("libno-such-nvml.so.9",))
        # What goes home is JSON and has no number that JSON lacks.
        json.dumps(found, allow_nan=False)
        return found


@pytest.fixture
def machine(tmp_path, monkeypatch):
    # Nobody but root can become somebody else; the tests that need it ask for it.
    monkeypatch.setattr(common, "become", lambda name: None)
    return Machine(tmp_path / "root", tmp_path / "tools")
