# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts that a person may have written (llm_vram_override): numbers as numbers, and a sentence for what cannot be meant."""

from __future__ import annotations

import difflib
import re

from ..errors import BadInput

_UNITS = {"": 1, "b": 1, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
_AMOUNT = re.compile(r"^([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)$")
# As plugins/module_utils/accelerators/vram.schema.json has them.
_TOP = (
    "devices", "system_memory", "cgroup_memory_limit_bytes", "filesystems", "environment", "cpu", "schema_version", "totals", "unified", "topology",
    "probes", "duration_ms", "warnings",
)  # fmt: skip
_DEVICE = (
    "index", "vendor", "name", "uuid", "pci_address", "pci_id", "type", "unified", "coherent", "accessible", "driver", "runtime", "compute_capability",
    "gfx_target", "memory_total_bytes", "memory_used_bytes", "memory_free_bytes", "memory_reserved_bytes", "memory_dedicated_bytes",
    "memory_shared_bytes", "memory_usable_bytes", "memory_bandwidth_bytes_per_second", "memory_used_by", "mig", "addressing_mode", "numa_node",
    "power_limit_watts", "persistence_mode", "source", "warnings",
)  # fmt: skip
_MEMORY = ("total_bytes", "available_bytes", "bandwidth_bytes_per_second")


def checked(vram):
    """The same facts; raises BadInput with one sentence."""
    found = _mapping(vram, "llm_vram_override", _TOP)
    if found.get("system_memory") is not None:
        found["system_memory"] = _mapping(found["system_memory"], "llm_vram_override.system_memory", _MEMORY)
    devices = found.get("devices")
    if devices is not None:
        if not isinstance(devices, (list, tuple)):
            raise BadInput("llm_vram_override.devices is no list: write '- {vendor: nvidia, name: NVIDIA L40S, memory_total_bytes: 48305799168}' below it")
        found["devices"] = [_mapping(device, "llm_vram_override.devices[%d]" % i, _DEVICE) for i, device in enumerate(devices)]
    return found


def _mapping(given, where, known):
    """A copy with bytes as integers. A key is refused only where it looks like one that is read: facts of other releases may have more."""
    if not isinstance(given, dict):
        raise BadInput("%s is no mapping: write keys such as %s below it" % (where, ", ".join(known[:3])))
    for key in given:
        close = difflib.get_close_matches(str(key), known, 1, 0.88) if key not in known else ()
        if close and close[0] not in given:
            raise BadInput("%s has no '%s': did you mean %s?" % (where, key, close[0]))
    return {key: _bytes(value, "%s.%s" % (where, key)) if str(key).endswith(("_bytes", "_per_second")) else value for key, value in given.items()}


def _bytes(value, where):
    if value is None or (isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0):
        return value
    amount = _AMOUNT.match(value.strip()) if isinstance(value, str) else None
    if not amount or amount.group(2).lower() not in _UNITS:
        raise BadInput("%s is '%s': write a number of bytes, such as 25769803776, or 24 GiB" % (where, value))
    number, unit = amount.group(1), _UNITS[amount.group(2).lower()]
    return int(float(number) * unit) if "." in number else int(number) * unit
