# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast a device reads its memory: by the driver's own figure, else by its name (plugins/catalogue/bandwidth.yml)."""

from __future__ import annotations

import collections
import functools
import re

from ansible_collections.llmfleet.ollama.plugins.module_utils.bytes import GIB

from .. import data

# bandwidth: bytes a second at the peak; efficiency: what of it reaches a token; launch: seconds a layer beside it
Pace = collections.namedtuple("Pace", "bandwidth efficiency launch")

GB = 10**9
_FILLERS = {"nvidia", "amd", "ati", "intel", "apple", "corporation", "geforce", "radeon", "tesla", "quadro", "instinct", "graphics", "gpu", "data", "center"}
_FILLERS |= {"design", "with", "generation", "edition", "jetson", "nvgpu"}
_SAME = {"mobile": "laptop", "maxq": "max-q"}
_OTHER_SILICON = {"laptop", "max-q", "pro", "max", "ultra"}  # with such a word it is another chip than without
_GLUED = re.compile(r"\b(rtx|gtx|rx)(?=[0-9])|(?<=[0-9])(?=(?:ti|super|xtx|xt|gre)\b)")  # 'RTX4090', 'RX 7900XTX'
_NEAR = 0.15  # a driver reports somewhat less memory than the card is sold with


def _words(name):
    text = re.sub(r"\((?:r|tm|c)\)|[®™]", " ", name.lower()).replace("max-q", "maxq").replace("w/", " ")
    text = _GLUED.sub(lambda found: found.group() + " ", text)
    found = [_SAME.get(word, word) for word in re.findall(r"[a-z0-9]+", text)]
    return frozenset(word for word in found if word not in _FILLERS)


def _alternatives(name):
    """The cards that a name may mean: 'Navi 31 [Radeon RX 7900 XT/7900 XTX]' is one of two."""
    bracket = re.search(r"\[([^\]]+)\]", name)
    parts = [part.strip() for part in (bracket.group(1) if bracket else name).split("/") if part.strip()]
    if len(parts) < 2:
        return parts
    first = parts[0].split()
    return parts[:1] + [" ".join(first[:count] + [part]) for part in parts[1:] for count in range(len(first))]


@functools.cache
def _rows(vendor):
    found = []
    for row in data.load("bandwidth")["devices"]:
        if vendor in (None, row["vendor"]):
            found += [(_words(name), row) for name in [row["name"]] + row.get("also", [])]
    return tuple(found)


def _slowest(rows, memory_bytes):
    """The row of that much memory where some have it; of several the slowest, since a hope is no plan."""
    if memory_bytes:
        rows = [row for row in rows if any(abs(memory_bytes / GIB - size) <= _NEAR * size for size in row.get("memory_gb", ()))] or rows
    return min(rows, key=lambda row: row["gb_per_second"] * row.get("efficiency", 1.0))


def _of_words(words, vendor, memory_bytes, exactly=False):
    if not words:
        return None
    rows = _rows(vendor)
    same = [row for known, row in rows if known == words]
    if same or exactly:
        return _slowest(same, memory_bytes) if same else None
    longer = [row for known, row in rows if words < known]  # a short name: 'H100'
    if longer:
        return _slowest(longer, memory_bytes)
    within = [(known, row) for known, row in rows if known and known < words and words & _OTHER_SILICON <= known]
    most = max((len(known) for known, _row in within), default=0)  # a longer name than we know: '... 16GB'
    return _slowest([row for known, row in within if len(known) == most], memory_bytes) if within else None


@functools.lru_cache(maxsize=4096)
def row_of(name, vendor=None, memory_bytes=None):
    """The row of bandwidth.yml that a driver's name means, None where it has none. An ambiguous name means the slower."""
    rows = [_of_words(_words(one), vendor, memory_bytes, number > 0) for number, one in enumerate(_alternatives(str(name or "")))]
    rows = [row for row in rows if row]
    return _slowest(rows, memory_bytes) if rows else None


def _class_of(device, backend, row):
    if row and row.get("class"):
        return row["class"]
    unified = bool(device.get("unified")) or device.get("type") == "integrated"
    if backend == "cuda":
        if unified:
            return "cuda-unified"
        capability = str(device.get("compute_capability") or "")
        return "cuda-pascal" if capability[:2] in ("5.", "6.") else "cuda"
    if backend == "rocm":
        return "rocm-unified" if unified else "rocm"
    if backend == "metal":
        return "metal-m1" if "m1" in _words(str(device.get("name") or "")) else "metal"
    return "other"


def pace(device, backend):
    """The Pace of a device of the fact, None where its bandwidth is not known."""
    size = device.get("memory_total_bytes")
    row = row_of(device.get("name"), device.get("vendor") if device.get("vendor") != "other" else None, size)
    bandwidth = device.get("memory_bandwidth_bytes_per_second") or (row and int(row["gb_per_second"] * GB))
    if not bandwidth:
        return None
    if (device.get("mig") or {}).get("enabled") and size and device.get("memory_usable_bytes"):
        bandwidth = bandwidth * min(size, device["memory_usable_bytes"]) // size  # an instance has slices of the memory, and of its bandwidth
    found = data.load("bandwidth")["classes"][_class_of(device, backend, row)]
    efficiency = row["efficiency"] if row and "efficiency" in row else found["efficiency"]
    return Pace(bandwidth, efficiency, found["launch_us"] / 1e6)


def of_ram(vram, cards):
    """(bytes a second at the peak of system memory, whether they are assumed): the fact's, of one pool with a GPU the GPU's, else two channels of DDR4-3200,
    or the four that a machine must have that is too large for two."""
    memory = vram.get("system_memory") or {}
    if memory.get("bandwidth_bytes_per_second"):
        return memory["bandwidth_bytes_per_second"], False
    shared = [card.pace.bandwidth for card in cards if card.unified and card.pace]
    if shared:
        return max(shared), False
    known = data.load("bandwidth")["ram"]
    server = known["server"]
    large = (memory.get("total_bytes") or 0) > server["above_gib"] * GIB or ((vram.get("cpu") or {}).get("physical_cores") or 0) > server["above_cores"]
    return int((server["gb_per_second"] if large else known["default_gb_per_second"]) * GB), True


def cores(vram):
    """Cores that may compute, None where nobody knows: physical ones where they are told, never more than this system may use."""
    cpu = vram.get("cpu") or {}
    known = [cpu[key] for key in ("physical_cores", "usable_cores") if cpu.get(key)]
    return min(known) if known else cpu.get("count")
