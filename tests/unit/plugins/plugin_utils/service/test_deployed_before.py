# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fleet that commit 6ed1dbb deployed is as it shall be for today's code: nothing is downloaded or restarted, and nothing but the door is written.

Recorded in a checkout of 6ed1dbb, whose role decided in Jinja: for each case the files that it wrote on Linux, with their modes and digests, what the
kernel showed of its door, and the archives that it noted. Deleted, a byte in a template would restart every server of every fleet at the next run.
"""

from __future__ import annotations

import json
import pathlib

import pytest
import yaml
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.service import linux
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.service.contract import Around
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.service.decide import decide
from looks import bare, there
from support import ROOT

RECORDED = json.loads((pathlib.Path(__file__).parent / "deployed_by_6ed1dbb.json").read_text(encoding="utf-8"))
PLACES = {
    "ollama_version": "0.32.15", "ollama_install_dir": "/opt/ollama", "ollama_models_dir": "/usr/share/ollama/.ollama/models", "ollama_user": "ollama",
    "ollama_port": 11434,
}


def look_at(case):
    """What a look says of the host that the old role left behind; the controller comes from 10.0.0.5."""
    given = {**PLACES, **case["variables"]}
    install, version = given["ollama_install_dir"], given["ollama_version"]
    files = [there(path, mode=mode, sha256=digest, changed_at=100) for path, (mode, digest) in case["files"].items()]
    files += [
        there("%s/%s/archives" % (install, version), sha256=case["archives"], changed_at=90), there("%s/%s/bin/ollama" % (install, version)),
        there(install + "/current", "link", target=version, changed_at=95), there(linux.CLI, "link", target=install + "/current/bin/ollama"),
        there(linux.HOME, "directory"), there(given["ollama_models_dir"], "directory", owner=given["ollama_user"]),
        there(linux.DOOR_ENABLED, "link", target="../llmfleet-ollama-door.service"),
    ]
    service = {"path": linux.UNIT, "loaded": True, "enabled": True, "running": True, "pid": 17, "started_at": 200, "needs_reload": False}
    return bare(
        "linux", files=files, service=service, display_vendors=case["vendors"], controller="10.0.0.5", door={"id": case["door"]},
        user={"exists": True, "groups": [given["ollama_user"]]}, own_listener="127.0.0.1:%d" % given["ollama_port"], api={"version": version},
        store={"filesystem": case["filesystem"]},
    )


@pytest.mark.parametrize("name", RECORDED["cases"])
def test_nothing_is_done_to_a_host_of_that_fleet(name):
    case = RECORDED["cases"][name]
    # That role let the server use ollama.com; since ollama_cloud is false by default, the drop-in changes once, and it is said in the changelog.
    made = decide("c0", {"ollama_version": "0.32.15", "ollama_cloud": True, **case["variables"]}, look_at(case), Around("c0", "c0"))
    door = [file for file in made.files if file.part == "door"]
    # That door admitted every br-*, and did not come back by itself. It is the one thing that such a host gets anew, once; no server notices.
    expected = ["write " + file.path for file in door] + ["load the firewall rules of port %d" % case["variables"].get("ollama_port", 11434)] * bool(door)
    # Its secrets stood in the drop-in, where systemd tells them to everybody: they move, and that server is restarted once.
    hidden = any(file.path == linux.SECRETS for file in made.files)
    if hidden:
        expected = ["write " + linux.DROP_IN, "write " + linux.SECRETS, *expected, "restart ollama.service"]
    assert (made.problems, made.changes, made.restart, made.complete) == ([], expected, hidden, True)
    new = ({linux.DOOR_PROGRAM, linux.DOOR_WATCH} if door else set()) | ({linux.SECRETS} if hidden else set())
    assert {file.path for file in made.files} == set(case["files"]) | new and made.steps["remove"] == []


def test_a_byte_would_be_noticed():
    """Else the test above could compare nothing with nothing."""
    case = json.loads(json.dumps(RECORDED["cases"]["the defaults"]))
    case["files"][linux.UNIT][1] = "0" * 64
    made = decide("c0", {"ollama_version": "0.32.15"}, look_at(case), Around("c0", "c0"))
    assert made.restart and "write " + linux.UNIT in made.changes


def test_every_variable_of_that_fleet_is_still_read():
    """Who renames one refuses the old name with the new one, and writes it here: a variable that nobody reads any more would be passed over in silence."""
    renamed = {}
    today = set()
    for role in ("ollama", "ollama_models", "model_mirror", "open_webui"):
        today |= set(yaml.safe_load((ROOT / "roles" / role / "defaults/main.yml").read_text(encoding="utf-8")))
        spec = yaml.safe_load((ROOT / "roles" / role / "meta/argument_specs.yml").read_text(encoding="utf-8"))
        today |= {name for entry in spec["argument_specs"].values() for name in entry.get("options") or {}}
    assert RECORDED["host_variables"] and set(RECORDED["host_variables"]) - today - set(renamed) == set()
