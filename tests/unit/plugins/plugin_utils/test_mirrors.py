# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From groups and variables to mirrors: which one an address means, where it is filled from, and whose models it holds."""

from __future__ import annotations

import socket

import pytest
from ansible_collections.llmfleet.ollama.plugins.module_utils.probe.port_owner import port_owner
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.mirrors import BadTree, Tree
from support import needs


def tree(mirrors, clients=None):
    clients = clients or {}
    return Tree({"model_mirror": list(mirrors), "ollama": list(clients)}, {**mirrors, **clients})


HUB = {"hub": {"ansible_host": "10.20.0.10"}}
NAMED = {"hub": {"ansible_host": "10.20.0.10", "model_mirror_server_names": ["models.example.net"], "model_mirror_port": 8080}}
SECURE = {"hub": {"ansible_host": "10.20.0.10", "model_mirror_tls_certificate": "/etc/ssl/hub.pem"}}


@pytest.mark.parametrize(
    "mirrors,address,ours",
    [
        (HUB, "http://hub", True),
        (HUB, "http://HUB/", True),
        (HUB, "http://10.20.0.10", True),
        (HUB, "http://10.20.0.10:80", True),
        (HUB, "http://10.20.0.10:5000", True),  # a play may give the role a port of its own
        (NAMED, "http://10.20.0.10:5000", False),  # a registry of somebody else on the same machine
        ({"hub": {"model_mirror_upstream": "http://hub:5000"}}, "http://hub", True),
        (HUB, "http://alias.example.net", True),  # the only mirror takes each name that the fleet writes
        (HUB, "", False),
        (HUB, "registry.ollama.ai", False),
        (NAMED, "http://models.example.net:8080", True),
        (NAMED, "http://models.example.net", True),  # what stands before it may translate the port
        (NAMED, "http://alias.example.net:8080", False),  # its names are said
        (SECURE, "hub:443", True),
        (SECURE, "https://hub", True),
        ({"hub": {"model_mirror_upstream": "http://corp.example.net"}}, "http://corp.example.net", False),
        ({"hub-a": {}, "hub-b": {}}, "http://alias.example.net", False),
        ({}, "http://hub", False),
    ],
)
def test_which_addresses_are_a_mirror_of_the_inventory(mirrors, address, ours):
    """Taken for a foreign registry, the mirror's 404 would be the last word; taken for a mirror, a foreign registry would never have it."""
    assert bool(tree(mirrors).named(address)) == ours


SITES = {
    "hub-a": {"ansible_host": "10.1.0.10", "model_mirror_tls_certificate": "/etc/ssl/hub-a.pem"},
    "hub-b": {"ansible_host": "10.2.0.10", "model_mirror_upstream": "https://10.1.0.10"},
}
FLEET = {"gpu-a": {"llm_registry": "hub-a"}, "gpu-b": {"llm_registry": "http://10.2.0.10"}, "gpu-c": {"llm_registry": "http://elsewhere"}, "gpu-d": {}}


def test_two_sites_are_told_apart():
    """Without this each mirror would take the names of both, be refused as its own upstream, and store the models of all sites."""
    told = tree(SITES, FLEET).describe()
    assert told["hub-a"] == {
        "level": 0,
        "circle": "",
        "itself": False,
        "registries": ["hub-a"],
        "model_hosts": ["gpu-a", "gpu-b"],
        "release_hosts": ["gpu-a", "gpu-c", "gpu-d"],
    }
    assert told["hub-b"] == {
        "level": 1,
        "circle": "",
        "itself": False,
        "registries": ["http://10.2.0.10"],
        "model_hosts": ["gpu-b"],
        "release_hosts": ["gpu-b"],
    }


def test_a_mirror_without_company_holds_what_all_plan_but_those_who_pull_elsewhere():
    """As before there were sites: a host that names no registry may name the mirror tomorrow."""
    assert tree(HUB, {"gpu": {}, "gpu-x": {"llm_registry": "http://hub"}}).describe()["hub"]["model_hosts"] == ["gpu", "gpu-x"]


def test_the_way_of_a_plan_goes_through_the_chain():
    """The order decides who is asked, and `over` from where the upstream is asked when the controller has no way out."""
    way = tree(SITES, FLEET).way("http://10.2.0.10")
    assert [(stop.host, stop.address, stop.port) for stop in way.stops] == [("hub-b", "http://10.2.0.10", 80), ("hub-a", "https://10.1.0.10", 443)]
    assert (way.upstream, way.over) == ("", "hub-a")
    assert tree(SITES, FLEET).way("http://elsewhere") == ((), "http://elsewhere", "")


def test_a_mirror_that_names_itself_or_a_circle_does_not_hang():
    """The role of the one, and the plan of the other, have a sentence for it."""
    itself = tree({"hub": {"ansible_host": "10.20.0.10", "model_mirror_upstream": "http://10.20.0.10"}})
    assert itself.describe()["hub"]["itself"] and itself.way("http://hub").upstream == ""
    beside = tree({"hub": {"model_mirror_upstream": "http://hub:5000"}})
    assert not beside.describe()["hub"]["itself"] and beside.way("http://hub").upstream == "http://hub:5000", "a registry on the same machine"
    circle = tree({name: {"model_mirror_upstream": "http://" + other} for name, other in (("a", "b"), ("b", "c"), ("c", "b"))})
    with pytest.raises(BadTree, match=r"a <- b <- c <- b"):
        circle.way("http://a")
    assert "circle" in circle.describe()["a"]["circle"]


def test_an_upstream_that_is_no_address_names_its_own_variable():
    """The parser's sentence is about llm_registry, which is right here."""
    with pytest.raises(BadTree, match="model_mirror_upstream of hub 'http://x/y' is not a host"):
        tree({"hub": {"model_mirror_upstream": "http://x/y"}})


@needs.linux
def test_who_listens_on_a_port():
    """The refusal of a mirror's role names the program that has its port; an open port without an owner would be nginx's fault later."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        name, pid = port_owner(server.getsockname()[1])
        assert name.startswith(("python", "pytest")) and pid > 0
        with socket.create_connection(server.getsockname()) as client:
            assert port_owner(client.getsockname()[1]) is None, "a connection is no listener"
