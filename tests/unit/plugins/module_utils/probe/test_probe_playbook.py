# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real Ansible, real AnsiballZ, a fake driver: as a task, in check mode, ad hoc, under ansible_facts_modules, and with a hung driver.

Without these, an import that AnsiballZ does not carry, or a child that holds Ansible's pipe, would be found by a user.
"""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

import pytest
from support import ROOT

CARD = "gpu{n}.name=NVIDIA GeForce RTX 3090\ngpu{n}.total=24576M\ngpu{n}.reserved=316M\n"
PLAY = """
- hosts: localhost
  gather_facts: %s
  vars:
    ansible_facts_modules: [llmfleet.ollama.vram_facts]
  tasks:
    %s
    - ansible.builtin.copy:
        content: "{{ {'vram': ansible_facts['vram']} | ansible.builtin.to_json }}"
        dest: "{{ answer }}"
        mode: "0600"
      check_mode: false
"""
TASK = "- llmfleet.ollama.vram_facts: {timeout: 2, gather: [nvidia, system]}"


@pytest.fixture
def ansible(fake_nvml, tmp_path):
    (tmp_path / "ansible.cfg").touch()
    environment = dict(
        os.environ,
        FAKE_NVML=str(tmp_path / "fake.conf"),
        LD_LIBRARY_PATH=str(fake_nvml["new"]),
        ANSIBLE_CONFIG=str(tmp_path / "ansible.cfg"),
        ANSIBLE_COLLECTIONS_PATH=str(ROOT / "collections"),
        ANSIBLE_INJECT_FACT_VARS="false",
        ANSIBLE_PIPELINING="true",
        ANSIBLE_LOCAL_TEMP=str(tmp_path / "local"),
        ANSIBLE_REMOTE_TEMP=str(tmp_path / "remote"),
    )

    def run(program, *arguments):
        command = [str(pathlib.Path(sys.executable).with_name(program)), "-i", "localhost,", "-c", "local"]
        command += ["-e", "ansible_python_interpreter=" + sys.executable, *arguments]
        ended = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, cwd=tmp_path)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout + ended.stderr

    def play(configuration, gather="false", task=TASK, *arguments):
        (tmp_path / "fake.conf").write_text(configuration, encoding="utf-8")
        (tmp_path / "play.yml").write_text(PLAY % (gather, task), encoding="utf-8")
        output = run("ansible-playbook", "play.yml", "-e", f"answer={tmp_path}/answer.json", *arguments)
        return json.loads((tmp_path / "answer.json").read_text(encoding="utf-8")), output

    run.play = play
    return run


def test_check_mode(ansible):
    """Facts are wanted most where nothing may change."""
    answer, _output = ansible.play(CARD.format(n=0) + CARD.format(n=1), "false", TASK, "--check")
    assert answer["vram"]["totals"]["memory_usable_bytes"] == 2 * 25438453760


def test_facts_modules(ansible):
    """gather_facts calls modules and passes by actions; the module then interprets on the host, with the same code."""
    answer, _output = ansible.play(CARD.format(n=0), "true", "")
    assert answer["vram"]["devices"][0]["memory_usable_bytes"] == 25438453760


def test_ad_hoc(ansible, tmp_path):
    (tmp_path / "fake.conf").write_text(CARD.format(n=0), encoding="utf-8")
    assert "25438453760" in ansible("ansible", "localhost", "-m", "llmfleet.ollama.vram_facts")


def test_hung_driver(ansible):
    """The play goes on right after the deadline, with the healthy card's figures and a word on the other."""
    answer, output = ansible.play(CARD.format(n=0) + CARD.format(n=1) + "gpu1.fault=hang\n")
    assert answer["vram"]["totals"]["count"] == 1
    assert "did not answer in time" in output
