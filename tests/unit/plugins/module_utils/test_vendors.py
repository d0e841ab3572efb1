# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every table that has a row for each vendor knows each vendor, in whatever language it is written.

Deleted, a new vendor's cards could be found and then planned for without their overhead, shown without a name, or closed off by the service's unit.
"""

from __future__ import annotations

import json
import re

import pytest
import yaml
from ansible_collections.llmfleet.ollama.plugins.doc_fragments.probe import ModuleDocFragment
from ansible_collections.llmfleet.ollama.plugins.module_utils.accelerators import fact, totals, windows
from ansible_collections.llmfleet.ollama.plugins.module_utils.probe import cli, observe, pci, system
from ansible_collections.llmfleet.ollama.plugins.module_utils.vendors import BACKENDS, GATHERED, LABELS, SYSFS_ID, TOOLS, VENDORS
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.report import page
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.report.text import short_card_name
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.machine import budget
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.model.memory import OVERHEAD
from support import ROOT

ON_THE_BUS = {vendor.name: "%04x" % vendor.pci_ids[0] for vendor in VENDORS if vendor.gathered and vendor.pci_ids}
UNITS = "plugins/plugin_utils/service/templates/linux/"
SCRIPTS = sorted([*ROOT.glob("plugins/**/*.ps*1"), *ROOT.glob("roles/**/*.ps1")])
NAMED = [vendor for vendor in VENDORS if vendor.name != "other"]


def read(path):
    return (ROOT / path).read_text(encoding="utf-8")


def test_the_schema_of_the_fact():
    schema = json.loads(read("plugins/module_utils/accelerators/vram.schema.json"))
    assert schema["properties"]["devices"]["items"]["properties"]["vendor"]["enum"] == list(LABELS)


def test_what_a_probe_may_be_asked_for():
    """Python, PowerShell and the documentation of both."""
    asked = [*GATHERED, "system"]
    options = yaml.safe_load(ModuleDocFragment.DOCUMENTATION)["options"]["gather"]
    assert list(observe.GATHER) == options["choices"] == options["default"] == asked
    lists = re.findall(r"(?:choices|default) = ('[^\n]+')\n", read("plugins/modules/win_vram_probe.ps1"))
    assert [re.findall(r"'(\w+)'", words) for words in lists] == [asked, asked]


@pytest.mark.parametrize("name", GATHERED)
def test_a_vendor_that_can_be_asked_for_has_a_reader(name):
    modules = {reader.__module__.rpartition(".")[2] for reader in fact.READERS}
    assert name in modules


@pytest.mark.parametrize("name", ON_THE_BUS)
def test_linux_finds_the_cards(name):
    assert SYSFS_ID[name] in system.CLASSES and SYSFS_ID[name] in pci.PCI_FILES


def test_the_ids_that_windows_reports():
    for vendor in VENDORS:
        assert all(windows.OF_ID[number] == vendor.name for number in vendor.pci_ids)


def test_the_id_that_the_unit_waits_for():
    """The unit that waits for NVIDIA's nodes at the start of the host asks the bus itself."""
    assert SYSFS_ID["nvidia"] in read(UNITS + "gpu.service.j2")


@pytest.mark.parametrize("script", [path for path in SCRIPTS if "VEN_(" in path.read_text(encoding="utf-8-sig")], ids=lambda path: path.name)
def test_the_ids_that_a_script_looks_for_on_windows(script):
    text = script.read_text(encoding="utf-8-sig")
    assert dict(re.findall(r"'([0-9A-F]{4})' = '(\w+)'", text)) == {number.upper(): name for name, number in ON_THE_BUS.items()}
    assert set(re.search(r"VEN_\(([0-9A-F|]+)\)", text)[1].split("|")) == {number.upper() for number in ON_THE_BUS.values()}


def test_a_script_looks_for_them():
    assert any("VEN_(" in path.read_text(encoding="utf-8-sig") for path in SCRIPTS)


@pytest.mark.parametrize("tool", [tool for tools in TOOLS.values() for tool in tools])
def test_a_tool_can_be_run_and_its_word_has_a_weight(tool):
    assert tool in cli.COMMANDS and tool in totals.RANK


def test_no_tool_is_nobodys():
    assert set(cli.COMMANDS) == {tool for tools in TOOLS.values() for tool in tools}


@pytest.mark.parametrize("name", BACKENDS)
def test_a_plan_knows_what_its_backend_takes(name):
    card = {"vendor": name, "index": 0, "name": "card", "accessible": True, "memory_total_bytes": 8 << 30, "memory_usable_bytes": 8 << 30, "type": "discrete"}
    made = budget.host({"devices": [card], "system_memory": {"total_bytes": 32 << 30}})
    assert [found.backend for found in made.cards] == [BACKENDS[name]] and OVERHEAD[BACKENDS[name]] > 0


@pytest.mark.parametrize("vendor", NAMED, ids=lambda vendor: vendor.name)
def test_people_read_the_vendor_once(vendor):
    """The page says it beside the card, so the card's short name does not."""
    assert page._VENDORS[vendor.name] == vendor.label
    assert short_card_name("%s X100" % vendor.label) == "X100"


@pytest.mark.parametrize("nodes", ["nvidia", "drm", "kfd", "/dev/dxg"])
def test_the_service_may_use_the_nodes_that_the_probe_sees(nodes):
    """A closed unit hides a card from the service that the plan counts with."""
    unit = read(UNITS + "ollama.service.j2")
    assert "DeviceAllow=%s rw" % (nodes if nodes.startswith("/") else "char-" + nodes) in unit
    assert any(("/dri/" if nodes == "drm" else nodes) in pattern for pattern in system.NODES)
