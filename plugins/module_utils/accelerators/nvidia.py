# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NVIDIA: what NVML, nvidia-smi and the kernel's files say, told as devices."""

from __future__ import annotations

import csv
import re

from ansible_collections.llmfleet.ollama.plugins.module_utils.accelerators import parse
from ansible_collections.llmfleet.ollama.plugins.module_utils.accelerators.device import device, used_by, warn, warning
from ansible_collections.llmfleet.ollama.plugins.module_utils.bytes import MIB
from ansible_collections.llmfleet.ollama.plugins.module_utils.probe.constants import SOC_NAME
from ansible_collections.llmfleet.ollama.plugins.module_utils.vendors import SYSFS_ID

VENDOR_ID = SYSFS_ID["nvidia"]
CODES = {
    3: "memory_not_reported",
    4: "no_permission",
    9: "driver_not_loaded",
    12: "library_not_loadable",
    15: "gpu_lost",
    16: "reset_required",
    17: "blocked_by_cgroup",
    18: "driver_library_mismatch",
}
HOW = {"timeout": "timeout", "crashed": "probe_crashed"}
VGPU_NAME = re.compile(r"^(?:GRID |NVIDIA )[A-Z0-9]+(?:-[A-Z0-9]+)?-\d+([ABCQ])$")
VGPU_GUEST = 2
BANDWIDTHS = (10**10, 2 * 10**13)  # bytes a second that a card's memory can have; all else is a slip of the driver
ADDRESSING = {0: "none", 1: "hmm", 2: "ats"}
LEVELS = {0: "internal", 10: "single", 20: "multiple", 30: "hostbridge", 40: "node", 50: "system"}
SMI_COLUMNS = (
    ("index", "uuid", "bus", "name", "driver", "total", "reserved", "used", "free", "cc", "addressing", "mig", "power"),
    ("index", "uuid", "bus", "name", "driver", "total", "used", "free"),
)
# Kernel modules that drive the card's display and know nothing of its memory.
OTHER_DRIVERS = ("nouveau", "nova")


def code_of(return_code):
    return CODES.get(parse.whole(return_code), "nvml_error")


def devices(observation, memory, warnings):
    nvml = parse.table(observation.get("nvml"))
    driver = parse.table(nvml.get("driver"))
    found = []
    for row in parse.rows(nvml.get("devices")):
        found.append(_from_nvml(row, driver, nvml, observation, memory))
    if not found:
        found = _from_smi(observation, memory, warnings)
    found = _with_kernel(found, nvml, observation, warnings)
    return found or _jetson(observation, memory)


def probe_status(observation, detail):
    """The job ran to its end; whether it found a driver is in what it brought home."""
    driver = parse.table(parse.table(observation.get("nvml")).get("driver"))
    code = driver.get("rc")
    if code == 12 and not driver.get("detail"):
        return "absent", "no libnvidia-ml.so.1"
    if code:
        return "error", parse.text(driver.get("detail")) or "nvmlInit answers %s" % code
    return "ok", detail


def topology(observation):
    result = []
    for row in parse.rows(parse.table(observation.get("nvml")).get("topology")):
        pair = row.get("devices")
        if isinstance(pair, list) and len(pair) == 2 and None not in [parse.whole(value) for value in pair]:
            result.append({"devices": [parse.whole(value) for value in pair], "level": LEVELS.get(parse.whole(row.get("level")))})
    return result


def _failed_steps(observation):
    """NVML indices whose question crashed or hung."""
    failed = {}
    for probe in parse.rows(observation.get("probes")):
        if probe.get("name") == "nvml":
            for row in parse.rows(probe.get("failed_steps")):
                step, how = parse.whole(row.get("step")), HOW.get(parse.text(row.get("how")))
                if step is not None and how is not None:
                    failed[step] = how
    return failed


def _from_nvml(row, driver, nvml, observation, memory):
    cuda = parse.positive(driver.get("cuda"))
    version = parse.text(driver.get("version"))
    found = device(
        "nvidia",
        parse.text(row.get("name")) or "NVIDIA GPU",
        "nvml",
        uuid=parse.text(row.get("uuid")),
        pci_address=parse.address(row.get("pci_bus_id")),
        driver={"name": "nvidia", "version": version.split(" ")[0] if version else None},
        runtime={"cuda": "%d.%d" % (cuda // 1000, cuda % 1000 // 10) if cuda else None, "rocm": None},
    )
    pci = parse.positive(row.get("pci_device_id"))
    if pci:
        found["pci_id"] = "%04x:%04x" % (pci & 0xFFFF, pci >> 16 & 0xFFFF)
    capability = row.get("compute_capability")
    if isinstance(capability, list) and len(capability) == 2 and None not in [parse.whole(part) for part in capability]:
        found["compute_capability"] = "%d.%d" % tuple(parse.whole(part) for part in capability)
    found["addressing_mode"] = ADDRESSING.get(parse.whole(row.get("addressing_mode")))
    found["coherent"] = found["addressing_mode"] == "ats"
    found["numa_node"] = parse.whole(row.get("numa_node"))
    power = parse.positive(row.get("power_limit_milliwatts"))
    found["power_limit_watts"] = power / 1000.0 if power else None
    persistence = parse.whole(row.get("persistence_mode"))
    found["persistence_mode"] = None if persistence is None else persistence != 0
    found["memory_bandwidth_bytes_per_second"] = _bandwidth(row)
    found["memory_used_by"] = used_by(
        [(parse.text(entry.get("name")) or "unknown", parse.whole(entry.get("bytes"))) for entry in parse.rows(row.get("processes"))]
    )
    if row.get("rc"):
        found["accessible"] = False
        warn(found, code_of(row.get("rc")), "NVML error %s" % row.get("rc"))
        return found
    mig = parse.table(row.get("mig"))
    figures = parse.table(row.get("memory"))
    if parse.whole(mig.get("current")) == 1:
        _mig(found, mig, figures)
    else:
        integrated = _cuda_answer(nvml, found["pci_address"])
        _memory(found, figures, integrated, observation, memory)
    _vgpu(found, parse.whole(row.get("virtualization_mode")) == VGPU_GUEST)
    return found


def _bandwidth(row):
    """Two transfers for each cycle of the memory's clock that NVML tells, over the whole width (RTX 3090: 2 x 9751 MHz x 384 bit). GB10 tells neither."""
    clock, width = parse.positive(row.get("memory_clock_max_mhz")), parse.positive(row.get("memory_bus_width"))
    found = 2 * clock * 10**6 * width // 8 if clock and width else None
    return found if found and BANDWIDTHS[0] <= found <= BANDWIDTHS[1] else None


def _memory(found, figures, integrated, observation, memory):
    code, total = parse.whole(figures.get("rc")), parse.positive(figures.get("total"))
    soc = SOC_NAME.search(found["name"]) is not None
    if total is None and code not in (None, 0, 3):
        warn(found, code_of(code), "NVML error %s" % code)
        if code in (15, 16):
            found["accessible"] = False
        return
    # "Not supported" alone proves nothing; a discrete card could answer so too.
    if (total is None or soc) and _shares_memory(soc, integrated, observation):
        _share_system_memory(found, total, memory)
        return
    if total is None:
        warn(found, "memory_not_reported")
        return
    found["type"] = "discrete"
    found["unified"] = False
    found["memory_total_bytes"] = found["memory_dedicated_bytes"] = total
    found["memory_used_bytes"] = parse.whole(figures.get("used"))
    found["memory_free_bytes"] = parse.whole(figures.get("free"))
    found["memory_reserved_bytes"] = parse.whole(figures.get("reserved"))
    if found["memory_reserved_bytes"] is None:
        found["memory_usable_bytes"] = total
        warn(found, "reserved_unknown")
    else:
        found["memory_usable_bytes"] = max(total - found["memory_reserved_bytes"], 0)


def _shares_memory(soc, integrated, observation):
    if integrated is not None:
        return integrated
    compatible = parse.table(observation.get("files")).get("/proc/device-tree/compatible")
    return soc or "nvidia,tegra" in (compatible if isinstance(compatible, str) else "")


def _share_system_memory(found, reported, memory):
    """A system on a chip: the GPU works in the machine's memory, so its total is that memory (without swap)."""
    found["type"] = "integrated"
    found["unified"] = True
    found["memory_total_bytes"] = found["memory_shared_bytes"] = found["memory_usable_bytes"] = memory["total_bytes"]
    found["memory_free_bytes"] = memory["available_bytes"]
    found["source"] = "proc"
    if reported is None:
        warn(found, "memory_not_reported", "it shares the machine's memory, which is used instead")
    elif memory["total_bytes"] and reported < memory["total_bytes"] / 2:
        warn(found, "memory_distrusted")


def _cuda_answer(nvml, address):
    """True, False, or None where libcuda was not asked or knows nothing of this device."""
    for row in parse.rows(nvml.get("cuda")):
        if address is not None and parse.address(row.get("pci_bus_id")) == address and parse.whole(row.get("integrated")) is not None:
            return parse.whole(row["integrated"]) == 1
    return None


def _mig(found, mig, figures):
    """With MIG on, the instances are the devices. Compute instances share the memory of their GPU instance: count that once."""
    pools = {}
    found["mig"]["enabled"] = True
    for row in parse.rows(mig.get("instances")):
        memory = parse.table(row.get("memory"))
        total = parse.positive(memory.get("total"))
        if total is None and parse.positive(row.get("memory_size_mb")):
            total = parse.positive(row.get("memory_size_mb")) * MIB
        instance = {
            "name": parse.text(row.get("name")),
            "uuid": parse.text(row.get("uuid")),
            "gpu_instance_id": parse.whole(row.get("gpu_instance_id")),
            "compute_instance_id": parse.whole(row.get("compute_instance_id")),
            "memory_total_bytes": total,
            "memory_used_bytes": parse.whole(memory.get("used")),
            "memory_free_bytes": parse.whole(memory.get("free")),
        }
        found["mig"]["instances"].append(instance)
        pool = instance["gpu_instance_id"]
        pools.setdefault("slot %s" % row.get("slot") if pool is None else pool, instance)
    found["type"] = "discrete"
    found["unified"] = False
    found["memory_dedicated_bytes"] = parse.positive(figures.get("total"))
    found["memory_reserved_bytes"] = parse.whole(figures.get("reserved"))
    if not pools:
        found["memory_total_bytes"] = found["memory_usable_bytes"] = found["memory_free_bytes"] = 0
        warn(found, "mig_no_instances")
        return
    for key in ("memory_total_bytes", "memory_used_bytes", "memory_free_bytes"):
        found[key] = parse.total([pool[key] for pool in pools.values()])
    # A CUDA process uses one instance, so the largest one is the limit.
    sizes = [pool["memory_total_bytes"] for pool in pools.values() if pool["memory_total_bytes"] is not None]
    found["memory_usable_bytes"] = max(sizes) if sizes else None
    if found["memory_total_bytes"] is None:
        warn(found, "memory_not_reported")


def _vgpu(found, guest):
    profile = VGPU_NAME.match(found["name"])
    if guest or profile:
        found["type"] = "virtual"
        if profile and profile.group(1) in "AB":
            warn(found, "vgpu_profile_not_compute")


def _from_smi(observation, memory, warnings):
    """nvidia-smi's CSV: the newest columns that it understood. Its exit status is NVML's code."""
    found = []
    for answer in parse.rows(observation.get("cli")):
        if answer.get("tool") != "nvidia-smi":
            continue
        if answer.get("rc") != 0:
            code = parse.whole(answer.get("rc"))
            if code in CODES and code != 12 and "No devices" not in str(answer.get("stdout")):
                warnings.append(warning(CODES[code], "nvidia-smi ended with %d" % code))
            continue
        columns = SMI_COLUMNS[1] if answer.get("query") == 1 else SMI_COLUMNS[0]
        output = answer.get("stdout") if isinstance(answer.get("stdout"), str) else ""
        for values in csv.reader(output.replace("\0", "").splitlines(), skipinitialspace=True):
            if len(values) == len(columns):
                found.append(_smi_row(dict(zip(columns, values)), observation, memory))
    return found


def _smi_row(row, observation, memory):
    name = parse.text(row["name"]) or "NVIDIA GPU"
    driver = parse.text(row["driver"])
    found = device(
        "nvidia",
        name,
        "nvidia-smi",
        uuid=row["uuid"] if row["uuid"].startswith("GPU-") else None,
        pci_address=parse.address(row["bus"]),
        driver={"name": "nvidia", "version": driver.split(" ")[0] if driver and driver[0].isdigit() else None},
    )
    if re.match(r"^\d{1,2}\.\d$", row.get("cc") or ""):
        found["compute_capability"] = row["cc"]
    mode = (row.get("addressing") or "").lower()
    found["addressing_mode"] = mode if mode in ADDRESSING.values() else None
    found["coherent"] = mode == "ats"
    found["power_limit_watts"] = parse.number(row.get("power")) or None
    if "lost" in row["total"].lower():
        found["accessible"] = False
        warn(found, "gpu_lost")
    elif (row.get("mig") or "").strip() == "Enabled":
        found["mig"]["enabled"] = True
        found["memory_dedicated_bytes"] = parse.mib(row["total"])
        found["unified"] = False
        warn(found, "mig_instances_unknown")
    else:
        figures = {key: parse.mib(row.get(key)) for key in ("total", "used", "free", "reserved")}
        _memory(found, figures, None, observation, memory)
    _vgpu(found, False)
    return found


def _kernel_cards(observation):
    """PCI address -> (name, uuid) as the kernel module lists its cards; there is no memory size in it."""
    cards = {}
    for text in parse.texts(observation.get("nvidia_kernel_files")):
        fields = dict(line.split(":", 1) for line in parse.lines(text) if ":" in line)
        fields = {key.strip(): value.strip() for key, value in fields.items()}
        address = parse.address(fields.get("Bus Location"))
        if address is not None:
            uuid = parse.text(fields.get("GPU UUID"))
            cards[address] = (parse.text(fields.get("Model")), uuid if uuid and "?" not in uuid else None)
    return cards


def _with_kernel(found, nvml, observation, warnings):
    """Add the cards that the kernel sees and the driver's library does not: a broken driver must not look like no GPU."""
    driver = parse.table(nvml.get("driver"))
    failed = _failed_steps(observation)
    count = min(parse.whole(driver.get("count")) or 0, 64)
    seen = {parse.whole(row.get("index")) for row in parse.rows(nvml.get("devices"))}
    silent = [(index, failed.get(index, "timeout")) for index in range(count) if index not in seen]
    blind = [entry for entry in found if entry["pci_address"] is None and not entry["accessible"]]

    pci = {parse.address(row.get("address")): row for row in parse.rows(observation.get("pci")) if row.get("vendor") == VENDOR_ID}
    names = {parse.address(row.get("address")): row.get("name") for row in parse.rows(observation.get("pci_name"))}
    numa = {parse.address(row.get("address")): parse.table(row.get("files")) for row in parse.rows(observation.get("pci_files"))}
    kernel = _kernel_cards(observation)
    known = {entry["pci_address"] for entry in found}
    rest = sorted((set(pci) | set(kernel)) - known - {None})
    version = _kernel_version(observation)
    trouble = _trouble(observation, driver)

    for entry in found:
        if entry["numa_node"] is None:
            entry["numa_node"] = parse.whole(parse.table(numa.get(entry["pci_address"])).get("numa_node"))
    for address in rest:
        row = parse.table(pci.get(address))
        name, uuid = kernel.get(address, (None, None))
        holder = row.get("driver") if address in pci else "nvidia"
        other = not isinstance(holder, str) or holder.lower().startswith(OTHER_DRIVERS)
        ours = not other and holder != "vfio-pci"
        entry = None
        if ours and blind:
            # A lost card answers NVML with nothing but its index; the kernel still knows where it sits.
            entry = blind.pop(0)
            entry["pci_address"] = address
            entry["name"] = name or parse.text(names.get(address)) or entry["name"]
            entry["uuid"] = entry["uuid"] or uuid
        else:
            entry = device("nvidia", name or parse.text(names.get(address)) or "NVIDIA GPU", "proc" if name else "sysfs", uuid=uuid)
            entry["pci_address"] = address
            entry["accessible"] = False
            entry["driver"] = {"name": parse.text(holder), "version": version if ours else None}
            if other:
                warn(entry, "driver_not_loaded", "the card is held by %s" % holder if holder else None)
            elif ours and silent:
                index, code = silent.pop(0)
                warn(entry, code, "NVML device %d" % index)
            elif ours and trouble:
                warn(entry, *trouble)
            elif ours:
                warn(entry, "device_node_missing")
            found.append(entry)
        entry["pci_id"] = entry["pci_id"] or parse.pci_id(row.get("vendor"), row.get("device"))
        if entry["numa_node"] is None:
            entry["numa_node"] = parse.whole(parse.table(numa.get(address)).get("numa_node"))
    for index, code in silent:
        entry = device("nvidia", "NVIDIA GPU", "nvml", accessible=False)
        entry["driver"] = {"name": "nvidia", "version": parse.text(driver.get("version"))}
        warn(entry, code, "NVML device %d" % index)
        found.append(entry)
    # The library is there and says what is wrong, even where no card is to be seen that could carry the warning.
    if trouble and not rest and not found:
        warnings.append(warning(*trouble))
    return found


def _trouble(observation, driver):
    """What kept NVML from answering at all: (code, detail) or None. A machine without the library has no trouble."""
    code = driver.get("rc")
    if code == 12 and not driver.get("detail"):
        return ("library_not_found", None) if _has_nvidia(observation) else None
    if code:
        return code_of(code), parse.text(driver.get("detail")) or "NVML error %s" % code
    for probe in parse.rows(observation.get("probes")):
        how = HOW.get(parse.text(probe.get("status")))
        if probe.get("name") == "nvml" and how is not None:
            return how, parse.text(probe.get("detail"))
    return None


def _has_nvidia(observation):
    return any(row.get("vendor") == VENDOR_ID for row in parse.rows(observation.get("pci")))


def _kernel_version(observation):
    text = str(parse.table(observation.get("files")).get("/proc/driver/nvidia/version"))
    match = re.search(r"Kernel Module.*?\s(\d+\.\d+(?:\.\d+)?)\s", text)
    return match.group(1) if match else None


def _jetson(observation, memory):
    """JetPack 5 has neither NVML nor nvidia-smi; the device tree tells what the machine is."""
    files = parse.table(observation.get("files"))
    compatible = files.get("/proc/device-tree/compatible")
    match = re.search(r"nvidia,tegra(\d{3})", compatible if isinstance(compatible, str) else "")
    if match is None or "nvidia" not in parse.texts(parse.table(observation.get("options")).get("gather")):
        return []
    capability = {"264": "11.0", "234": "8.7", "194": "7.2", "186": "6.2", "210": "5.3"}.get(match.group(1))
    found = device("nvidia", parse.text(files.get("/proc/device-tree/model")) or "NVIDIA Tegra", "proc", compute_capability=capability)
    found["driver"] = {"name": "nvgpu", "version": None}
    _share_system_memory(found, memory["total_bytes"], memory)
    return [found]
