# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What role open_webui says and decides before it contacts a host, and what inventories/local gives it on systems that no test host can play.

Deleted, nothing would show that an unset password is told once, that a vault that was not made is named, that a misspelt key is refused before
the first change, that a Mac gets its sentence, that each distribution gets its engine, or that the address of the last line works for its reader.
"""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys

import pytest
import yaml
from support import ROOT

GIVEN = {"open_webui_admin_email": "me@x.org", "open_webui_admin_password": "a long password"}
LOCAL = yaml.safe_load((ROOT / "inventories/local/group_vars/all.yml").read_text(encoding="utf-8"))
LOCAL["ansible_connection"] = "local"
REACHED = {"ansible_connection": "ssh", "ansible_host": "10.0.0.9"}


def on(family: str, distribution: str, **more) -> dict:
    return {**LOCAL, "os_family": family, "distribution": distribution, **more}


# name: variables of the host, what must be said ('' is nothing), what must come out
CASES = {
    "all given": (GIVEN | REACHED, [], {"url": "http://10.0.0.9:3000", "password_file": ""}),
    "no password": ({"open_webui_admin_email": "me@x.org"}, ["open_webui_admin_password is not set; put a long one into your vault, or name a file"], {}),
    "neither": ({}, ["open_webui_admin_email is \"\"", "open_webui_admin_password is not set"], {}),
    "a file of the checkout": (
        GIVEN | {"open_webui_admin_password_file": "secret/password"},
        ["open_webui_admin_password_file is secret/password; write an absolute path"],
        {},
    ),
    "guessed": (GIVEN | {"open_webui_admin_password": "Administrator"}, ["can be guessed"], {}),
    "no vault": (
        GIVEN | {"open_webui_admin_password": "{{ vault_open_webui_admin_password }}"},
        ["open_webui_admin_password uses vault_open_webui_admin_password, which nobody has set; write it into your vault "
         "(`mkdir group_vars/all && mv group_vars/all.yml group_vars/all/main.yml && ansible-vault create group_vars/all/vault.yml`)"],
        {},
    ),
    "another one is missing": (GIVEN | {"open_webui_url": "https://{{ domain }}"}, ["open_webui_url uses domain, which nobody has set; set domain"], {}),
    "a key that is none": (
        GIVEN | {"open_webui_backends": [{"url": "http://10.0.0.5:11434", "prefix": "a"}]},
        ["open_webui_backends[0] has the unknown key prefix: did you mean prefix_id?"],
        {},
    ),
    "a Mac in a fleet": (GIVEN | {"os_family": "Darwin"}, ["runs macOS, and Open WebUI needs a Linux host", "open_webui_where_possible: true"], {}),
    "a Windows host in a fleet": (GIVEN | {"os_family": "Windows"}, ["runs Windows, and Open WebUI needs a Linux host"], {}),
    "one's own Mac": (on("Darwin", "MacOSX"), [], {"impossible": "runs macOS", "engine": ""}),
    "Debian": (on("Debian", "Debian"), [], {"engine": "docker.io", "url": "http://localhost:3000", "impossible": ""}),
    "Ubuntu": (on("Debian", "Ubuntu"), [], {"engine": "docker.io"}),
    "Fedora": (on("RedHat", "Fedora"), [], {"engine": "moby-engine"}),
    "Amazon": (on("RedHat", "Amazon"), [], {"engine": "docker"}),
    "Rocky": (on("RedHat", "Rocky"), [], {"engine": "podman"}),
    "openSUSE": (on("Suse", "openSUSE Tumbleweed"), [], {"engine": "docker"}),
    "Arch": (on("Archlinux", "Archlinux"), [], {"engine": "docker"}),
    "unknown": (on("Gentoo", "Gentoo"), [], {"engine": ""}),
    "here, for everybody": (GIVEN | {"ansible_connection": "local"}, [], {"url": "http://localhost:3000"}),
    "one address": (GIVEN | REACHED | {"open_webui_bind_address": "10.0.0.7"}, [], {"url": "http://10.0.0.7:3000"}),
    "IPv6 loopback": (GIVEN | REACHED | {"open_webui_bind_address": "::1"}, [], {"url": "http://localhost:3000"}),
    "IPv6": (GIVEN | REACHED | {"open_webui_bind_address": "fd00::7", "open_webui_port": 3001}, [], {"url": "http://[fd00::7]:3001"}),
    "behind a proxy": (GIVEN | REACHED | {"open_webui_url": "https://chat.x.org/"}, [], {"url": "https://chat.x.org"}),
}  # fmt: skip

PLAY = """
- hosts: all:!ollama
  gather_facts: false
  tasks:
    - ansible.builtin.set_fact:
        cacheable: true
        os_family: "{{ os_family }}"
        distribution: "{{ distribution | default(os_family) }}"
      when: os_family is defined
    - block:
        - ansible.builtin.include_role: {name: llmfleet.ollama.open_webui, tasks_from: check_wishes.yml, public: true}
        - ansible.builtin.set_fact:
            result:
              said: ""
              url: "{{ __open_webui_plan.url }}"
              engine: "{{ open_webui_engine_package }}"
              impossible: "{{ __open_webui_plan.impossible }}"
              password_file: "{{ open_webui_admin_password_file }}"
              password: "{{ open_webui_admin_password }}"
      rescue:
        - ansible.builtin.set_fact:
            result: {said: "{{ ansible_failed_result.msg }}"}
    # In check mode, should it ever go on: this is the machine of whoever runs the tests.
    - ansible.builtin.include_role: {name: llmfleet.ollama.open_webui, apply: {check_mode: true}}
      when: result.impossible | default('') | length > 0
    - ansible.builtin.copy:
        dest: "{{ out }}/decided.json"
        content: "{{ dict(ansible_play_hosts | zip(ansible_play_hosts | map('extract', hostvars, 'result'))) | to_json }}"
        mode: "0600"
      vars: {ansible_connection: local}
      run_once: true
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """One play for all hosts, none of which is contacted."""
    place = tmp_path_factory.mktemp("variables")
    (place / "group_vars").mkdir()
    (place / "group_vars/all.yml").write_text("# as the README has it\n", encoding="utf-8")
    hosts = {"host%d" % number: CASES[name][0] for number, name in enumerate(CASES)}
    common = {"ansible_python_interpreter": sys.executable, "out": str(place)}
    (place / "hosts.yml").write_text(
        yaml.safe_dump({"all": {"hosts": hosts, "children": {"ollama": {"hosts": {"other": {}}}}, "vars": common}}), encoding="utf-8"
    )
    (place / "play.yml").write_text(PLAY, encoding="utf-8")
    (place / "ansible.cfg").write_text("[defaults]\n", encoding="utf-8")
    environment = dict(os.environ, ANSIBLE_CONFIG=str(place / "ansible.cfg"), ANSIBLE_INJECT_FACT_VARS="false", HOME=str(place / "home"))
    environment["ANSIBLE_COLLECTIONS_PATH"] = f"{ROOT / 'collections'}:{os.environ.get('ANSIBLE_COLLECTIONS_PATH', '')}".rstrip(":")
    environment.pop("XDG_CONFIG_HOME", None)
    run = subprocess.run(
        [sys.executable, "-m", "ansible", "playbook", "-i", "hosts.yml", "play.yml"],
        cwd=place, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout[-4000:]
    (place / "said").write_text(run.stdout, encoding="utf-8")
    return place


@pytest.fixture(scope="module")
def decided(place):
    results = json.loads((place / "decided.json").read_text(encoding="utf-8"))
    return {name: results["host%d" % number] for number, name in enumerate(CASES)}


@pytest.mark.parametrize("name", CASES)
def test_what_is_said_and_decided(decided, name):
    _variables, says, values = CASES[name]
    said = decided[name].pop("said") if says else decided[name]["said"]
    assert len(said.splitlines()) == max(1 if said else 0, len(says) if name not in ("a Mac in a fleet",) else 1), said
    for words in says:
        assert words in said
    for key, value in values.items():
        assert (value in decided[name][key]) if value else decided[name][key] == "", (key, decided[name])


def test_a_mac_gets_its_sentence_and_nothing_else(place):
    """Ollama and the model have come by then, so a failure would be wrong, and silence too."""
    said = (place / "said").read_text(encoding="utf-8")
    assert said.count("and Open WebUI needs a Linux host for its container: Ollama and its models do not miss it") == 1
    assert "Probe engine, container" not in said


def test_the_password_is_made_once_for_its_owner_alone(place, decided):
    file = place / "home/.config/llmfleet/open-webui-password"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 and stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    passwords = {decided[name]["password"] for name in ("Debian", "Fedora", "one's own Mac")}
    assert passwords == {file.read_text(encoding="utf-8").strip()} and len(passwords.pop()) == 24
    assert decided["Debian"]["password_file"] == str(file)
