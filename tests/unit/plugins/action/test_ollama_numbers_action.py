# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which hosts the action for numbers goes to. Deleted, each run could ask every host of a fleet that has no Prometheus, or what was told once never go."""

from __future__ import annotations

import json
import types

import pytest
from ansible.plugins.action import ActionBase
from ansible_collections.llmfleet.ollama.plugins.action import ollama_numbers as action
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.service import numbers

PLAN = {"ok": True, "models": [{"name": "chat:7b", "memory": {"total_bytes": 5}, "tokens_per_second": {"predicted": 3.5}}]}


@pytest.fixture
def act(monkeypatch):
    """act(folder, facts) -> arguments of the module, None where the host was not asked"""

    def run(folder=None, state="present", **facts):
        calls = []

        def execute(module_name, module_args, task_vars):
            calls.append(module_args)
            return {"changed": True}

        plugin = action.ActionModule.__new__(action.ActionModule)
        plugin._templar = types.SimpleNamespace(template=lambda value: value)
        plugin.validate_argument_spec = lambda argument_spec: (None, {"state": state})
        plugin._execute_module = execute
        monkeypatch.setattr(ActionBase, "run", lambda self, tmp, task_vars: {})
        said = {"ollama_textfile_dir": folder, "ollama_port": 11500, "ansible_facts": {"os_family": "Debian", "model_plan": PLAN, "look": {}, **facts}}
        result = plugin.run(task_vars={"inventory_hostname": "here", "groups": {"ollama": ["here"]}, "hostvars": {}, **said})
        assert result == {"changed": bool(calls)}
        return calls[0] if calls else None

    return run


def test_a_host_that_tells_nothing_is_not_asked(act):
    clean, told = {"files": [{"path": "/etc/hosts"}]}, {"files": [{"path": numbers.LIST}]}
    assert act(look=clean) is None and act(state="absent", look=clean) is None
    assert act(look=told)["files"] == {} and act("/f", state="absent", look=told)["files"] == {}, "the look knows what is to be taken away"
    listed = json.loads(act("/f", look=clean)["files"][numbers.LIST])
    assert (listed["url"], listed["models"][0]["planned_bytes"]) == ("http://127.0.0.1:11500", 5)


def test_only_the_last_plan_of_a_linux_host_is_told(act):
    assert [act("/f", os_family=family) for family in ("Windows", "Darwin")] == [None, None]
    assert [act("/f", model_plan={"ok": False}), act("/f", ollama_models={"spilled": [{"name": "chat:7b"}]})] == [None, None]
