# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What role ollama decides from facts alone, on machines that no test host can play.

Deleted, nothing would show that an AMD or Jetson host gets its archive, that a driver that is too old is noticed, or that
argument_specs.yml, from which people read, names the same variables as defaults/main.yml.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import yaml
from support import ROOT

ROLE = ROOT / "roles" / "ollama"


def load(name):
    return yaml.safe_load((ROLE / name).read_text(encoding="utf-8"))


def test_documented_variables_are_those_with_defaults():
    assert set(load("meta/argument_specs.yml")["argument_specs"]["main"]["options"]) == set(load("defaults/main.yml"))


def test_documented_defaults_are_the_real_ones():
    documented = load("meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    real = load("defaults/main.yml")
    assert {k: o["default"] for k, o in documented.items() if "default" in o} == {k: real[k] for k, o in documented.items() if "default" in o}


def card(vendor="nvidia", driver="570.86.16", compute="8.6"):
    return {"vendor": vendor, "name": "card", "driver": {"name": vendor, "version": driver}, "compute_capability": compute}


QUIET = {"warning": "", "error": ""}
# name: variables and facts, what the host said, what must come out
MACHINES = {
    "today": ({}, {}, {"archives": ["ollama-linux-amd64.tar.zst"], "drivers": QUIET}),
    "tgz": ({"ollama_version": "0.13.5"}, {}, {"archives": ["ollama-linux-amd64.tgz"]}),
    "amd by the fact": ({"cards": [card("amd")]}, {}, {"archives": ["ollama-linux-amd64.tar.zst", "ollama-linux-amd64-rocm.tar.zst"]}),
    "amd by the bus": ({}, {"display_vendors": "0x1002 0x1a03"}, {"archives": ["ollama-linux-amd64.tar.zst", "ollama-linux-amd64-rocm.tar.zst"]}),
    "fact before bus": ({"cards": []}, {"display_vendors": "0x1002"}, {"archives": ["ollama-linux-amd64.tar.zst"]}),
    "arm": ({"architecture": "aarch64"}, {"display_vendors": "0x1002"}, {"archives": ["ollama-linux-arm64.tar.zst"]}),
    "jetpack 6": ({"architecture": "aarch64"}, {"tegra": "36"}, {"archives": ["ollama-linux-arm64.tar.zst", "ollama-linux-arm64-jetpack6.tar.zst"]}),
    "jetpack 5": ({"architecture": "aarch64"}, {"tegra": "35"}, {"archives": ["ollama-linux-arm64.tar.zst", "ollama-linux-arm64-jetpack5.tar.zst"]}),
    "driver 535": ({"cards": [card(driver="535.183.01")]}, {}, {"error": "older than 550"}),
    "driver 535, older release": ({"cards": [card(driver="535.183.01")], "ollama_version": "0.24.0"}, {}, {"drivers": QUIET}),
    "driver 525, older release": ({"cards": [card(driver="525.60")], "ollama_version": "0.24.0"}, {}, {"warning": "older than 531"}),
    "driver 560, Pascal": ({"cards": [card(driver="560.35", compute="6.1")]}, {}, {"error": "older than 570"}),
    "driver 560, Ampere": ({"cards": [card(driver="560.35")]}, {}, {"drivers": QUIET}),
    "driver 535, CPU accepted": ({"cards": [card(driver="535.1")], "ollama_accelerators": []}, {}, {"drivers": QUIET}),
    "no driver": ({"cards": [card(driver=None)]}, {}, {"drivers": QUIET}),
    "WSL 1": ({"kernel": "4.4.0-19041-Microsoft", "service_mgr": "init"}, {}, {"problem": "--set-version"}),
    "WSL 2 without systemd": ({"kernel": "5.15.90.1-microsoft-standard-WSL2", "service_mgr": "init"}, {}, {"problem": "systemd=true"}),
    "no systemd": ({"service_mgr": "openrc"}, {}, {"problem": "needs systemd"}),
    "riscv": ({"architecture": "riscv64"}, {}, {"problem": "no release for the architecture riscv64"}),
    "IPv6": ({"ollama_host": "::"}, {}, {"bind": "[::]:11434", "url": "http://[::1]:11434"}),
    "one address": ({"ollama_host": "10.0.0.5"}, {}, {"bind": "10.0.0.5:11434", "url": "http://10.0.0.5:11434"}),
    "store on a disk": ({}, {"store_filesystem": "ext2/ext3"}, {"prune": ""}),
    "store on the network": ({}, {"store_filesystem": "nfs"}, {"prune": "true"}),
    "store on the network, only ours": ({"ollama_environment": {"OLLAMA_NOPRUNE": False}}, {"store_filesystem": "nfs"}, {"prune": "false"}),
    "everywhere": ({}, {}, {"bind": "0.0.0.0:11434", "url": "http://127.0.0.1:11434"}),
}

PLAY = """
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.set_fact:
        cacheable: true
        architecture: "{{ machine.architecture | default('x86_64') }}"
        kernel: "{{ machine.kernel | default('6.12.0') }}"
        service_mgr: "{{ machine.service_mgr | default('systemd') }}"
        os_family: Debian
    - ansible.builtin.set_fact:
        cacheable: true
        vram: {devices: "{{ machine.cards }}"}
      when: "'cards' in machine"
    - ansible.builtin.include_vars: "{{ role }}/defaults/main.yml"
    - ansible.builtin.include_vars: "{{ role }}/vars/main.yml"
    - ansible.builtin.include_vars: "{{ role }}/vars/linux.yml"
    - ansible.builtin.set_fact:
        "{{ wish.key }}": "{{ wish.value }}"
      loop: "{{ machine | dict2items }}"
      loop_control: {loop_var: wish}
      when: wish.key.startswith('ollama_')
    - ansible.builtin.set_fact:
        __ollama_seen: "{{ {'tegra': '', 'display_vendors': '', 'store_filesystem': 'tmpfs'} | combine(said) }}"
    - ansible.builtin.set_fact:
        result:
          problem: "{{ __ollama_platform_problems | select | join(' ') }}"
          archives: "{{ (__ollama_archives | list) if supported else [] }}"
          drivers: "{{ __ollama_old_drivers }}"
          warning: "{{ __ollama_old_drivers.warning }}"
          error: "{{ __ollama_old_drivers.error }}"
          bind: "{{ __ollama_bind }}"
          prune: "{{ __ollama_merged.environment.get('OLLAMA_NOPRUNE', '') if supported else '' }}"
          url: "{{ __ollama_local_url }}"
      vars:
        supported: "{{ __ollama_platform_problems | select | list | length == 0 }}"
    - ansible.builtin.copy:
        dest: "{{ out }}/decided.json"
        content: "{{ dict(ansible_play_hosts | zip(ansible_play_hosts | map('extract', hostvars, 'result'))) | to_json }}"
        mode: "0600"
      run_once: true
"""


@pytest.fixture(scope="module")
def decided(tmp_path_factory):
    """One play for all machines, since a start of Ansible costs more than all of them."""
    place = tmp_path_factory.mktemp("decisions")
    names = {"machine%d" % number: name for number, name in enumerate(MACHINES)}
    hosts = {host: {"machine": MACHINES[name][0], "said": MACHINES[name][1]} for host, name in names.items()}
    common = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, "role": str(ROLE), "role_path": str(ROLE), "out": str(place)}
    (place / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": hosts, "vars": common}}), encoding="utf-8")
    (place / "play.yml").write_text(PLAY, encoding="utf-8")
    (place / "ansible.cfg").write_text("[defaults]\n", encoding="utf-8")
    environment = dict(os.environ, ANSIBLE_CONFIG=str(place / "ansible.cfg"), ANSIBLE_INJECT_FACT_VARS="false")
    environment["ANSIBLE_COLLECTIONS_PATH"] = str(ROOT / "collections")
    run = subprocess.run(
        [sys.executable, "-m", "ansible", "playbook", "-i", str(place / "hosts.yml"), str(place / "play.yml")],
        capture_output=True, text=True, env=environment, check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    by_host = json.loads((place / "decided.json").read_text(encoding="utf-8"))
    return {name: by_host[host] for host, name in names.items()}


@pytest.mark.parametrize("name", MACHINES)
def test_decision(name, decided):
    for key, wanted in MACHINES[name][2].items():
        got = decided[name][key]
        assert wanted in got if isinstance(wanted, str) and key in ("warning", "error", "problem") else got == wanted, (key, got)
