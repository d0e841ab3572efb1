# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs as a program in a Python that has xllamacpp. One JSON request a line on stdin, one JSON answer a line on stdout.

Each request is a fork that starts llama.cpp's server on a head without weights, lets it say what it would allocate, and is killed
before it loads anything. Nobody has checked that head, so what reads it writes no file, is not root, and has no network where the kernel lets us.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import resource
import select
import signal
import sys
import time

_COMPUTE = re.compile(r"sched_reserve: +(\S+) compute buffer size = +([0-9.]+) MiB")
_KV = re.compile(r"llama_kv_cache: size = +([0-9.]+) MiB")
_STATE = re.compile(r"llama_memory_recurrent: size = +([0-9.]+) MiB")
_BREAKDOWN = re.compile(r"- Host .*?\| +\d+ = +(\d+) \+ +(\d+) \+ +(\d+)")
_FLASH = {True: "ENABLED", False: "DISABLED", None: "AUTO"}


# Of Linux: a network of its own, for which a user needs a namespace of users; and that /proc stays open to who was root.
_NEW_NETWORK, _NEW_USERS, _SET_DUMPABLE = 0x40000000, 0x10000000, 4
_NOBODY = 65534


def _confined(path):
    """Takes from this process, for good, what a hole in llama.cpp could be used for; the path by which it reaches the file nevertheless."""
    # Each write into a file fails, also into one that is there.
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    root = os.geteuid() == 0
    if not sys.platform.startswith("linux"):
        if root:
            raise PermissionError("as root it is shown nothing that nobody has checked; run Ansible as a user")
        return path
    libc = ctypes.CDLL(None)
    descriptor = os.open(path, os.O_RDONLY)
    libc.unshare(_NEW_NETWORK | (0 if root else _NEW_USERS))
    if root:
        # The folder around it is root's alone.
        os.fchmod(descriptor, 0o644)
        os.setgroups([])
        os.setgid(_NOBODY)
        os.setuid(_NOBODY)
        libc.prctl(_SET_DUMPABLE, 1, 0, 0, 0)
    return "/proc/self/fd/%d" % descriptor


def _serve(request):
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = _confined(request["path"])
    params.n_ctx = request["context"] * request["parallel"]
    params.n_parallel = request["parallel"]
    params.n_batch = params.n_ubatch = request["ubatch"]
    params.flash_attn_type = getattr(xllamacpp.llama_flash_attn_type, "LLAMA_FLASH_ATTN_TYPE_" + _FLASH[request["flash_attention"]])
    params.cache_type_k = params.cache_type_v = getattr(xllamacpp.ggml_type, "GGML_TYPE_" + request["kv_cache_type"].upper())
    params.kv_unified = False
    params.embedding = request.get("embedding", False)
    params.fit_params = True
    params.warmup = False
    params.verbosity = 10
    params.port = 0
    xllamacpp.Server(params)


def ask(request):
    """{'compute': MiB, 'kv': MiB, 'state': MiB, 'model': MiB} or {'error': last lines}."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.dup2(writer, 1)
        os.dup2(writer, 2)
        os.close(reader)
        try:
            _serve(request)
        except BaseException as problem:  # the parent reads the reason
            print("FAILED", problem, flush=True)
        os._exit(1)
    os.close(writer)
    found, tail, rest, end = {"kv": 0.0, "state": 0.0, "compute": 0.0}, [], b"", time.monotonic() + request.get("seconds", 60)
    try:
        while time.monotonic() < end:
            if not select.select([reader], [], [], 1.0)[0]:
                continue
            data = os.read(reader, 65536)
            if not data:
                break
            *lines, rest = (rest + data).split(b"\n")
            for raw in lines:
                line = raw.decode("utf-8", "replace")
                tail = (tail + [line])[-8:]
                match = _COMPUTE.search(line)
                if match and match.group(1) != "CPU":
                    # Its buffers would lie on two devices, which this table does not tell apart.
                    return {"error": "this build of xllamacpp uses %s; the build for the CPU can be asked (Linux)" % match.group(1)}
                for key, pattern in (("compute", _COMPUTE), ("kv", _KV), ("state", _STATE)):
                    match = pattern.search(line)
                    if match:
                        found[key] += float(match.groups()[-1])
                match = _BREAKDOWN.search(line)
                if match:
                    found["model"], found["context"], found["rounded"] = (int(part) for part in match.groups())
                    return found
        return {"error": " / ".join(tail)}
    finally:
        os.kill(child, signal.SIGKILL)
        os.close(reader)
        os.waitpid(child, 0)


if __name__ == "__main__":
    for text in sys.stdin:
        print(json.dumps(ask(json.loads(text))), flush=True)
