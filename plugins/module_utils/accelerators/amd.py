# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AMD: sysfs and KFD first, the DRM answer beside them, the ROCm tools where both are silent."""

from __future__ import annotations

import re

from ansible_collections.llmfleet.ollama.plugins.module_utils.accelerators import parse
from ansible_collections.llmfleet.ollama.plugins.module_utils.accelerators.cards import check_nodes, step_failure
from ansible_collections.llmfleet.ollama.plugins.module_utils.accelerators.device import device, used_by, warn
from ansible_collections.llmfleet.ollama.plugins.module_utils.bytes import GIB
from ansible_collections.llmfleet.ollama.plugins.module_utils.vendors import SYSFS_ID

VENDOR_ID = SYSFS_ID["amd"]
APU_TARGETS = ("gfx902", "gfx90c", "gfx1013", "gfx1033", "gfx1035", "gfx1036", "gfx1103", "gfx1150", "gfx1151", "gfx1152", "gfx1153")
FUSION = 1


def devices(observation, memory, warnings):
    files = {parse.address(row.get("address")): parse.table(row.get("files")) for row in parse.rows(observation.get("pci_files"))}
    drm = {parse.address(row.get("address")): row for row in parse.rows(observation.get("drm"))}
    names = {parse.address(row.get("address")): row.get("name") for row in parse.rows(observation.get("pci_name"))}
    nodes = [_kfd(row) for row in parse.rows(observation.get("kfd"))]
    found = []
    for row in parse.rows(observation.get("pci")):
        address = parse.address(row.get("address"))
        if row.get("vendor") != VENDOR_ID or address is None:
            continue
        node = _node_of(nodes, row, address)
        card = _card(row, address, files.get(address, {}), parse.table(drm.get(address)), node, names.get(address), observation, memory)
        found.append(card)
    return found + _from_tools(observation, found)


def gfx_target(version):
    """KFD writes gfx1151 as the decimal number 110501."""
    version = parse.positive(version)
    if version is None:
        return None
    return "gfx%d%x%x" % (version // 10000, version // 100 % 100, version % 100)


def _kfd(row):
    properties = {}
    for line in parse.lines(row.get("properties")):
        key, _space, value = line.partition(" ")
        properties[key] = value.strip()
    banks = row.get("mem_banks") if isinstance(row.get("mem_banks"), list) else []
    sizes = [parse.whole(line.split(" ", 1)[1]) for bank in banks for line in parse.lines(bank) if line.startswith("size_in_bytes ")]
    return {"properties": properties, "memory": parse.total(sizes), "gpu_id": parse.text(row.get("gpu_id"))}


def _node_of(nodes, row, address):
    render = row.get("render_node")
    for node in nodes:
        minor = node["properties"].get("drm_render_minor")
        if isinstance(render, str) and minor not in (None, "0") and render == "renderD" + minor:
            return node
    for node in nodes:
        place = parse.positive(node["properties"].get("location_id"))
        if place is not None and parse.positive(node["properties"].get("gfx_target_version")):
            domain = parse.whole(node["properties"].get("domain")) or 0
            if "%04x:%02x:%02x.%x" % (domain, place >> 8 & 0xFF, place >> 3 & 0x1F, place & 7) == address:
                return node
    return None


def _card(row, address, files, drm, node, listed_name, observation, memory):
    pci_id = parse.pci_id(row.get("vendor"), row.get("device"))
    name = parse.text(files.get("product_name")) or parse.text(listed_name) or "AMD [%s]" % pci_id
    found = device("amd", name, "sysfs", pci_address=address, pci_id=pci_id)
    unique = parse.text(files.get("unique_id"))
    if unique and re.match(r"^[0-9a-f]{8,16}$", unique):
        found["uuid"] = "GPU-" + unique
    kernel_driver = parse.text(row.get("driver"))
    version = parse.text(parse.table(observation.get("files")).get("/sys/module/amdgpu/version")) or parse.text(observation.get("kernel"))
    found["driver"] = {"name": kernel_driver, "version": version if kernel_driver == "amdgpu" else None}
    found["runtime"]["rocm"] = parse.text(parse.table(observation.get("files")).get("/opt/rocm/.info/version"))
    found["numa_node"] = parse.whole(files.get("numa_node"))
    cap = parse.positive(files.get("power1_cap"))
    found["power_limit_watts"] = cap / 1000000.0 if cap else None
    if node is not None:
        found["gfx_target"] = gfx_target(node["properties"].get("gfx_target_version"))
        found["memory_used_by"] = _programs(observation, node)
    if kernel_driver != "amdgpu":
        found["accessible"] = False
        if kernel_driver != "vfio-pci":
            warn(found, "driver_not_loaded", "the card is held by %s" % kernel_driver if kernel_driver else None)
        return found
    check_nodes(found, row, observation, ("/dev/kfd",))
    broken = step_failure(observation, row.get("address"))
    if broken:
        warn(found, broken)
    _memory(found, files, drm, node, memory)
    return found


def _programs(observation, node):
    rows = [row for row in parse.rows(observation.get("kfd_process")) if node["gpu_id"] and row.get("gpu_id") == node["gpu_id"]]
    sizes = [(parse.text(row.get("name")) or "unknown", parse.whole(row.get("bytes"))) for row in rows]
    return used_by([entry for entry in sizes if entry[1] != 0])


def _memory(found, files, drm, node, memory):
    vram = parse.whole(files.get("mem_info_vram_total"))
    used = parse.whole(files.get("mem_info_vram_used"))
    gtt = parse.whole(files.get("mem_info_gtt_total"))
    gtt_used = parse.whole(files.get("mem_info_gtt_used"))
    if vram is None:
        heaps = parse.table(drm.get("vram")), parse.table(drm.get("gtt"))
        vram, used = parse.positive(heaps[0].get("total")), parse.whole(heaps[0].get("used"))
        gtt, gtt_used = parse.positive(heaps[1].get("total")), parse.whole(heaps[1].get("used"))
        found["source"] = "sysfs" if vram is None else "drm"
    banks = (node["memory"] or None) if node is not None else None
    found["memory_dedicated_bytes"] = vram
    found["memory_shared_bytes"] = gtt
    if vram is None and banks is None:
        warn(found, "memory_not_reported")
        return
    integrated = _integrated(found["gfx_target"], files, drm, vram, gtt)
    if integrated:
        _apu(found, vram, used, gtt, gtt_used, banks, memory)
        return
    if integrated is None:
        warn(found, "integrated_unknown")
    found["type"] = "discrete"
    found["unified"] = False
    if not vram:
        found["source"] = "kfd"
        found["memory_dedicated_bytes"] = banks
    total = vram or banks
    found["memory_total_bytes"] = found["memory_usable_bytes"] = total
    found["memory_used_bytes"] = used
    found["memory_free_bytes"] = None if used is None or total is None else max(total - used, 0)


def _integrated(target, files, drm, vram, gtt):
    """True, False, or None when nothing tells."""
    if files.get("mem_info_vram_vendor") or files.get("board_info"):
        return False
    flags = parse.whole(drm.get("ids_flags"))
    if flags is not None:
        return bool(flags & FUSION)
    if vram is not None and gtt is not None and vram <= 4 * GIB and gtt >= 8 * GIB and gtt >= 4 * vram:
        return True
    return True if target in APU_TARGETS else None


def _apu(found, vram, used, gtt, gtt_used, banks, memory):
    """An APU allocates from its carve-out or from the mapped system memory, whichever is larger; never from both. So no sum."""
    found["type"] = "integrated"
    found["unified"] = True
    total = banks or max(vram or 0, gtt or 0) or None
    if banks:
        found["source"] = "kfd"
    if total is None:
        warn(found, "memory_not_reported")
        return
    physical = memory["total_bytes"]
    if physical is not None and total > physical + (vram or 0):
        # The carve-out is invisible to the operating system, so it comes on top of what that counts.
        total = physical + (vram or 0)
        warn(found, "gtt_exceeds_ram")
    found["memory_total_bytes"] = found["memory_usable_bytes"] = total
    in_gtt = (gtt or 0) > (vram or 0)
    taken = gtt_used if in_gtt else used
    found["memory_used_bytes"] = taken
    if taken is not None:
        free = max(total - taken, 0)
        available = memory["available_bytes"]
        found["memory_free_bytes"] = min(free, available) if in_gtt and available is not None else free


def _from_tools(observation, cards):
    """The newer tool's answer, else the older one's. Without PCI addresses the rows go to the cards that have no size, in order."""
    answers = {"amd-smi": [], "rocm-smi": []}
    for answer in parse.rows(observation.get("cli")):
        if answer.get("rc") == 0 and answer.get("tool") in ("amd-smi", "rocm-smi"):
            reader = _amd_smi if answer["tool"] == "amd-smi" else _rocm_smi
            answers[answer["tool"]] += reader(parse.json_in(answer.get("stdout")))
    rows = next((rows for rows in answers.values() if any(row["memory_total_bytes"] for row in rows)), [])
    nameless = [row for row in rows if row["pci_address"] is None]
    if cards and nameless:
        silent = [card["pci_address"] for card in cards if card["memory_total_bytes"] is None]
        if len(silent) != len(nameless):
            # Which is which can't be told, and a card told twice would be worse than one without its size.
            return [row for row in rows if row["pci_address"] is not None]
        for row, address in zip(nameless, silent):
            row["pci_address"] = address
    return rows


def _tool_card(source, name, address, total, used=None, shared=None, driver=None, target=None):
    found = device("amd", name or "AMD GPU", source, pci_address=address, driver={"name": "amdgpu", "version": driver})
    found["gfx_target"] = target if target and re.match(r"^gfx[0-9a-f]{3,4}$", target) else None
    found["memory_shared_bytes"] = shared
    if total is None:
        warn(found, "memory_not_reported")
        return found
    found["memory_total_bytes"] = found["memory_dedicated_bytes"] = found["memory_usable_bytes"] = total
    found["memory_used_bytes"] = used
    found["memory_free_bytes"] = None if used is None else max(total - used, 0)
    if found["gfx_target"] in APU_TARGETS:
        # The tools show the carve-out alone.
        found["type"], found["unified"] = "integrated", True
        total = max(total, shared or 0)
        found["memory_total_bytes"] = found["memory_usable_bytes"] = total
    else:
        found["type"], found["unified"] = "discrete", False
    return found


def _amd_smi(document):
    """ROCm 6 prints a list, ROCm 7 an object around it; "MB" means MiB, and anything may be "N/A"."""
    if isinstance(document, dict):
        document = document.get("gpu_data")
    found = []
    for row in parse.rows(document):
        asic, vram = parse.table(row.get("asic")), parse.table(row.get("vram"))
        size = parse.table(vram.get("size"))
        unit = {"B": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30}.get(parse.text(size.get("unit")))
        value = parse.number(size.get("value"))
        total = None if unit is None or not value else parse.positive(round(value * unit))
        version = parse.text(parse.table(row.get("driver")).get("version"))
        address = parse.address(parse.table(row.get("bus")).get("bdf"))
        target = parse.text(asic.get("target_graphics_version"))
        found.append(_tool_card("amd-smi", parse.text(asic.get("market_name")), address, total, driver=version, target=target))
    return found


def _rocm_smi(document):
    """Every value is a string and the keys changed their case between releases."""
    document = parse.table(document)
    version = parse.text(parse.table(document.get("system")).get("Driver version"))
    found = []
    for card in sorted(key for key in document if isinstance(key, str) and re.match(r"^card\d+$", key)):
        row = {str(key).lower(): value for key, value in parse.table(document[card]).items()}
        name = next((parse.text(row.get(key)) for key in ("device name", "card series", "card model") if parse.text(row.get(key))), None)
        found.append(
            _tool_card(
                "rocm-smi",
                name,
                parse.address(row.get("pci bus")),
                parse.positive(row.get("vram total memory (b)")),
                parse.whole(row.get("vram total used memory (b)")),
                parse.positive(row.get("gtt total memory (b)")),
                version,
                parse.text(row.get("gfx version")),
            )
        )
    return found
