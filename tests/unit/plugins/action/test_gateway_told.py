# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run leaves on the controller of the gateway. Deleted, the default could leave a file that nobody asked for, or clients go on with the authority
of a gateway that was made anew."""

from __future__ import annotations

import types

import pytest
import yaml
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.llmfleet.ollama.plugins.action import gateway_told as action
from support import ROOT

FACT = {"url": "https://hub:8443", "removed": False, "authority": "-----BEGIN CERTIFICATE-----\n"}
SHIPPED = yaml.safe_load((ROOT / "roles/gateway/defaults/main.yml").read_text(encoding="utf-8"))["gateway_authority_copy"]


@pytest.fixture
def tell(tmp_path, monkeypatch):
    monkeypatch.setenv("PWD", str(tmp_path))
    monkeypatch.setattr(ActionBase, "run", lambda self, tmp, task_vars: {})

    def act(copy, fact=None, check_mode=False):
        plugin = action.ActionModule.__new__(action.ActionModule)
        plugin._task = types.SimpleNamespace(check_mode=check_mode)
        plugin.validate_argument_spec = lambda argument_spec: (None, {"fact": fact or FACT, "copy": copy})
        return plugin.run(task_vars={})

    return act


def test_as_shipped_it_writes_nothing(tell, tmp_path):
    assert tell(SHIPPED) == {"changed": False, "ansible_facts": {"gateway": FACT}}
    assert list(tmp_path.iterdir()) == []


def test_a_copy_is_written_once_and_anew_for_another_authority(tell, tmp_path):
    """A relative one below the folder that Ansible was started in, not below the playbook's."""
    copy = tmp_path / "certificates" / "hub-ca.pem"
    assert tell("certificates/hub-ca.pem", check_mode=True) == {"changed": True, "path": str(copy)} and not copy.parent.exists()
    assert tell("certificates/hub-ca.pem")["changed"] and copy.read_text(encoding="ascii") == FACT["authority"]
    assert not tell(str(copy))["changed"]
    assert tell(str(copy), {**FACT, "authority": "another"})["changed"] and copy.read_text(encoding="ascii") == "another"


@pytest.mark.parametrize("fact", [{**FACT, "authority": ""}, {"url": "", "removed": True}])
def test_where_the_fleet_signs_nothing_there_is_nothing_to_copy(tell, tmp_path, fact):
    assert tell("hub-ca.pem", fact) == {"changed": False, "ansible_facts": {"gateway": fact}}
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_is_refused_by_its_variable(tell, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(AnsibleActionFail, match=r"^gateway_authority_copy: \S+/file/hub-ca.pem cannot be written on this machine \(.+\); name a file of yours"):
        tell("file/hub-ca.pem")
