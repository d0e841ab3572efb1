# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The firmware's list of memory modules: recorded tables through the reader and the interpretation, and tables that lie."""

from __future__ import annotations

import pathlib

import pytest
import yaml
from ansible_collections.llmfleet.ollama.plugins.module_utils.accelerators import ram, system
from ansible_collections.llmfleet.ollama.plugins.module_utils.probe import smbios

MACHINES = yaml.safe_load(pathlib.Path(__file__).with_name("memory_devices.yml").read_text(encoding="utf-8"))
OTHER = b"\x00\x04\x00\x00BIOS vendor\0\0"
END = b"\x7f\x04\xfe\xff\0\0"


def table(devices):
    """A table with these memory devices between other structures, as the kernel shows it."""
    made = OTHER
    for device in devices:
        texts = b"\0".join(text.encode("ascii") for text in device["texts"])
        made += bytes.fromhex(device["structure"]) + (texts or b"\0") + (b"\0\0" if texts else b"\0")
    return made + END


@pytest.mark.parametrize("name", MACHINES)
def test_a_recorded_machine(name, tmp_path):
    """Two modules on one channel counted twice, a rated speed taken for the configured one, or the memory of another socket: each doubles the plan's speed."""
    machine = MACHINES[name]
    file = tmp_path / "sys/firmware/dmi/tables/DMI"
    file.parent.mkdir(parents=True)
    file.write_bytes(table(machine["devices"]))
    rows = smbios.read(str(tmp_path))
    assert len(rows) == len(machine["devices"])
    assert ram.bandwidth(rows) == machine["expect"]


def test_no_table_is_no_answer(tmp_path):
    """Containers, and users who are not root, see none."""
    assert smbios.read(str(tmp_path)) is None and ram.bandwidth(None) is None


@pytest.mark.parametrize("cut", [0, 3, 20, 60, 100])
def test_a_table_that_is_cut_or_lies_ends_where_it_does(cut):
    """Firmware writes what it likes; a fact never fails a play."""
    whole = table(MACHINES["ASRock-Single-Ryzen"]["devices"])
    assert isinstance(smbios.memory_devices(whole[:cut]), list)
    assert isinstance(smbios.memory_devices(whole.replace(b"\x11\x5c", b"\x11\x02")), list)
    assert smbios.memory_devices(bytes(range(256)) * 4) is not None


def test_serial_numbers_are_not_read():
    """The observation may be sent to us in a bug report."""
    device = dict(MACHINES["SuperMicro-Dual-Xeon"]["devices"][0], texts=["P1-DIMMA1", "P0_Node0_Channel0_Dimm0", "Maker", "SERIAL-4711", "Asset", "Part"])
    assert "4711" not in str(smbios.memory_devices(table([device])))


def module(**known):
    return {"size": 16384, "data_width": 64, "type": 34, "speed": 5600, "configured_speed": 5600, "locator": "DIMM_A1", "bank_locator": "BANK 0", **known}


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        # two channels of DDR5 by name, two modules on each
        ([module(locator="Controller%d-ChannelA-DIMM%d" % (at % 2, at // 2)) for at in range(4)], 89_600_000_000),
        # no channel in the texts, four slots: a client has two
        ([module(), module(), module(), module()], 89_600_000_000),
        # twelve of twelve on a server
        ([module(locator="DIMM %d" % at, configured_speed=4800) for at in range(12)], 460_800_000_000),
        # the slowest module sets the pace, and DDR5 at 2400 are MHz
        ([module(), module(configured_speed=2400)], 76_800_000_000),
        # half channels of DDR5, told one by one
        ([module(locator="ChannelA-DIMM0", data_width=32), module(locator="ChannelB-DIMM0", data_width=32)], 44_800_000_000),
        # LPDDR5, eight soldered chips of 32 bit
        ([module(type=35, data_width=32, configured_speed=8000) for _chip in range(8)], 256_000_000_000),
        # a figure that does not fit in 16 bit
        ([module(configured_speed=0xFFFF, extended_configured_speed=8800)], 70_400_000_000),
        # rated, where nothing is configured
        ([module(configured_speed=0), module(configured_speed=None)], 89_600_000_000),
        # a virtual machine: some RAM of no known speed
        ([module(type=7, speed=0, configured_speed=0)], None),
        ([module(type=34, speed=0, configured_speed=0)], None),
        ([module(size=0), module(size=None)], None),
        ([module(configured_speed=65000) for _chip in range(64)], None),
        ([], None),
        ("none", None),
        ([None, 5, "x"], None),
    ],
)
def test_modules_make_a_bandwidth(rows, expected):
    """Each line is a way in which boards differ; without it one of them is planned for twice or half of its speed."""
    assert ram.bandwidth(rows) == expected


def test_a_board_without_a_table_is_known_by_its_device_tree():
    """A Raspberry Pi 5 by the default of an unknown machine (51.2 GB/s) got an 8b for 5 tokens a second, which answers with 2."""

    def told(compatible, **more):
        return system.memory({"files": {"/proc/device-tree/compatible": compatible}, **more})["bandwidth_bytes_per_second"]

    assert told("raspberrypi,5-model-b\nbrcm,bcm2712") == 17100000000
    assert told("nvidia,p3737-0000+p3701-0005\nnvidia,tegra234") is told(None) is None
    modules = [{"size": 16384, "data_width": 64, "type": 34, "speed": 5600, "configured_speed": 4800, "locator": "ChannelA-DIMM0"}]
    assert told("brcm,bcm2712", memory_devices=modules) == 38400000000  # what the firmware says comes first
