# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The decisions about Windows, which its PowerShell leaves to Python: what counts as a card, which source wins, what joins what.

Without these a card that left the machine years ago, or a 32-bit counter, would decide which model a host gets.
"""

from __future__ import annotations

import pytest
from support import GIB

NOW = 133700000000000000
RX = {"Description": "AMD Radeon RX 7900 XTX", "VendorId": 0x1002, "DedicatedVideoMemory": 24 * GIB, "SharedSystemMemory": 16 * GIB, "LastSeen": NOW}
CLASS = "{4d36e968-e325-11ce-bfc1-08002be10318}\\"


def controller(name="AMD Radeon RX 7900 XTX", pnp="PCI\\VEN_1002&DEV_744C&SUBSYS_0&REV_C8\\6&1", key="0000", **more):
    return {"Name": name, "PNPDeviceID": pnp, "Driver": CLASS + key, "AdapterRAM": 4293918720, **more}


def host(adapters=(), controllers=(), keys=(), cli=(), last_seen=NOW):
    return {
        "system": "Windows",
        "cli": list(cli),
        "windows": {
            "memory": {"total": 32 * GIB, "available": 20 * GIB},
            "dxreg": {"last_seen": last_seen, "adapters": list(adapters)},
            "controllers": list(controllers),
            "class_keys": list(keys),
        },
    }


def sizes(fact):
    return [(device["source"], device["memory_total_bytes"]) for device in fact["devices"]]


def test_dxgi_before_the_driver_key(interpret):
    """One card that both sources know is one card, sized by DXGI and placed by its present device."""
    keys = [{"key": "0000", "qwMemorySize": 24 * GIB}]
    place = controller(LocationInformation="@System32\\drivers\\pci.sys,#65536;PCI bus %1, device %2, function %3;(3,0,0)")
    fact = interpret(host([RX], [place], keys))
    assert sizes(fact) == [("dxreg", 24 * GIB)]
    assert fact["devices"][0]["pci_address"] == "0000:03:00.0" and fact["devices"][0]["pci_id"] == "1002:744c"
    assert fact["system_memory"] == {"total_bytes": 32 * GIB, "available_bytes": 20 * GIB, "bandwidth_bytes_per_second": None}


def test_adapters_of_an_earlier_start(interpret):
    """The registry keeps cards that are gone; they were last seen at another time than the rest. Without the times, all count."""
    old = {**RX, "Description": "AMD Radeon RX 580", "LastSeen": NOW - 1}
    assert sizes(interpret(host([RX, old]))) == [("dxreg", 24 * GIB)]
    assert len(interpret(host([RX, old], last_seen=None))["devices"]) == 2


def test_software_adapters(interpret):
    """A software renderer may borrow the vendor of the card that it stands in for."""
    assert interpret(host([{**RX, "SoftwareAdapter": 1}]))["devices"] == []


def test_two_equal_cards(interpret):
    """Equal names must not fold two cards into one, nor one device take both places."""
    places = [controller(LocationInformation="PCI bus 3, device 0, function 0"), controller(LocationInformation="PCI bus 4, device 0, function 0")]
    fact = interpret(host([RX, RX], places))
    assert [device["pci_address"] for device in fact["devices"]] == ["0000:03:00.0", "0000:04:00.0"]
    assert fact["totals"]["memory_total_bytes"] == 48 * GIB


def test_a_card_that_dxgi_does_not_know(interpret):
    """Never used since the start, so DXGI has no entry: the driver key of the present device has its size."""
    arc = controller("Intel(R) Arc(TM) A770 Graphics", "PCI\\VEN_8086&DEV_56A0&SUBSYS_0\\6&2", "0003")
    fact = interpret(host([RX], [controller(), arc], [{"key": "0003", "qwMemorySize": 16225243136}, {"key": "0009", "qwMemorySize": 64 * GIB}]))
    assert sizes(fact) == [("dxreg", 24 * GIB), ("registry", 16225243136)]
    assert fact["devices"][1]["type"] == "discrete"


@pytest.mark.parametrize(
    ("value", "size"),
    [
        (24 * GIB, 24 * GIB),
        (list((24 * GIB).to_bytes(8, "little")), 24 * GIB),
        ([0, 0, 0, 128], 2 * GIB),
        ([1, 2, 3], None),
        ([256, 0, 0, 0], None),
        (1048576, None),
        ("x", None),
    ],
)
def test_spellings_of_a_size_in_the_registry(interpret, value, size):
    """REG_QWORD, REG_BINARY of either length, and rubbish: the last leaves the size to the next source, here to none."""
    fact = interpret(host([], [controller(AdapterRAM=None)], [{"key": "0000", "qwMemorySize": value}]))
    assert fact["devices"][0]["memory_total_bytes"] == size


def test_nvidia_smi_speaks_for_nvidia(interpret):
    """DXGI shows less of an NVIDIA card than there is, so the tool's figures stand alone for that vendor."""
    csv = "0, GPU-1, 00000000:01:00.0, NVIDIA GeForce RTX 5060 Laptop GPU, 591.86, 8151, 200, 1, 7950, 12.0, [N/A], [N/A], [N/A]\n"
    dxgi = {**RX, "Description": "NVIDIA GeForce RTX 5060 Laptop GPU", "VendorId": 0x10DE, "DedicatedVideoMemory": 7899 << 20}
    answer = {"tool": "nvidia-smi", "query": 0, "rc": 0, "stdout": csv}
    present = controller("NVIDIA GeForce RTX 5060 Laptop GPU", "PCI\\VEN_10DE&DEV_2D19\\1")
    assert sizes(interpret(host([dxgi], [present], cli=[answer]))) == [("nvidia-smi", 8151 << 20)]
    assert sizes(interpret(host([dxgi], [present], cli=[{**answer, "rc": 9}]))) == [("dxreg", 7899 << 20)]


def test_displays_that_are_no_cards(interpret):
    """Remote desktops and virtual screens have no PCI device of a vendor."""
    names = ["ROOT\\BASICDISPLAY\\0000", "VMBUS\\{DA0A7802}\\5", "SWD\\REMOTEDISPLAYENUM\\1", "PCI\\VEN_1414&DEV_5353\\3", "PCI\\VEN_1234&DEV_1111\\3"]
    assert interpret(host([], [controller("Display", name) for name in names]))["devices"] == []


def test_a_device_with_a_problem(interpret):
    """Device Manager's yellow mark: listed, with the number, and not counted."""
    fact = interpret(host([], [controller(ConfigManagerErrorCode=43)], [{"key": "0000", "qwMemorySize": 24 * GIB}]))
    assert fact["devices"][0]["accessible"] is False and "43" in fact["devices"][0]["warnings"][0]["message"]
    assert fact["totals"]["count"] == 0


@pytest.mark.parametrize(
    ("vendor", "name", "dedicated", "integrated"),
    [
        (0x8086, "Intel(R) UHD Graphics 770", GIB // 8, True),
        (0x8086, "Intel(R) Arc(TM) 140V GPU (16GB)", GIB // 8, True),
        (0x8086, "Intel(R) Arc(TM) A770 Graphics", 16 * GIB, False),
        (0x8086, "Intel(R) Arc(TM) B580 Graphics", 12 * GIB, False),
        (0x8086, "Intel(R) Arc(TM) Pro B50 Graphics", 16 * GIB, False),
        (0x1002, "AMD Radeon(TM) 8060S Graphics", 96 * GIB, True),
        (0x1002, "AMD Radeon 780M Graphics", 2 * GIB, True),
        (0x1002, "AMD Radeon(TM) Graphics", GIB // 2, True),
        (0x1002, "AMD Radeon RX 6700M", 10 * GIB, False),
        (0x1002, "AMD Radeon PRO W7900", 48 * GIB, False),
        (0x1002, "AMD Radeon RX Vega 11 Graphics", 2 * GIB, True),
        (0x10DE, "NVIDIA GeForce RTX 4090", 24 * GIB, False),
        (0x10DE, "NVIDIA GeForce MX150", 2 * GIB, False),
    ],
)
def test_integrated_or_not(interpret, vendor, name, dedicated, integrated):
    """DXGI does not say. A large carve-out looks like a card and a name with Arc like a discrete one; both decide the total."""
    adapter = {**RX, "VendorId": vendor, "Description": name, "DedicatedVideoMemory": dedicated, "SharedSystemMemory": 16 * GIB}
    device = interpret(host([adapter]))["devices"][0]
    assert device["unified"] is integrated
    assert device["memory_total_bytes"] == dedicated + (16 * GIB if integrated else 0)
