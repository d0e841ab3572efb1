# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Role gateway before its first run, on this machine, where a dry run changes nothing.

Deleted, a wrong value could reach the decision under another name than the user's, and `--check` could end in the middle where no folder is yet.
"""

from __future__ import annotations

import json
import sys

import pytest
from support import needs, plays

KEY = "a key of no client" * 2
PLAY = """
- hosts: ollama
  gather_facts: false
  tasks:
    - ansible.builtin.set_fact: {cacheable: true, model_plan: {ok: true, models: [{name: "m1:7b", parallel: 2}]}}
- hosts: gateway
  gather_facts: false
  roles: [llmfleet.ollama.gateway]
"""


def dry_run(folder, **variables):
    hub = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, "gateway_port": 20443, "gateway_metrics_port": 20405, **variables}
    inventory = {"all": {"children": {"gateway": {"hosts": {"hub": hub}}, "ollama": {"hosts": {"gpu": {}}}}}}
    (folder / "hosts.json").write_text(json.dumps(inventory), encoding="utf-8")
    (folder / "play.yml").write_text(PLAY, encoding="utf-8")
    return plays.written(folder, "-i", "hosts.json", "play.yml", "--check", "--diff", "-vvv")


@needs.root
@needs.linux
def test_a_dry_run_says_what_it_would_write(tmp_path):
    """And no key, however much Ansible tells."""
    token = "k" * 32
    played = dry_run(tmp_path, gateway_host="127.0.0.1", gateway_keys=[{"name": "ann", "key": token}])
    assert played.code == 0, played.text[-3000:]
    assert "Would write " in played.told and "/etc/llmfleet-gateway/haproxy.cfg" in played.told
    assert token not in played.text


@pytest.mark.parametrize(
    "variables, says",
    [
        ({"gateway_keys": [{"name": "ann", "key": KEY}]}, "gateway_keys[0] has no key of at least 20 characters without blanks"),
        ({"gateway_port": "many"}, "gateway_port"),
    ],
)
def test_what_cannot_work_is_refused_by_the_names_of_its_variables(tmp_path, variables, says):
    played = dry_run(tmp_path, **variables)
    assert played.code != 0 and says in played.told, played.text[-3000:]
    assert KEY not in played.text
