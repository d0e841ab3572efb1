# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shape of one device in the fact, and the warnings that it can carry."""

from __future__ import annotations

# Stable codes; the text tells a person what it means here and what to do.
WARNINGS = {
    "adapter_ram_saturated": "Windows counts video memory in 32 bits here: the card has at least this much; install the vendor's driver.",
    "blocked_by_cgroup": "The operating system blocks access to the card (device cgroup of a container); hand the card to the container.",
    "device_node_missing": "The card is in the machine, but its device node is not here; hand it to the container or load the driver.",
    "driver_library_mismatch": "The driver's library and its kernel module differ in version, as after an upgrade; reboot the host.",
    "driver_not_loaded": "No driver that knows the card's memory is loaded; install the vendor's driver or load its module.",
    "gpu_lost": "The card has fallen off the bus; reboot the host, and check power and seating if it comes back.",
    "gtt_exceeds_ram": "The kernel lets the GPU map more memory than the machine has; the figure is cut to the machine's memory.",
    "integrated_unknown": "Nothing tells whether this is a card of its own or part of the processor; it is counted as a card.",
    "library_not_found": "The kernel module is loaded, but libnvidia-ml.so.1 is missing; install the driver's user part.",
    "library_not_loadable": "The driver's library is there and can't be loaded.",
    "memory_distrusted": "The driver's figure is far below the memory that this system on a chip shares with its GPU; the latter is used.",
    "memory_not_reported": "The driver does not report the card's memory.",
    "mig_instances_unknown": "MIG is on, and this source does not list its instances.",
    "mig_no_instances": "MIG is on and no instance exists, so nothing can run here; create an instance or switch MIG off.",
    "no_permission": "The user of the probe may not open the card; run as root, or add the user to the groups video and render.",
    "nvml_error": "The NVIDIA driver answers with an error.",
    "probe_crashed": "The driver's library crashed when it was asked about this card.",
    "probe_failed": "A part of the probe failed; the rest of the fact is unharmed.",
    "reserved_unknown": "This driver does not tell how much memory it keeps for itself, so slightly less than the total is usable.",
    "reset_required": "The card must be reset before it can be used; reboot the host.",
    "shared_memory_unknown": "Only the dedicated part of this integrated GPU's memory is known.",
    "timeout": "The driver did not answer in time; a first call can be slow without persistence mode.",
    "usable_memory_estimated": "Metal could not be asked; the usable part of the memory is a cautious estimate.",
    "vgpu_profile_not_compute": "This vGPU profile has no CUDA; use a Q or C profile.",
    "wsl_gpu_unknown": "WSL shows a GPU here without saying what it is or how much memory it has.",
}
# These are worth a line on the operator's screen; the others are for who reads the fact.
URGENT = ("driver_library_mismatch", "driver_not_loaded", "gpu_lost", "library_not_found", "library_not_loadable", "nvml_error")
URGENT += ("probe_crashed", "probe_failed", "reset_required", "timeout")


def warning(code, detail=None):
    message = WARNINGS[code]
    return {"code": code, "message": "%s (%s)" % (message, detail) if detail else message}


def device(vendor, name, source, **known):
    """A device of which nothing is known but what is given. Unknown is None, never 0."""
    found = {
        "index": 0,
        "vendor": vendor,
        "name": name,
        "uuid": None,
        "pci_address": None,
        "pci_id": None,
        "type": "unknown",
        "unified": None,
        "coherent": False,
        "accessible": True,
        "driver": {"name": None, "version": None},
        "runtime": {"cuda": None, "rocm": None},
        "compute_capability": None,
        "gfx_target": None,
        "memory_total_bytes": None,
        "memory_used_bytes": None,
        "memory_free_bytes": None,
        "memory_reserved_bytes": None,
        "memory_dedicated_bytes": None,
        "memory_shared_bytes": None,
        "memory_usable_bytes": None,
        "memory_bandwidth_bytes_per_second": None,
        "memory_used_by": [],
        "mig": {"enabled": False, "instances": []},
        "addressing_mode": None,
        "numa_node": None,
        "power_limit_watts": None,
        "persistence_mode": None,
        "source": source,
        "warnings": [],
    }
    found.update(known)
    return found


def warn(found, code, detail=None):
    if code not in [entry["code"] for entry in found["warnings"]]:
        found["warnings"].append(warning(code, detail))


def used_by(processes):
    """Programs on a card, summed by name. A sum with an unknown part is unknown."""
    sums = {}
    for name, size in processes:
        before = sums.get(name, 0)
        sums[name] = None if before is None or size is None else before + size
    return [{"name": name, "memory_bytes": sums[name]} for name in sorted(sums)]
