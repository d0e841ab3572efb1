# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines as vram_facts describes them."""

from __future__ import annotations

from support import GIB, MIB


def card(name="NVIDIA GeForce RTX 3060", total=12288, reserved=368, index=0, **other):
    found = {
        "index": index,
        "vendor": "nvidia",
        "name": name,
        "uuid": "GPU-%08d" % index,
        "type": "discrete",
        "unified": False,
        "accessible": True,
        "compute_capability": "8.6",
        "memory_total_bytes": total * MIB,
        "memory_used_bytes": 1 * MIB,
        "memory_free_bytes": (total - reserved - 1) * MIB,
        "memory_usable_bytes": (total - reserved) * MIB,
        "memory_used_by": [],
        "source": "nvml",
    }
    found.update(other)
    return found


def machine(*cards, ram=64, available=None, limit=None, **other):
    found = {
        "schema_version": 1,
        "devices": list(cards),
        "system_memory": {"total_bytes": ram * GIB, "available_bytes": int((ram if available is None else available) * GIB * 0.9)},
        "cgroup_memory_limit_bytes": limit,
        "environment": {},
        "filesystems": [],
    }
    found.update(other)
    return found
