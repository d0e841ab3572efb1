# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What macOS says: sysctl in this process, Metal and system_profiler in processes of their own."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
import time

from ansible_collections.llmfleet.ollama.plugins.module_utils.probe import metal

NUMBERS = ("hw.memsize", "hw.physicalcpu", "hw.optional.arm64", "iogpu.wired_limit_mb", "debug.iogpu.wired_limit")
TEXTS = ("machdep.cpu.brand_string", "hw.model")
METAL_SECONDS = 5
PROFILER_SECONDS = 10


def sysctl(names=NUMBERS + TEXTS, library=None):
    """Values by name; a name that this system does not know is left out."""
    library = library or ctypes.CDLL(None)
    found = {}
    for name in names:
        size = ctypes.c_size_t(0)
        if library.sysctlbyname(name.encode(), None, ctypes.byref(size), None, ctypes.c_size_t(0)) or not 0 < size.value < 4096:
            continue
        buffer = ctypes.create_string_buffer(size.value)
        if library.sysctlbyname(name.encode(), buffer, ctypes.byref(size), None, ctypes.c_size_t(0)):
            continue
        raw = buffer.raw[: size.value]
        found[name] = int.from_bytes(raw, sys.byteorder) if name in NUMBERS else raw.rstrip(b"\0").decode("utf-8", "replace")
    return found


def _start(arguments, environment):
    # run_command waits for each program; these two shall run side by side.
    return subprocess.Popen(  # pylint: disable=ansible-bad-function
        arguments,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=dict(os.environ, **environment),
        start_new_session=True,
    )


def _finish(process, deadline):
    """(output, status). A program that does not end is killed and not waited for."""
    try:
        output = process.communicate(timeout=max(deadline - time.monotonic(), 0))[0]
    except subprocess.TimeoutExpired:
        process.kill()
        return "", "timeout"
    return output.decode("utf-8", "replace"), "ok" if process.returncode == 0 else "error" if process.returncode > 0 else "crashed"


def observe(deadline, probes, wanted_cards=True):
    """sysctl first: it says whether this is an Intel Mac, whose cards only system_profiler sizes."""
    began = time.monotonic()
    found = {"sysctl": {}, "metal": [], "system_profiler": None}
    try:
        found["sysctl"] = sysctl()
        probes.append(_probe("sysctl", "ok", None, began))
    except (OSError, AttributeError) as error:
        probes.append(_probe("sysctl", "error", str(error), began))
    if not wanted_cards:
        return found
    # The interpreter that runs this module finds our package on the same path, also when that path is Ansible's zip file.
    path = {"PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
    asking_metal = _start([sys.executable, "-m", metal.__name__], path)
    profiler = None
    if found["sysctl"].get("hw.optional.arm64") != 1:
        try:
            profiler = _start(["/usr/sbin/system_profiler", "SPDisplaysDataType", "-json"], {"LC_ALL": "C"})
        except OSError as error:
            probes.append(_probe("system_profiler", "absent", str(error), began))
    output, status = _finish(asking_metal, min(deadline, began + METAL_SECONDS))
    answer = _json(output)
    found["metal"] = answer.get("devices", [])
    if status == "ok" and "devices" not in answer:
        status = "error"
    probes.append(_probe("metal", status, answer.get("error"), began))
    if profiler is not None:
        found["system_profiler"], status = _finish(profiler, min(deadline, began + PROFILER_SECONDS))
        probes.append(_probe("system_profiler", status, None, began))
    return found


def _json(output):
    try:
        answer = json.loads(output)
    except ValueError:
        answer = None
    return answer if isinstance(answer, dict) else {}


def _probe(name, status, detail, began):
    return {"name": name, "status": status, "detail": detail, "duration_ms": round((time.monotonic() - began) * 1000)}
