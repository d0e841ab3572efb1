# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the drivers of AMD and Intel show of their cards in sysfs and KFD, and one unprivileged DRM query. Runs in a child.

No root, no ROCm, no lspci and no vendor's tool is needed for any of it.
"""

from __future__ import annotations

import errno
import fcntl
import glob
import os
import struct

from ansible_collections.llmfleet.ollama.plugins.module_utils.probe.system import read
from ansible_collections.llmfleet.ollama.plugins.module_utils.vendors import SYSFS_ID

NVIDIA, AMD, INTEL = (SYSFS_ID[name] for name in ("nvidia", "amd", "intel"))

PCI_FILES = {
    AMD: (
        "mem_info_vram_total",
        "mem_info_vram_used",
        "mem_info_vis_vram_total",
        "mem_info_gtt_total",
        "mem_info_gtt_used",
        "mem_info_vram_vendor",
        "board_info",
        "product_name",
        "unique_id",
        "numa_node",
    ),
    INTEL: ("numa_node",),
    NVIDIA: ("numa_node",),
}
PCI_GLOBS = {
    AMD: {"power1_cap": "hwmon/hwmon*/power1_cap"},
    INTEL: {"lmem_total_bytes": "drm/card*/lmem_total_bytes", "physical_vram_size_bytes": "tile*/physical_vram_size_bytes"},
    NVIDIA: {},
}
# unique_id is left out on purpose: it is a serial number.
KFD_KEYS = ("gfx_target_version", "vendor_id", "device_id", "drm_render_minor", "location_id", "domain")

XE_QUERY, XE_MEM_REGIONS = 0xC0286440, 1
I915_QUERY, I915_MEMORY_REGIONS = 0xC0106479, 4
AMDGPU_INFO, AMDGPU_INFO_MEMORY, AMDGPU_INFO_DEV_INFO = 0x40206445, 0x19, 0x16
REGION_SIZE = 88
MAX_REPLY = 1 << 20


def _details(function, root):
    folder = "%s/sys/bus/pci/devices/%s" % (root, function["address"])
    vendor = function["vendor"]
    texts = {name: read(folder + "/" + name) for name in PCI_FILES[vendor]}
    for name, pattern in PCI_GLOBS[vendor].items():
        values = [read(path) for path in sorted(glob.glob(folder + "/" + pattern))]
        texts[name] = "\n".join(value for value in values if value is not None) or None
    return {name: text for name, text in texts.items() if text is not None}


def marketing_name(function, root=""):
    """The name from the lists that distributions ship; we ship none."""
    device, revision = function["device"] or "", function["revision"] or ""
    if function["vendor"] == AMD:
        wanted = [device[2:].upper(), revision[2:].upper()]
        for line in (read(root + "/usr/share/libdrm/amdgpu.ids", 1 << 20) or "").splitlines():
            fields = [field.strip() for field in line.split(",", 2)]
            if len(fields) == 3 and fields[:2] == wanted:
                return fields[2]
    for path in ("/usr/share/hwdata/pci.ids", "/usr/share/misc/pci.ids"):
        text = read(root + path, 1 << 23) or ""
        at = text.find("\n%s  " % function["vendor"][2:])
        if at < 0:
            continue
        for line in text[at + 1 :].split("\n")[1:]:
            if line.startswith("\t" + device[2:] + "  "):
                return line[1:].split("  ", 1)[1].strip()
            if line and not line.startswith(("\t", "#")):
                break
    return None


def kfd_nodes(root=""):
    nodes = []
    for folder in glob.glob(root + "/sys/class/kfd/kfd/topology/nodes/[0-9]*"):
        lines = (read(folder + "/properties") or "").splitlines()
        banks = [read(path) or "" for path in sorted(glob.glob(folder + "/mem_banks/*/properties"))]
        nodes.append(
            {
                "node": os.path.basename(folder),
                "gpu_id": read(folder + "/gpu_id"),
                "properties": "\n".join(line for line in lines if line.split(" ")[0] in KFD_KEYS),
                "mem_banks": banks,
            }
        )
    return sorted(nodes, key=lambda node: node["node"])


def kfd_processes(root=""):
    found = []
    for path in sorted(glob.glob(root + "/sys/class/kfd/kfd/proc/*/vram_*")):
        folder, name = os.path.split(path)
        process = os.path.basename(folder)
        program = read("%s/proc/%s/comm" % (root, process)) or "unknown"
        found.append({"gpu_id": name[len("vram_") :], "name": program, "bytes": read(path)})
    return found


def parse_xe(blob):
    """Records of DRM_XE_DEVICE_QUERY_MEM_REGIONS; a short blob gives the records that are whole."""
    return [
        {"class": kind, "instance": instance, "total": total, "used": used}
        for kind, instance, _page, total, used, _visible, _visible_used in _records(blob, 8, "<HHIQQQQ48x")
    ]


def parse_i915(blob):
    return [
        {"class": kind, "instance": instance, "total": probed, "unallocated": unallocated}
        for kind, instance, _reserved, probed, unallocated in _records(blob, 16, "<HHIQQ64x")
    ]


def _records(blob, header, layout):
    if len(blob) < header:
        return []
    count = min(struct.unpack_from("<I", blob)[0], (len(blob) - header) // REGION_SIZE)
    return [struct.unpack_from(layout, blob, header + REGION_SIZE * number) for number in range(count)]


def _ask_xe(fd, ioctl):
    request = bytearray(struct.pack("<QIIQ16x", 0, XE_MEM_REGIONS, 0, 0))
    ioctl(fd, XE_QUERY, request, True)
    size = struct.unpack_from("<QIIQ", request)[2]
    reply, address = _buffer(size)
    ioctl(fd, XE_QUERY, bytearray(struct.pack("<QIIQ16x", 0, XE_MEM_REGIONS, size, address)), True)
    return {"regions": parse_xe(bytes(reply))}


def _ask_i915(fd, ioctl):
    def query(length, address):
        item = _holding(struct.pack("<QiIQ", I915_MEMORY_REGIONS, length, 0, address))
        ioctl(fd, I915_QUERY, bytearray(struct.pack("<IIQ", 1, 0, item[1])), True)
        return struct.unpack_from("<QiIQ", bytes(item[0]))[1]

    size = query(0, 0)
    if size <= 0:
        raise OSError(-size or errno.ENODATA, "the driver does not know this query")
    reply, address = _buffer(size)
    query(size, address)
    return {"regions": parse_i915(bytes(reply))}


def _ask_amdgpu(fd, ioctl):
    def query(number, size):
        reply, address = _buffer(size)
        ioctl(fd, AMDGPU_INFO, bytearray(struct.pack("<QII16x", address, size, number)), True)
        return bytes(reply)

    memory = struct.unpack("<12Q", query(AMDGPU_INFO_MEMORY, 96))
    flags = struct.unpack_from("<Q", query(AMDGPU_INFO_DEV_INFO, 512), 136)[0]
    return {"ids_flags": flags, "vram": {"total": memory[0], "used": memory[2]}, "gtt": {"total": memory[8], "used": memory[10]}}


def _buffer(size):
    return _holding(b"\0" * min(max(size, 1), MAX_REPLY))


def _holding(data):
    """Memory that the kernel may write to, and its address."""
    import ctypes  # only a machine with such a card pays for this import

    buffer = ctypes.create_string_buffer(data, len(data))
    return buffer, ctypes.addressof(buffer)


ASK = {"xe": _ask_xe, "i915": _ask_i915, "amdgpu": _ask_amdgpu}


def drm_query(function, root="", ioctl=fcntl.ioctl):
    """What the card's driver answers on its render node."""
    ask = ASK.get(function["driver"])
    if ask is None or function["render_node"] is None:
        return None
    result = {"address": function["address"], "driver": function["driver"]}
    try:
        fd = os.open("%s/dev/dri/%s" % (root, function["render_node"]), os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        return dict(result, error=error.strerror, errno=error.errno)
    try:
        return dict(result, **ask(fd, ioctl))
    except (OSError, struct.error) as error:
        return dict(result, error=str(error), errno=getattr(error, "errno", None))
    finally:
        os.close(fd)


def walk(emit, settled, cards, root="", ioctl=fcntl.ioctl):
    """Work of the job `sysfs`: what the drivers of these cards show. Their files can hang, as the list of cards can't."""
    if any(card["vendor"] == AMD for card in cards) and "kfd" not in settled:
        emit({"start": "kfd"})
        for node in kfd_nodes(root):
            emit({"kfd": node})
        for process in kfd_processes(root):
            emit({"kfd_process": process})
    for card in cards:
        if card["address"] in settled:
            continue
        emit({"start": card["address"]})
        texts = _details(card, root)
        emit({"pci_files": {"address": card["address"], "files": texts}})
        if "product_name" not in texts:
            emit({"pci_name": {"address": card["address"], "name": marketing_name(card, root)}})
        if card["vendor"] != NVIDIA:
            answer = drm_query(card, root, ioctl)
            if answer is not None:
                emit({"drm": answer})
