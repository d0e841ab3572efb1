# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which archives a host announces to the fleet's mirror, and where it then takes each of them from.

Deleted, a Windows or Jetson host's archive could cross the WAN once for each host, or a checksum could come from where the archive comes from.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import yaml
from support import ROOT

LINUX = {"architecture": "x86_64", "kernel": "6.12.0", "service_mgr": "systemd", "os_family": "Debian"}
ARM = {**LINUX, "architecture": "aarch64"}
WINDOWS = {"architecture": "64-bit", "kernel": "10.0.20348.0", "os_family": "Windows"}
MAC = {"architecture": "arm64", "kernel": "24.0.0", "service_mgr": "launchd", "os_family": "Darwin", "distribution_version": "15.1"}
BASE, ARCHIVE, ROCM, HEX = "https://github.example", "ollama-linux-amd64.tar.zst", "ollama-linux-amd64-rocm.tar.zst", "ab" * 32

# facts, variables, what is announced
MACHINES = {
    "linux": (LINUX, {}, [ARCHIVE]),
    "amd": ({**LINUX, "vram": {"devices": [{"vendor": "amd"}]}}, {}, [ARCHIVE, ROCM]),
    "old": (LINUX, {"ollama_version": "0.9.3", "ollama_accept_vulnerable_version": True}, ["ollama-linux-amd64.tgz"]),
    "arm": (ARM, {}, ["ollama-linux-arm64.tar.zst"]),
    "jetpack5": ({**ARM, "kernel": "5.10.192-tegra"}, {}, ["ollama-linux-arm64.tar.zst", "ollama-linux-arm64-jetpack5.tar.zst"]),
    "jetpack6": ({**ARM, "kernel": "5.15.148-tegra"}, {}, ["ollama-linux-arm64.tar.zst", "ollama-linux-arm64-jetpack6.tar.zst"]),
    "windows": (WINDOWS, {}, ["ollama-windows-amd64.zip"]),
    "windows-amd": ({**WINDOWS, "vram": {"devices": [{"vendor": "amd"}]}}, {}, ["ollama-windows-amd64.zip", "ollama-windows-amd64-rocm.zip"]),
    "windows-arm": ({**WINDOWS, "architecture": "ARM 64-bit Processor"}, {}, ["ollama-windows-arm64.zip"]),
    "mac": (MAC, {}, ["ollama-darwin.tgz"]),
}
MIRRORED = (f"http://10.0.0.9:80/releases/v0.32.15/{ARCHIVE}", f"sha256:{HEX}")
DIRECT = (f"{BASE}/v0.32.15/{ARCHIVE}", f"sha256:{BASE}/v0.32.15/sha256sum.txt")
# variables of an ordinary Linux host, archive, from where, against which checksum
SOURCES = {
    "no registry": ({}, ARCHIVE, *MIRRORED),
    "by the registry's name": ({"llm_registry": "http://mirror.lan/"}, ARCHIVE, f"http://mirror.lan/releases/v0.32.15/{ARCHIVE}", f"sha256:{HEX}"),
    "what the mirror lacks": ({}, ROCM, f"{BASE}/v0.32.15/{ROCM}", f"sha256:{BASE}/v0.32.15/sha256sum.txt"),
    "a release that the mirror lacks": ({"ollama_version": "0.31.0"}, ARCHIVE, f"{BASE}/v0.31.0/{ARCHIVE}", f"sha256:{BASE}/v0.31.0/sha256sum.txt"),
    "another mirror of the fleet": ({"llm_registry": "10.0.0.8"}, ARCHIVE, *DIRECT),
    "the user's checksum": ({"ollama_download_checksum": "sha256:" + "cd" * 32}, ARCHIVE, MIRRORED[0], "sha256:" + "cd" * 32),
}

PLAY = """
- hosts: machines:sources
  gather_facts: false
  tasks:
    - ansible.builtin.set_fact:
        cacheable: true
        "{{ fact.key }}": "{{ fact.value }}"
      loop: "{{ machine_facts | dict2items }}"
      loop_control: {loop_var: fact}
    - ansible.builtin.include_role:
        name: llmfleet.ollama.ollama
        tasks_from: preflight.yml
- hosts: sources
  gather_facts: false
  tasks:
    - ansible.builtin.include_role:
        name: llmfleet.ollama.ollama
        tasks_from: source.yml
        public: true
      vars:
        __ollama_planned: "{{ __ollama_foretold }}"
    - llmfleet.ollama.plan_service:
        facts_only: true
        mirror_list: "{{ __ollama_mirror_list }}"
      register: planned
    - ansible.builtin.set_fact:
        taken: ["{{ found.url }}", "sha256:{{ found.sha256 }}"]
      vars: {found: "{{ planned.service.release.archives | selectattr('name', 'eq', archive) | first }}"}
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.copy:
        dest: "{{ out }}"
        mode: "0600"
        content: "{{ {'announced': dict(groups.machines | zip(groups.machines | map('extract', hostvars, ['ollama_release', 'archives']))),
          'taken': dict(groups.sources | zip(groups.sources | map('extract', hostvars, 'taken')))} | to_json }}"
"""


@pytest.fixture(scope="module")
def decided(tmp_path_factory):
    """One play for all, since a start of Ansible costs more than all of them."""
    place = tmp_path_factory.mktemp("sources")
    store = place / "store/public/releases/v0.32.15"
    store.mkdir(parents=True)
    (store / "sha256sum.txt").write_text(f"{HEX}  ./{ARCHIVE}\n", encoding="utf-8")
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    ordinary = {"machine_facts": LINUX, "ollama_accelerators": ["amd"]}
    sources = {f"source{number}": {**ordinary, "archive": case[1], **case[0]} for number, case in enumerate(SOURCES.values())}
    inventory = {
        "machines": {"hosts": {name: {"machine_facts": facts, **wishes} for name, (facts, wishes, _announced) in MACHINES.items()}},
        "sources": {"hosts": sources},
        "model_mirror": {
            "hosts": {
                "hub": {"ansible_host": "10.0.0.9", "model_mirror_store": str(place / "store"), **local},
                "other": {"ansible_host": "10.0.0.8", "model_mirror_store": str(place / "nothing"), **local},
            }
        },
    }
    # The list decides where no sum is shipped, or where somebody says so.
    common = {"ollama_download_base_url": BASE, "ollama_download_checksum": "list", "out": str(place / "decided.json"), **local}
    (place / "hosts.yml").write_text(yaml.safe_dump({"all": {"children": inventory, "vars": common}}), encoding="utf-8")
    (place / "play.yml").write_text(PLAY, encoding="utf-8")
    (place / "ansible.cfg").write_text("[defaults]\n", encoding="utf-8")
    environment = dict(os.environ, ANSIBLE_CONFIG=str(place / "ansible.cfg"), ANSIBLE_INJECT_FACT_VARS="false")
    environment["ANSIBLE_COLLECTIONS_PATH"] = str(ROOT / "collections")
    run = subprocess.run(
        [sys.executable, "-m", "ansible", "playbook", "-i", str(place / "hosts.yml"), str(place / "play.yml")],
        capture_output=True, text=True, env=environment, check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return json.loads((place / "decided.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", MACHINES)
def test_what_a_host_announces(name, decided):
    assert decided["announced"][name] == MACHINES[name][2]


@pytest.mark.parametrize("number, name", list(enumerate(SOURCES)))
def test_where_an_archive_comes_from(number, name, decided):
    assert decided["taken"][f"source{number}"] == list(SOURCES[name][2:])
