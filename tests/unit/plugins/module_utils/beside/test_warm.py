# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Models that stay loaded. Deleted, a model could be cold after each restart, be loaded anew by each run, or stay when nobody wants it any more."""

from __future__ import annotations

import json
import os
import plistlib
import subprocess
import sys
import types

import pytest
from ansible_collections.llmfleet.ollama.plugins.module_utils import beside
from ansible_collections.llmfleet.ollama.plugins.module_utils.change import lock
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.service import warm
from support import ROOT

PLAN = {
    "ok": True,
    "environment": {"OLLAMA_MAX_LOADED_MODELS": "3"},
    "models": [
        {"name": "big:120b", "keep_warm": True, "gpu_bytes": 5},
        {"name": "chat:7b", "keep_warm": True},
        {"name": "other:1b"},
        {"name": "embed:v1", "keep_warm": True, "embedding": True},
    ],
}

NOTHING = {"changed": False, "models": [], "path": "", "diff": []}


class Exit(Exception):
    pass


@pytest.fixture
def host(tmp_path, ollama):
    """run(plan, system) -> (result, commands). What systemd would start is started here."""
    where = warm.Place(str(tmp_path / "llmfleet-ollama-warm.service"), str(tmp_path / "warm.py"), str(tmp_path / "warm.json"))

    def run(plan, system="linux", check=False, works=True, **more):
        commands, told = [], {}

        def run_command(argv):
            commands.append(argv)
            code = 0
            if "restart" in argv or where.program in argv:
                code = subprocess.run([sys.executable, where.program, where.list], check=False).returncode if works else 1
            return code, "", "" if not code else "it failed"

        def exit_json(**result):
            told.update(result)
            raise Exit

        files = warm.files(system, where, plan, ollama.url, beside.PYTHON, "ollama")
        label = warm.LABEL if system == "macos" else ""
        asked = {"files": files, "starter": where.starter, "program": where.program, "list": where.list, "label": label}
        params = {"warm": asked, "numbers": None, **more}
        module = types.SimpleNamespace(
            params=params, check_mode=check, run_command=run_command, exit_json=exit_json, fail_json=lambda **result: exit_json(failed=True, **result)
        )
        with pytest.raises(Exit):
            exit_json(**beside.run(module))
        return told, commands

    run.where = where
    return run


def plan_of(*names):
    return {"ok": True, "models": [{"name": name, "keep_warm": True} for name in names]}


def test_what_takes_the_rest_comes_last_and_turns_are_known():
    assert [model["name"] for model in warm.models(PLAN)] == ["chat:7b", "embed:v1", "big:120b"]
    where = warm.place("linux", "/opt/ollama")
    listed = json.loads(warm.files("linux", where, PLAN, "http://127.0.0.1:11434", "python3", "ollama")[where.list])
    assert listed["turns"] is False and listed["models"][1] == {"name": "embed:v1", "embedding": True}
    in_turns = dict(PLAN, environment={"OLLAMA_MAX_LOADED_MODELS": "1"})
    assert json.loads(warm.files("linux", where, in_turns, "u", "python3", "ollama")[where.list])["turns"] is True


@pytest.mark.parametrize(
    "facts,state,due",
    [
        ({"model_plan": PLAN}, "present", True),
        ({"model_plan": PLAN, "ollama_models": {"spilled": []}}, None, True),
        ({"model_plan": PLAN, "ollama_models": {"spilled": [{"name": "chat:7b"}]}}, "present", False),
        ({"model_plan": PLAN}, "absent", False),
        ({"model_plan": {"ok": False}}, "present", False),
        ({}, "present", False),
    ],
)
def test_when_it_is_due(facts, state, due):
    """What spilled is planned again in this run, and to load it before could fail in the middle of that."""
    assert warm.is_due(facts, state) is due


def test_a_plan_without_the_word_has_no_files():
    assert warm.files("linux", warm.place("linux", "/opt/ollama"), {"models": [{"name": "chat:7b"}]}, "u", "python3", "ollama") == {}


def test_each_system_starts_it_after_the_server():
    where = warm.place("linux", "/opt/ollama")
    unit = warm.files("linux", where, PLAN, "u", "/usr/bin/python3", "ollama")[where.starter]
    assert "PartOf=ollama.service" in unit and "WantedBy=ollama.service" in unit
    assert "ExecStart=/usr/bin/python3 /etc/llmfleet/ollama-warm.py /etc/llmfleet/ollama-warm.json" in unit
    where = warm.place("macos", "/usr/local/lib/ollama")
    job = plistlib.loads(warm.files("macos", where, PLAN, "u", "/usr/bin/python3", "_ollama")[where.starter].encode())
    assert job["ProgramArguments"] == ["/usr/bin/python3", where.program, where.list] and job["UserName"] == "_ollama" and job["RunAtLoad"]
    where = warm.place("windows", "C:\\ollama")
    made = warm.files("windows", where, PLAN, "u", "", "S-1-5-19")
    assert sorted(made) == ["C:\\ollama\\service\\warm.json", "C:\\ollama\\service\\warm.ps1"]


@pytest.mark.parametrize("system", ["linux", "macos"])
def test_a_model_is_loaded_for_good_once_and_goes_when_the_word_goes(host, ollama, system):
    result, commands = host(plan_of("chat:7b"), system)
    assert (result["changed"], result["models"]) == (True, ["chat:7b"])
    loads = [body for _verb, path, body in ollama.requests if path == "/api/generate"]
    assert loads == [{"model": "chat:7b", "keep_alive": -1, "stream": False}]
    assert host(plan_of("chat:7b"), system) == ({**NOTHING, "models": ["chat:7b"]}, [])
    ollama.loaded.clear()
    result, commands = host(plan_of("chat:7b"), system)
    assert result["changed"] and len(commands) == 1, "what was restarted behind our back is loaded, without a new unit"
    result, commands = host({"ok": True, "models": []}, system)
    assert result["changed"] and not any(os.path.exists(path) for path in (host.where.starter, host.where.program, host.where.list))
    assert (["systemctl", "disable", "--now", "llmfleet-ollama-warm.service"] in commands) == (system == "linux")
    assert host({"ok": True, "models": []}, system) == (NOTHING, [])


def test_the_host_is_taken_for_a_change_and_for_nothing_else(host, tmp_path, monkeypatch):
    """Deleted, models would be loaded into a server that another controller is about to stop."""
    folder, now = str(tmp_path / "run/lock"), beside.clock()
    me = {"token": "a", "who": "anna@desk", "controller": "desk 1", "process": "17", "started": "then"}
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(lock, "FOLDERS", {beside.platform.system(): folder})
    lock.take(folder, {**me, "token": "b", "who": "otto@lap", "doing": "Ollama 1.0"}, now)
    result, commands = host(plan_of("chat:7b"), holder=me)
    assert result["held"]["token"] == "b" and result["msg"].startswith("otto@lap changes this host (Ollama 1.0) since") and not commands
    assert host(plan_of("chat:7b"), holder=me, check=True)[0]["changed"], "a dry run asks nobody"
    assert host(plan_of("chat:7b"), holder=me, over="b")[0]["changed"] and lock.read(folder, now) is None
    lock.take(folder, {**me, "token": "b", "doing": "Ollama 1.0"}, now)
    assert host(plan_of("chat:7b"), holder=me) == ({**NOTHING, "models": ["chat:7b"]}, [])
    assert "failed" in host(plan_of(), holder=me)[0] and os.path.exists(host.where.list)


def test_a_dry_run_says_so_and_writes_nothing(host, ollama):
    assert host(plan_of("chat:7b"), check=True)[0]["changed"] and not os.path.exists(host.where.list) and not ollama.loaded


def test_a_model_that_does_not_load_is_a_failure(host):
    result, _commands = host(plan_of("chat:7b"), works=False)
    assert result["failed"] and "journalctl -u llmfleet-ollama-warm.service says why" in result["msg"]
    assert "are not: it failed; " in result["msg"], "the last line of what the program said, as a sentence"


def test_the_program_tells_what_failed_and_leaves_one_in_use_alone(tmp_path, ollama):
    def run(**more):
        wanted = {"url": ollama.url, "seconds": 0, "turns": False, "models": [{"name": "gone:1b", "embedding": False}, {"name": "chat:7b", "embedding": False}]}
        (tmp_path / "list").write_text(json.dumps({**wanted, **more}))
        return subprocess.run([sys.executable, ROOT / "roles/ollama/files/warm.py", tmp_path / "list"], capture_output=True, text=True, check=False)

    done = run()
    assert done.returncode == 1 and "gone:1b" in done.stderr and "chat:7b" in ollama.loaded, "one that is missing keeps no other one cold"
    ollama.requests.clear()
    assert run(turns=True).returncode == 0 and not [path for _verb, path, _body in ollama.requests if path == "/api/generate"]
    assert run(url="http://127.0.0.1:9").returncode == 1
