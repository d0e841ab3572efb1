# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real plays of the role's change.yml, absent.yml and release.yml, whose steps are stand-ins, against a folder in place of /run.

Deleted, a run that has failed behind the proof, or on its way back, would keep everybody else out for a quarter of an hour.
"""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys

import pytest
import yaml
from ansible_collections.llmfleet.ollama.plugins.module_utils.change import lock, record
from ansible_collections.llmfleet.ollama.plugins.module_utils.look import common
from support import ROOT

STEPS = ("fetch", "install", "configure", "door", "start", "prove", "settle", "rollback", "absent")
FAIL = [{"name": "Fail", "ansible.builtin.fail": {"msg": "the disk is full"}}]

# Nobody answers there, at once.
CUT = [{"name": "Ask", "ansible.builtin.ping": None, "vars": {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}}]


def play(folder, entry, *failing, complete=True, step=None):
    """(return code, what it said) of the role's file `entry`, with these steps failing."""
    tasks = folder / "roles/some/tasks"
    (tasks / "linux").mkdir(parents=True)
    for name in ("change", "rollback", "absent", "release"):
        shutil.copy(ROOT / f"roles/ollama/tasks/{name}.yml", tasks)
    for name in STEPS:
        (tasks / f"linux/{name}.yml").write_text(yaml.safe_dump((step or FAIL) if name in failing else []))
    for name in ("look", "preflight"):
        (tasks / f"{name}.yml").write_text("[]\n")
    (folder / "roles/some/vars").mkdir()
    (folder / "roles/some/vars/linux.yml").write_text("{}\n")
    before = {"release": "1.0", "had_server": True}
    at = str(folder / "opt/.before")
    steps = {
        "other_stores": [], "load_door": False, "start": True, "move_noted": False, "record": at,
        "change": {"record": at, "asked": "2.0", "before": before, "paths": []},
    }
    variables = {
        "__ollama_platform": "linux", "__ollama_service": {"release": {"complete": complete}, "changes": ["x"]}, "__ollama_steps": steps,
        "__ollama_moves_models": False,
    }
    rows = [{
        "hosts": "all", "gather_facts": False, "vars": variables,
        "module_defaults": {"llmfleet.ollama.host_change": {"lock": str(folder / "run/lock")}},
        "tasks": [{"ansible.builtin.include_role": {"name": "some", "tasks_from": entry}}],
    }]
    (folder / "site.yml").write_text(yaml.safe_dump(rows))
    hosts = {"hub": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}}
    (folder / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": hosts}}))
    (folder / "ansible.cfg").write_text("[defaults]\n")
    environment = {
        **os.environ, "ANSIBLE_CONFIG": str(folder / "ansible.cfg"), "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"), "ANSIBLE_NOCOLOR": "1",
    }
    program = str(pathlib.Path(sys.executable).parent / "ansible-playbook")
    done = subprocess.run(
        [program, "-i", "hosts.yml", "site.yml"], cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=300,
    )
    assert "Take the host" in done.stdout, done.stdout + done.stderr
    return done.returncode, done.stdout


@pytest.mark.parametrize("failing", [(), ("settle",), ("start", "rollback")], ids=" and ".join)
def test_whoever_has_failed_keeps_nobody_out_and_what_served_stays_written_down(tmp_path, failing):
    code, said = play(tmp_path, "change", *failing)
    assert code == (2 if failing else 0) and ("the disk is full" in said) == bool(failing), said
    assert lock.read(str(tmp_path / "run/lock"), common.clock()) is None, said
    assert (record.read(str(tmp_path / "opt/.before")) is not None) == bool(failing)


def test_a_host_that_is_unreachable_in_the_middle_counts_as_cut_off(tmp_path):
    """L8. No way back and no letting go is tried: deleted, either could be called done for a host that nobody has reached."""
    code, said = play(tmp_path, "change", "start", step=CUT)
    assert code == 4 and "unreachable=1" in said and "Let go" not in said and "Bring back" not in said, said
    assert record.read(str(tmp_path / "opt/.before"))["asked"] == "2.0"
    assert lock.read(str(tmp_path / "run/lock"), common.clock())["doing"] == "Ollama 2.0"


def test_a_removal_that_has_failed_keeps_nobody_out(tmp_path):
    code, said = play(tmp_path, "absent", "absent")
    assert code == 2 and "the disk is full" in said
    assert lock.read(str(tmp_path / "run/lock"), common.clock()) is None, said


@pytest.mark.parametrize("failing", [(), ("fetch",)], ids=" and ".join)
def test_a_release_for_somebody_else_is_fetched_as_the_only_one(tmp_path, failing):
    """Two fills of one mirror removed each other's half-unpacked release; whoever comes second is told now."""
    code, said = play(tmp_path, "release", *failing, complete=False)
    assert code == (2 if failing else 0) and lock.read(str(tmp_path / "run/lock"), common.clock()) is None, said
    assert os.path.exists(tmp_path / "run/lock/guard"), "nothing was taken"
