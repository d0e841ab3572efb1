# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may read a backup on the controller. Deleted, the secret key and every chat of a web UI could lie there for all to read."""

from __future__ import annotations

import os
import sys

import yaml
from support.plays import written


def test_a_fetched_backup_is_for_one_user(tmp_path):
    """The folder that is made is closed, one that is there stays as it is, and the file is closed in both."""
    (tmp_path / "a.tar.gz").write_text("key")
    (tmp_path / "there").mkdir(mode=0o755)
    (tmp_path / "there" / "a.tar.gz").write_text("older, open")
    tasks = [{"llmfleet.ollama.fetched_backup": {"src": str(tmp_path / "a.tar.gz"), "dest": dest}} for dest in ("fresh/here", str(tmp_path / "there"))]
    (tmp_path / "play.yml").write_text(yaml.safe_dump([{"hosts": "all", "gather_facts": False, "tasks": tasks}]), encoding="utf-8")
    here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": {"here": here}}}), encoding="utf-8")
    before = os.umask(0o022)
    try:
        done = written(tmp_path, "-i", "hosts.yml", "play.yml", PWD=str(tmp_path))
    finally:
        os.umask(before)
    assert done.code == 0, done.text
    places = [*tmp_path.rglob("fresh/here"), tmp_path / "there"]
    modes = [oct(path.stat().st_mode & 0o777) for folder in places for path in (folder, folder / "a.tar.gz")]
    assert modes == ["0o700", "0o600", "0o755", "0o600"] and all((folder / "a.tar.gz").read_text() == "key" for folder in places)
