# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Raw observation in, `ansible_facts.vram` out. Pure: the same observation gives the same fact on every machine."""

from __future__ import annotations

from ansible_collections.llmfleet.ollama.plugins.module_utils.accelerators import amd, apple, intel, nvidia, parse, system, totals, windows, wsl
from ansible_collections.llmfleet.ollama.plugins.module_utils.accelerators.device import URGENT, warning

SCHEMA_VERSION = 1
STATUSES = ("ok", "absent", "error", "timeout", "crashed", "skipped")
READERS = (nvidia.devices, amd.devices, intel.devices, apple.devices, windows.devices, wsl.devices)


def interpret(observation):
    """Never raises: a reader that trips over its input costs its own devices and leaves a warning."""
    observation = parse.table(observation)
    warnings = []
    memory = _attempt(warnings, lambda: system.memory(observation), {"total_bytes": None, "available_bytes": None, "bandwidth_bytes_per_second": None})
    devices = []
    for reader in READERS:
        devices += _attempt(warnings, lambda reader=reader: reader(observation, memory, warnings), [])
    devices = totals.merge(devices)
    sums = totals.totals(devices)
    own_memory = _attempt(warnings, lambda: system.without_gpu_nodes(memory, observation, devices), memory)
    return {
        "schema_version": SCHEMA_VERSION,
        "devices": devices,
        "totals": sums,
        "unified": sums["count"] > 0 and all(found["unified"] is True for found in devices if found["accessible"]),
        "system_memory": own_memory,
        "cgroup_memory_limit_bytes": _attempt(warnings, lambda: system.cgroup_limit(observation, memory["total_bytes"]), None),
        "cpu": _attempt(
            warnings, lambda: system.cpu(observation), {"architecture": None, "count": None, "physical_cores": None, "usable_cores": None}
        ),
        "filesystems": _attempt(warnings, lambda: system.filesystems(observation), []),
        "environment": system.environment(observation),
        "topology": _attempt(warnings, lambda: nvidia.topology(observation), []),
        "probes": _attempt(warnings, lambda: _probes(observation), []),
        "duration_ms": parse.whole(observation.get("duration_ms")) or 0,
        "warnings": warnings,
    }


def _attempt(warnings, action, otherwise):
    try:
        return action()
    except Exception as error:  # the promise of this collection: a fact never fails a play
        warnings.append(warning("probe_failed", "%s: %s" % (type(error).__name__, str(error)[:200])))
        return otherwise


def _probes(observation):
    found = []
    for row in parse.rows(observation.get("probes")):
        name = parse.text(row.get("name")) or "unknown"
        status = parse.text(row.get("status"))
        status = status if status in STATUSES else "error"
        detail = parse.text(row.get("detail"))
        if name == "nvml" and status == "ok":
            status, detail = nvidia.probe_status(observation, detail)
        found.append({"name": name, "status": status, "detail": detail, "duration_ms": parse.whole(row.get("duration_ms")) or 0})
    return found


def urgent(fact):
    """The warnings that an operator should see on the screen, one line each."""
    seen = []
    for found in fact["devices"]:
        seen += ["%s: %s" % (found["name"], entry["message"]) for entry in found["warnings"] if entry["code"] in URGENT]
    # A library without any card in sight is normal in containers and on hosts that lost their card to a guest.
    return seen + [entry["message"] for entry in fact["warnings"] if entry["code"] in URGENT and entry["code"] != "driver_not_loaded"]
