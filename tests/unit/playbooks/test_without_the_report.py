# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the playbooks say where nobody has switched on the callback fleet_report: an installed collection brings no ansible.cfg.

Deleted, `llmfleet.ollama.plan` could again end without a word of the plan, and a deployment without the address of the page.
"""

from __future__ import annotations

import json
import sys

import pytest
from support import GIB, ROOT, plays

HERE = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
CARD = {"devices": [{"vendor": "nvidia", "name": "card", "memory_total_bytes": 12 * GIB, "memory_usable_bytes": 12 * GIB}]}
WANTS = {"llm_models": [{"family": "deepseek-r1"}], "llm_metadata_sources": ["catalogue"]}
PAGE = {"url": "http://10.20.0.10:3000", "admin_email": "me@example.net", "password_file": "/home/me/password"}
DEPLOYED = """
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.set_fact: {cacheable: true, open_webui: "{{ page }}"}
    - ansible.builtin.include_tasks: %s/playbooks/tasks/where_to_go.yml
""" % ROOT


def play(folder, book, report, **variables):
    (folder / "hosts.json").write_text(json.dumps({"ollama": {"hosts": {"gpu-01": {**HERE, **variables}}}}))
    (folder / "ansible.cfg").write_text("[defaults]\ninject_facts_as_vars = false\n")
    environment = {"ANSIBLE_CALLBACKS_ENABLED": "llmfleet.ollama.fleet_report", "LLMFLEET_REPORT_DIR": ""} if report else {}
    played = plays.written(folder, "-i", "hosts.json", book, **environment)
    assert played.code == 0, played.text
    return " ".join(played.stdout.split())


@pytest.mark.parametrize("report", [False, True])
def test_the_plan_is_told_once(tmp_path, report):
    said = play(tmp_path, ROOT / "playbooks/plan.yml", report, llm_vram_override=CARD, **WANTS)
    assert said.count("14b fits 12.0 GiB at 8192 tokens") == 1, said


@pytest.mark.parametrize("page, told", [(PAGE, "Open http://10.20.0.10:3000 as me@example.net (password in /home/me/password)"), ({"removed": True}, "")])
def test_the_address_is_told_where_there_is_one(tmp_path, page, told):
    book = tmp_path / "play.yml"
    book.write_text(DEPLOYED)
    said = play(tmp_path, book, False, page=page)
    assert told in said and ("Open http" in said) is bool(told), said
