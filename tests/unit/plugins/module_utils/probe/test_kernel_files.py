# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Other machines' /sys, /proc and /dev in a folder, walked by the real probe and interpreted.

Without these, AMD and Intel cards, device nodes, limits and file systems would be read right only in theory.
"""

from __future__ import annotations

import errno
import functools
import json
import os
import stat
import struct
import subprocess
import time

import jsonschema
import pytest
from ansible_collections.llmfleet.ollama.plugins.module_utils.accelerators import fact
from ansible_collections.llmfleet.ollama.plugins.module_utils.probe import observe, pci, system
from support import GIB, ROOT, needs

SCHEMA = json.loads((ROOT / "plugins/module_utils/accelerators/vram.schema.json").read_text(encoding="utf-8"))


class Host:
    """A root folder that fills up with what one machine shows."""

    def __init__(self, root):
        self.root = root
        self.write("proc/meminfo", "MemTotal:       131072000 kB\nMemAvailable:   120000000 kB\n")

    def write(self, path, text=""):
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        return target

    def card(self, address, vendor, device, driver, render=None, kind="0x030000", node=True, **files):
        folder = f"sys/bus/pci/devices/{address}"
        for name, text in {"class": kind, "vendor": vendor, "device": device, "revision": "0xc8", **files}.items():
            self.write(f"{folder}/{name}", text + "\n")
        if driver:
            (self.root / f"sys/bus/pci/drivers/{driver}").mkdir(parents=True, exist_ok=True)
            os.symlink(self.root / f"sys/bus/pci/drivers/{driver}", self.root / folder / "driver")
        if render is not None:
            (self.root / f"{folder}/drm/renderD{render}").mkdir(parents=True)
            if node:
                self.write(f"dev/dri/renderD{render}")

    def kfd(self, number, properties, *banks):
        folder = f"sys/class/kfd/kfd/topology/nodes/{number}"
        self.write(f"{folder}/properties", properties)
        self.write(f"{folder}/gpu_id", "4711\n")
        for bank, size in enumerate(banks):
            self.write(f"{folder}/mem_banks/{bank}/properties", f"heap_type 1\nsize_in_bytes {size}\nwidth 256\n")

    def tool(self, name, script):
        path = self.write(f"usr/bin/{name}", "#!/bin/sh\n" + script)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def fact(self, **options):
        chosen = {"timeout": 5, "gather": list(observe.GATHER), "topology": False, "allow_cli": True, "filesystems": [], **options}
        # Linux, whatever runs the test.
        uname = os.uname_result(("Linux", *os.uname()[1:]))
        found = fact.interpret(observe.observe(chosen, root=str(self.root), uname=uname, paths=("libno-such-nvml.so.9",)))
        jsonschema.Draft202012Validator(SCHEMA).validate(found)
        return found


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path)


def codes(entry):
    return [warning["code"] for warning in entry["warnings"]]


def test_nothing(host):
    """No card, no driver, no tool: an empty fact without any warning, and the machine's memory."""
    found = host.fact()
    assert found["devices"] == [] and found["warnings"] == [] and found["totals"]["memory_total_bytes"] == 0
    assert found["system_memory"] == {"total_bytes": 131072000 * 1024, "available_bytes": 120000000 * 1024, "bandwidth_bytes_per_second": None}
    assert found["cpu"]["physical_cores"] is None and found["cpu"]["usable_cores"] == system.cpu_affinity()


def test_cores_without_their_second_threads_and_what_a_container_may_use(host):
    """Two threads share a core's arithmetic, and a quota of two processors is two, whatever the machine has: else it is planned for eight times its speed."""
    for number in range(4):
        host.write(f"sys/devices/system/cpu/cpu{number}/topology/thread_siblings_list", f"{number % 2},{number % 2 + 2}\n")
    assert host.fact()["cpu"]["physical_cores"] == 2
    host.write("proc/self/cgroup", "0::/machine/unit\n")
    host.write("sys/fs/cgroup/machine/unit/cpu.max", "max 100000\n")
    assert host.fact()["cpu"]["usable_cores"] == system.cpu_affinity()
    host.write("sys/fs/cgroup/machine/cpu.max", "100000 100000\n")
    assert host.fact()["cpu"]["usable_cores"] == 1
    host.write("proc/self/cgroup", "4:cpu,cpuacct:/unit\n")
    host.write("sys/fs/cgroup/cpu/unit/cpu.cfs_quota_us", "50000\n")
    host.write("sys/fs/cgroup/cpu/unit/cpu.cfs_period_us", "100000\n")
    assert host.fact()["cpu"]["usable_cores"] == 1


def test_amd_card(host):
    """A card of its own: totals from sysfs, target from KFD, name from the distribution's list, programs from KFD."""
    files = {"mem_info_vram_total": str(24 * GIB), "mem_info_vram_used": str(GIB), "mem_info_gtt_total": str(32 * GIB)}
    host.card("0000:03:00.0", "0x1002", "0x744c", "amdgpu", 128, mem_info_vram_vendor="samsung", unique_id="1234567890abcdef", **files)
    host.write("usr/share/libdrm/amdgpu.ids", "1.0.0\n744C,\tC8,\tAMD Radeon RX 7900 XTX\n")
    host.kfd(1, "drm_render_minor 128\ngfx_target_version 110000\nunique_id 1311768467294899695\n", 24 * GIB)
    host.write("sys/class/kfd/kfd/proc/99/vram_4711", str(3 * GIB))
    host.write("proc/99/comm", "ollama\n")
    host.write("dev/kfd")
    device = host.fact()["devices"][0]
    assert (device["name"], device["gfx_target"], device["type"]) == ("AMD Radeon RX 7900 XTX", "gfx1100", "discrete")
    assert device["memory_total_bytes"] == device["memory_usable_bytes"] == 24 * GIB
    assert device["memory_free_bytes"] == 23 * GIB and device["memory_shared_bytes"] == 32 * GIB
    assert device["uuid"] == "GPU-1234567890abcdef" and device["warnings"] == []
    assert device["memory_used_by"] == [{"name": "ollama", "memory_bytes": 3 * GIB}]


def test_amd_apu_is_never_a_sum(host):
    """Strix Halo: KFD's bank wins; without it the larger of both parts. The sum is what other tools print, and it is not there."""
    host.card("0000:c5:00.0", "0x1002", "0x1586", "amdgpu", 128, mem_info_vram_total=str(GIB // 2), mem_info_gtt_total="118111600640")
    host.kfd(1, "drm_render_minor 128\ngfx_target_version 110501\n", 118111600640)
    device = host.fact()["devices"][0]
    assert device["unified"] is True and device["memory_total_bytes"] == 118111600640 and device["source"] == "kfd"


def test_amd_row_matched_by_place(host):
    """Where KFD names no render node, its location number leads to the card."""
    host.card("0000:43:00.0", "0x1002", "0x740f", "amdgpu", 129, mem_info_vram_total=str(64 * GIB), mem_info_vram_vendor="hynix")
    host.kfd(2, f"drm_render_minor 0\ngfx_target_version 90010\nlocation_id {0x4300}\ndomain 0\n", 64 * GIB)
    assert host.fact()["devices"][0]["gfx_target"] == "gfx90a"


def test_amd_without_a_hint(host):
    """Neither a vendor of the memory nor a known target: counted as a card, and said so."""
    host.card("0000:03:00.0", "0x1002", "0x1234", "amdgpu", 128, mem_info_vram_total=str(16 * GIB), mem_info_gtt_total=str(16 * GIB))
    device = host.fact()["devices"][0]
    assert device["type"] == "discrete" and codes(device) == ["integrated_unknown"] and device["name"] == "AMD [1002:1234]"


@pytest.mark.parametrize(
    ("vendor", "driver", "warned"),
    [
        ("0x10de", "vfio-pci", []),
        ("0x10de", "nouveau", ["driver_not_loaded"]),
        ("0x10de", None, ["driver_not_loaded"]),
        ("0x1002", "vfio-pci", []),
        ("0x1002", "radeon", ["driver_not_loaded"]),
        ("0x8086", None, ["driver_not_loaded"]),
    ],
)
def test_cards_that_are_not_ours(host, vendor, driver, warned):
    """Given to a guest, or held by a driver that knows no sizes: listed, not counted."""
    host.card("0000:03:00.0", vendor, "0x1234", driver, 128)
    found = host.fact()
    assert [codes(device) for device in found["devices"]] == [warned]
    device = found["devices"][0]
    assert device["accessible"] is False and device["memory_total_bytes"] is None and device["driver"]["name"] == driver
    assert found["totals"]["count"] == 0 and found["totals"]["incomplete"] is False


def test_display_adapters_without_a_gpu(host):
    """A server's management display, a virtual screen and an NPU hold no models."""
    host.card("0000:02:00.0", "0x1a03", "0x2000", "ast")
    host.card("0000:00:01.0", "0x1af4", "0x1050", "virtio-pci")
    host.card("0000:00:0b.0", "0x8086", "0x7d1d", "intel_vpu", kind="0x120000")
    host.card("0000:00:1f.0", "0x8086", "0x7e00", "lpc", kind="0x060100")
    assert host.fact()["devices"] == []


def test_nvidia_card_without_library(host):
    """The kernel module without its library is a broken driver, not a machine without a GPU."""
    host.card("0000:01:00.0", "0x10de", "0x2204", "nvidia")
    host.write("proc/driver/nvidia/version", "NVRM version: NVIDIA UNIX x86_64 Kernel Module  570.124.04  Tue Feb 25\n")
    device = host.fact()["devices"][0]
    assert codes(device) == ["library_not_found"] and device["driver"] == {"name": "nvidia", "version": "570.124.04"}
    assert device["accessible"] is False


def test_container_without_the_device_node(host):
    """A container's /sys shows all of the host's cards; those it was not given are told and not counted."""
    host.card("0000:03:00.0", "0x1002", "0x744c", "amdgpu", 128, node=False, mem_info_vram_total=str(24 * GIB), mem_info_vram_vendor="x")
    device = host.fact()["devices"][0]
    assert codes(device) == ["device_node_missing"] and device["accessible"] is False and device["memory_total_bytes"] == 24 * GIB


def test_node_without_permission(host, monkeypatch):
    """A node that exists and does not open is another problem, with another way out."""
    host.card("0000:03:00.0", "0x1002", "0x744c", "amdgpu", 128, mem_info_vram_total=str(24 * GIB), mem_info_vram_vendor="x")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert codes(host.fact()["devices"][0]) == ["no_permission"]


def xe_blob(*regions):
    return struct.pack("<I4x", len(regions)) + b"".join(struct.pack("<HHIQQQQ48x", *region) for region in regions)


def i915_blob(*regions):
    return struct.pack("<I12x", len(regions)) + b"".join(struct.pack("<HHIQQ64x", *region) for region in regions)


def answering(blob):
    """An ioctl that answers as the kernel does: the size first, then the bytes at the address given."""
    import ctypes

    def ioctl(fd, number, request, mutate):
        if number == pci.XE_QUERY:
            _extensions, _query, size, address = struct.unpack_from("<QIIQ", request)
            if size == 0:
                struct.pack_into("<I", request, 12, len(blob))
            else:
                ctypes.memmove(address, blob, size)
        else:
            item = struct.unpack("<IIQ", request)[2]
            query, length, flags, address = struct.unpack("<QiIQ", ctypes.string_at(item, 24))
            if length == 0:
                ctypes.memmove(item, struct.pack("<QiIQ", query, len(blob), flags, address), 24)
            else:
                ctypes.memmove(address, blob, length)
        return 0

    return ioctl


@pytest.mark.parametrize(
    ("driver", "blob", "free"),
    [
        ("xe", xe_blob((0, 0, 4096, 64 * GIB, 0, 0, 0), (1, 1, 65536, 12884901888, GIB, 0, 0)), 12884901888 - GIB),
        ("i915", i915_blob((0, 0, 0, 64 * GIB, 64 * GIB), (1, 0, 0, 12884901888, 12884901888 - GIB)), 12884901888 - GIB),
    ],
)
@pytest.mark.parametrize("capable", [True, False])
def test_intel_card(host, monkeypatch, driver, blob, free, capable):
    """The kernel's own query, unprivileged. Free memory needs a capability; without it the driver says "all", which is no answer."""
    host.card("0000:03:00.0", "0x8086", "0xe20b", driver, 128)
    host.write("proc/self/status", "Name:\tpython3\nCapEff:\t%s\n" % ("000001ffffffffff" if capable else "0000000000000000"))
    monkeypatch.setattr(pci, "walk", functools.partial(pci.walk, ioctl=answering(blob)))
    device = host.fact()["devices"][0]
    assert device["memory_total_bytes"] == 12884901888 and device["type"] == "discrete" and device["source"] == "drm"
    assert device["memory_free_bytes"] == (free if capable else None)


def test_intel_integrated(host, monkeypatch):
    """Only system memory: integrated, with no total that nobody stated."""
    host.card("0000:00:02.0", "0x8086", "0x64a0", "xe", 128)
    monkeypatch.setattr(pci, "walk", functools.partial(pci.walk, ioctl=answering(xe_blob((0, 0, 4096, 32 * GIB, 0, 0, 0)))))
    device = host.fact()["devices"][0]
    assert device["type"] == "integrated" and device["unified"] is True and device["memory_total_bytes"] is None
    assert device["memory_shared_bytes"] == 131072000 * 1024


def test_intel_driver_that_refuses(host):
    """An old kernel without the query, on a card that sysfs can't size either: null and a warning."""
    host.card("0000:03:00.0", "0x8086", "0x56a0", "i915", 128)
    device = host.fact()["devices"][0]
    assert device["memory_total_bytes"] is None and codes(device) == ["memory_not_reported"]


def test_intel_sysfs_sizes(host):
    """Two tiles, each with its own file; and the older single file."""
    host.card("0000:03:00.0", "0x8086", "0x0bd5", "xe", 128)
    for tile in (0, 1):
        host.write(f"sys/bus/pci/devices/0000:03:00.0/tile{tile}/physical_vram_size_bytes", "0x1000000000\n")
    host.card("0000:04:00.0", "0x8086", "0x56a0", "i915", 129)
    host.write("sys/bus/pci/devices/0000:04:00.0/drm/card1/lmem_total_bytes", "16225243136\n")
    assert [device["memory_total_bytes"] for device in host.fact()["devices"]] == [128 * GIB, 16225243136]


def test_amdgpu_ioctl(host, monkeypatch):
    """No memory files (some containers): the driver's ioctl has both the sizes and the word on APU or card."""
    host.card("0000:03:00.0", "0x1002", "0x744c", "amdgpu", 128)

    def ioctl(fd, number, request, mutate):
        import ctypes

        address, size, query = struct.unpack_from("<QII", request)
        heaps = [16 * GIB, 0, GIB, 0] + [0] * 4 + [8 * GIB, 0, 5, 0]
        reply = struct.pack("<12Q", *heaps) if query == pci.AMDGPU_INFO_MEMORY else b"\0" * 136 + struct.pack("<Q", 0) + b"\0" * 368
        ctypes.memmove(address, reply, size)

    monkeypatch.setattr(pci, "walk", functools.partial(pci.walk, ioctl=ioctl))
    device = host.fact()["devices"][0]
    assert (device["memory_total_bytes"], device["memory_used_bytes"], device["source"]) == (16 * GIB, GIB, "drm")
    assert device["type"] == "discrete" and device["warnings"] == []


def test_short_blobs():
    """A kernel that answers less than it announced gives the whole records, never a crash."""
    blob = xe_blob((1, 0, 0, 5, 1, 0, 0), (1, 1, 0, 7, 2, 0, 0))
    assert [region["total"] for region in pci.parse_xe(blob[:-1])] == [5]
    assert pci.parse_xe(blob[:7]) == [] and pci.parse_i915(b"") == []


def test_nvidia_smi_after_a_loader_problem(host):
    """No library for Python (Alpine), but a tool that answers; an old one refuses the first query, so it is asked again."""
    csv = "0, GPU-1, 00000000:01:00.0, NVIDIA GeForce RTX 3090, 525.147.05, 24576, 1, 24258"
    host.tool("nvidia-smi", f'case "$1" in *compute_cap*) echo "Field is not a valid field"; exit 2;; esac\necho "{csv}"\n')
    found = host.fact()
    device = found["devices"][0]
    assert (device["source"], device["memory_total_bytes"], device["driver"]["version"]) == ("nvidia-smi", 24576 << 20, "525.147.05")
    assert found["warnings"] == []
    assert host.fact(allow_cli=False)["devices"] == []


def test_tool_that_hangs(host):
    """A tool that never ends costs the deadline and nothing else, and is killed with its children."""
    host.tool("nvidia-smi", "sleep 3141.59 & wait\n")
    found = host.fact(timeout=1)
    assert found["devices"] == [] and [row["status"] for row in found["probes"] if row["name"] == "nvidia-smi"] == ["timeout"]
    assert "3141.59" not in subprocess.run([needs.tool("ps"), "ax"], capture_output=True, text=True, check=True).stdout


def test_amd_tool_fills_a_silent_card(host):
    """sysfs sees the card and not its memory; the tool's answer is merged into it by PCI address."""
    host.card("0000:03:00.0", "0x1002", "0x740f", "amdgpu", 128)
    answer = '{"card0": {"Card Series": "Instinct MI210", "PCI Bus": "0000:03:00.0", "VRAM Total Memory (B)": "68702699520"}}'
    host.tool("rocm-smi", f"echo 'WARNING: AMD GPU device(s) is/are in a low-power state'\necho '{answer}'\n")
    found = host.fact()
    assert len(found["devices"]) == 1
    assert found["devices"][0]["memory_total_bytes"] == 68702699520 and found["devices"][0]["pci_id"] == "1002:740f"


def test_wsl_hides_the_vendor(host):
    """WSL with a card that only Windows knows: told as such, with nulls."""
    host.write("dev/dxg")
    uname = os.uname_result(("Linux", "x", "5.15.153.1-microsoft-standard-WSL2", "#1", "x86_64"))
    options = {"timeout": 5, "gather": list(observe.GATHER), "topology": False, "allow_cli": False, "filesystems": []}
    found = fact.interpret(observe.observe(options, root=str(host.root), uname=uname, paths=("libno-such-nvml.so.9",)))
    assert [(device["source"], codes(device)) for device in found["devices"]] == [("dxg", ["wsl_gpu_unknown"])]
    assert found["totals"]["incomplete"] is True


@pytest.mark.parametrize(
    ("membership", "files", "limit"),
    [
        (
            "0::/system.slice/x.service\n",
            {"sys/fs/cgroup/system.slice/x.service/memory.max": "max\n", "sys/fs/cgroup/memory.max": "8589934592\n"},
            8 * GIB,
        ),
        ("0::/\n", {"sys/fs/cgroup/memory.max": "max\n"}, None),
        (
            "5:memory:/a/b\n",
            {
                "sys/fs/cgroup/memory/a/b/memory.limit_in_bytes": "4294967296\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
            },
            4 * GIB,
        ),
        ("0::/\n", {"sys/fs/cgroup/memory.max": str(1 << 45)}, None),
    ],
)
def test_cgroup_limit(host, membership, files, limit):
    """The smallest limit on the way to the top, both versions; one above the machine's memory limits nothing."""
    host.write("proc/self/cgroup", membership)
    for path, text in files.items():
        host.write(path, text)
    assert host.fact()["cgroup_memory_limit_bytes"] == limit


def test_filesystems(host):
    """A model store that is yet to be made counts on its nearest parent; names with blanks are unquoted."""
    (host.root / "srv/big disk").mkdir(parents=True)
    host.write("proc/self/mounts", "/dev/sda1 / ext4 rw 0 0\n/dev/sdb1 /srv/big\\040disk xfs rw 0 0\n")
    found = host.fact(filesystems=["/srv/big disk/models/blobs", "/opt"])["filesystems"]
    assert [(row["mount_point"], row["fstype"]) for row in found] == [("/srv/big disk", "xfs"), ("/", "ext4")]
    room = os.statvfs(host.root)
    assert found[0]["total_bytes"] == room.f_blocks * room.f_frsize and found[0]["free_bytes"] > 0


def test_a_root_behind_a_link(tmp_path):
    """The name below the root was cut at the length of the link's name: what was left had no parent, and the search for one never ended."""
    (tmp_path / "a-long-name").mkdir()
    (tmp_path / "link").symlink_to("a-long-name")
    found = system.filesystem("/any/where", str(tmp_path / "link"))
    assert found["path"] == "/any/where" and found["total_bytes"] > 0


def test_visibility_variables(host, monkeypatch):
    """They change what a service sees, so they are shown; and they filter nothing here."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    monkeypatch.delenv("HSA_OVERRIDE_GFX_VERSION", raising=False)
    shown = host.fact()["environment"]
    assert shown["CUDA_VISIBLE_DEVICES"] == "1" and shown["HSA_OVERRIDE_GFX_VERSION"] is None


def test_gather(host):
    """Nothing is looked for that was not asked for."""
    host.card("0000:03:00.0", "0x1002", "0x744c", "amdgpu", 128, mem_info_vram_total=str(GIB), mem_info_vram_vendor="x")
    host.card("0000:04:00.0", "0x10de", "0x2204", None)
    assert [device["vendor"] for device in host.fact(gather=["amd"])["devices"]] == ["amd"]
    assert [device["vendor"] for device in host.fact(gather=["nvidia"])["devices"]] == ["nvidia"]
    assert host.fact(gather=["system"])["devices"] == []


def test_a_card_whose_files_hang(host, monkeypatch):
    """A card in reset can hold whoever reads its files. It is still a card, and the one behind it is still read."""
    for number, address in ((128, "0000:03:00.0"), (129, "0000:04:00.0")):
        host.card(address, "0x1002", "0x744c", "amdgpu", number, mem_info_vram_total=str(GIB), mem_info_vram_vendor="x")
    real = pci._details

    def details(card, root):
        if card["address"] == "0000:03:00.0":
            time.sleep(30)
        return real(card, root)

    monkeypatch.setattr(pci, "_details", details)
    found = host.fact(timeout=1, allow_cli=False)
    assert [device["memory_total_bytes"] for device in found["devices"]] == [None, GIB]
    assert "timeout" in codes(found["devices"][0])


def test_pci_list_names_a_card(host):
    """Without AMD's own list the general one does; names of other vendors and of sub-devices don't match."""
    vendors = "# list\n1001  Other\n\t744c  Wrong vendor\n1002  AMD\n\t744b  No\n\t744c  Navi 31\n\t\t1002 744c  Sub\n1003  End\n\t744c  No\n"
    host.write("usr/share/misc/pci.ids", vendors)
    card = {"vendor": "0x1002", "device": "0x744c", "revision": "0xc8"}
    assert pci.marketing_name(card, str(host.root)) == "Navi 31"
    assert pci.marketing_name({**card, "device": "0x9999"}, str(host.root)) is None


def test_unreadable_render_node_is_told(host):
    """The reason why the driver could not be asked is part of the observation."""
    function = {"address": "0000:03:00.0", "driver": "xe", "render_node": "renderD200"}
    assert pci.drm_query(function, str(host.root))["errno"] == errno.ENOENT


def test_device_nodes(host):
    """Each node with whether it opens, by its real name."""
    host.write("dev/nvidia0")
    host.write("dev/kfd")
    assert system.device_nodes(str(host.root)) == {"/dev/nvidia0": True, "/dev/kfd": True}


def test_amd_tools_tell_each_card_once(host):
    """Both tools answer for one silent card, one of them without its address; it is still one card."""
    host.card("0000:03:00.0", "0x1002", "0x740f", "amdgpu", 128)
    host.tool("amd-smi", """echo '[{"gpu": 0, "vram": {"size": {"value": 65520, "unit": "MB"}}}]'\n""")
    host.tool("rocm-smi", """echo '{"card0": {"Card Series": "Instinct MI210", "VRAM Total Memory (B)": "68702699520"}}'\n""")
    assert [device["memory_total_bytes"] for device in host.fact()["devices"]] == [65520 << 20]
    host.card("0000:04:00.0", "0x1002", "0x740f", "amdgpu", 129)
    assert [device["memory_total_bytes"] for device in host.fact()["devices"]] == [None, None]
