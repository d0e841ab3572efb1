# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""bench/scale.py without hosts: deleted, it could measure fewer machines than it says, run on the inventory's own, or call a miss a hit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import ROOT

sys.path.append(str(ROOT / "bench"))

import scale

LISTED = {
    "_meta": {
        "hostvars": {
            "a": {"ansible_host": "10.0.0.1", "key": "{{ inventory_dir ~ '/key' }}", "deep": [{"inventory_directory": "inventory_dir"}]},
            "b": {"ansible_host": "10.0.0.2"},
            "hub": {"ansible_host": "10.0.0.9"},
        }
    },
    "all": {"children": ["ungrouped", "fleet", "open_webui"]},
    "fleet": {"children": ["ollama"]},
    "ollama": {"hosts": ["a", "b"]},
    "open_webui": {"hosts": ["hub", "a"]},
}


def test_each_name_is_a_host_with_the_variables_of_a_machine_in_turn(tmp_path):
    """Group by group as Ansible itself reads it; the machines' own names are gone, so that nothing is done twice."""
    inventory = scale.under_names(json.loads(json.dumps(LISTED)), 3, Path("/srv/lab/hosts.yml"), tmp_path)
    file = tmp_path / "hosts.json"
    file.write_text(json.dumps(inventory), encoding="utf-8")
    command = [str(Path(sys.executable).parent / "ansible-inventory"), "-i", str(file), "--list"]
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
    read = json.loads(subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout)
    assert sorted(read["ollama"]["hosts"]) == ["a-00", "a-02", "b-01"] and read["fleet"]["children"] == ["ollama"]
    assert sorted(read["open_webui"]["hosts"]) == ["a-00", "a-02", "hub"]
    hosts = read["_meta"]["hostvars"]
    assert set(hosts) == {"a-00", "b-01", "a-02", "hub"}
    assert (hosts["a-02"]["ansible_host"], hosts["b-01"]["ansible_host"]) == ("10.0.0.1", "10.0.0.2")
    assert hosts["a-00"]["key"] == "{{ '/srv/lab' ~ '/key' }}"
    assert hosts["a-00"]["deep"] == [{"inventory_directory": "'/srv/lab'"}], "names that begin alike stay"
    assert len({hosts[name]["ansible_control_path"] for name in ("a-00", "b-01", "a-02")}) == 3


def figures(**changed):
    return scale.Figures(**{"names": 36, "runs": 2, "tasks": 15, "cpu_seconds": 0.6, "wall": 20.0, "ping_cpu_seconds": 0.1, "ping_wall": 5.0, **changed})


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, []),
        ({"runs": 3}, ["3 module runs a host"]),
        ({"tasks": 69}, ["69 tasks a host"]),
        ({"cpu_seconds": 3.9}, ["3.90 s of CPU a host"]),
        ({"wall": 110.0}, ["22.0 times a ping of 36 names"]),
    ],
)
def test_what_is_above_its_aim_is_named(changed, words):
    """The small run beside it starts slowly and is no miss."""
    assert scale.above_aim([figures(names=3, wall=50.0, runs=1), figures(**changed)]) == words
    assert "%d" % figures(**changed).tasks in scale.table([figures(**changed)])


def test_the_recap_is_read():
    """A host that is missing in it has failed, and must not pass for one without tasks."""
    text = "PLAY RECAP ****\na-00                       : ok=12   changed=0    unreachable=0    failed=0    skipped=3    rescued=0    ignored=0   \n"
    assert scale.RECAP.findall(text) == [("a-00", "12", "0", "0", "0", "3")]


def test_cpu_of_children_is_counted():
    """Of a run that only waits there is none, of one that works there is."""
    work = [sys.executable, "-c", "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass\nprint('done')"]
    cost, text = scale.run(work, dict(os.environ))
    assert text == "done\n" and 0.3 <= cost.cpu <= cost.wall + 0.5
