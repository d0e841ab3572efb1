# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""bench/count_module_runs.py counts what is sent to hosts, no more and no less.

Without this test the figure that the project promises (at most ten module runs on a converged host) could be zero
because nothing was heard.
"""

from __future__ import annotations

import subprocess
import sys

import yaml
from support import ROOT

PLAY = [
    {
        "hosts": "all",
        "gather_facts": False,
        "tasks": [
            {"name": "One", "ansible.builtin.ping": {}},
            {"name": "None, on the controller", "ansible.builtin.debug": {"msg": "x"}},
            {"name": "None, skipped", "ansible.builtin.ping": {}, "when": False},
            {"name": "Two", "ansible.builtin.copy": {"content": "x", "dest": "{{ scratch }}/x", "mode": "0644"}},
            {"name": "Two, elsewhere", "ansible.builtin.ping": {}, "delegate_to": "localhost", "loop": [1, 2]},
        ],
    }
]


def bench(tmp_path, *arguments):
    host = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, "scratch": str(tmp_path)}
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump({"ollama": {"hosts": {"one": host}}}))
    (tmp_path / "play.yml").write_text(yaml.safe_dump(PLAY, sort_keys=False))
    command = [
        sys.executable,
        str(ROOT / "bench/count_module_runs.py"),
        "-i",
        str(tmp_path / "hosts.yml"),
        str(tmp_path / "play.yml"),
        *arguments,
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_counts_what_is_sent_and_holds_the_limit(tmp_path):
    done = bench(tmp_path, "--at-most", "2")
    assert "one      3  ping 1, stat 1, copy 1; delegated: ping 2" in done.stdout, done.stdout + done.stderr
    assert "ratio" in done.stdout
    assert done.returncode == 1 and "More than 2 module runs on one." in done.stdout
