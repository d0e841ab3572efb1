# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action in a rescue of a real play: what failed there is Ansible's to tell.

Deleted, nothing would show that Ansible still names the failed task and its result to a rescue, and the message would end in "no reason given".
"""

from __future__ import annotations

import json

import yaml
from support.plays import written

SERVICE = {
    "addresses": {"local": "http://127.0.0.1:11434"}, "before": None,
    "steps": {"had_server": True, "old_version": "0.32.15", "back_url": "", "models_move": "move", "sources": "https://get.example"},
}
PLAY = [
    {
        "hosts": "all",
        "gather_facts": False,
        "vars": {"ansible_facts": {"look": {"system": "linux", "service": {"pid": 1}}}, "service": SERVICE},
        "tasks": [
            {
                "block": [{
                    "name": "Unpack the archive", "ansible.builtin.fail": {"msg": "no room is left"}, "when": "part.path == '/b'",
                    "loop": [{"path": "/a"}, {"path": "/b"}], "loop_control": {"loop_var": "part"},
                }],
                "rescue": [
                    {"llmfleet.ollama.service_failure": {"service": "{{ service }}"}, "register": "served"},
                    {"llmfleet.ollama.service_failure": {"service": "{{ service }}", "fetching": True}, "register": "fetched", "ignore_errors": True},
                    {"llmfleet.ollama.service_failure": {"service": "{{ service }}", "serving": True}, "register": "left", "ignore_errors": True},
                ],
            },
            {
                "ansible.builtin.copy": {
                    "dest": "{{ out }}", "mode": "0600", "content": "{{ [served, fetched, left] | to_json }}",
                },
            },
        ],
    },
]
VARIABLES = {
    "ollama_version": "9.0.1", "ollama_port": 11434, "ollama_wait_seconds": 8, "ollama_models_dir": "/m", "ollama_download_checksum": "",
    "ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}",
}


def test_what_failed_is_taken_from_the_rescue(tmp_path):
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": {"here": {**VARIABLES, "out": str(tmp_path / "out.json")}}}}), encoding="utf-8")
    (tmp_path / "play.yml").write_text(yaml.safe_dump(PLAY, sort_keys=False), encoding="utf-8")
    done = written(tmp_path, "-i", "hosts.yml", "play.yml")
    assert done.code == 0, done.text
    served, fetched, left = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert served["msg"].startswith("Ollama 9.0.1 (ollama_version) could not be set up: Unpack the archive: /b: no room is left")
    assert fetched["failed"] and fetched["msg"].startswith("Ollama 9.0.1 (ollama_version) could not be had from https://get.example: /b: no room is left; ")
    said = "did not come to its end behind that: Unpack the archive: /b: no room is left. The next run goes on from there."
    assert left["failed"] and left["msg"].endswith(said)
