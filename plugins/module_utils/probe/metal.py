# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask Metal for its devices through the Objective-C runtime. Runs as a program of its own: that runtime forbids a bare fork."""

from __future__ import annotations

import ctypes
import json
import sys

FRAMEWORK = "/System/Library/Frameworks/%s.framework/%s"


def devices(load=ctypes.CDLL):
    """Every Metal device with the memory that it recommends as one process's limit."""
    load(FRAMEWORK % ("CoreGraphics", "CoreGraphics"))  # without it Metal finds no device in a program without windows
    metal = load(FRAMEWORK % ("Metal", "Metal"))
    objc = load("/usr/lib/libobjc.A.dylib")
    objc.sel_registerName.restype = ctypes.c_void_p
    objc.sel_registerName.argtypes = [ctypes.c_char_p]
    metal.MTLCopyAllDevices.restype = ctypes.c_void_p

    def send(kind, target, selector, *arguments):
        # One prototype for each result: a shared one would cut 64 bits down to an int.
        types = [ctypes.c_void_p, ctypes.c_void_p] + [ctypes.c_ulong] * len(arguments)
        call = ctypes.CFUNCTYPE(kind, *types)(("objc_msgSend", objc))
        return call(target, objc.sel_registerName(selector), *arguments)

    array = metal.MTLCopyAllDevices()
    if not array:
        return []
    found = []
    for index in range(send(ctypes.c_ulong, array, b"count")):
        device = send(ctypes.c_void_p, array, b"objectAtIndex:", index)
        name = send(ctypes.c_char_p, send(ctypes.c_void_p, device, b"name"), b"UTF8String")
        found.append(
            {
                "name": (name or b"").decode("utf-8", "replace"),
                "recommended_max_working_set_size": send(ctypes.c_uint64, device, b"recommendedMaxWorkingSetSize"),
                "has_unified_memory": bool(send(ctypes.c_bool, device, b"hasUnifiedMemory")),
                "is_low_power": bool(send(ctypes.c_bool, device, b"isLowPower")),
                "is_removable": bool(send(ctypes.c_bool, device, b"isRemovable")),
            }
        )
    return found


def main():
    try:
        answer = {"devices": devices()}
    except (OSError, AttributeError, ValueError) as error:
        answer = {"error": "%s: %s" % (type(error).__name__, error)}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
