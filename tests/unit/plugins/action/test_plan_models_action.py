# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the plan's task reads by itself. Deleted, a variable of the inventory could be left unread by every playbook, and nobody would be told."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from ansible.errors import AnsibleActionFail, AnsibleUndefinedVariable
from ansible_collections.llmfleet.ollama.plugins.action import plan_models as action

OMIT = object()


def read(variables, **given):
    """The arguments of the task afterwards."""
    made = action.ActionModule.__new__(action.ActionModule)
    made._task = SimpleNamespace(args=given)
    made._templar = SimpleNamespace(template=templated)
    made._read_variables({"omit": OMIT, **variables})
    return made._task.args


def templated(value):
    if value == "{{ mine }}":
        raise AnsibleUndefinedVariable("'mine' is undefined")
    return value


def test_every_variable_is_read_under_its_name_and_what_the_task_gives_stays():
    read_all = read({variable: variable for variable in action.VARIABLES.values()}, policy="of the task")
    assert read_all == {**action.VARIABLES, "policy": "of the task", "proofs": {}}


@pytest.mark.parametrize(("variables", "filesystem"), [
    ({}, "/usr/share/ollama/.ollama/models"),
    ({"ansible_facts": {"os_family": "Darwin"}}, "/opt/ollama/models"),
    ({"ollama_models_dir": "/big"}, "/big"),
])
def test_what_nobody_says_is_the_modules_own_default(variables, filesystem):
    assert read({"llm_policy": OMIT, **variables}) == {"filesystem": filesystem, "proofs": {}}


def test_proofs_are_those_of_the_look():
    assert read({"ansible_facts": {"look": {"proofs": {"small:1b": {}}}}})["proofs"] == {"small:1b": {}}
    assert read({"ansible_facts": {"look": {"proofs": None}}})["proofs"] == {}


def test_a_variable_that_uses_another_is_told_with_both():
    with pytest.raises(AnsibleActionFail, match="llm_policy uses mine, which nobody has set; set mine, or give llm_policy another value."):
        read({"llm_policy": "{{ mine }}", "inventory_dir": "/x"})
