# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The look in a run of Ansible: how long it is kept.

Deleted, nothing would show that Ansible's own ids of tasks still tell one run from another, and a host that was changed between two roles of one
run could be decided about from what it was before.
"""

from __future__ import annotations

import json
import sys

import yaml
from support.plays import written

PLAY = [
    {
        "hosts": "all",
        "gather_facts": False,
        "tasks": [
            {"llmfleet.ollama.look": {}, "register": "first"},
            {"llmfleet.ollama.look": {"reuse": True}, "register": "kept"},
            {"llmfleet.ollama.plan_service": {"fail_on_problem": False}},
            {"llmfleet.ollama.look": {"reuse": True}, "register": "decided"},
            {"llmfleet.ollama.look": {"reuse": True, "wish": {"ollama_port": 11500}}, "register": "asked_else"},
            {"llmfleet.ollama.look": {"reuse": True, "wish": {"ollama_port": 11500}}, "register": "own"},
            {
                "ansible.builtin.copy": {
                    "dest": "{{ out }}", "mode": "0600",
                    "content": "{{ [first, kept, decided, asked_else, own] | map(attribute='msg', default='') | to_json }}",
                },
            },
        ],
    },
]


def run(folder):
    """Which of the five looks were kept."""
    done = written(folder, "-i", "hosts.yml", "play.yml")
    assert done.code == 0, done.text
    return [bool(message) for message in json.loads((folder / "out.json").read_text(encoding="utf-8"))]


def test_a_look_serves_one_decision_of_one_run(tmp_path):
    """Neither another question nor a decision that was made from it, nor a cache that brings last week's fact, leaves a look in its place."""
    variables = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, "ollama_version": "0.32.15", "out": str(tmp_path / "out.json")}
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": {"here": variables}}}), encoding="utf-8")
    (tmp_path / "play.yml").write_text(yaml.safe_dump(PLAY, sort_keys=False), encoding="utf-8")
    (tmp_path / "ansible.cfg").write_text("[defaults]\nfact_caching = jsonfile\nfact_caching_connection = %s/cache\n" % tmp_path, encoding="utf-8")
    assert run(tmp_path) == [False, True, False, False, False], "a role's own look is for the decision behind it"
    (tmp_path / "play.yml").write_text(yaml.safe_dump([{**PLAY[0], "tasks": [PLAY[0]["tasks"][number] for number in (0, 1, 3, 4, 5, 6)]}]), encoding="utf-8")
    assert run(tmp_path) == [False, True, True, False, False], "the fact of the first run is in the cache; without a decision the look stays"
