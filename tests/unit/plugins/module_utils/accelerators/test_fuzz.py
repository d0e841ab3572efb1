# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever a machine says, the fact is valid and nothing tripped inside (`probe_failed` is the trace of a caught exception).

Without this, the first driver that prints something new fails somebody's play, or silently costs the cards behind it.
"""

from __future__ import annotations

import copy
import json
import pathlib
import struct
import tempfile

import yaml
from ansible_collections.llmfleet.ollama.plugins.module_utils.accelerators import parse
from ansible_collections.llmfleet.ollama.plugins.module_utils.accelerators.redact import redact
from ansible_collections.llmfleet.ollama.plugins.module_utils.probe import child, pci, system
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

HERE = pathlib.Path(__file__).parent
# One of each kind of source is enough to mutate; reading all would take the time that the mutations deserve.
NAMES = (
    "nvidia-rtx-3060",
    "nvidia-h200-mig-shared-gpu-instance",
    "nvidia-gb10",
    "nvidia-gh200-480gb",
    "nvidia-jetson-orin-jetpack6",
    "amd-mi100-rocm571",
    "amd-mi308x-x8",
    "amd-strix-halo-512m",
    "intel-arc-a770-root",
    "intel-arc-b570-xpu-smi",
    "apple-m4-max-128",
    "apple-imac-pro-vega-64",
    "windows-radeon-860m",
    "windows-rtx-4070-ti-and-amd-igpu",
)
OBSERVATIONS = [yaml.safe_load((HERE / "machines" / (name + ".yml")).read_text(encoding="utf-8"))["observation"] for name in NAMES]
# And the fields that none of these has.
OBSERVATIONS.append(
    {
        "observation_version": 1,
        "system": "Linux",
        "kernel": "5.15.153.1-microsoft-standard-WSL2",
        "architecture": "x86_64",
        "cpu_count": 8,
        "physical_cores": 4,
        "cpu_affinity": 8,
        "cpu_quotas": ["max 100000", "200000 100000"],
        "memory_devices": [{"size": 16384, "data_width": 64, "type": 34, "speed": 5600, "configured_speed": 4800, "locator": "ChannelA-DIMM0"}],
        "duration_ms": 5,
        "options": {"gather": ["nvidia", "amd", "intel", "apple"]},
        "files": {"/proc/device-tree/compatible": "nvidia,tegra264", "/proc/device-tree/model": "Thor", "/proc/driver/nvidia/version": "x"},
        "nodes": {"/dev/dxg": True, "/dev/kfd": False, "/dev/dri/renderD128": True},
        "environment": {"CUDA_VISIBLE_DEVICES": "0"},
        "cgroup_limits": ["max", "5"],
        "filesystems": [{"path": "/", "mount_point": "/", "fstype": "ext4", "total_bytes": 5, "free_bytes": 5}],
        "nvidia_kernel_files": ["Model: X\nGPU UUID: GPU-1\nBus Location: 0000:01:00.0"],
        "nvml": {
            "driver": {"rc": 0, "version": "1.2", "cuda": 12080, "count": 3, "detail": None},
            "devices": [
                {"index": 0, "rc": 15},
                {
                    "index": 1,
                    "rc": 0,
                    "name": "NVIDIA Thor",
                    "pci_bus_id": "0000000F:01:00.0",
                    "pci_device_id": 1,
                    "memory": {"rc": 3},
                    "virtualization_mode": 2,
                    "power_limit_milliwatts": 5,
                    "persistence_mode": 1,
                    "processes": [{"name": "a", "bytes": 5}],
                },
            ],
            "cuda": [{"pci_bus_id": "0000000F:01:00.0", "integrated": 1, "total": 5}],
            "topology": [{"devices": [0, 1], "level": 40}],
        },
        "pci": [
            {"address": "0000:01:00.0", "vendor": "0x10de", "device": "0x2204", "driver": "nvidia"},
            {"address": "0000:02:00.0", "vendor": "0x1002", "device": "0x744c", "driver": "amdgpu", "render_node": "renderD128"},
            {"address": "0000:03:00.0", "vendor": "0x8086", "device": "0xe20b", "driver": "xe", "render_node": "renderD129"},
        ],
        "pci_files": [{"address": "0000:02:00.0", "files": {"power1_cap": "5", "unique_id": "0123456789abcdef", "numa_node": "0"}}],
        "pci_name": [{"address": "0000:02:00.0", "name": "Navi"}],
        "kfd": [{"gpu_id": "7", "properties": "location_id 512\ngfx_target_version 110000", "mem_banks": ["size_in_bytes 5"]}],
        "kfd_process": [{"gpu_id": "7", "name": "ollama", "bytes": "5"}],
        "drm": [
            {"address": "0000:02:00.0", "ids_flags": 1, "vram": {"total": 5, "used": 1}, "gtt": {"total": 9, "used": 1}},
            {"address": "0000:03:00.0", "regions": [{"class": 1, "total": 5, "used": 1, "unallocated": 1}], "error": "no"},
        ],
        "capabilities": "000001ffffffffff",
        "probes": [
            {"name": "nvml", "status": "timeout", "detail": "x", "duration_ms": 5, "failed_steps": [{"step": 2, "how": "timeout"}]},
            {"name": "sysfs", "status": "crashed", "failed_steps": [{"step": "0000:02:00.0", "how": "crashed"}]},
        ],
    }
)
# What real machines do when they break: other types, absurd sizes, empty and half texts, tables for lists.
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(1 << 70), 1 << 70),
    st.sampled_from([float("inf"), float("nan"), -0.0, 1e300]),
    st.floats(),
    st.text(max_size=30),
    st.sampled_from(["", "0", "-1", "[N/A]", "[GPU is lost]", "9" * 5000, "1e999", "٣", "{", "[[[[", "\x00", "0x", "GPU-", "Infinity", "nvidia,tegra"]),
)
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3), max_leaves=6)
QUICK = settings(max_examples=150, deadline=None, database=None, suppress_health_check=list(HealthCheck))


def places(value, path=()):
    yield path
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, entry in entries:
        yield from places(entry, (*path, key))


PLACES = [(number, path) for number, observation in enumerate(OBSERVATIONS) for path in places(observation) if path]


# The same field of each list entry once is enough.
KINDS = list({(number, tuple("*" if isinstance(key, int) else key for key in path)): (number, path) for number, path in PLACES}.values())
NASTY = (None, True, -1, 1 << 70, "9" * 5000, [None], {"x": [1]}, float("nan"))


def unharmed(found):
    assert [warning for warning in found["warnings"] if warning["code"] == "probe_failed"] == []


def mutate(number, path, change):
    observation = copy.deepcopy(OBSERVATIONS[number])
    at = observation
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = change(at[path[-1]])
    return observation


def test_each_field_of_each_wrong_kind(interpret):
    """Exhaustive where chance would leave holes: every field of every source, replaced by each kind of wrong value."""
    for number, path in KINDS:
        for value in NASTY:
            unharmed(interpret(mutate(number, path, lambda _old, value=value: value)))


@QUICK
@given(st.lists(st.tuples(st.sampled_from(PLACES), VALUES), min_size=1, max_size=3))
def test_wrong_values_anywhere(interpret, changes):
    number = changes[0][0][0]
    observation = copy.deepcopy(OBSERVATIONS[number])
    for (other, path), value in changes:
        if other != number:
            continue
        try:
            at = observation
            for key in path[:-1]:
                at = at[key]
            at[path[-1]] = value
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change took this place away
    unharmed(interpret(observation))
    redact(observation)


@QUICK
@given(st.sampled_from(PLACES), st.integers(0, 400), st.text(max_size=20))
def test_truncated_and_dirty_texts(interpret, place, cut, dirt):
    number, path = place
    unharmed(interpret(mutate(number, path, lambda value: value[:cut] + dirt if isinstance(value, str) else value)))


@QUICK
@given(VALUES)
def test_any_value_for_an_observation(interpret, value):
    unharmed(interpret(value))
    redact(value)


@QUICK
@given(
    st.dictionaries(
        st.sampled_from(sorted({key for observation in OBSERVATIONS for key in observation} | {"files", "nodes", "drm", "kfd_process", "probes"})),
        VALUES,
        max_size=8,
    )
)
def test_any_value_for_a_source(interpret, observation):
    unharmed(interpret(observation))


TOOLS = ("nvidia-smi", "amd-smi", "rocm-smi", "xpu-smi")


@QUICK
@given(st.sampled_from(TOOLS), st.sampled_from([0, 1, "device", None]), st.text(max_size=200) | VALUES.map(json.dumps))
def test_any_output_of_a_tool(interpret, tool, query, output):
    unharmed(interpret({"system": "Linux", "cli": [{"tool": tool, "query": query, "rc": 0, "stdout": output, "stderr": ""}]}))


@QUICK
@given(VALUES)
def test_readers_answer_their_kind_or_nothing(value):
    for reader, kind in (
        (parse.whole, int),
        (parse.positive, int),
        (parse.text, str),
        (parse.number, float),
        (parse.mib, int),
        (parse.address, str),
    ):
        found = reader(value)
        assert found is None or (isinstance(found, kind) and not isinstance(found, bool) and (kind is str or 0 <= found <= parse.LARGEST))
    parse.json_in(value)


@QUICK
@given(st.binary(max_size=400), st.integers(0, 1 << 32 - 1))
def test_kernel_replies(blob, count):
    """Any bytes, and any announced number of records."""
    for data in (blob, struct.pack("<I", count % (1 << 32)) + blob):
        for region in pci.parse_xe(data) + pci.parse_i915(data):
            assert region["total"] >= 0


@settings(QUICK, max_examples=60)
@given(st.binary(max_size=300))
def test_files_of_random_bytes(data):
    """Every file that the probe opens, filled with noise."""
    with tempfile.TemporaryDirectory() as root:
        for path in (
            "proc/meminfo",
            "proc/self/cgroup",
            "proc/self/mounts",
            "sys/bus/pci/devices/0000:01:00.0/class",
            "sys/class/kfd/kfd/topology/nodes/1/properties",
            "sys/class/kfd/kfd/topology/nodes/1/mem_banks/0/properties",
            "sys/devices/system/node/node1/cpulist",
            "usr/share/misc/pci.ids",
            "usr/share/libdrm/amdgpu.ids",
        ):
            target = pathlib.Path(root, path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        json.dumps(
            [
                system.memory(root),
                system.cgroup_limits(root),
                system.numa_without_cpus(root),
                system.graphics_cards(root),
                pci.kfd_nodes(root),
            ]
        )
        system.filesystem("/any/where", root)
        pci.marketing_name({"vendor": pci.AMD, "device": "0x1586", "revision": "0xc1"}, root)


@QUICK
@given(st.lists(st.binary(max_size=60), max_size=6))
def test_any_bytes_from_a_child(chunks):
    """A child that dies in mid-line, or a driver that writes into our pipe."""
    job = child.Job("x", lambda emit, settled: None)
    for chunk in chunks:
        job.feed(chunk)
    assert all(isinstance(record, dict) for record in job.records)
