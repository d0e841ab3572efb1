# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From where verify.yml proves a gateway. Deleted, one that clients are refused by could count as proved by its own host, which is always let in."""

from __future__ import annotations

import types

import pytest
import yaml
from ansible.plugins.action import ActionBase
from ansible_collections.llmfleet.ollama.plugins.action import gateway_check as action
from ansible_collections.llmfleet.ollama.plugins.module_utils.gateway import client
from support import ROOT

DEFAULTS = yaml.safe_load((ROOT / "roles/gateway/defaults/main.yml").read_text(encoding="utf-8"))
KEY = "k" * 32
HOST = {**DEFAULTS, "gateway_allowed_cidrs": [], "gateway_accept_plain_http": True, "gateway_keys": [{"name": "ann", "key": KEY}]}
PLAN = {"ok": True, "models": [{"name": "m:1b", "parallel": 1}]}
ANSWER = {"models": ["m:1b"], "answer": "Hello.", "seconds": 0.1}


@pytest.fixture
def check(monkeypatch):
    """check(what this machine meets, variables) -> (result, urls asked from here, what the gateway's own host was sent to)"""

    def act(met=None, plan=None, **variables):
        plugin = action.ActionModule.__new__(action.ActionModule)
        here, there = [], []

        def module(name, given, task_vars):
            if name == action.LOOK:
                return {"record": {}, "authority": "", "traffic": {"requests": 7}}
            there.append(given)
            return dict(ANSWER, url=given["url"])

        def prove(gateway, key, model, *_more):
            here.append((gateway.url, key, model))
            if met:
                raise met
            return ANSWER

        monkeypatch.setattr(ActionBase, "run", lambda self, tmp, task_vars: {})
        monkeypatch.setattr(client, "prove", prove)
        plugin.validate_argument_spec = lambda argument_spec: (None, {})
        plugin._templar = types.SimpleNamespace(template=_same)
        plugin._execute_module = module
        hostvars = {
            "hub": {"inventory_hostname": "hub", "ansible_host": "10.0.0.9"},
            "gpu": {"inventory_hostname": "gpu", "ansible_facts": {"model_plan": PLAN if plan is None else plan}},
        }
        inventory = {"inventory_hostname": "hub", "groups": {"gateway": ["hub"], "ollama": ["gpu"]}, "hostvars": hostvars}
        return plugin.run(task_vars={**HOST, **inventory, **variables}), here, there

    return act


def _same(value):
    return value


def test_it_is_asked_from_here(check):
    said, here, there = check()
    assert (said["url"], said["model"], said["answer"], said["changed"]) == ("http://10.0.0.9:8443", "m:1b", "Hello.", False)
    assert here == [("http://10.0.0.9:8443", KEY, "m:1b")] and there == []
    fact = {"url": "http://10.0.0.9:8443", "removed": False, "authority": "", "traffic": {"requests": 7}}
    assert said["ansible_facts"] == {"gateway": fact}, "what the report shows"


def test_where_this_machine_is_not_let_in_its_own_host_asks(check):
    said, _here, there = check(client.Unreachable("http://10.0.0.9:8443 does not answer"))
    assert said["answer"] == "Hello." and "failed" not in said
    assert [(given["url"], given["own"], given["key"], given["model"]) for given in there] == [("http://127.0.0.1:8443", True, KEY, "m:1b")]


def test_a_certificate_that_was_given_is_asked_by_its_name(check):
    """By its address nobody could prove it, and the gateway's own host, which looks at no certificate, would be asked instead."""
    given = {"gateway_tls_certificate": "/c.pem", "gateway_tls_key": "/c.key", "gateway_tls_names": ["hub.example.net"], "gateway_accept_plain_http": False}
    assert [url for url, _key, _model in check(**given)[1]] == ["https://hub.example.net:8443"]
    assert [url for url, _key, _model in check(**given, gateway_host="10.0.0.9")[1]] == ["https://10.0.0.9:8443"]


def test_what_this_machine_has_seen_is_not_asked_away(check):
    said, _here, there = check(client.Unproved("it lets everybody in"))
    assert said["failed"] and said["msg"] == "it lets everybody in" and there == [] and "ansible_facts" not in said


def test_nothing_is_planned(check):
    said, here, there = check(plan={"ok": False})
    assert said["failed"] and said["msg"] == "Nothing can be asked of the gateway: no plan names a model; run site.yml first." and not here + there


def test_a_gateway_that_is_to_go_is_not_asked(check):
    """verify.yml would fail for what the inventory itself has removed."""
    said, here, there = check(gateway_state="absent")
    assert said["skipped"] and "failed" not in said and not here + there
