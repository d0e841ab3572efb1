# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The stubs refuse what the real modules refuse, and the simulated hosts notice what they were made to notice.

A stub that takes everything, or a host on which everything works, would make the two Molecule scenarios worthless.
"""

from __future__ import annotations

import dataclasses
import json
import plistlib
import re

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.testing import patch_module_args
from ansible.modules import command
from ansible_collections.llmfleet.ollama.plugins.plugin_utils import look_schema
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.service import decide
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.service.contract import Around
from support import ROOT

DOOR = (ROOT / "roles/ollama/files/macos/door.sh").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def specs(stage):
    documented = stage.generate.documentation(stage.generate.WINDOWS + [f"ansible.builtin.{name}" for name in stage.generate.BUILTIN])
    return {name: stage.generate.argument_spec(entry["doc"].get("options") or {}) for name, entry in documented.items()}


def errors(specs, module, **args):
    return "; ".join(ArgumentSpecValidator(specs[module]).validate(args).error_messages)


def test_every_stub_refuses_an_option_that_the_module_lacks(specs):
    for module in specs:
        assert "start_mod. Supported parameters include" in errors(specs, module, start_mod="auto"), module


def test_wrong_words_types_and_suboptions_are_refused(specs):
    assert "value of state must be one of" in errors(specs, "ansible.windows.win_file", path="C:\\x", state="link")
    assert "missing required arguments: dest" in errors(specs, "ansible.windows.win_copy", content="x")
    assert "triggers.repeat. Supported parameters include" in errors(
        specs, "community.windows.win_scheduled_task", name="x", triggers=[{"type": "boot", "repeat": "PT1M"}],
    )


@pytest.fixture
def windows(stage, tmp_path):
    state = stage.new_state("windows")
    path = tmp_path / "host.json"
    path.write_text(json.dumps(state), encoding="utf-8")
    _module, system = stage.simulated("windows")
    host = system(path)
    yield host
    host.close()


LAUNCHER = """set "OLLAMA_MODELS=C:\\o\\models"
set "OLLAMA_HOST=0.0.0.0:11434"
set "USERPROFILE=C:\\o\\home"
"C:\\o\\current\\ollama.exe" serve >> "C:\\o\\logs\\server.log" 2>&1
"""


def ready(host, account="S-1-5-19", newline="\r\n"):
    for folder in ("0.32.15", "home", "logs", "models", "service"):
        host.make_directory(f"C:\\o\\{folder}")
        host.files[f"C:\\o\\{folder}"]["acl"] = {"protected": False, "grants": {"S-1-5-19": "M"}}
    host.files["C:\\o\\0.32.15\\ollama.exe"] = {"type": "file", "version": "0.32.15"}
    host.files["C:\\o\\current"] = {"type": "link", "target": "C:\\o\\0.32.15"}
    text = LAUNCHER.replace("\n", newline)
    host.write("C:\\o\\service\\serve.cmd", text=text, sha256="x")
    host.state["tasks"]["\\t"] = {"arguments": '/d /s /c ""C:\\o\\service\\serve.cmd""', "account": account, "enabled": True, "triggers": ["boot"]}


def test_simulated_server_starts_when_all_is_right(windows):
    ready(windows)
    windows.start("\\t")
    assert windows.answer("http://127.0.0.1:11434/api/version") == (200, {"version": "0.32.15"})


def test_simulated_server_needs_rights_on_its_directories(windows):
    ready(windows)
    windows.files["C:\\o\\models"]["acl"]["grants"] = {}
    windows.start("\\t")
    assert windows.state["server"] is None


def test_simulated_cmd_refuses_unix_line_ends(windows, stage):
    ready(windows, newline="\n")
    with pytest.raises(stage.simulated("windows")[0].Refused, match="carriage return"):
        windows.start("\\t")


def test_simulated_server_answers_only_where_it_listens(windows, stage):
    ready(windows)
    windows.start("\\t")
    with pytest.raises(stage.simulated("windows")[0].Refused, match="refused"):
        windows.answer("http://127.0.0.1:8080/api/version")


def test_simulated_host_refuses_an_edited_script(windows):
    result = windows.call("ansible.windows.win_powershell", {"script": "Remove-Item C:\\ -Recurse", "parameters": {}}, {})
    assert result["failed"] and "edited" in result["msg"]


@pytest.mark.parametrize("creates", [None, "/nowhere/release"])
def test_a_command_in_check_mode_answers_as_the_real_module(creates, stage, tmp_path, capsys):
    """A simulated Mac with other words than a real one's lets `--check` fail in the test and pass in life, or the other way round."""
    args = {"argv": ["/bin/launchctl", "bootstrap", "system", "/x.plist"], "creates": creates}
    with patch_module_args({**args, "_ansible_check_mode": True}), pytest.raises(SystemExit):
        command.main()
    real = json.loads(capsys.readouterr().out)
    path = tmp_path / "mac.json"
    path.write_text(json.dumps(stage.new_state("macos")), encoding="utf-8")
    _module, system = stage.simulated("macos")
    mac = system(path, check=True)
    said = mac.command(args)
    mac.close()
    assert said == {name: real[name] for name in ("rc", "changed", "skipped") if name in real}


@pytest.mark.parametrize("waits", [True, False])
def test_a_start_of_a_mac_opens_no_port_before_its_door(stage, host_of, tmp_path, waits):
    """Its daemons start in the worst order, since launchd promises none. Deleted, a Mac would answer everybody at each start until its door's daemon ran;
    the simulated one notices that of a server that does not wait."""
    made, state = host_of("macos"), stage.new_state("macos")
    daemon = plistlib.loads(made.files[0].content.encode("utf-8"))
    for file in made.files:
        text = file.content if waits else re.sub(r"(?s)<key>KeepAlive</key>\s*<dict>.*?</dict>\s*</dict>", "<key>RunAtLoad</key><true/>", file.content)
        state["files"][file.path] = {"type": "file", "text": text, "owner": "root", "mode": file.mode}
    state["files"][daemon["ProgramArguments"][0]] = {"type": "file", "version": "0.32.15"}
    state["users"].append(daemon["UserName"])
    for path in (made.environment["OLLAMA_MODELS"], made.environment["HOME"], daemon["StandardErrorPath"].rpartition("/")[0]):
        state["files"][path] = {"type": "directory", "owner": daemon["UserName"]}
    path = tmp_path / "mac.json"
    path.write_text(json.dumps({**state, "scripts": {stage.simulated("macos")[0].sha256(DOOR.strip()): "door.sh"}}), encoding="utf-8")
    mac = stage.simulated("macos")[1](path)
    mac.boot()
    mac.close()
    assert mac.state["server"]["version"] == "0.32.15" and mac.state["pf"]["references"]
    assert mac.state["pf"].get("open", False) is not waits


@pytest.mark.parametrize("platform", ["windows", "macos"])
def test_a_simulated_host_is_looked_at_as_a_real_one(stage, question_of, tmp_path, platform):
    """By the same schema; else the scenario would prove the role against a look that no host gives."""
    path = tmp_path / "host.json"
    path.write_text(json.dumps(stage.new_state(platform)), encoding="utf-8")
    _module, system = stage.simulated(platform)
    host = system(path)
    answer = host.call(f"llmfleet.ollama.{'win_' if platform == 'windows' else ''}look_probe", {
        "questions": [question_of(platform)], "filesystems": ["C:\\x" if platform == "windows" else "/x"],
    }, {})
    host.close()
    assert answer["changed"] is False and answer["look"]["observation"]["filesystems"][0]["free_bytes"] > 0
    assert look_schema.complaint("here", answer["look"]) is None


@pytest.mark.parametrize("platform, store", [("windows", "D:\\My Models"), ("macos", "/Volumes/My Disk/models")])
@pytest.mark.parametrize("version, refused", [("0.32.15", ["store_newer"]), ("0.40.2", [])])
def test_a_store_of_0_40_is_refused_an_older_release_by_what_the_host_says(stage, tmp_path, platform, store, version, refused):
    """The question that the controller asks, the answer of the host, and the decision. Deleted, the refusal could wait for a path that nobody asks for."""
    path = tmp_path / "host.json"
    path.write_text(json.dumps(stage.new_state(platform, "newer")), encoding="utf-8")
    wishes, around = {"ollama_version": version, "ollama_models_dir": store}, Around(host="here", address="here.test", connection="ssh")
    questions = [dataclasses.asdict(question) for question in decide.questions(wishes, around)]
    _module, system = stage.simulated(platform)
    host = system(path)
    probe = "llmfleet.ollama.%slook_probe" % ("win_" if platform == "windows" else "")
    look = host.call(probe, {"questions": questions, "filesystems": [store]}, {})["look"]
    host.close()
    assert [problem.id for problem in decide.decide("here", wishes, look, around).problems] == refused


def test_nothing_in_a_recording_is_a_secret(stage):
    """Recordings are committed and read by everybody."""
    recordings = sorted((stage.HERE / "expected").rglob("*.json"))
    assert len(recordings) >= 20
    for path in recordings:
        assert "s3cret" not in path.read_text(encoding="utf-8"), path
