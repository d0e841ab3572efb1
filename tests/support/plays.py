# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real Ansible for tests: a playbook of the checkout, or one that a test has written, and what a person reads of it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from support import ROOT

RECAP = re.compile(r"^(\S+)\s+: (ok=.*unreachable=.*)$", re.MULTILINE)


def recap(text: str) -> dict[str, dict[str, int]]:
    """What Ansible counted for each host."""
    return {host: {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", counts)} for host, counts in RECAP.findall(text)}


class Played(NamedTuple):
    """How a run ended, and its two outputs."""

    code: int
    stdout: str
    stderr: str

    @property
    def text(self) -> str:
        return self.stdout + self.stderr

    @property
    def told(self) -> str:
        """On one line: a terminal folds lines; what a person reads does not depend on where."""
        return " ".join(self.text.split())


def ours(folder: Path, inventory: dict, playbook, *arguments, timeout: int = 300, **environment) -> Played:
    """A playbook run from the checkout, as a person there types it, for an inventory in YAML's structure. No report is written.

    What the run reads of models is remembered below the folder.
    """
    hosts = folder / "hosts.json"
    hosts.write_text(json.dumps(inventory), encoding="utf-8")
    surroundings = {"XDG_CACHE_HOME": str(folder / "cache"), "LLMFLEET_REPORT_DIR": "", "ANSIBLE_NOCOLOR": "1", **environment}
    return from_folder(ROOT, surroundings, "-i", hosts, playbook, *arguments, timeout=timeout)


def written(folder: Path, *arguments, timeout: int = 300, **environment) -> Played:
    """A playbook of the test, run in its folder, with an ansible.cfg of its own and nothing of the caller's settings but the collections."""
    configuration = folder / "ansible.cfg"
    if not configuration.exists():
        configuration.write_text("[defaults]\n", encoding="utf-8")
    settings = {"ANSIBLE_CONFIG": str(configuration), "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"), "ANSIBLE_NOCOLOR": "1", **environment}
    return from_folder(folder, settings, *arguments, timeout=timeout)


def from_folder(where: Path, settings: dict, *arguments, timeout: int = 300) -> Played:
    """A run of ansible-playbook in a folder, with these variables of the environment beside the caller's."""
    command = [sys.executable, "-m", "ansible", "playbook", *map(str, arguments)]
    done = subprocess.run(command, cwd=where, env={**os.environ, **settings}, capture_output=True, text=True, timeout=timeout, check=False)
    return Played(done.returncode, done.stdout, done.stderr)
