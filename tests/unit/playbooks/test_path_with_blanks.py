# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A checkout that lies in a folder such as `My Projects`: a plan is played from there, and leaves its files there.

Deleted, a path that is not quoted on the controller (L4) would be found by the first who keeps his work in such a folder.
"""

from __future__ import annotations

import json
import shutil
import sys

from support import GIB, ROOT, plays

HERE = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, "ollama_state": "present"}
CARD = {"devices": [{"vendor": "nvidia", "name": "card", "memory_total_bytes": 12 * GIB, "memory_usable_bytes": 12 * GIB}]}
WANTS = {"llm_models": [{"family": "deepseek-r1"}], "llm_metadata_sources": ["catalogue"], "llm_vram_override": CARD}


def test_a_plan_is_played_from_a_path_with_blanks(tmp_path):
    checkout = tmp_path / "with blanks" / "llm fleet"
    for name in ("plugins", "roles", "playbooks", "meta"):
        shutil.copytree(ROOT / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("ansible.cfg", "galaxy.yml"):
        shutil.copy(ROOT / name, checkout)
    (checkout / "collections/ansible_collections/llmfleet").mkdir(parents=True)
    (checkout / "collections/ansible_collections/llmfleet/ollama").symlink_to(checkout)
    (checkout / "my hosts.json").write_text(json.dumps({"ollama": {"hosts": {"gpu-01": {**HERE, **WANTS}}}}))
    surroundings = {
        "ANSIBLE_CONFIG": str(checkout / "ansible.cfg"), "ANSIBLE_COLLECTIONS_PATH": str(checkout / "collections"), "ANSIBLE_NOCOLOR": "1",
        "XDG_CACHE_HOME": str(tmp_path / "cache"), "PWD": str(checkout), "LLMFLEET_REPORT_DIR": str(checkout / "my reports"),
    }
    played = plays.from_folder(checkout, surroundings, "-i", "my hosts.json", "playbooks/plan.yml", "-e", "llm_plan_output=plan.json")
    assert played.code == 0 and "14b fits 12.0 GiB at 8192 tokens" in played.told, played.text
    assert json.loads((checkout / "plan.json").read_text())["gpu-01"] and list((checkout / "my reports").rglob("fleet.html"))
