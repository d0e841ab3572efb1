# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask NVML for everything that it knows of memory; each answer as it came, each refusal with its code. Runs in a child."""

from __future__ import annotations

import ctypes
import os

from ansible_collections.llmfleet.ollama.plugins.module_utils.probe import nvml
from ansible_collections.llmfleet.ollama.plugins.module_utils.probe.constants import SOC_NAME

CUDA_INTEGRATED = 18
CUDA_PATHS = ("/usr/lib/wsl/lib/libcuda.so.1", "libcuda.so.1")


def bindings():
    """NVIDIA's own module where the target has it, else ours. Anything else that is called pynvml does not count."""
    try:
        import pynvml

        for name in ("nvmlInit", "nvmlDeviceGetHandleByIndex", "nvmlDeviceGetMemoryInfo", "NVMLError"):
            getattr(pynvml, name)
        return pynvml
    except Exception:  # a broken package must not cost us the card
        return nvml


class Asker:
    """Call a function of the bindings and tell a value from a refusal."""

    def __init__(self, api):
        self.api = api

    def __call__(self, name, *arguments):
        """Return (value, 0) or (None, code). A name that an old package or driver lacks is code 13, as NVML itself says it."""
        try:
            return getattr(self.api, name)(*arguments), 0
        except self.api.NVMLError as error:
            return None, getattr(error, "value", 999)
        except Exception:  # a missing name, a changed signature, or the package's NVMLLibraryMismatchError, which is no NVMLError
            return None, nvml.NVML_ERROR_FUNCTION_NOT_FOUND

    def value(self, name, *arguments):
        return self(name, *arguments)[0]

    def text(self, name, *arguments):
        value = self.value(name, *arguments)
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else value

    def memory(self, handle):
        version = getattr(self.api, "nvmlMemory_v2", nvml.nvmlMemory_v2)
        memory, code = self("nvmlDeviceGetMemoryInfo", handle, version)
        if memory is not None and hasattr(memory, "reserved"):
            return {"version": 2, "total": memory.total, "reserved": memory.reserved, "free": memory.free, "used": memory.used}
        memory, old_code = self("nvmlDeviceGetMemoryInfo", handle)
        if memory is not None:
            return {"version": 1, "total": memory.total, "free": memory.free, "used": memory.used}
        return {"rc": old_code or code}


def _process_name(ask, pid):
    """The program's name and nothing else: arguments may hold secrets, and a container's numbers mean other processes outside."""
    name, code = ask("nvmlSystemGetProcessName", pid)
    if isinstance(name, bytes):
        name = name.decode("utf-8", "replace")
    if not name and code == nvml.NVML_ERROR_FUNCTION_NOT_FOUND:
        try:
            with open("/proc/%d/comm" % pid) as comm:
                name = comm.read().strip()
        except OSError:
            name = None
    words = (name or "").replace("\0", " ").split()
    return os.path.basename(words[0]) if words else "unknown"


def _mig(ask, handle):
    modes, code = ask("nvmlDeviceGetMigMode", handle)
    if modes is None:
        return {"rc": code}
    found = {"current": modes[0], "instances": []}
    if not modes[0]:
        return found
    for slot in range(ask.value("nvmlDeviceGetMaxMigDeviceCount", handle) or 0):
        instance, code = ask("nvmlDeviceGetMigDeviceHandleByIndex", handle, slot)
        if instance is None:
            continue  # an empty slot between two used ones is normal
        attributes = ask.value("nvmlDeviceGetAttributes", instance)
        found["instances"].append(
            {
                "slot": slot,
                "name": ask.text("nvmlDeviceGetName", instance),
                "uuid": ask.text("nvmlDeviceGetUUID", instance),
                "gpu_instance_id": ask.value("nvmlDeviceGetGpuInstanceId", instance),
                "compute_instance_id": ask.value("nvmlDeviceGetComputeInstanceId", instance),
                "memory": ask.memory(instance),
                "memory_size_mb": None if attributes is None else attributes.memorySizeMB,
            }
        )
    return found


def _device(ask, index):
    handle, code = ask("nvmlDeviceGetHandleByIndex", index)
    if handle is None:
        return {"index": index, "rc": code}
    pci = ask.value("nvmlDeviceGetPciInfo", handle)
    bus_id = getattr(pci, "busId", None)
    processes, processes_code = ask("nvmlDeviceGetComputeRunningProcesses", handle)
    if processes_code == nvml.NVML_ERROR_FUNCTION_NOT_FOUND:
        processes, processes_code = ask("nvmlDeviceGetComputeRunningProcesses_v2", handle)
    capability = ask.value("nvmlDeviceGetCudaComputeCapability", handle)
    return {
        "index": index,
        "rc": 0,
        "name": ask.text("nvmlDeviceGetName", handle),
        "uuid": ask.text("nvmlDeviceGetUUID", handle),
        "pci_bus_id": bus_id.decode("ascii", "replace") if isinstance(bus_id, bytes) else bus_id,
        "pci_device_id": getattr(pci, "pciDeviceId", None),
        "memory": ask.memory(handle),
        "memory_bus_width": ask.value("nvmlDeviceGetMemoryBusWidth", handle),
        "memory_clock_max_mhz": ask.value("nvmlDeviceGetMaxClockInfo", handle, nvml.NVML_CLOCK_MEM),
        "compute_capability": list(capability) if capability else None,
        "minor": ask.value("nvmlDeviceGetMinorNumber", handle),
        "addressing_mode": ask.value("nvmlDeviceGetAddressingMode", handle),
        "numa_node": ask.value("nvmlDeviceGetNumaNodeId", handle),
        "persistence_mode": ask.value("nvmlDeviceGetPersistenceMode", handle),
        "power_limit_milliwatts": ask.value("nvmlDeviceGetEnforcedPowerLimit", handle),
        "virtualization_mode": ask.value("nvmlDeviceGetVirtualizationMode", handle),
        "mig": _mig(ask, handle),
        "processes_rc": processes_code,
        "processes": [{"name": _process_name(ask, process.pid), "bytes": process.usedGpuMemory} for process in processes or []],
    }


def _cuda(bus_ids, paths=CUDA_PATHS):
    """What libcuda says of the devices; needs no context, but cuInit."""
    library = None
    for path in paths:
        try:
            library = ctypes.CDLL(path)
            break
        except OSError:
            continue
    if library is None or library.cuInit(0):
        return []
    found = []
    for bus_id in bus_ids:
        device, integrated, total = ctypes.c_int(), ctypes.c_int(), ctypes.c_size_t()
        if library.cuDeviceGetByPCIBusId(ctypes.byref(device), bus_id.encode()):
            continue
        if library.cuDeviceGetAttribute(ctypes.byref(integrated), CUDA_INTEGRATED, device):
            continue
        known = library.cuDeviceTotalMem_v2(ctypes.byref(total), device) == 0
        found.append({"pci_bus_id": bus_id, "integrated": integrated.value, "total": total.value if known else None})
    return found


def _topology(ask, count, emit):
    handles = [ask.value("nvmlDeviceGetHandleByIndex", index) for index in range(count)]
    for one in range(count):
        for other in range(one + 1, count):
            if handles[one] is not None and handles[other] is not None:
                level = ask.value("nvmlDeviceGetTopologyCommonAncestor", handles[one], handles[other])
                emit({"topology": {"devices": [one, other], "level": level}})


def walk(emit, settled, paths=nvml.LIBRARY_PATHS, topology=False):
    """Work of the job `nvml`: one record for the driver, one for each device, and what libcuda adds where NVML has no answer."""
    first = "init" not in settled
    emit({"start": "init"})
    library, trouble = nvml.load_library(paths)
    if library is None:
        emit({"driver": {"rc": nvml.NVML_ERROR_LIBRARY_NOT_FOUND, "detail": trouble}})
        return
    api = bindings()
    ask = Asker(api)
    code = ask("nvmlInit")[1]
    if code == nvml.NVML_ERROR_LIBRARY_NOT_FOUND and api is not nvml:
        # Our search goes further than that of the package.
        api = nvml
        ask = Asker(api)
        code = ask("nvmlInit")[1]
    count, count_code = ask("nvmlDeviceGetCount") if code == 0 else (None, code)
    if first:
        emit(
            {
                "driver": {
                    "rc": code or count_code,
                    "bindings": "nvml.py" if api is nvml else "pynvml",
                    "version": ask.text("nvmlSystemGetDriverVersion") if code == 0 else None,
                    "cuda": ask.value("nvmlSystemGetCudaDriverVersion_v2") if code == 0 else None,
                    "count": count,
                }
            }
        )
    in_doubt = []
    for index in range(count or 0):
        if index in settled:
            continue
        emit({"start": index})
        record = _device(ask, index)
        emit({"device": record})
        memory = record.get("memory") or {}
        # libcuda is asked only where NVML leaves a doubt, since cuInit is slow.
        if record.get("pci_bus_id") and (memory.get("rc") == 3 or memory.get("total") == 0 or SOC_NAME.search(record.get("name") or "")):
            in_doubt.append(record["pci_bus_id"])
    if in_doubt and "cuda" not in settled:
        emit({"start": "cuda"})
        for record in _cuda(in_doubt):
            emit({"cuda": record})
    if topology and "topology" not in settled:
        emit({"start": "topology"})
        _topology(ask, count or 0, emit)
