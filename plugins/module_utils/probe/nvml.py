# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of NVML that the probe needs, under the names of NVIDIA's own Python module.

The package `nvidia-ml-py` installs a module called `pynvml`. A target that has it is read through it; every other target is
read through this file, so that nothing need be installed there. Names, arguments and results are those of `pynvml`.
"""

from __future__ import annotations

import ctypes
import glob
import os

NVML_ERROR_LIBRARY_NOT_FOUND = 12
NVML_ERROR_FUNCTION_NOT_FOUND = 13
NVML_ERROR_INSUFFICIENT_SIZE = 7
NVML_CLOCK_MEM = 2
# sizeof(nvmlMemory_v2_t) | 2 << 24. A plain 2, as the header's comment says, is answered with error 25.
nvmlMemory_v2 = 0x02000028

# WSL first: a distribution's package may leave a stub elsewhere that shadows the real library.
LIBRARY_PATHS = (
    "/usr/lib/wsl/lib/libnvidia-ml.so.1",
    "/usr/lib/wsl/drivers/nv*_*/libnvidia-ml.so.1",
    "libnvidia-ml.so.1",
    "libnvidia-ml.so",
    "/usr/lib/*-linux-gnu/libnvidia-ml.so.1",
    "/usr/lib64/libnvidia-ml.so.1",
    "/usr/lib/*-linux-gnu/nvidia/current/libnvidia-ml.so.1",
    "/usr/lib/*-linux-gnu/tegra/libnvidia-ml.so.1",
    "/usr/lib/*-linux-gnu/nvidia/libnvidia-ml.so.1",
    "/run/opengl-driver/lib/libnvidia-ml.so.1",
    "/run/nvidia/driver/usr/lib/*-linux-gnu/libnvidia-ml.so.1",
    "/usr/local/nvidia/lib64/libnvidia-ml.so.1",
    "/usr/lib/nvidia/libnvidia-ml.so.1",
)

_library = None


class NVMLError(Exception):
    """An NVML return code other than success, kept as `value`."""

    def __init__(self, value):
        super().__init__("NVML error %d" % value)
        self.value = value


class _Memory(ctypes.Structure):
    _fields_ = [(name, ctypes.c_ulonglong) for name in ("total", "free", "used")]


class _MemoryV2(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint)] + [(name, ctypes.c_ulonglong) for name in ("total", "reserved", "free", "used")]


class _PciInfo(ctypes.Structure):
    _fields_ = (
        [("busIdLegacy", ctypes.c_char * 16)]
        + [(name, ctypes.c_uint) for name in ("domain", "bus", "device", "pciDeviceId", "pciSubSystemId")]
        + [("busId", ctypes.c_char * 32)]
    )


class _Process(ctypes.Structure):
    _fields_ = [
        ("pid", ctypes.c_uint),
        ("usedGpuMemory", ctypes.c_ulonglong),
        ("gpuInstanceId", ctypes.c_uint),
        ("computeInstanceId", ctypes.c_uint),
    ]


class nvmlFriendlyObject:
    """A process on a card; `usedGpuMemory` is None where the driver hides it."""

    def __init__(self, pid, usedGpuMemory):
        self.pid = pid
        self.usedGpuMemory = usedGpuMemory


def _process(entry):
    hidden = entry.usedGpuMemory == ctypes.c_ulonglong(-1).value
    return nvmlFriendlyObject(entry.pid, None if hidden else entry.usedGpuMemory)


class _Attributes(ctypes.Structure):
    _fields_ = [("counts", ctypes.c_uint * 8), ("memorySizeMB", ctypes.c_ulonglong)]


class _AddressingMode(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint), ("value", ctypes.c_uint)]


def load_library(paths=LIBRARY_PATHS):
    """Load the first library that loads. Return (library or None, what stood in the way or None).

    Loading it by its full path also serves `pynvml`, whose own `CDLL("libnvidia-ml.so.1")` is then answered by the loader with
    this very library: it has that name inside.
    """
    global _library
    trouble = None
    for pattern in paths:
        for path in sorted(glob.glob(pattern)) if os.path.isabs(pattern) else [pattern]:
            try:
                _library = ctypes.CDLL(path)
                return _library, None
            except OSError as error:
                # A name that the loader does not know is no finding; a file that is there and won't load is.
                if os.path.exists(path) or "cannot open shared object file" not in str(error):
                    trouble = trouble or str(error)
    _library = None
    return None, trouble


def _check(code):
    if code:
        raise NVMLError(code)


def _function(name):
    if _library is None:
        raise NVMLError(NVML_ERROR_LIBRARY_NOT_FOUND)
    try:
        return getattr(_library, name)
    except AttributeError:
        raise NVMLError(NVML_ERROR_FUNCTION_NOT_FOUND)


def _call(name, *arguments):
    _check(_function(name)(*arguments))


def _number(name, *arguments, **options):
    result = options.get("kind", ctypes.c_uint)()
    _call(name, *(arguments + (ctypes.byref(result),)))
    return result.value


def _text(name, *arguments):
    buffer = ctypes.create_string_buffer(1024)
    _call(name, *(arguments + (buffer, ctypes.c_uint(96 if name != "nvmlSystemGetProcessName" else 1024))))
    return buffer.value.decode("utf-8", "replace")


def nvmlInit():
    _call("nvmlInit_v2")


def nvmlShutdown():
    _call("nvmlShutdown")


def nvmlSystemGetDriverVersion():
    return _text("nvmlSystemGetDriverVersion")


def nvmlSystemGetCudaDriverVersion_v2():
    return _number("nvmlSystemGetCudaDriverVersion_v2", kind=ctypes.c_int)


def nvmlSystemGetProcessName(pid):
    return _text("nvmlSystemGetProcessName", ctypes.c_uint(pid))


def nvmlDeviceGetCount():
    return _number("nvmlDeviceGetCount_v2")


def nvmlDeviceGetHandleByIndex(index):
    return ctypes.c_void_p(_number("nvmlDeviceGetHandleByIndex_v2", ctypes.c_uint(index), kind=ctypes.c_void_p))


def nvmlDeviceGetName(handle):
    return _text("nvmlDeviceGetName", handle)


def nvmlDeviceGetUUID(handle):
    return _text("nvmlDeviceGetUUID", handle)


def nvmlDeviceGetPciInfo(handle):
    info = _PciInfo()
    _call("nvmlDeviceGetPciInfo_v3", handle, ctypes.byref(info))
    return info


def nvmlDeviceGetMemoryInfo(handle, version=None):
    if version:
        memory = _MemoryV2(version=version)
        _call("nvmlDeviceGetMemoryInfo_v2", handle, ctypes.byref(memory))
    else:
        memory = _Memory()
        _call("nvmlDeviceGetMemoryInfo", handle, ctypes.byref(memory))
    return memory


def nvmlDeviceGetCudaComputeCapability(handle):
    major, minor = ctypes.c_int(), ctypes.c_int()
    _call("nvmlDeviceGetCudaComputeCapability", handle, ctypes.byref(major), ctypes.byref(minor))
    return major.value, minor.value


def nvmlDeviceGetMemoryBusWidth(handle):
    return _number("nvmlDeviceGetMemoryBusWidth", handle)


def nvmlDeviceGetMaxClockInfo(handle, clock):
    return _number("nvmlDeviceGetMaxClockInfo", handle, clock)


def nvmlDeviceGetMinorNumber(handle):
    return _number("nvmlDeviceGetMinorNumber", handle)


def nvmlDeviceGetNumaNodeId(handle):
    return _number("nvmlDeviceGetNumaNodeId", handle, kind=ctypes.c_int)


def nvmlDeviceGetAddressingMode(handle):
    mode = _AddressingMode(version=ctypes.sizeof(_AddressingMode) | 1 << 24)
    _call("nvmlDeviceGetAddressingMode", handle, ctypes.byref(mode))
    return mode.value


def nvmlDeviceGetPersistenceMode(handle):
    return _number("nvmlDeviceGetPersistenceMode", handle)


def nvmlDeviceGetEnforcedPowerLimit(handle):
    return _number("nvmlDeviceGetEnforcedPowerLimit", handle)


def nvmlDeviceGetVirtualizationMode(handle):
    return _number("nvmlDeviceGetVirtualizationMode", handle, kind=ctypes.c_ulonglong)


def nvmlDeviceGetTopologyCommonAncestor(one, other):
    return _number("nvmlDeviceGetTopologyCommonAncestor", one, other)


def nvmlDeviceGetComputeRunningProcesses(handle):
    return _processes("nvmlDeviceGetComputeRunningProcesses_v3", handle)


def nvmlDeviceGetComputeRunningProcesses_v2(handle):
    return _processes("nvmlDeviceGetComputeRunningProcesses_v2", handle)


def _processes(name, handle):
    function = _function(name)
    count = ctypes.c_uint(0)
    code = function(handle, ctypes.byref(count), None)
    if code != NVML_ERROR_INSUFFICIENT_SIZE:
        _check(code)
        return []
    count.value = count.value * 2 + 5
    found = (_Process * count.value)()
    _check(function(handle, ctypes.byref(count), found))
    return [_process(entry) for entry in found[: count.value]]


def nvmlDeviceGetMigMode(handle):
    current, pending = ctypes.c_uint(), ctypes.c_uint()
    _call("nvmlDeviceGetMigMode", handle, ctypes.byref(current), ctypes.byref(pending))
    return [current.value, pending.value]


def nvmlDeviceGetMaxMigDeviceCount(handle):
    return _number("nvmlDeviceGetMaxMigDeviceCount", handle)


def nvmlDeviceGetMigDeviceHandleByIndex(handle, index):
    return ctypes.c_void_p(_number("nvmlDeviceGetMigDeviceHandleByIndex", handle, ctypes.c_uint(index), kind=ctypes.c_void_p))


def nvmlDeviceGetGpuInstanceId(handle):
    return _number("nvmlDeviceGetGpuInstanceId", handle)


def nvmlDeviceGetComputeInstanceId(handle):
    return _number("nvmlDeviceGetComputeInstanceId", handle)


def nvmlDeviceGetAttributes(handle):
    attributes = _Attributes()
    _call("nvmlDeviceGetAttributes_v2", handle, ctypes.byref(attributes))
    return attributes
