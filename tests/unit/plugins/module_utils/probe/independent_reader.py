# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NVIDIA's own nvidia-ml-py reads the fake library, knowing nothing of this collection. Prints JSON, one line for each device.

Run as a program: a device that segfaults or hangs takes this process with it, which is what the caller looks for.
"""

from __future__ import annotations

import json
import sys

import pynvml


def tell(**record):
    print(json.dumps(record), flush=True)


def read(index):
    try:
        handle = pynvml.nvmlDeviceGetHandleByIndex(index)
        try:
            memory = pynvml.nvmlDeviceGetMemoryInfo(handle, pynvml.nvmlMemory_v2)
            reserved = memory.reserved
        except pynvml.NVMLError_FunctionNotFound:
            memory, reserved = pynvml.nvmlDeviceGetMemoryInfo(handle), None
        except pynvml.NVMLError as error:
            memory, reserved = None, error.value
        record = {"name": pynvml.nvmlDeviceGetName(handle), "uuid": pynvml.nvmlDeviceGetUUID(handle)}
        record["pci"] = pynvml.nvmlDeviceGetPciInfo(handle).busId
        record["capability"] = list(pynvml.nvmlDeviceGetCudaComputeCapability(handle))
        if memory is None:
            record["memory_error"] = reserved
        else:
            record["memory"] = [memory.total, memory.used, memory.free, reserved]
        record["instances"] = instances(handle)
        tell(index=index, **record)
    except pynvml.NVMLError as error:
        tell(index=index, error=error.value)


def instances(handle):
    try:
        if not pynvml.nvmlDeviceGetMigMode(handle)[0]:
            return []
    except pynvml.NVMLError:
        return []
    found = []
    for slot in range(pynvml.nvmlDeviceGetMaxMigDeviceCount(handle)):
        try:
            instance = pynvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, slot)
        except pynvml.NVMLError_NotFound:
            continue
        memory = pynvml.nvmlDeviceGetMemoryInfo(instance, pynvml.nvmlMemory_v2)
        found.append([pynvml.nvmlDeviceGetGpuInstanceId(instance), pynvml.nvmlDeviceGetComputeInstanceId(instance), memory.total])
    return found


def main():
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        tell(init=error.value)
        return
    tell(init=0, driver=pynvml.nvmlSystemGetDriverVersion(), count=pynvml.nvmlDeviceGetCount())
    for index in [int(number) for number in sys.argv[1:]]:
        read(index)


if __name__ == "__main__":
    main()
