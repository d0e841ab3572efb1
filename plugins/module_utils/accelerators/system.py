# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory, limits, processor and file systems of the machine."""

from __future__ import annotations

from ansible_collections.llmfleet.ollama.plugins.module_utils.accelerators import parse, ram
from ansible_collections.llmfleet.ollama.plugins.module_utils.probe.constants import VISIBILITY


def memory(observation):
    """Physical memory as the operating system counts it; swap has no part in it."""
    mac = parse.table(parse.table(observation.get("macos")).get("sysctl"))
    windows = parse.table(parse.table(observation.get("windows")).get("memory"))
    linux = observation.get("meminfo")
    total = parse.meminfo(linux, "MemTotal") or parse.positive(mac.get("hw.memsize")) or parse.positive(windows.get("total"))
    available = parse.meminfo(linux, "MemAvailable")
    if available is None:
        available = parse.whole(windows.get("available"))
    compatible = parse.table(observation.get("files")).get("/proc/device-tree/compatible")
    bandwidth = ram.bandwidth(observation.get("memory_devices")) or ram.of_board(compatible)
    return {"total_bytes": total, "available_bytes": available, "bandwidth_bytes_per_second": bandwidth}


def without_gpu_nodes(found, observation, devices):
    """Take out the NUMA nodes that are a Grace GPU's own memory: Linux counts them in MemTotal.

    A node without CPUs can be plain memory too (CXL), so this needs a coherent GPU; where NVML names its node, only that one goes.
    """
    coherent = [device for device in devices if device["coherent"] and not device["unified"]]
    if not coherent:
        return found
    named = {device["numa_node"] for device in coherent if device["numa_node"] is not None}
    rows = parse.rows(observation.get("numa_without_cpus"))
    known = {parse.whole(row.get("node")) for row in rows}
    result = dict(found)
    for row in rows:
        if named & known and parse.whole(row.get("node")) not in named:
            continue
        for key, line in (("total_bytes", "MemTotal"), ("available_bytes", "MemFree")):
            size = parse.meminfo(row.get("meminfo"), line)
            if size is not None and result[key] is not None:
                result[key] = max(result[key] - size, 0)
    return result


def cgroup_limit(observation, total):
    """The smallest limit on the way up; "max", and version 1's huge number, are no limit."""
    values = observation.get("cgroup_limits")
    limits = [parse.positive(value) for value in values] if isinstance(values, list) else []
    limits = [limit for limit in limits if limit is not None and limit < (total or parse.LARGEST)]
    return min(limits) if limits else None


def environment(observation):
    seen = parse.table(observation.get("environment"))
    return {name: parse.text(seen.get(name)) for name in VISIBILITY}


def cpu(observation):
    architecture = parse.text(observation.get("architecture"))
    spellings = {"amd64": "x86_64", "x64": "x86_64", "arm64": "aarch64"}
    mac = parse.table(parse.table(observation.get("macos")).get("sysctl"))
    if parse.whole(mac.get("hw.optional.arm64")) == 1:
        architecture = "arm64"  # Python may run translated and say x86_64
    if architecture is not None:
        architecture = spellings.get(architecture.lower(), architecture.lower())
    return {
        "architecture": architecture,
        "count": parse.positive(observation.get("cpu_count")),
        "physical_cores": parse.positive(observation.get("physical_cores")) or parse.positive(mac.get("hw.physicalcpu")),
        "usable_cores": _usable_cores(observation),
    }


def _usable_cores(observation):
    """Processors that the probe's own process may run on, and no more than a quota gives it."""
    found = [parse.positive(observation.get("cpu_affinity"))]
    for quota in parse.texts(observation.get("cpu_quotas")):
        parts = [parse.positive(part) for part in quota.split()]
        if len(parts) == 2 and None not in parts:  # "max" and -1 are no quota
            found.append(max(1, parts[0] // parts[1]))
    known = [value for value in found if value]
    return min(known) if known else None


def filesystems(observation):
    return [
        {
            "path": parse.text(row.get("path"), 4096) or "",
            "mount_point": parse.text(row.get("mount_point"), 4096),
            "fstype": parse.text(row.get("fstype")),
            "total_bytes": parse.whole(row.get("total_bytes")),
            "free_bytes": parse.whole(row.get("free_bytes")),
        }
        for row in parse.rows(observation.get("filesystems"))
    ]
