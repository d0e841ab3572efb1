# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An inventory that is not whole, and a host on which no module starts: what the playbooks say of them, before they change anything.

Deleted, a token that nobody has set would be missed when the service gets its settings, behind the first change, and the Python of a hub that does
not start would be "No start of json char found".
"""

from __future__ import annotations

import sys

import pytest
from support import GIB, plays

HERE = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
CARD = {"devices": [{"vendor": "nvidia", "name": "card", "memory_total_bytes": 12 * GIB, "memory_usable_bytes": 12 * GIB}]}
# The role's own check, on a machine that has systemd as far as the role knows.
PREFLIGHT = """
- hosts: ollama
  gather_facts: false
  tasks:
    - ansible.builtin.set_fact: {cacheable: true, architecture: x86_64, kernel: 6.12.0, service_mgr: systemd, os_family: Debian}
    - ansible.builtin.include_role: {name: llmfleet.ollama.ollama, tasks_from: preflight.yml}
"""


def play(folder, book, groups, *arguments):
    """(exit status, what a person reads, on one line)."""
    played = plays.ours(folder, {"all": {"children": {name: {"hosts": hosts} for name, hosts in groups.items()}}}, book, *arguments)
    return played.code, played.told


@pytest.mark.parametrize("group", ["model_mirror", "open_webui"])
def test_a_python_that_does_not_start_on_a_host_without_ollama(tmp_path, group):
    hub = dict(HERE, ansible_python_interpreter="/no/such/python", open_webui_admin_email="me@example.net", open_webui_admin_password="a long password")
    code, said = play(tmp_path, "site.yml", {group: {"hub": hub}, "ollama": {}}, "--check")
    assert code != 0 and "The Python that Ansible uses on hub (/no/such/python) does not start" in said, said
    assert "set ansible_python_interpreter to one that does" in said and "json char" not in said


def test_an_inventory_that_does_not_say_what_shall_run(tmp_path):
    code, said = play(tmp_path, "playbooks/plan.yml", {"ollama": {"gpu-01": dict(HERE, llm_vram_override=CARD)}})
    assert code != 0 and "llm_models is not set for gpu-01; say what it shall run, for example llm_models: [{family: deepseek-r1}]" in said, said


def test_an_alias_on_nothing(tmp_path):
    """No host's own plan can tell, since another one may have it."""
    wants = {"llm_models": [{"family": "deepseek-r1"}], "llm_metadata_sources": ["catalogue"], "llm_aliases": {"gpt-4o": "deepseek-r1:70b"}}
    code, said = play(tmp_path, "playbooks/plan.yml", {"ollama": {"gpu-01": dict(HERE, llm_vram_override=CARD, **wants)}})
    assert code != 0 and "llm_aliases.gpt-4o stands for deepseek-r1:70b, which no host's plan has: did you mean deepseek-r1" in said, said


@pytest.mark.parametrize(
    "variables, named",
    [
        (
            {"ollama_environment": {"HF_TOKEN": "{{ vault_hf_token }}"}},
            "ollama_environment uses vault_hf_token, which nobody has set; write it into your vault",
        ),
        ({"ollama_https_proxy": "http://me:{{ vault_proxy }}@proxy:3128"}, "ollama_https_proxy uses vault_proxy"),
        ({"ollama_models_dir": "{{ disk }}/models"}, "ollama_models_dir uses disk, which nobody has set; set disk"),
        # Nobody has planned yet.
        ({"ollama_models_wanted": "{{ ansible_facts['model_plan'].models }}"}, ""),
        ({}, ""),
    ],
)
def test_what_a_setting_of_the_service_needs_is_named(tmp_path, variables, named):
    book = tmp_path / "play.yml"
    book.write_text(PREFLIGHT)
    code, said = play(tmp_path, book, {"ollama": {"gpu-01": {**HERE, "ollama_allowed_cidrs": ["10.0.0.0/8"], **variables}}})
    assert (code != 0) is bool(named) and named in said, said
