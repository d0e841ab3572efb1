# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which hosts the action for warm models goes to. Deleted, each run could ask every host of a fleet that keeps none warm, or never take the task of a
Windows host away."""

from __future__ import annotations

import types

import pytest
from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.llmfleet.ollama.plugins.action import ollama_warm as action

WARM = {"ok": True, "models": [{"name": "chat:7b", "keep_warm": True}]}
COLD = {"ok": True, "models": [{"name": "chat:7b"}]}
NOTHING = {"changed": False, "models": []}


@pytest.fixture
def act(monkeypatch):
    """act(os_family, plan, what differs) -> (result, names of modules that were run, their arguments)"""

    def run(family, plan, look=None, state="present", check=False, files=None):
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
            return {"changed": True, "models": ["chat:7b"]}

        plugin = action.ActionModule.__new__(action.ActionModule)
        plugin._task = types.SimpleNamespace(check_mode=check)
        plugin._templar = types.SimpleNamespace(template=lambda value: value)
        plugin._connection = types.SimpleNamespace(fetch_file=fetch_file)
        plugin.validate_argument_spec = lambda argument_spec: (None, {"state": state})
        plugin._execute_module = execute
        monkeypatch.setattr(ActionBase, "run", lambda self, tmp, task_vars: {})
        facts = {"os_family": family, "model_plan": plan, "look": look or {}}
        result = plugin.run(task_vars={"inventory_hostname": "here", "groups": {"ollama": ["here"]}, "hostvars": {}, "ansible_facts": facts})
        assert bool(taken) == any(name == "ansible.windows.win_powershell" for name, _options in calls), "taken for a change, and only for that"
        return result, calls

    return run


def test_a_host_that_keeps_none_warm_is_not_asked(act):
    """The look knows whether there is a list to take away."""
    bare = {"files": [{"path": "/etc/hosts"}]}
    assert act("Debian", COLD, bare) == (NOTHING, []) and act("Debian", {"ok": False}, bare) == (NOTHING, [])
    stale = {"files": [{"path": "/etc/llmfleet/ollama-warm.json"}]}
    for _result, calls in (act("Debian", COLD, stale), act("Debian", WARM, stale, state="absent")):
        assert [(name, options["files"]) for name, options in calls] == [("llmfleet.ollama.ollama_warm", {})]
    (name, options), = act("Debian", WARM, bare)[1]
    assert "ExecStart=" in options["files"][options["starter"]] and options["label"] == ""


def test_windows_has_a_task_where_its_files_differ(act):
    result, calls = act("Windows", WARM)
    (name, options), = calls
    assert name == "ansible.windows.win_powershell" and result == {"changed": True, "models": ["chat:7b"]}
    given = options["parameters"]
    there = {given["Program"]: given["ProgramText"], given["List"]: given["ListText"]}
    assert "chat:7b" in given["ListText"]
    assert act("Windows", WARM, files=there) == ({"changed": False, "models": ["chat:7b"]}, [])
    assert act("Windows", WARM, check=True) == ({"changed": True, "models": ["chat:7b"]}, []), "a dry run says so"
    result, ((_name, options),) = act("Windows", COLD, files=there)
    assert result == {"changed": True, "models": []} and options["parameters"]["ProgramText"] == ""
    assert act("Windows", COLD) == (NOTHING, [])
