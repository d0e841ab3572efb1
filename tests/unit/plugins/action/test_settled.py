# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The check before the first change, on a host that the plan of this run has looked at: what it tells of one where nothing is to be done.

Deleted, a look of another run, or one that was asked something else, could keep the role from a host that needs it.
"""

from __future__ import annotations

import time
import types

import pytest
from ansible.plugins.action import ActionBase
from ansible_collections.llmfleet.ollama.plugins.action import plan_service as action
from ansible_collections.llmfleet.ollama.plugins.plugin_utils import held_look
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.service import decide, inventory
from looks import bare, left_behind

NEEDED = {"architecture": "x86_64", "kernel": "6.12.0", "service_mgr": "systemd", "os_family": "Debian"}
HOST = {"inventory_hostname": "here", "groups": {"ollama": ["here"]}, "hostvars": {}, "ollama_environment": {"A_TOKEN": "hunter2"}}


def looked(**changed):
    """The look of this run at a host that has what it shall have."""
    variables, near = inventory.of_host(HOST, str_or_same, {})
    variables = {**inventory.defaults(NEEDED, "here"), **variables}
    questions = [question.to_dict() for question in decide.questions(variables, near)]
    look = left_behind(decide.decide("here", variables, bare("linux"), near))
    return {**look, "asked": held_look.asked(questions, None)["linux"], "run": "run-1", "seen_at": int(time.time()), **changed}


def str_or_same(value):
    return value


@pytest.fixture
def foretold(monkeypatch):
    def act(look, release_only=False, **variables):
        plugin = action.ActionModule.__new__(action.ActionModule)
        plugin._task = types.SimpleNamespace(_uuid="a-b-run-1-9", check_mode=False)
        plugin._templar = types.SimpleNamespace(template=str_or_same)
        given = {"wish": {}, "look": None, "release_only": release_only, "facts_only": True, "mirror_list": "", "fail_on_problem": True}
        plugin.validate_argument_spec = lambda argument_spec: (None, given)
        monkeypatch.setattr(ActionBase, "run", lambda self, tmp, task_vars: {})
        return plugin.run(task_vars={**HOST, "ansible_facts": {**NEEDED, "look": look}, **variables})

    return act


def test_a_host_where_nothing_is_to_be_done(foretold):
    """The report reads the fact, and no secret is in what it sees, or all of it would be hidden."""
    said = foretold(looked())
    assert time.time() < said["settled_until"] <= time.time() + held_look.SECONDS
    assert said["ansible_facts"]["ollama"]["version"] == said["announce"]["release"]["version"]
    assert "hunter2" not in str(said) and "_ansible_no_log" not in said


@pytest.mark.parametrize("changed, variables", [
    ({"run": "run-0"}, {}), ({"run": ""}, {}), ({"asked": "something else"}, {}), ({"seen_at": int(time.time()) - 2 * held_look.SECONDS}, {}),
    ({"api": {"version": "0.1.0"}}, {}), ({"files": []}, {}), ({}, {"ollama_port": 11500}), ({}, {"ollama_models_proofs_path": "/srv/proofs"}),
    ({}, {"release_only": True}),
])
def test_a_host_that_the_role_has_to_see(foretold, changed, variables):
    said = foretold(looked(**changed), **variables)
    assert not said["settled_until"] and "ansible_facts" not in said and not said.get("failed")


def test_a_refusal_stays_one(foretold):
    said = foretold(looked(), ollama_port=0)
    assert said["failed"] and "ollama_port is 0" in said["msg"]
