# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which hosts the action goes to for what runs beside Ollama. Deleted, each run could ask every host of a fleet that keeps no model warm and has no
Prometheus, what was told once never go, or the task of a Windows host stay."""

from __future__ import annotations

import json
import types

import pytest
from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.llmfleet.ollama.plugins.action import ollama_beside as action
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.service import numbers

CHAT = {"name": "chat:7b", "memory": {"total_bytes": 5}, "tokens_per_second": {"predicted": 3.5}}
WARM = {"ok": True, "models": [{**CHAT, "keep_warm": True}]}
COLD = {"ok": True, "models": [CHAT]}
NOTHING = {"changed": False, "models": [], "path": ""}
BARE = {"files": [{"path": "/etc/hosts"}]}
MODULE = "llmfleet.ollama.ollama_beside"


@pytest.fixture
def act(monkeypatch):
    """act(os_family, plan, what differs) -> (result, [(module that was run, its arguments)])"""

    def run(family, plan, look=None, state="present", check=False, files=None, folder=None, **facts):
        there, calls, taken = {} if files is None else files, [], []

        def fetch_file(remote, local):
            if remote not in there:
                raise AnsibleError("does not exist")
            with open(local, "w", encoding="utf-8", newline="") as file:
                file.write(there[remote])

        def execute(module_name, module_args, task_vars):
            if module_name == "llmfleet.ollama.win_host_change":
                taken.append(module_args.get("holder", "?"))
                return {"is_root": True, "holder": "", "since_start": 1, "now": 1, "swapped": module_args.get("swap", False)}
            calls.append((module_name, module_args))
            return {"changed": True, "models": ["chat:7b"], "path": ""}

        plugin = action.ActionModule.__new__(action.ActionModule)
        plugin._task = types.SimpleNamespace(check_mode=check)
        plugin._templar = types.SimpleNamespace(template=lambda value: value)
        plugin._connection = types.SimpleNamespace(fetch_file=fetch_file)
        plugin.validate_argument_spec = lambda argument_spec: (None, {"state": state})
        plugin._execute_module = execute
        monkeypatch.setattr(ActionBase, "run", lambda self, tmp, task_vars: {})
        said = {"ansible_facts": {"os_family": family, "model_plan": plan, "look": look or {}, **facts}, "ollama_port": 11500}
        said.update({"ollama_textfile_dir": folder} if folder else {})
        result = plugin.run(task_vars={"inventory_hostname": "here", "groups": {"ollama": ["here"]}, "hostvars": {}, **said})
        assert bool(taken) == any(name == "ansible.windows.win_powershell" for name, _options in calls), "taken for a change, and only for that"
        return result, calls

    return run


def test_a_host_that_has_and_wants_nothing_is_not_asked(act):
    """The look knows what is to be taken away."""
    for plan, state in ((COLD, "present"), ({"ok": False}, "present"), (WARM, "absent")):
        assert act("Debian", plan, BARE, state) == (NOTHING, [])
    assert act("Debian", COLD, BARE, "absent", folder="/f") == (NOTHING, [])


@pytest.mark.parametrize("path,part", [("/etc/llmfleet/ollama-warm.json", "warm"), (numbers.LIST, "numbers")])
def test_what_a_host_has_and_nobody_wants_goes(act, path, part):
    stale = {"files": [{"path": path}]}
    for plan, state, folder in ((COLD, "present", None), (WARM, "absent", "/f")):
        ((name, options),) = act("Debian", plan, stale, state, folder=folder)[1]
        assert (name, set(options) & {"warm", "numbers"}, options[part]["files"]) == (MODULE, {part}, {})
        assert options["holder"]["token"]


def test_one_module_run_has_what_is_wanted(act):
    ((_name, options),) = act("Debian", WARM, BARE)[1]
    assert "ExecStart=" in options["warm"]["files"][options["warm"]["starter"]] and options["warm"]["label"] == "" and "numbers" not in options
    ((_name, options),) = act("Debian", COLD, BARE, folder="/f")[1]
    listed = json.loads(options["numbers"]["files"][numbers.LIST])
    assert (listed["url"], listed["models"][0]["planned_bytes"]) == ("http://127.0.0.1:11500", 5) and "warm" not in options
    assert listed["proofs"] == "/etc/ansible/facts.d/llmfleet.fact"
    for look in (BARE, None):
        ((name, options),) = act("Debian", WARM, look, folder="/f")[1]
        assert name == MODULE and options["warm"]["files"] and options["numbers"]["files"]


def test_only_the_last_plan_is_followed_and_numbers_are_linux_s(act):
    assert act("Debian", {**WARM, "ok": False}, folder="/f") == act("Debian", WARM, folder="/f", ollama_models={"spilled": [CHAT]}) == (NOTHING, [])
    ((_name, options),) = act("Darwin", WARM, folder="/f")[1]
    assert options["warm"]["label"] and "numbers" not in options
    assert act("Darwin", COLD, BARE, folder="/f") == (NOTHING, [])


def test_windows_has_a_task_where_its_files_differ(act):
    result, calls = act("Windows", WARM, folder="/f")
    ((name, options),) = calls
    assert name == "ansible.windows.win_powershell" and result == {**NOTHING, "changed": True, "models": ["chat:7b"]}
    given = options["parameters"]
    there = {given["Program"]: given["ProgramText"], given["List"]: given["ListText"]}
    assert "chat:7b" in given["ListText"]
    assert act("Windows", WARM, files=there) == ({**NOTHING, "models": ["chat:7b"]}, [])
    assert act("Windows", WARM, check=True) == ({**NOTHING, "changed": True, "models": ["chat:7b"]}, []), "a dry run says so"
    result, ((_name, options),) = act("Windows", COLD, files=there)
    assert result == {**NOTHING, "changed": True} and options["parameters"]["ProgramText"] == ""
    assert act("Windows", COLD) == (NOTHING, [])
