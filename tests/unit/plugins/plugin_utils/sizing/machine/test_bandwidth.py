# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bandwidth of a device by the names that drivers and people write."""

from __future__ import annotations

import pytest
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing import data
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.machine import bandwidth, budget
from support import GIB, machines

NAMES = [
    ("NVIDIA GeForce RTX 4090", "nvidia", 24, 1008),
    ("RTX 4090", "nvidia", 24, 1008),  # the laptop's part is another name
    ("NVIDIA GeForce RTX 4090 Laptop GPU", "nvidia", 16, 576),
    ("NVIDIA GeForce RTX 3060", "nvidia", 12, 360),
    ("NVIDIA GeForce RTX 3060", "nvidia", None, 240),  # 12 or 8 GB: the slower
    ("H100", "nvidia", 80, 2039),
    ("NVIDIA H100 80GB HBM3", "nvidia", 80, 3352),
    ("H100 SXM", "nvidia", 80, 3352),
    ("H100 SXM5 80GB", "nvidia", 80, 3352),
    ("NVIDIA GB300", "nvidia", 277, 8000),
    ("NVIDIA A100-PCIE-40GB", "nvidia", 40, 1555),
    ("A100 SXM", "nvidia", 80, 2039),
    ("RTX4090", "nvidia", 24, 1008),  # as people write them
    ("rtx 3090ti", None, 24, 1008),
    ("RTX4080Super", "nvidia", 16, 736.3),
    ("RX7900XTX", "amd", 24, 960),
    ("RX 7900GRE", "amd", 16, 576),
    ("RX 6650M", "amd", 8, 224),
    ("Tesla V100-SXM3-32GB", "nvidia", 32, 981),
    ("NVIDIA H20", "nvidia", 96, 4000),
    ("NVIDIA GeForce MX450", "nvidia", 2, 64),
    ("NVIDIA A40-12Q", "nvidia", 12, 695.8),
    ("TU104M [GeForce RTX 2070 SUPER Mobile / Max-Q]", "nvidia", 8, 352),
    ("NVIDIA GB10", "nvidia", 120, 273),
    ("DGX Spark", None, None, 273),
    ("Orin (nvgpu)", "nvidia", 61, 204.8),
    ("NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super", "nvidia", 7.4, 102.4),
    ("Orin", "nvidia", 7.4, 68.2),
    ("Orin Nano", "nvidia", 4, 34.1),
    ("Navi 31 [Radeon RX 7900 XT/7900 XTX/7900 GRE/7900M]", "amd", None, 576),
    ("Navi 31 [Radeon RX 7900 XT/7900 XTX/7900 GRE/7900M]", "amd", 24, 960),
    ("AMD Radeon RX 7900 XTX", "amd", 24, 960),
    ("Radeon RX Vega", "amd", 8, 409.6),
    ("AMD Radeon(TM) Vega 8 Graphics", "amd", 2, 51.2),
    ("AMD Instinct MI300X OAM", "amd", 192, 5300),
    ("MI300", "amd", 128, 5300),
    ("Navi 21 [Radeon PRO V620]", "amd", 32, 512),
    ("Radeon Vega Frontier Edition", "amd", 16, 483.8),
    ("AMD RYZEN AI MAX+ 395 w/ Radeon 8060S", "amd", 96, 256),
    ("Intel(R) Arc(TM) A770 Graphics", "intel", 16, 560),
    ("Intel(R) Arc(TM) A730M Graphics", "intel", 12, 336),
    ("Intel(R) Arc(TM) Graphics", "intel", 16, 119.5),
    ("Apple M4 Max", "apple", 128, 546),
    ("Apple M4 Max", "apple", None, 410),
    ("Apple M5 Ultra", "apple", 256, None),  # no M5
    ("NVIDIA GeForce RTX 6090", "nvidia", 32, None),
    ("AMD Radeon Graphics", "amd", 1, None),
    ("AMD [1002:1586]", "amd", 96, 256),  # a system without pci.ids
    ("AMD [1002:744c]", "amd", 24, 960),
    ("AMD [1002:744c]", "amd", 20, 800),
    ("AMD [1002:744c]", "amd", None, 576),
    ("Intel [8086:e20b]", "intel", 12, 456),
    ("AMD [1002:ffff]", "amd", 24, None),
    ("", None, None, None),
]


@pytest.mark.parametrize(("name", "vendor", "size", "gb"), NAMES)
def test_a_name_means_a_card(name, vendor, size, gb):
    """A name that is missed costs its owner the estimate; one that is taken for a faster card gets a model that nobody can use."""
    row = bandwidth.row_of(name, vendor, size and int(size * GIB))
    assert (row and row["gb_per_second"]) == gb


def test_every_name_of_the_list_finds_a_row_of_its_own_speed_or_a_slower_one():
    """A row that no name can reach would look like knowledge."""
    for row in data.load("bandwidth")["devices"]:
        for name in [row["name"]] + row.get("also", []):
            found = bandwidth.row_of(name, row["vendor"], max(row.get("memory_gb") or [0]) * GIB)
            assert found is not None and found["gb_per_second"] <= row["gb_per_second"], name


def test_rows_are_whole():
    """A source for each figure, a class that exists, and no figure that a slip of the decimal point made."""
    found = data.load("bandwidth")
    for row in found["devices"]:
        flags = {"unified", "integrated", "unsure"}
        assert set(row) - flags <= {"name", "also", "vendor", "gb_per_second", "memory_gb", "class", "efficiency", "capability", "source", "note"}, row
        assert "capability" not in row or row["vendor"] == "nvidia" and 3.0 <= float(row["capability"]) < 7.0, row
        assert row["source"] and row.get("class", "cuda") in found["classes"] and 10 < row["gb_per_second"] <= 8000, row


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        ({}, "cuda"),
        ({"compute_capability": "6.1"}, "cuda-pascal"),
        ({"name": "NVIDIA A100-SXM4-80GB"}, "cuda-hbm"),
        ({"name": "NVIDIA GB10", "unified": True, "type": "integrated"}, "cuda-unified"),
        ({"name": "Radeon RX 7900 XTX", "vendor": "amd"}, "rocm"),
        ({"name": "Radeon 8060S Graphics", "vendor": "amd", "gfx_target": "gfx1151", "unified": True, "type": "integrated"}, "rocm-unified"),
        ({"name": "Apple M1 Pro", "vendor": "apple", "unified": True}, "metal-m1"),
        ({"name": "Apple M4", "vendor": "apple", "unified": True}, "metal"),
        ({"name": "Intel(R) Arc(TM) B580 Graphics", "vendor": "intel"}, "other"),
    ],
)
def test_the_kind_of_memory_decides_what_of_it_reaches_a_token(card, expected):
    """Without the class an A100 is predicted with the efficiency of GDDR and a GB10 with that of a card."""
    known = data.load("bandwidth")["classes"][expected]
    (found,) = budget.host(machines.machine(machines.card(**card))).cards
    assert (found.pace.efficiency, found.pace.launch) == (known["efficiency"], known["launch_us"] / 1e6)


def test_what_a_driver_says_comes_before_the_list():
    """Cards of one name with different memories (GTX 1650, laptops) are told apart by their driver only."""
    (found,) = budget.host(machines.machine(machines.card(memory_bandwidth_bytes_per_second=10**12))).cards
    assert found.pace.bandwidth == 10**12


def test_an_instance_of_mig_has_its_share():
    """Half of the memory's slices is half of its bandwidth, though the driver tells that of the whole card."""
    whole = machines.card("NVIDIA A100-SXM4-80GB", 81920, 0)
    half = dict(whole, mig={"enabled": True, "instances": [{}, {}]}, memory_usable_bytes=whole["memory_total_bytes"] // 2)
    (all_of_it,), (slices,) = (budget.host(machines.machine(card)).cards for card in (whole, half))
    assert slices.pace.bandwidth * 2 == all_of_it.pace.bandwidth


def test_a_slow_chip_is_slower_than_its_class():
    """GTX 1050 Ti, AGX Orin and Arc A770 reach about half of what their memory would give; without the mark they are promised twice their speed."""
    (found,) = budget.host(machines.machine(machines.card("NVIDIA GeForce GTX 1050 Ti", 4096, compute_capability="6.1"))).cards
    assert found.pace.efficiency == 0.40


@pytest.mark.parametrize(
    ("machine", "expected"),
    [
        (machines.machine(), 51_200_000_000),
        (machines.machine(ram=256, cpu={"count": 64, "physical_cores": 24}), 51_200_000_000),  # four modules of 64 GB; a large desktop
        (machines.machine(ram=384), 102_400_000_000),
        (machines.machine(ram=128, cpu={"count": 64, "physical_cores": 32, "usable_cores": 4}), 102_400_000_000),
        (machines.machine(system_memory={"total_bytes": GIB, "bandwidth_bytes_per_second": 307_200_000_000}), 307_200_000_000),
        (machines.machine(machines.card("NVIDIA GB10", 120 * 1024, 0, unified=True, type="integrated")), 273_000_000_000),
    ],
)
def test_system_memory_has_a_bandwidth_in_any_case(machine, expected):
    """The fact's, else of one pool with a GPU that GPU's, else the default; without the default a 7b would be out or in by chance, and by that of a desktop
    a server with 512 GB would get an 8b."""
    assert budget.host(machine).ram_bandwidth == expected


@pytest.mark.parametrize(
    ("cpu", "expected"),
    [(None, None), ({"count": 8}, 8), ({"count": 16, "physical_cores": 8}, 8), ({"count": 64, "physical_cores": 32, "usable_cores": 2}, 2)],
)
def test_cores_are_those_that_compute(cpu, expected):
    """Threads of one core share its arithmetic, and a container may use fewer cores than the machine has."""
    assert budget.host(machines.machine(cpu=cpu)).cores == expected
