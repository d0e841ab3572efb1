# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows: DXGI's figures as the system keeps them in the registry, then the display class keys, AdapterRAM last.

NVIDIA's own tool is read by the NVIDIA reader; what it found is not told again here.
"""

from __future__ import annotations

import re

from ansible_collections.llmfleet.ollama.plugins.module_utils.accelerators import parse
from ansible_collections.llmfleet.ollama.plugins.module_utils.accelerators.device import device, warn
from ansible_collections.llmfleet.ollama.plugins.module_utils.bytes import GIB
from ansible_collections.llmfleet.ollama.plugins.module_utils.vendors import OF_ID, SYSFS_ID

SATURATED = 4293918720
BOGUS = 64 << 20
DISCRETE_NAME = {
    "amd": re.compile(r"\bRX\b|Radeon Pro\b|\bPRO [WVR]\d|\bW\d{4}\b|Instinct|\bR9700\b|\bV\d{3}\b|Vega Frontier|\bVII\b", re.IGNORECASE),
    "intel": re.compile(r"Arc\(?(?:TM)?\)? ?(?:Pro )?[AB]\d{2,3}|Data Center|\bDG[12]\b|Iris\(?R?\)? Xe MAX", re.IGNORECASE),
}
INTEGRATED_NAME = {
    "amd": re.compile(r"Radeon(?:\(TM\))?(?: RX Vega \d+| Vega \d+)? Graphics|\b\d{3}M\b|\b80[456]0S\b", re.IGNORECASE),
    "nvidia": re.compile(r"\bN1X\b|Tegra"),
}


def devices(observation, memory, warnings):
    windows = parse.table(observation.get("windows"))
    gather = parse.texts(parse.table(observation.get("options")).get("gather")) or list(SYSFS_ID)
    controllers = [row for row in map(_controller, parse.rows(windows.get("controllers"))) if row]
    told = any(answer.get("tool") == "nvidia-smi" and answer.get("rc") == 0 for answer in parse.rows(observation.get("cli")))
    found = []
    for adapter in _current(parse.table(windows.get("dxreg"))):
        vendor = OF_ID.get(parse.whole(adapter.get("VendorId")))
        if vendor is None or (vendor == "nvidia" and told):
            continue
        found.append(_from_dxreg(adapter, vendor, controllers))
    for controller in controllers:
        if controller["taken"] or (controller["vendor"] == "nvidia" and told):
            continue
        found.append(_from_class_key(controller, parse.rows(windows.get("class_keys"))))
    return [card for card in found if card["vendor"] in gather or card["vendor"] in ("qualcomm", "other")]


def _controller(row):
    """A present display device of hardware; virtual and remote displays have no PCI or Qualcomm id."""
    pnp = row.get("PNPDeviceID") if isinstance(row.get("PNPDeviceID"), str) else ""
    match = re.match(r"^PCI\\VEN_([0-9A-F]{4})&DEV_([0-9A-F]{4})", pnp.upper())
    vendor = OF_ID.get(int(match.group(1), 16)) if match else "qualcomm" if "QCOM" in pnp.upper() else None
    if vendor is None:
        return None
    return {
        "vendor": vendor,
        "pci_id": "%s:%s" % (match.group(1).lower(), match.group(2).lower()) if match else None,
        "name": parse.text(row.get("Name")) or "GPU",
        "ram": parse.positive(row.get("AdapterRAM")),
        "key": _key(row.get("Driver")),
        "address": _location(row.get("LocationInformation")),
        "version": parse.text(row.get("DriverVersion")),
        "error": parse.whole(row.get("ConfigManagerErrorCode")),
        "taken": False,
    }


def _key(driver):
    r"""The numbered key behind "{4d36e968-…}\0001"."""
    match = re.search(r"\\(\d{4})$", driver) if isinstance(driver, str) else None
    return match.group(1) if match else None


def _location(value):
    """ "PCI bus 1, device 0, function 0", or the same behind a resource reference: "…;(1,0,0)"."""
    if not isinstance(value, str):
        return None
    match = re.search(r"\((\d{1,3}),(\d{1,2}),(\d)\)\s*$", value) or re.search(r"bus (\d{1,3}), device (\d{1,2}), function (\d)", value)
    if match is None:
        return None
    bus, place, function = (int(part) for part in match.groups())
    return parse.address("0000:%02x:%02x.%d" % (bus, place, function))


def _current(dxreg):
    """Adapters of the last start; older ones stay in the registry. Some systems keep no LastSeen: then all count."""
    last = parse.positive(dxreg.get("last_seen"))
    rows = []
    for row in parse.rows(dxreg.get("adapters")):
        seen = parse.positive(row.get("LastSeen"))
        stale = last is not None and seen is not None and seen != last
        if not stale and not parse.whole(row.get("SoftwareAdapter")) and parse.whole(row.get("DedicatedVideoMemory")) is not None:
            rows.append(row)
    return rows


def _version(packed):
    packed = parse.positive(packed)
    return None if packed is None else ".".join(str(packed >> shift & 0xFFFF) for shift in (48, 32, 16, 0))


def _integrated(vendor, name, dedicated, shared):
    if vendor == "qualcomm" or (vendor in INTEGRATED_NAME and INTEGRATED_NAME[vendor].search(name) and not _says_discrete(vendor, name)):
        return True
    if _says_discrete(vendor, name):
        return False
    if vendor == "intel":
        return True
    return dedicated is not None and shared is not None and dedicated < GIB and shared >= 4 * dedicated


def _says_discrete(vendor, name):
    return vendor in DISCRETE_NAME and DISCRETE_NAME[vendor].search(name) is not None and "Vega" not in name.replace("Vega Frontier", "")


def _match(adapter, vendor, name, controllers):
    """The present device that this adapter is. Never by position: the orders differ."""
    device_id = parse.positive(adapter.get("DeviceId"))
    free = [row for row in controllers if not row["taken"] and row["vendor"] == vendor]
    wanted = None if device_id is None else "%04x" % (device_id & 0xFFFF)
    for row in free:
        if row["name"] == name or (wanted and row["pci_id"] and row["pci_id"].endswith(wanted)):
            return row
    return None


def _from_dxreg(adapter, vendor, controllers):
    name = parse.text(adapter.get("Description")) or "GPU"
    dedicated, shared = parse.whole(adapter.get("DedicatedVideoMemory")), parse.whole(adapter.get("SharedSystemMemory"))
    found = device(vendor, name, "dxreg", memory_dedicated_bytes=dedicated, memory_shared_bytes=shared)
    found["driver"]["version"] = _version(adapter.get("DriverVersion"))
    controller = _match(adapter, vendor, name, controllers)
    if controller is not None:
        controller["taken"] = True
        found["pci_address"], found["pci_id"] = controller["address"], controller["pci_id"]
        found["driver"]["version"] = controller["version"] or found["driver"]["version"]
    _total(found, _integrated(vendor, name, dedicated, shared))
    return found


def _total(found, integrated):
    """Dedicated and shared are separate budgets on Windows, so an integrated GPU has their sum."""
    dedicated, shared = found["memory_dedicated_bytes"], found["memory_shared_bytes"]
    found["type"] = "integrated" if integrated else "discrete"
    found["unified"] = integrated
    if integrated and shared is None:
        warn(found, "shared_memory_unknown")
    found["memory_total_bytes"] = parse.total([dedicated, shared]) if integrated else dedicated
    found["memory_usable_bytes"] = found["memory_total_bytes"]
    if found["memory_total_bytes"] is None:
        warn(found, "memory_not_reported")


def _registry_size(value):
    """REG_QWORD is a number; REG_BINARY arrives as bytes, least significant first."""
    if isinstance(value, list):
        parts = [parse.whole(part) for part in value]
        if len(parts) not in (4, 8) or any(part is None or part > 255 for part in parts):
            return None
        value = int.from_bytes(bytes(parts), "little")
    size = parse.positive(value)
    return size if size is not None and size >= BOGUS else None


def _from_class_key(controller, keys):
    found = device(controller["vendor"], controller["name"], "registry", pci_address=controller["address"], pci_id=controller["pci_id"])
    found["driver"]["version"] = controller["version"]
    row = next((row for row in keys if controller["key"] is not None and row.get("key") == controller["key"]), {})
    size = _registry_size(row.get("qwMemorySize"))
    if size is None and controller["ram"] is not None and controller["ram"] >= BOGUS:
        size = controller["ram"]
        found["source"] = "wmi"
        if size == SATURATED:
            warn(found, "adapter_ram_saturated")
    if controller["error"]:
        found["accessible"] = False
        warn(found, "driver_not_loaded", "Device Manager error %d" % controller["error"])
    found["memory_dedicated_bytes"] = size
    _total(found, _integrated(controller["vendor"], controller["name"], size, None))
    return found
