# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The vendors' command-line tools, asked only when a better source has failed. Runs in a child."""

from __future__ import annotations

import os
import shutil
import subprocess

# A login-less SSH session under WSL has no PATH to nvidia-smi; ROCm lives in /opt.
MORE_PATHS = ("/usr/lib/wsl/lib", "/opt/rocm/bin", "/opt/bin", "/usr/local/nvidia/bin", "/run/nvidia/driver/usr/bin")
SMI_FIELDS = (
    "index,uuid,pci.bus_id,name,driver_version,memory.total,memory.reserved,memory.used,memory.free,compute_cap,addressing_mode,mig.mode.current,power.limit"
)
# One unknown field fails the whole query, so an old tool is asked again for what all of them know.
SMI_OLD_FIELDS = "index,uuid,pci.bus_id,name,driver_version,memory.total,memory.used,memory.free"
COMMANDS = {
    "nvidia-smi": [["--query-gpu=" + fields, "--format=csv,noheader,nounits"] for fields in (SMI_FIELDS, SMI_OLD_FIELDS)],
    "amd-smi": [["static", "--json"]],
    "rocm-smi": [["--showmeminfo", "vram", "gtt", "--showproductname", "--showbus", "--showdriverversion", "--json"]],
    "xpu-smi": [["discovery", "-j"]],
}


def find(name, root=""):
    if root:
        path = os.pathsep.join(root + folder for folder in ("/usr/bin",) + MORE_PATHS)
    else:
        path = os.pathsep.join([os.environ.get("PATH", os.defpath)] + list(MORE_PATHS))
    return shutil.which(name, path=path)


def execute(arguments):
    """In the C locale, without input; the child's process group is killed by the parent when time is up."""
    try:
        # run_command needs the module and knows no deadline.
        ended = subprocess.run(  # pylint: disable=ansible-bad-function
            arguments, stdin=subprocess.DEVNULL, capture_output=True, env=dict(os.environ, LC_ALL="C"), check=False, cwd="/"
        )
    except OSError as error:
        return {"rc": None, "stdout": "", "stderr": str(error)}
    return {
        "rc": ended.returncode,
        "stdout": ended.stdout[: 1 << 20].decode("utf-8", "replace"),
        "stderr": ended.stderr[:4096].decode("utf-8", "replace"),
    }


def walk(emit, settled, name, path):
    """Work of the jobs named after the tools: each way of asking until one answers, and what xpu-smi says of each device."""
    for number, arguments in enumerate(COMMANDS[name]):
        if number in settled:
            continue
        emit({"start": number})
        answer = execute([path] + arguments)
        emit({"cli": dict(answer, tool=name, query=number)})
        if answer["rc"] == 0:
            break
    if name == "xpu-smi":
        # The list has no memory sizes; each device's own page has.
        for device in range(16):
            if "device %d" % device in settled:
                continue
            emit({"start": "device %d" % device})
            answer = execute([path, "discovery", "-d", str(device), "-j"])
            if answer["rc"] != 0:
                break
            emit({"cli": dict(answer, tool=name, query="device")})
