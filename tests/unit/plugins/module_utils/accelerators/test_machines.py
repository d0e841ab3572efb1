# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines that somebody really had: each file gives what the machine said, who published it, and the numbers to arrive at.

Without these, an interpretation could agree with itself and disagree with every card in the world.
"""

from __future__ import annotations

import json
import pathlib

import pytest
import yaml

HERE = pathlib.Path(__file__).parent
MACHINES = sorted((HERE / "machines").glob("*.yml"))
RECORDED = sorted((HERE / "recorded").glob("*.json"))


def subset(expected, found, at):
    if isinstance(expected, dict):
        for key, value in expected.items():
            assert key in found, f"{at}.{key} is missing"
            entry = found[key]
            if key == "warnings":
                entry = [warning["code"] for warning in entry]
            subset(value, entry, f"{at}.{key}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), f"{at} has {len(found)} entries: {found}"
        for number, value in enumerate(expected):
            subset(value, found[number], f"{at}[{number}]")
    else:
        assert found == expected and type(found) is type(expected), f"{at} is {found!r}, published is {expected!r}"


@pytest.mark.parametrize("path", MACHINES, ids=lambda path: path.stem)
def test_machine(path, interpret):
    machine = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert machine["source"]
    subset(machine["expect"], interpret(machine["observation"]), "vram")


def test_there_are_enough_machines():
    """Deleting fixtures must not make the suite greener."""
    assert len(MACHINES) >= 60


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_recorded_observation(path, interpret):
    """A file from playbooks/probe.yml is a test as it is: valid, nothing tripped, and every PCI card told as a device."""
    observation = json.loads(path.read_text(encoding="utf-8"))
    found = interpret(observation)
    assert [warning for warning in found["warnings"] if warning["code"] == "probe_failed"] == []
    assert {row["address"] for row in observation.get("pci", [])} <= {device["pci_address"] for device in found["devices"]}
