# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The callback in real ansible-playbook runs, with stand-ins for the actions.

Without these tests nothing would notice that the callback isn't loaded, hears other names than ansible-core sends,
chokes on tagged strings, or that one host that is down takes the report of all others with it.
"""

from __future__ import annotations

import json
import pathlib
import sys

import pytest
import yaml
from support import ROOT, plays, recorded_runs

ACTION = """
from ansible.plugins.action import ActionBase

class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        return task_vars["recorded"]["{name}"]
"""
PLAY = [
    {
        "hosts": "all",
        "gather_facts": False,
        "tasks": [
            {"name": "Reach", "ansible.builtin.ping": {}},
            {"name": "Facts", "llmfleet.ollama.vram_facts": {}},
            {"name": "Plan", "llmfleet.ollama.plan_models": {}},
            {
                "name": "Write the file",
                "ansible.builtin.copy": {"content": "{{ now_or_then }}", "dest": "{{ scratch }}/{{ inventory_hostname }}", "mode": "0644"},
            },
            {
                "name": "Tell",
                "ansible.builtin.set_fact": {"ollama": {"version": "{{ '0.32' ~ '.15' }}", "url": "http://user:pass@{{ inventory_hostname }}:11434"}},
            },
            {"name": "Bring", "llmfleet.ollama.ollama_models": {}},
        ],
    }
]


@pytest.fixture
def project(tmp_path):
    """A collection with the real callback and stand-in actions that return what `recorded` of the host's variables says."""
    collection = tmp_path / "collections/ansible_collections/llmfleet/ollama"
    (collection / "plugins/action").mkdir(parents=True)
    for part in ("callback", "module_utils", "plugin_utils", "catalogue"):
        (collection / "plugins" / part).symlink_to(ROOT / "plugins" / part)
    (collection / "galaxy.yml").write_text((ROOT / "galaxy.yml").read_text())
    for name in ("vram_facts", "plan_models", "ollama_models"):
        (collection / f"plugins/action/{name}.py").write_text(ACTION.format(name=name))
        (collection / "plugins/modules").mkdir(exist_ok=True)
        (collection / f"plugins/modules/{name}.py").write_text("")
    # The first ones of plan.yml, which a host may fail.
    for name in ("action/look.py", "modules/look.py", "modules/look_probe.py", "action/plan_placement.py", "modules/plan_placement.py"):
        (collection / "plugins" / name).symlink_to(ROOT / "plugins" / name)
    (tmp_path / "ansible.cfg").write_text(
        "[defaults]\ncallbacks_enabled = llmfleet.ollama.fleet_report\ncollections_path = collections\nlocalhost_warning = false\n"
    )
    hosts = {}
    for name, host in recorded_runs.lab_hosts().items():
        if "vram" in host:
            results = {
                "vram_facts": {"ansible_facts": {"vram": host["vram"]}},
                "plan_models": {"ansible_facts": {"model_plan": host["plan"]}},
                "ollama_models": {**host["store"], "changed": False},
            }
            hosts[name] = {
                "ansible_connection": "local",
                "ansible_python_interpreter": sys.executable,
                "recorded": results,
                "scratch": str(tmp_path),
                "now_or_then": "now",
            }
    hosts["attic"] = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1, "recorded": {}}
    (tmp_path / "mine.yml").write_text(yaml.safe_dump({"ollama": {"hosts": hosts}}))
    (tmp_path / "site.yml").write_text(yaml.safe_dump(PLAY, sort_keys=False))
    return tmp_path


def play(project, *arguments, inventory="mine.yml", **environment):
    # The collection that the project has made for itself.
    settings = {"ANSIBLE_COLLECTIONS_PATH": str(project / "collections"), "COLUMNS": "100", **environment}
    done = plays.written(project, "-i", inventory, "site.yml", *arguments, timeout=120, **settings)
    assert "Callback dispatch" not in done.text, done.stderr
    return done.stdout


def rows(project, inventory="mine"):
    return {row["name"]: row for row in json.loads((project / "reports" / inventory / "fleet.json").read_text())["hosts"]}


def test_first_run_second_run_check_mode_and_limit(project):
    said = play(project)
    assert "lab-3060" in said and "deepseek-r1:14b" in said and "report: reports/mine/fleet.html" in said
    first = rows(project)
    assert first["attic"]["state"] == "unreachable" and "Connection refused" in first["attic"]["reason"]
    assert [first[name]["state"] for name in ("lab-3060", "lab-3090x2", "lab-cpu")] == ["changed"] * 3
    assert first["lab-3060"]["changes"] == [{"task": "Write the file", "role": ""}]
    assert first["lab-3060"]["software"]["ollama"] == {
        "version": "0.32.15",
        "previous_version": "",
        "wanted_version": "",
        "url": "http://…@lab-3060:11434",
        "rolled_back": False,
        "removed": False,
    }
    assert first["lab-3060"]["seconds"] > 0
    whole = "".join(path.read_text() for path in (project / "reports/mine").iterdir()) + said
    assert not [secret for secret in ("hunter2", "user:pass", "GPU-secret") if secret in whole]

    play(project, "--limit", "lab-cpu")
    limited = rows(project)
    assert limited["lab-cpu"]["state"] == "ok" and limited["lab-cpu"]["current"]
    assert not limited["lab-3060"]["current"] and limited["lab-3060"]["state"] == "changed" and limited["lab-3060"]["seen"] == first["lab-3060"]["seen"]

    said = play(project, "--check", "-e", "now_or_then=then")
    assert "would change 1" in said and "would change: Write" in said
    assert rows(project)["lab-3060"]["state"] == "would_change"


def test_a_run_without_our_actions_is_silent(project):
    (project / "site.yml").write_text(yaml.safe_dump([{"hosts": "lab-cpu", "gather_facts": False, "tasks": [{"ansible.builtin.debug": {"msg": "hello"}}]}]))
    assert "FLEET" not in play(project)
    assert not (project / "reports").exists()


@pytest.mark.one_pair
def test_two_inventories_in_one_checkout_never_touch_each_others_rows(project):
    """A second inventory, one of the same name elsewhere too, took the rows of the first out of the report: the fleet looked as if it had gone."""
    play(project)
    before = {path.name: path.read_bytes() for path in (project / "reports/mine").iterdir()}
    hosts = yaml.safe_load((project / "mine.yml").read_text())["ollama"]["hosts"]
    for path, name in (("yours/hosts.yml", "lab-cpu"), ("elsewhere/mine.yml", "lab-3060")):
        (project / path).parent.mkdir()
        (project / path).write_text(yaml.safe_dump({"ollama": {"hosts": {name: hosts[name]}}}))
    play(project, inventory="yours")
    said = play(project, inventory="elsewhere/mine.yml")
    assert list(rows(project, "yours")) == ["lab-cpu"]
    (other,) = {path.name for path in (project / "reports").iterdir()} - {"mine", "yours"}
    assert list(rows(project, other)) == ["lab-3060"] and f"report: reports/{other}/fleet.html" in said
    assert {path.name: path.read_bytes() for path in (project / "reports/mine").iterdir()} == before
    # One folder for all, by the operator's own word: the report of another inventory is no history.
    play(project, LLMFLEET_REPORT_DIR="one")
    play(project, inventory="yours/hosts.yml", LLMFLEET_REPORT_DIR="one")
    one = json.loads((project / "one/fleet.json").read_text())
    assert [row["name"] for row in one["hosts"]] == ["lab-cpu"] and one["gone"] == [], "its hosts never were in this inventory"


def test_a_run_that_ends_at_its_first_task_has_a_table_and_a_report(project):
    """Without a sudo password every host fails before any action of ours: nothing was told, and fleet.json kept the state of the run before."""
    play(project, "--limit", "lab-cpu")
    playbooks = pathlib.Path(ROOT / "playbooks/tasks/plan.yml")
    (project / "site.yml").write_text(
        yaml.safe_dump([{"hosts": "all", "gather_facts": False, "become": True, "tasks": [{"ansible.builtin.include_tasks": str(playbooks)}]}])
    )
    # A sudo that asks for a password, wherever the test runs.
    (project / "sudo").write_text("#!/bin/sh\necho 'sudo: a password is required' >&2\nexit 1\n")
    (project / "sudo").chmod(0o755)
    said = play(project, "--limit", "lab-cpu:lab-3060", ANSIBLE_BECOME_EXE=str(project / "sudo"), ANSIBLE_BECOME_ALLOW_SAME_USER="true")
    assert "FLEET · site.yml" in said and "failed" in said.split("FLEET")[1]
    assert {name: row["state"] for name, row in rows(project).items()} == {"lab-3060": "failed", "lab-cpu": "failed"}
    assert rows(project)["lab-cpu"]["problem"]["message"] and rows(project)["lab-cpu"]["models"], "what is known of it stays"


def test_machines_that_are_only_described_leave_no_trace_in_a_real_report(project):
    """After a look at machines to buy, the report of the fleet showed those and called its own hosts planned."""
    play(project, "--limit", "lab-cpu")
    before = {path.name: path.read_bytes() for path in (project / "reports/mine").iterdir()}
    (project / "site.yml").write_text(yaml.safe_dump([{"hosts": "lab-*", "gather_facts": False, "tasks": [{"llmfleet.ollama.plan_models": {}}]}]))
    said = play(project)
    assert "deepseek-r1:70b" in said and "report: none, since llm_vram_override describes" in said and "reports/mine/fleet.html is of real ones" in said
    assert {path.name: path.read_bytes() for path in (project / "reports/mine").iterdir()} == before
    # An inventory of such machines alone has a report of its own.
    (project / "shop.yml").write_text((project / "mine.yml").read_text())
    assert "report: reports/shop/fleet.html" in play(project, inventory="shop.yml")
    assert set(rows(project, "shop")) == {"lab-3060", "lab-3090x2", "lab-cpu"}


def test_where_to_go_is_the_very_last_line(project):
    """Behind the recap and behind the report's files: it is what one looks for when a run has ended."""
    fact = {"url": "http://127.0.0.1:3000", "admin_email": "me@localhost", "password_file": "/home/me/.config/llmfleet/password"}
    task = {"name": "Tell what serves", "ansible.builtin.set_fact": {"open_webui": fact}}
    (project / "site.yml").write_text(yaml.safe_dump([{"hosts": "lab-cpu", "gather_facts": False, "tasks": [task]}]))
    said = play(project).rstrip().splitlines()
    assert said[-1] == "Open http://127.0.0.1:3000 as me@localhost (password in /home/me/.config/llmfleet/password)"


@pytest.mark.one_pair
def test_a_host_that_left_the_inventory_is_named_until_it_is_forgotten(project):
    play(project, "--limit", "lab-cpu:lab-3060")
    content = yaml.safe_load((project / "mine.yml").read_text())
    del content["ollama"]["hosts"]["lab-3060"]
    (project / "mine.yml").write_text(yaml.safe_dump(content))
    told = "lab-3060  no longer in the inventory; its Ollama was not touched (last seen "
    assert told in play(project, "--limit", "lab-cpu") and set(rows(project)) == {"lab-cpu"}
    assert told in play(project, "--limit", "lab-cpu"), "not only once"
    assert told not in play(project, "--limit", "lab-cpu", LLMFLEET_REPORT_FORGET="lab-3060")
    assert told not in play(project, "--limit", "lab-cpu")


@pytest.mark.one_pair
def test_the_folder_can_be_moved_and_one_that_cannot_be_written_costs_a_warning_only(project):
    play(project, "--limit", "lab-cpu", LLMFLEET_REPORT_DIR="elsewhere/deep")
    assert (project / "elsewhere/deep/fleet.html").is_file()
    play(project, "--limit", "lab-cpu", LLMFLEET_REPORT_DIR="")
    assert not (project / "reports").exists(), "an empty name writes no file"
    (project / "file").write_text("")
    said = play(project, "--limit", "lab-cpu", LLMFLEET_REPORT_DIR="file")
    assert "deepseek-r1:1.5b" in said
