# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's machines as data: deleted, a typo in a card or an address would only show after a whole deployment."""

from __future__ import annotations

import ipaddress

import pytest
import yaml
from llmfleet_lab import common, hosts
from support import ROOT

INVENTORY = ROOT / "inventories/lab/hosts.yml"


def test_inventory_and_lab_name_the_same_machines():
    """Both files name hosts and addresses; where they differ Ansible waits for a machine that is not there."""
    named = {}
    for group in yaml.safe_load(INVENTORY.read_text())["all"]["children"].values():
        for name, variables in group["hosts"].items():
            named.setdefault(name, {}).update(variables or {})
    assert {name: variables["ansible_host"] for name, variables in named.items()} == {host.name: host.address for host in hosts.HOSTS}


def test_fixed_addresses_are_never_given_to_guests():
    """A Molecule container that takes a lab host's address keeps the lab from starting."""
    guests = ipaddress.ip_network(common.GUESTS)
    for host in hosts.HOSTS:
        assert ipaddress.ip_address(host.address) in ipaddress.ip_network(common.SUBNET)
        assert ipaddress.ip_address(host.address) not in guests


@pytest.mark.parametrize(("name", "cards"), [("lab-3060", [12288]), ("lab-3090x2", [24576, 24576])])
def test_cards_are_the_ones_that_the_name_promises(name, cards):
    """The demo's point is that two different cards get two different models."""
    nvml = next(host.nvml for host in hosts.HOSTS if host.name == name)
    values = dict(line.split("=", 1) for line in nvml.splitlines())
    assert [values[f"gpu{index}.total"] for index in range(len(cards))] == [f"{size}M" for size in cards]
    assert len({values[f"gpu{index}.uuid"] for index in range(len(cards))}) == len(cards)
    assert int(values["driver"].split(".")[0]) >= 550


def test_meminfo_adds_up():
    """The planner sizes the host without a GPU by these numbers, and procps reads the same file."""
    values = {line.split(":")[0]: int(line.split()[1]) for line in hosts.meminfo(8).splitlines()}
    assert values["MemTotal"] == 8 * 1024 * 1024
    assert 0 < values["MemFree"] < values["MemAvailable"] < values["MemTotal"]
