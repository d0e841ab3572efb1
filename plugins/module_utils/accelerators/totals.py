# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One list out of what all sources found, and its sums."""

from __future__ import annotations

# The better source first: it speaks, the others fill its gaps.
RANK = ("nvml", "nvidia-smi", "kfd", "sysfs", "drm", "amd-smi", "rocm-smi", "xpu-smi", "metal", "sysctl", "system_profiler")
RANK += ("dxreg", "registry", "wmi", "proc", "dxg")


def merge(devices):
    """A card that two sources found is one card: same PCI address, same device."""
    merged = []
    places = {}
    for found in sorted(devices, key=_trust):
        place = found["pci_address"]
        if place is None or place not in places:
            merged.append(found)
            places[place] = found
            continue
        better = places[place]
        for key, value in found.items():
            if better[key] is None or (key == "type" and better[key] == "unknown"):
                better[key] = value
        if better["driver"]["name"] is None or better["driver"]["version"] is None:
            better["driver"] = {part: better["driver"][part] or found["driver"][part] for part in ("name", "version")}
        better["accessible"] = better["accessible"] and found["accessible"]
        codes = [entry["code"] for entry in better["warnings"]]
        better["warnings"] += [entry for entry in found["warnings"] if entry["code"] not in codes]
    merged.sort(key=lambda found: (found["vendor"], found["pci_address"] is None, found["pci_address"] or ""))
    for index, found in enumerate(merged):
        found["index"] = index
    return merged


def _trust(found):
    return found["memory_total_bytes"] is None, RANK.index(found["source"])


def totals(devices):
    """Sums over the accessible devices. They are never null, which would break every `| int` in a template; `incomplete` tells."""
    usable = [found for found in devices if found["accessible"]]
    own = [found for found in usable if not found["unified"]]
    # Several GPUs on one memory have it once, not each.
    shared = [found for found in usable if found["unified"]]

    def add(key):
        return sum(found[key] or 0 for found in own) + max([found[key] or 0 for found in shared] + [0])

    vendors = {}
    for found in usable:
        vendors[found["vendor"]] = vendors.get(found["vendor"], 0) + 1
    return {
        "count": sum(len(found["mig"]["instances"]) if found["mig"]["enabled"] else 1 for found in usable),
        "memory_total_bytes": add("memory_total_bytes"),
        "memory_free_bytes": add("memory_free_bytes"),
        "memory_usable_bytes": add("memory_usable_bytes"),
        "incomplete": any(found["memory_total_bytes"] is None or found["memory_usable_bytes"] is None for found in usable),
        "largest_device_bytes": max([found["memory_usable_bytes"] or 0 for found in usable] + [0]),
        "vendors": vendors,
    }
