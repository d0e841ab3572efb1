# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who asks the registry, and what is refused. Deleted, every converged fleet could pay a module run again, or a dead registry go unnoticed until a pull."""

from __future__ import annotations

import types

import pytest
from ansible.plugins.action import ActionBase
from ansible_collections.llmfleet.ollama.plugins.action import registry_answers as action
from support import loopback_registry

DEAD = "http://127.0.0.1:1"
SILENT = {"status": -1, "msg": "Connection refused"}
FLEET = {"groups": {"ollama": ["here"], "model_mirror": ["hub"]}, "hostvars": {"here": {"llm_registry": DEAD}, "hub": {"ansible_host": "127.0.0.1"}}}


@pytest.fixture
def ask(monkeypatch):
    """ask(registry, from_controller, answer of the host) -> (result, urls that the host was sent to)"""

    def act(registry, from_controller, answer, **variables):
        plugin = action.ActionModule.__new__(action.ActionModule)
        sent = []
        plugin.validate_argument_spec = lambda argument_spec: (None, {"registry": registry, "from_controller": from_controller})
        plugin._task = types.SimpleNamespace()
        plugin._execute_module = lambda module_name, module_args, task_vars: sent.append(module_args["url"]) or answer
        monkeypatch.setattr(ActionBase, "run", lambda self, tmp, task_vars: {})
        return plugin.run(task_vars={"inventory_hostname": "here", **variables}), sent

    return act


def test_the_controller_asks_for_a_fleet_that_pulls_nothing(ask):
    """Our mirror has nothing at that address, and answers all the same."""
    registry = loopback_registry.Registry()
    with loopback_registry.served(registry):
        assert ask(registry.url, True, SILENT) == ({"changed": False, "from_controller": True}, [])
        # A host that pulls asks itself: it is the one that must reach it.
        assert ask(registry.url, False, {"status": 404}) == ({"changed": False, "from_controller": False}, [registry.url + "/v2/"])


def test_where_the_controller_gets_no_answer_the_host_asks(ask):
    assert ask(DEAD, True, {"status": 200}) == ({"changed": False, "from_controller": False}, [DEAD + "/v2/"])
    assert ask("mirror.invalid", False, {"status": 200})[1] == ["https://mirror.invalid/v2/"]


def test_a_silent_registry_is_refused_with_its_variable(ask):
    said = ask(DEAD, True, SILENT)[0]
    assert said["failed"] and said["msg"].startswith("llm_registry: %s does not answer on here (Connection refused); start that mirror" % DEAD)
    assert ask(DEAD, False, SILENT, ansible_check_mode=False, **FLEET)[0]["failed"]


def test_in_check_mode_a_mirror_that_the_run_would_make_is_not_missed(ask):
    assert "failed" not in ask("http://127.0.0.1", False, SILENT, ansible_check_mode=True, **{**FLEET, "hostvars": {
        "here": {"llm_registry": "http://127.0.0.1"}, "hub": {"ansible_host": "127.0.0.1"},
    }})[0]
    assert ask("http://elsewhere", False, SILENT, ansible_check_mode=True, **FLEET)[0]["failed"]


def test_a_host_that_cannot_ask_is_not_the_registrys_fault(ask):
    """As without a Python, or with a module that was killed: its own words say what to do."""
    broken = {"failed": True, "msg": "The module interpreter '/usr/bin/python3' was not found."}
    assert ask(DEAD, False, broken)[0] == broken
