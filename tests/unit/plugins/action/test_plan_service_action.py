# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action in a play: which variables it reads, what becomes a fact, and what it refuses.

Deleted, a secret could get into a cache of facts, or a wish of the inventory be overlooked while the tables of the decision stay green.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import yaml
from looks import bare
from support import ROOT

LOOK = bare("linux")
BEFORE = {"release": "0.31.0", "previous": "", "version": "0.31.0", "url": "http://127.0.0.1:11434", "had_server": True, "releases": ["0.31.0"]}
RECORD = {"since": 1764280800, "by": "anna@desk", "asked": "0.32.15", "tried": ["0.32.15"], "missing": [], "before": BEFORE}
# name: variables of the host, arguments of the action
HOSTS = {
    "plain": ({}, {}),
    "lazy": ({"ollama_port": "{{ base | int + 1 }}", "base": 11500}, {}),
    "argument": ({"ollama_port": 11500}, {"wish": {"ollama_port": 11600}}),
    "secret": ({"ollama_environment": {"HF_TOKEN": "hunter2"}}, {}),
    "proxied": ({"ollama_https_proxy": "http://me:hunter2@proxy:3128"}, {}),
    "foretold": ({"ollama_https_proxy": "http://me:hunter2@proxy:3128"}, {"facts_only": True}),
    "mirrored": ({"ollama_download_checksum": "list"}, {"mirror_list": "%s  ./ollama-linux-amd64.tar.zst\n" % ("ab" * 32)}),
    "refused": ({"ollama_port": 0, "ollama_host": "x"}, {}),
    "cut off": ({}, {"look": {**LOOK, "port_owner": "python3, pid 7", "change": {"record": RECORD, "holder": None}}}),
    "told": ({"ollama_port": 0}, {"fail_on_problem": False}),
    "odd": ({}, {"look": {"schema": 1, "system": "linux", "is_root": True}}),
    "silent": ({}, {"look": None}),
}
PLAY = """
- hosts: ollama
  gather_facts: false
  tasks:
    - ansible.builtin.set_fact: {cacheable: true, architecture: x86_64, kernel: 6.12.0, service_mgr: systemd, os_family: Debian}
    - llmfleet.ollama.plan_service: "{{ arguments }}"
      register: made
      ignore_errors: true
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.copy:
        dest: "{{ out }}"
        mode: "0600"
        content: "{{ dict(groups.ollama | zip(groups.ollama | map('extract', hostvars, 'made'))) | to_json }}"
"""


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """(results by host, output with -v) of one play for all, since a start of Ansible costs more than all of them."""
    place = tmp_path_factory.mktemp("plan_service")
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, "ollama_version": "0.32.15"}
    hosts = {}
    for name, (said, arguments) in HOSTS.items():
        arguments = {"look": LOOK, **arguments}
        hosts[name] = {**said, "arguments": {key: value for key, value in arguments.items() if value is not None}}
    inventory = {
        "ollama": {"hosts": hosts}, "open_webui": {"hosts": {"ui": {"ansible_host": "10.0.0.2"}}},
        "model_mirror": {"hosts": {"hub": {"ansible_host": "10.0.0.9"}}},
    }
    out = place / "made.json"
    (place / "hosts.yml").write_text(yaml.safe_dump({"all": {"children": inventory, "vars": {**local, "out": str(out)}}}), encoding="utf-8")
    (place / "play.yml").write_text(PLAY, encoding="utf-8")
    (place / "ansible.cfg").write_text("[defaults]\n", encoding="utf-8")
    environment = dict(os.environ, ANSIBLE_CONFIG=str(place / "ansible.cfg"), ANSIBLE_COLLECTIONS_PATH=str(ROOT / "collections"), ANSIBLE_FORKS="2")
    run = subprocess.run(
        [sys.executable, "-m", "ansible", "playbook", "-v", "-i", str(place / "hosts.yml"), str(place / "play.yml")],
        capture_output=True, text=True, env=environment, check=False,
    )
    assert out.exists(), run.stdout + run.stderr
    return json.loads(out.read_text(encoding="utf-8")), run.stdout


@pytest.mark.parametrize("host, address", [("plain", "0.0.0.0:11434"), ("lazy", "0.0.0.0:11501"), ("argument", "0.0.0.0:11600")])
def test_it_reads_the_variables_of_the_host(played, host, address):
    service = played[0][host]["service"]
    assert service["environment"]["OLLAMA_HOST"] == address and service["problems"] == [] and played[0][host]["changed"] is False
    assert played[0][host]["ansible_facts"]["service_plan"]["environment"] == service["environment"]
    # What the role tells in the end; deleted, the report would know no release on this host.
    assert played[0][host]["serves"]["version"] == "0.32.15" and played[0][host]["serves"]["url"] == service["addresses"]["url"]


def test_a_secret_is_for_the_tasks_and_neither_for_facts_nor_for_the_eyes(played):
    results, output = played
    hidden = next(file for file in results["secret"]["service"]["files"] if file["path"].endswith("ollama.env"))
    assert "hunter2" in hidden["content"] and hidden["secret"]
    assert "hunter2" not in output
    assert not [host for host in ("secret", "proxied") if "hunter2" in json.dumps(results[host]["ansible_facts"])]
    assert "hunter2" not in json.dumps(results["foretold"]), "nothing is hidden of it"
    assert "steps" not in results["plain"]["ansible_facts"]["service_plan"], "they are between the plan and the role"


def test_the_mirror_s_list_says_where_the_archive_comes_from(played):
    archive = played[0]["mirrored"]["service"]["release"]["archives"][0]
    assert (archive["url"], archive["sha256"]) == ("http://10.0.0.9:80/releases/v0.32.15/ollama-linux-amd64.tar.zst", "ab" * 32)


def test_what_cannot_work_fails_with_all_its_sentences(played):
    made = played[0]["refused"]
    assert made["failed"] and [problem["id"] for problem in made["problems"]] == ["host_form", "port"]
    assert made["msg"] == " ".join(problem["say"] for problem in made["problems"])
    # A host that is refused is still one on which somebody was cut off.
    assert played[0]["cut off"]["failed"] and "anna@desk began to bring Ollama 0.32.15" in " ".join(played[0]["cut off"]["warnings"])
    assert not played[0]["told"].get("failed") and played[0]["told"]["service"]["problems"][0]["id"] == "port"


def test_an_odd_look_costs_its_host_the_run_and_no_other(played):
    assert "What odd says of itself cannot be used: look.architecture is missing" in played[0]["odd"]["msg"]
    assert "run llmfleet.ollama.look before" in played[0]["silent"]["msg"]
    assert "Traceback" not in played[1]
