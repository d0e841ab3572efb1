# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Apple: unified memory and what Metal lets one process have of it; the cards of Intel Macs."""

from __future__ import annotations

import re

from ansible_collections.llmfleet.ollama.plugins.module_utils.accelerators import parse
from ansible_collections.llmfleet.ollama.plugins.module_utils.accelerators.device import device, warn
from ansible_collections.llmfleet.ollama.plugins.module_utils.bytes import GIB, MIB


def devices(observation, memory, warnings):
    macos = parse.table(observation.get("macos"))
    if "sysctl" not in macos or "apple" not in (parse.texts(parse.table(observation.get("options")).get("gather")) or ["apple"]):
        return []
    sysctl = parse.table(macos.get("sysctl"))
    metal = parse.rows(macos.get("metal"))
    if parse.whole(sysctl.get("hw.optional.arm64")) == 1:
        return [_silicon(sysctl, metal, parse.text(observation.get("kernel")), memory)]
    return _intel_mac(parse.json_in(macos.get("system_profiler")), metal)


def _silicon(sysctl, metal, kernel, memory):
    own = [row for row in metal if row.get("has_unified_memory") is True] or metal
    name = parse.text(own[0].get("name")) if own else None
    name = parse.text(sysctl.get("machdep.cpu.brand_string")) or name or "Apple GPU"
    found = device("apple", name, "metal", type="integrated", unified=True)
    found["driver"] = {"name": "metal", "version": kernel}
    total = memory["total_bytes"]
    found["memory_total_bytes"] = found["memory_shared_bytes"] = total
    usable = parse.positive(own[0].get("recommended_max_working_set_size")) if own else None
    if usable is None:
        found["source"] = "sysctl"
        usable = _estimate(total, sysctl)
        warn(found, "usable_memory_estimated")
    found["memory_usable_bytes"] = usable if usable is None or total is None else min(usable, total)
    return found


def _estimate(total, sysctl):
    """A limit set by the owner counts. Else the fraction of older systems, the smaller one: 2/3 up to 32 GiB, 3/4 above."""
    for key in ("iogpu.wired_limit_mb", "debug.iogpu.wired_limit"):
        limit = parse.positive(sysctl.get(key))
        if limit is not None:
            return limit * MIB
    return None if total is None else lent(total)


def lent(total):
    """Bytes of its memory that macOS lets the GPU of a Mac have by itself."""
    return total * 2 // 3 if total <= 32 * GIB else total * 3 // 4


def _size(value):
    """ "8 GB", "1536 MB". A bare number has no unit and means nothing."""
    match = re.match(r"^(\d{1,7}) ?(MB|GB)$", value.strip()) if isinstance(value, str) else None
    return None if match is None else int(match.group(1)) * (GIB if match.group(2) == "GB" else MIB) or None


def _intel_mac(document, metal):
    found = []
    for row in parse.rows(parse.table(document).get("SPDisplaysDataType")):
        name = parse.text(row.get("sppci_model")) or parse.text(row.get("_name")) or "GPU"
        told = ("%s %s" % (row.get("spdisplays_vendor"), name)).lower()
        vendor = next((vendor for vendor in ("amd", "intel", "nvidia") if vendor in told), "amd" if "radeon" in told else "other")
        shared = next((_size(row.get(key)) for key in ("spdisplays_vram_shared", "_spdisplays_vram_shared") if row.get(key)), None)
        own = next((_size(row.get(key)) for key in ("spdisplays_vram", "_spdisplays_vram") if row.get(key)), None)
        card = device(vendor, name, "system_profiler", type="discrete", unified=False)
        if shared is not None or (vendor == "intel" and own is None):
            card["type"], card["unified"] = "integrated", True
            card["memory_total_bytes"] = card["memory_shared_bytes"] = shared
        else:
            card["memory_total_bytes"] = card["memory_dedicated_bytes"] = own
        metal_row = next((entry for entry in metal if parse.text(entry.get("name")) == name), {})
        usable = parse.positive(metal_row.get("recommended_max_working_set_size"))
        total = card["memory_total_bytes"]
        card["memory_usable_bytes"] = total if usable is None or total is None else min(usable, total)
        if total is None:
            warn(card, "memory_not_reported")
        found.append(card)
    return found
