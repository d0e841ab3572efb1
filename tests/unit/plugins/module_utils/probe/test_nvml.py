# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The NVML reader against a fake driver in every state that a real one was seen in, with NVIDIA's own package as second witness.

Without these a wrong structure layout, a crash, a hang or one lost card would show up on a user's host first.
"""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
import sys

import pytest
from support import MIB

CARD = """
gpu{n}.name=NVIDIA GeForce RTX 3060
gpu{n}.uuid=GPU-12345678-0000-0000-0000-00000000000{n}
gpu{n}.pci=00000000:0{n}:00.0
gpu{n}.pci_id=0x250310DE
gpu{n}.total=12288M
gpu{n}.reserved=368M
gpu{n}.used=116M
gpu{n}.addressing=hmm
"""
READER = pathlib.Path(__file__).parent / "independent_reader.py"


def cards(count):
    return "driver=570.124.04\ncuda=12080\n" + "".join(CARD.format(n=number) for number in range(count))


def witness(folder, *indices, seconds=10):
    """What nvidia-ml-py reads: ({index: record}, exit status)."""
    environment = dict(os.environ, LD_LIBRARY_PATH=str(folder))
    process = subprocess.Popen([sys.executable, str(READER), *map(str, indices)], stdout=subprocess.PIPE, env=environment, text=True)
    try:
        output = process.communicate(timeout=seconds)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        output = process.communicate()[0]
    records = [json.loads(line) for line in output.splitlines()]
    return {record.get("index", "init"): record for record in records}, process.returncode


def agree(device, record):
    """Ours and NVIDIA's reader tell the same card."""
    assert device["name"] == record["name"]
    assert device["uuid"] == record["uuid"]
    assert "0000" + device["pci_address"] == record["pci"].lower()
    assert device["compute_capability"] == "%d.%d" % tuple(record["capability"])
    if not device["mig"]["enabled"]:
        keys = ("memory_total_bytes", "memory_used_bytes", "memory_free_bytes", "memory_reserved_bytes")
        assert [device[key] for key in keys] == record.get("memory", [None] * 4)
    instances = [[row["gpu_instance_id"], row["compute_instance_id"], row["memory_total_bytes"]] for row in device["mig"]["instances"]]
    assert instances == record["instances"]


def codes(entry):
    return [warning["code"] for warning in entry["warnings"]]


def probe(fact, name="nvml"):
    return next(row for row in fact["probes"] if row["name"] == name)


def test_normal(machine, fake_nvml, bindings):
    """Every figure of two healthy cards."""
    observation, fact = machine(cards(2) + "gpu1.persistence=1\ngpu1.power_limit=170000\n")
    records, status = witness(fake_nvml["new"], 0, 1)
    assert status == 0 and len(fact["devices"]) == 2
    for index, device in enumerate(fact["devices"]):
        agree(device, records[index])
        assert device["memory_usable_bytes"] == (12288 - 368) * MIB
        assert device["pci_id"] == "10de:2503" and device["addressing_mode"] == "hmm"
        assert device["driver"]["version"] == records["init"]["driver"] == "570.124.04" and device["runtime"]["cuda"] == "12.8"
        assert device["warnings"] == []
    assert fact["devices"][1]["persistence_mode"] is True and fact["devices"][1]["power_limit_watts"] == 170.0
    assert fact["totals"]["memory_total_bytes"] == 2 * 12288 * MIB and fact["totals"]["incomplete"] is False
    assert probe(fact)["status"] == "ok"
    assert observation["nvml"]["driver"]["bindings"] == bindings


def test_old_driver(machine, fake_nvml):
    """Before the second memory call, "used" holds the reserve too; nothing may be subtracted twice."""
    _observation, fact = machine(cards(1) + "gpu0.process0=71:4096M:/usr/bin/ollama\n", age="old")
    records, _status = witness(fake_nvml["old"], 0)
    agree(fact["devices"][0], records[0])
    assert fact["devices"][0]["memory_used_bytes"] == (116 + 368) * MIB
    assert fact["devices"][0]["memory_reserved_bytes"] is None
    assert fact["devices"][0]["memory_usable_bytes"] == 12288 * MIB
    assert codes(fact["devices"][0]) == ["reserved_unknown"]
    assert fact["devices"][0]["memory_used_by"] == [{"name": "ollama", "memory_bytes": 4096 * MIB}]


def test_lost_card_in_the_middle(machine, fake_nvml):
    """One dead card must not hide those behind it."""
    _observation, fact = machine(cards(3) + "gpu1.handle_rc=15\n")
    records, _status = witness(fake_nvml["new"], 0, 1, 2)
    assert records[1]["error"] == 15
    healthy = [device for device in fact["devices"] if device["accessible"]]
    assert len(fact["devices"]) == 3 and len(healthy) == 2
    agree(healthy[0], records[0])
    agree(healthy[1], records[2])
    lost = next(device for device in fact["devices"] if not device["accessible"])
    assert codes(lost) == ["gpu_lost"] and lost["memory_total_bytes"] is None
    assert fact["totals"]["count"] == 2 and fact["totals"]["memory_total_bytes"] == 2 * 12288 * MIB


def test_lost_card_is_named_by_the_kernel(machine):
    """NVML knows nothing of a lost card but its number; the kernel still has its name and place."""
    text = "Model: \t\t NVIDIA GeForce RTX 3060\nGPU UUID: \t GPU-99999999-0000-0000-0000-000000000001\nBus Location: \t 0000:01:00.0\n"
    _observation, fact = machine(cards(3) + "gpu1.handle_rc=15\n", files={"proc/driver/nvidia/gpus/0000:01:00.0/information": text})
    lost = next(device for device in fact["devices"] if not device["accessible"])
    assert (lost["pci_address"], lost["name"], codes(lost)) == ("0000:01:00.0", "NVIDIA GeForce RTX 3060", ["gpu_lost"])


def test_card_lost_while_asked(machine):
    """The handle may still come and the memory call find the card gone."""
    _observation, fact = machine(cards(2) + "gpu0.memory_rc=15\n")
    assert codes(fact["devices"][0]) == ["gpu_lost"] and fact["devices"][0]["accessible"] is False
    assert fact["totals"]["count"] == 1


@pytest.mark.parametrize("where", ["handle", "memory"])
def test_segfault_in_one_card(machine, fake_nvml, where):
    """A crash inside the driver's library ends the child, not the module, and costs that card alone."""
    _observation, fact = machine(cards(4) + f"gpu1.fault=segfault\ngpu1.fault_at={where}\ngpu3.fault=segfault\n")
    assert witness(fake_nvml["new"], 1)[1] == -signal.SIGSEGV
    records, _status = witness(fake_nvml["new"], 0, 2)
    healthy = [device for device in fact["devices"] if device["accessible"]]
    assert len(fact["devices"]) == 4 and len(healthy) == 2
    agree(healthy[0], records[0])
    agree(healthy[1], records[2])
    assert [codes(device) for device in fact["devices"] if not device["accessible"]] == [["probe_crashed"]] * 2
    assert probe(fact)["status"] == "crashed"


def test_segfault_in_init(machine):
    """No card can be asked; the fact says why instead of saying "no GPU" in silence."""
    _observation, fact = machine(cards(1) + "init_fault=segfault\n")
    assert fact["devices"] == [] and codes(fact) == ["probe_crashed"]


def test_hang_in_one_card(machine, fake_nvml):
    """The cards behind a hanging one still have their turn within the deadline."""
    # Half of it is left to the last card, on a busy machine too. Past its deadline the child ends by a signal, which reads "crashed".
    _observation, fact = machine(cards(3) + "gpu1.fault=hang\n", timeout=5)
    assert witness(fake_nvml["new"], 1, seconds=0.5)[1] == -signal.SIGKILL
    records, _status = witness(fake_nvml["new"], 0, 2)
    healthy = [device for device in fact["devices"] if device["accessible"]]
    assert len(fact["devices"]) == 3 and len(healthy) == 2
    agree(healthy[0], records[0])
    agree(healthy[1], records[2])
    assert [codes(device) for device in fact["devices"] if not device["accessible"]] == [["timeout"]]
    assert probe(fact)["status"] == "timeout"


def test_hang_in_init(machine, fake_nvml):
    """The probe ends at its deadline and tells that the driver did not answer."""
    _observation, fact = machine(cards(1) + "init_fault=hang\n", timeout=1)
    assert witness(fake_nvml["new"], 0, seconds=0.5) == ({}, -signal.SIGKILL)
    assert fact["devices"] == [] and codes(fact) == ["timeout"]
    assert probe(fact)["status"] == "timeout"


@pytest.mark.parametrize(
    ("code", "warning"),
    [(4, "no_permission"), (9, "driver_not_loaded"), (17, "blocked_by_cgroup"), (18, "driver_library_mismatch"), (999, "nvml_error")],
)
def test_init_refused(machine, fake_nvml, code, warning):
    """No permission, no driver, a library of another version: each with its own word, and each present card listed with it."""
    card = {"class": "0x030000", "vendor": "0x10de", "device": "0x2503", "revision": "0xa1"}
    folder = "sys/bus/pci/devices/0000:01:00.0/"
    _observation, fact = machine(cards(1) + f"init_rc={code}\n")
    assert witness(fake_nvml["new"], 0)[0]["init"]["init"] == code
    assert fact["devices"] == [] and codes(fact) == [warning]
    text = "Model: \t NVIDIA GeForce RTX 3060\nBus Location: \t 0000:01:00.0\n"
    files = {folder + name: value for name, value in card.items()}
    _observation, fact = machine(cards(1) + f"init_rc={code}\n", files={**files, "proc/driver/nvidia/gpus/0000:01:00.0/information": text})
    device = fact["devices"][0]
    assert device["memory_total_bytes"] is None and device["accessible"] is False and device["pci_id"] == "10de:2503"
    assert device["name"] == "NVIDIA GeForce RTX 3060"
    assert fact["totals"]["count"] == 0 and fact["totals"]["memory_total_bytes"] == 0


def test_mig_compute_instances_share_a_gpu_instance(machine, fake_nvml):
    """The H200 layout of gpu-facts 6.4: by devices 208896 MiB on a card of 143771, by GPU instances 137472. Slots have gaps."""
    configuration = (
        "gpu0.name=NVIDIA H200\ngpu0.total=143771M\ngpu0.reserved=614M\ngpu0.cc=9.0\ngpu0.mig=1\ngpu0.pci=00000000:19:00.0\n"
        "gpu0.mig0=2:0:71424M:MIG-a:MIG 1c.3g.71gb\ngpu0.mig1=2:1:71424M:MIG-b:MIG 2c.3g.71gb\n"
        "gpu0.mig3=3:0:33280M:MIG-c:MIG 2g.35gb:1024M\ngpu0.mig4=9:0:16384M:MIG-d:MIG 1g.18gb\ngpu0.mig6=10:0:16384M:MIG-e:MIG 1g.18gb\n"
    )
    _observation, fact = machine(configuration)
    agree(fact["devices"][0], witness(fake_nvml["new"], 0)[0][0])
    assert fact["devices"][0]["memory_total_bytes"] == 137472 * MIB
    assert fact["devices"][0]["memory_free_bytes"] == (137472 - 1024) * MIB
    assert fact["totals"]["largest_device_bytes"] == 71424 * MIB and fact["totals"]["count"] == 5


def test_mig_parent_without_permission(machine):
    """An ordinary user sees the instances and not the parent's total."""
    _observation, fact = machine("gpu0.mig=1\ngpu0.memory_rc=4\ngpu0.mig2=1:0:9984M:MIG-a:MIG 1g.10gb\n")
    assert fact["devices"][0]["memory_total_bytes"] == 9984 * MIB and fact["devices"][0]["memory_dedicated_bytes"] is None
    assert fact["devices"][0]["accessible"] is True


def test_mig_without_instances(machine):
    """Nothing can run there, so this is a true 0 and not an unknown."""
    _observation, fact = machine("gpu0.mig=1\ngpu0.total=81559M\n")
    assert codes(fact["devices"][0]) == ["mig_no_instances"]
    assert fact["totals"]["memory_usable_bytes"] == 0 and fact["totals"]["count"] == 0 and fact["totals"]["incomplete"] is False


@pytest.mark.parametrize(
    ("name", "extra", "files"),
    [
        ("NVIDIA GB10", "", {}),
        ("NVIDIA Mystery", "gpu0.integrated=1\n", {}),
        ("Mystery", "", {"proc/device-tree/compatible": "nvidia,p4071\0nvidia,tegra264\0"}),
    ],
)
def test_memory_not_supported_with_evidence(machine, fake_nvml, name, extra, files):
    """Name, libcuda's word or the device tree: the GPU works in the machine's memory, without swap, and total stays constant."""
    swap = {"proc/meminfo": "MemTotal: 127600748 kB\nMemAvailable: 118566368 kB\nSwapTotal: 16777212 kB\nSwapFree: 16777212 kB\n"}
    if "tegra" in str(files):
        # libcuda is not there: the device tree alone must do.
        extra += "gpu0.pci=\n"
    _observation, fact = machine(f"gpu0.name={name}\ngpu0.memory_rc=3\ngpu0.addressing=ats\n{extra}", files={**swap, **files})
    assert witness(fake_nvml["new"], 0)[0][0]["memory_error"] == 3
    device = fact["devices"][0]
    assert device["unified"] is True and device["type"] == "integrated" and device["source"] == "proc"
    assert device["memory_total_bytes"] == device["memory_usable_bytes"] == 127600748 * 1024
    assert device["memory_free_bytes"] == 118566368 * 1024 and device["memory_dedicated_bytes"] is None
    assert codes(device) == ["memory_not_reported"] and fact["unified"] is True


def test_memory_not_supported_without_evidence(machine):
    """Neither "not supported" nor ATS proves that memory is shared: unknown stays null."""
    _observation, fact = machine("gpu0.name=NVIDIA GeForce RTX 3060\ngpu0.memory_rc=3\ngpu0.addressing=ats\n")
    device = fact["devices"][0]
    assert device["unified"] is None and device["memory_total_bytes"] is None and codes(device) == ["memory_not_reported"]
    assert fact["totals"]["incomplete"] is True and fact["unified"] is False


@pytest.mark.parametrize(
    ("figures", "expected"),
    [
        ("gpu0.bus_width=384\ngpu0.memory_clock=9751\n", 936096000000),  # RTX 3090
        ("gpu0.bus_width=5120\ngpu0.memory_clock=1215\n", 1555200000000),  # A100 of 40 GB
        ("", None),  # GB10: not supported
        ("gpu0.bus_width=0\ngpu0.memory_clock=9751\n", None),
        ("gpu0.bus_width=384\ngpu0.memory_clock=1\n", None),  # a slip of the driver
    ],
)
def test_the_bandwidth_of_a_cards_memory(machine, figures, expected):
    """Cards of one name with other memories are told apart by nothing else."""
    _observation, fact = machine("gpu0.name=NVIDIA GeForce RTX 3090\n" + figures)
    assert fact["devices"][0]["memory_bandwidth_bytes_per_second"] == expected


def test_ats_is_not_unified(machine):
    """A Grace Hopper has memory of its own, which Linux counts once more as a NUMA node."""
    files = {
        "proc/meminfo": "MemTotal: 600219904 kB\nMemAvailable: 590219904 kB\n",
        "sys/devices/system/node/node0/cpulist": "0-71\n",
        "sys/devices/system/node/node1/cpulist": "\n",
        "sys/devices/system/node/node1/meminfo": "Node 1 MemTotal:       100219904 kB\nNode 1 MemFree:        100219904 kB\n",
    }
    card = "gpu0.name=NVIDIA GH200 480GB\ngpu0.total=97871M\ngpu0.reserved=1M\ngpu0.addressing=ats\ngpu0.numa=1\n"
    _observation, fact = machine(card, files=files)
    device = fact["devices"][0]
    assert device["unified"] is False and device["coherent"] is True and device["memory_total_bytes"] == 97871 * MIB
    memory = fact["system_memory"]
    assert (memory["total_bytes"], memory["available_bytes"]) == (500000000 * 1024, 490000000 * 1024)


def test_memory_without_cpus_is_memory_where_no_coherent_gpu_is(machine):
    """CXL memory is a node without CPUs too, and must stay in the sum."""
    files = {
        "proc/meminfo": "MemTotal: 600219904 kB\nMemAvailable: 590219904 kB\n",
        "sys/devices/system/node/node1/cpulist": "\n",
        "sys/devices/system/node/node1/meminfo": "Node 1 MemTotal:       100219904 kB\n",
    }
    _observation, fact = machine(cards(1), files=files)
    assert fact["system_memory"]["total_bytes"] == 600219904 * 1024


def test_system_on_a_chip_with_a_misleading_figure(machine):
    """N1X answers 8128 MiB of a pool many times that size."""
    _observation, fact = machine("gpu0.name=NVIDIA N1X\ngpu0.total=8128M\ngpu0.reserved=0\ngpu0.integrated=1\n")
    assert fact["devices"][0]["memory_total_bytes"] == 127600748 * 1024 and codes(fact["devices"][0]) == ["memory_distrusted"]


def test_libcuda_denies(machine):
    """libcuda's word is the strongest: a discrete card with a name like a chip's stays a card."""
    _observation, fact = machine("gpu0.name=NVIDIA Thor Drive dGPU\ngpu0.total=16384M\ngpu0.reserved=1M\ngpu0.integrated=0\n")
    assert fact["devices"][0]["unified"] is False and fact["devices"][0]["memory_total_bytes"] == 16384 * MIB


@pytest.mark.parametrize(("name", "warned"), [("GRID P40-24Q", []), ("NVIDIA A16-4C", []), ("NVIDIA A16-4A", ["vgpu_profile_not_compute"])])
def test_vgpu(machine, name, warned):
    """A guest's profile is its total; profiles without CUDA are told before Ollama fails on them."""
    _observation, fact = machine(f"gpu0.name={name}\ngpu0.total=4096M\ngpu0.reserved=0\ngpu0.virtualization=2\n")
    device = fact["devices"][0]
    assert (device["type"], device["memory_total_bytes"], codes(device)) == ("virtual", 4096 * MIB, warned)


def test_programs_on_the_card(machine):
    """By name and summed; without numbers and arguments, and a hidden size makes the sum unknown."""
    processes = "gpu0.process0=71:4096M:/usr/bin/llama-server --api-key secret\ngpu0.process1=72:1024M:/usr/bin/llama-server\n"
    _observation, fact = machine(cards(1) + processes + "gpu0.process2=73:-:/usr/lib/xorg/Xorg\ngpu0.process3=74:5M\n")
    assert fact["devices"][0]["memory_used_by"] == [
        {"name": "Xorg", "memory_bytes": None},
        {"name": "llama-server", "memory_bytes": 5120 * MIB},
        {"name": "unknown", "memory_bytes": 5 * MIB},
    ]
    assert "secret" not in json.dumps(_observation)


def test_topology_only_when_asked(machine):
    """Its calls grow with the square of the cards, so nobody pays who did not ask."""
    assert machine(cards(3) + "topology=40\n")[1]["topology"] == []
    assert machine(cards(3) + "topology=40\n", topology=True)[1]["topology"] == [
        {"devices": [0, 1], "level": "node"},
        {"devices": [0, 2], "level": "node"},
        {"devices": [1, 2], "level": "node"},
    ]


def test_library_that_does_not_load(machine, tmp_path, options):
    """A file that is there and won't load (musl, wrong architecture) is an error with its reason, not an absence."""
    from ansible_collections.llmfleet.ollama.plugins.module_utils.accelerators import fact
    from ansible_collections.llmfleet.ollama.plugins.module_utils.probe import observe

    (tmp_path / "libnvidia-ml.so.1").write_bytes(b"not a library")
    observation = observe.observe(options, root=str(tmp_path), paths=(str(tmp_path / "libnvidia-ml.so.1"),))
    found = fact.interpret(observation)
    assert codes(found) == ["library_not_loadable"] and probe(found)["status"] == "error"
    observation = observe.observe(options, root=str(tmp_path), paths=(str(tmp_path / "nothing-here.so"), "libno-such-thing.so.9"))
    found = fact.interpret(observation)
    assert found["warnings"] == [] and found["devices"] == [] and probe(found)["status"] == "absent"


def test_unkillable_child_does_not_hold_the_callers_pipe(fake_nvml, tmp_path):
    """A driver can make a process unkillable. Ansible waits for the end of the module's output, so no child may keep it open."""
    (tmp_path / "fake.conf").write_text("init_fault=hang\n", encoding="utf-8")
    script = """
import os, sys
from ansible_collections.llmfleet.ollama.plugins.module_utils.probe import observe
os.kill = os.killpg = lambda *arguments: None  # as if SIGKILL had no effect
options = {"timeout": 1, "gather": ["nvidia"], "topology": False, "allow_cli": False, "filesystems": []}
observe.observe(options, root=sys.argv[1], paths=(sys.argv[2],))
print("done")
"""
    environment = dict(os.environ, FAKE_NVML=str(tmp_path / "fake.conf"), PYTHONPATH=os.pathsep.join(sys.path))
    arguments = [sys.executable, "-c", script, str(tmp_path), str(fake_nvml["new"] / "libnvidia-ml.so.1")]
    ended = subprocess.run(arguments, capture_output=True, env=environment, text=True, check=False)
    assert ended.stdout == "done\n", ended.stderr
    # Its own alarm ends the child 5 s later: a caller that had waited would find it gone.
    assert children_of_a_probe(str(tmp_path)), "the probe waited for its child"


def children_of_a_probe(folder: str) -> list:
    """Processes whose environment names this folder."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/environ"):
        try:
            found += [path] if folder.encode() in path.read_bytes() else []
        except OSError:  # it has ended, or is none of ours
            continue
    return found
