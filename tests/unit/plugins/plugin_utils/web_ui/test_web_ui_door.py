# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may reach the web UI's port. Deleted, an engine would publish it to everybody although the inventory names who may come.

That the rules hold against Docker's forwarding is seen on a real host, molecule/open_webui/steps/door.yml.
"""

from __future__ import annotations

import pytest
from web_ui_cases import decide, ids, seen

DOOR = {"door": {"unit": True}}


def rules(decided, which="before"):
    door = decided["doors"][which]
    return {file["path"]: file["content"] for file in door["files"]}[door["rules"]]


@pytest.mark.parametrize(
    "wishes,identity",
    [
        ({"allowed_cidrs": ["lan"]}, "no_network"),
        ({"allowed_cidrs": ["10.0.0.1/0"]}, "everybody_admitted"),
        ({"allowed_cidrs": ["::/0", "10.0.0.0/8"]}, "everybody_admitted"),
        ({"allowed_cidrs": ["0.0.0.0/1", "128.0.0.0/1"]}, "everybody_admitted"),
    ],
)
def test_what_would_open_the_port_by_mistake_is_refused(wishes, identity):
    refused = decide(None, "wishes", **wishes)
    assert ids(refused) == [identity] and refused["problems"][0]["variable"] == "open_webui_allowed_cidrs"


@pytest.mark.parametrize(
    "wishes",
    [
        {"allowed_cidrs": ["0.0.0.0/0", "::/0"], "accept_open_port": True},
        {"allowed_cidrs": ["0.0.0.0/0"], "bind_address": "127.0.0.1"},
        {"allowed_cidrs": []},
        {"allowed_cidrs": ["10.0.0.0/8", "fd00::/8"]},
    ],
)
def test_what_is_not_refused(wishes):
    assert decide(None, "wishes", **wishes)["problems"] == []


@pytest.mark.parametrize(
    "wishes,words",
    [
        ({}, ["past ufw and firewalld; set open_webui_allowed_cidrs", "unencrypted"]),
        ({"allowed_cidrs": []}, ["unencrypted"]),
        ({"accept_open_port": True}, ["unencrypted"]),
        ({"url": "https://chat.x.org"}, ["past ufw"]),
        ({"url": "https://chat.x.org", "allowed_cidrs": ["10.0.0.0/8"]}, []),
        ({"bind_address": "127.0.0.1"}, []),
        ({"bind_address": "::1"}, []),
        ({"state": "absent"}, []),
    ],
)
def test_what_is_warned_of_in_the_run_and_in_the_report(wishes, words):
    decided = decide(seen(), **wishes)
    assert decided["warnings"] == decided["told"]["warnings"] and len(decided["warnings"]) == len(words)
    for word, sentence in zip(words, decided["warnings"], strict=True):
        assert word in sentence


def test_rules_that_somebody_removed_are_told_of():
    decided = decide(seen({"door": {"gone_at": 1795619487}}), allowed_cidrs=[], url="https://chat.x.org")
    assert "at 2026-11-25 15:11 UTC its guard put them back" in decided["warnings"][0]


@pytest.mark.parametrize(
    "wishes,there,steps",
    [
        ({}, {}, set()),
        ({"allowed_cidrs": []}, {}, {"door"}),
        ({"allowed_cidrs": [], "bind_address": "127.0.0.1"}, {}, set()),
        ({"allowed_cidrs": [], "bind_address": "127.0.0.1"}, DOOR, {"remove_door"}),
        ({}, DOOR, {"remove_door"}),
        ({"allowed_cidrs": [], "state": "absent"}, DOOR, {"remove_door"}),
        ({"allowed_cidrs": []}, {"door": {"nft": False}}, {"door", "install_nft"}),
        ({"allowed_cidrs": [], "port": 3001}, DOOR, {"door", "narrow_door"}),
    ],
)
def test_when_there_is_a_door(wishes, there, steps):
    decided = decide(seen(there), **wishes)
    assert {name for name in ("door", "install_nft", "narrow_door", "remove_door") if decided["steps"][name]} == steps


def test_only_who_is_named_and_the_controller_come_in():
    text = rules(decide(seen(), allowed_cidrs=["10.20.0.0/16", "10.20.3.0/24", "fd00::/8"]))
    assert "elements = { 10.0.0.2, 10.20.0.0/16 }" in text and "elements = { fd00::/8 }" in text
    assert "10.0.0.2" not in rules(decide(seen({"controller": None}), allowed_cidrs=[]))
    # The engine's own rules come at -100.
    assert "hook prerouting priority -150" in text and "fib daddr type local tcp dport 3000 jump door" in text


def test_the_old_port_is_guarded_until_the_container_has_left_it():
    decided = decide(seen(), allowed_cidrs=[], port=3001)
    assert "dport 3000 jump" in rules(decided) and "dport 3001 jump" in rules(decided)
    assert "dport 3000 jump" not in rules(decided, "after") and decided["doors"]["before"]["id"] != decided["doors"]["after"]["id"]


def test_the_containers_own_port_is_guarded_where_it_has_a_network_of_its_own():
    """Deleted, who uses the host as a router would go past the published port, as Docker before release 28 lets everybody."""
    assert "tcp dport 8080 jump door" in rules(decide(seen(), allowed_cidrs=[]))
    assert "8080" not in rules(decide(seen(), allowed_cidrs=[], network_mode="host"))
