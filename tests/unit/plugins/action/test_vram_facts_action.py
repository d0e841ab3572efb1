# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action: which probe runs where, what reaches the operator's screen, and what is written down."""

from __future__ import annotations

import json
import types

import pytest
from ansible_collections.llmfleet.ollama.plugins.action import vram_facts

LOST = {"observation_version": 1, "system": "Linux", "nvml": {"driver": {"rc": 0, "count": 1}, "devices": [{"index": 0, "rc": 15}]}}


@pytest.fixture
def action():
    """run(answer, **arguments) -> (result, what was executed)"""

    def run(answer, windows=False, check_mode=False, verbosity=0, **arguments):
        plugin = vram_facts.ActionModule.__new__(vram_facts.ActionModule)
        plugin._connection = types.SimpleNamespace(_shell=types.SimpleNamespace(_IS_WINDOWS=windows))
        plugin._task = types.SimpleNamespace(check_mode=check_mode, args=arguments)
        plugin._display = types.SimpleNamespace(verbosity=verbosity)
        executed = []
        plugin.validate_argument_spec = lambda argument_spec: (None, {"record_to": None, **arguments})
        plugin._execute_module = lambda **called: executed.append(called) or answer
        vram_facts.ActionBase.run, original = lambda self, tmp, task_vars: {}, vram_facts.ActionBase.run
        try:
            return plugin.run(task_vars={}), executed
        finally:
            vram_facts.ActionBase.run = original

    return run


@pytest.mark.parametrize(("windows", "module"), [(False, "vram_probe"), (True, "win_vram_probe")])
def test_one_probe_for_the_hosts_system(action, windows, module):
    """Exactly one remote run, by the connection's kind; the reader's own options stay on the controller."""
    result, executed = action({"observation": {}}, windows=windows, timeout=7)
    assert [(called["module_name"], called["module_args"]) for called in executed] == [("llmfleet.ollama." + module, {"timeout": 7})]
    assert result["changed"] is False and result["ansible_facts"]["vram"]["devices"] == [] and "warnings" not in result


def test_a_host_without_python_is_a_failure(action):
    """What keeps the probe from running at all is not hidden behind an empty fact."""
    assert action({"failed": True, "msg": "no interpreter"})[0] == {"failed": True, "msg": "no interpreter"}


def test_only_urgent_warnings_reach_the_screen(action):
    """A lost card does; that an old driver hides its reserve does not."""
    assert "reboot the host" in action({"observation": LOST})[0]["warnings"][0]
    old = {"nvml": {"driver": {"rc": 0, "count": 1}, "devices": [{"index": 0, "rc": 0, "memory": {"total": 5}}]}}
    result = action({"observation": old})[0]
    assert "warnings" not in result and result["ansible_facts"]["vram"]["devices"][0]["warnings"]


def test_the_observation_is_shown_to_those_who_debug(action):
    """Raw values only under -vvv."""
    assert "observation" not in action({"observation": LOST}, verbosity=2)[0]
    assert action({"observation": LOST}, verbosity=3)[0]["observation"] == LOST


def test_record(action, tmp_path):
    """The file is written without what names the machine, and not at all in check mode."""
    path = tmp_path / "new/folder/observation.json"
    uuid = "GPU-12345678-abcd-ef01-2345-6789abcdef01"
    observation = {"nvml": {"devices": [{"uuid": uuid}]}}
    action({"observation": observation}, check_mode=True, record_to=str(path))
    assert not path.exists()
    action({"observation": observation}, record_to=str(path))
    assert json.loads(path.read_text()) == {"nvml": {"devices": [{"uuid": "GPU-00000000-0000-0000-0000-000000000000"}]}}
