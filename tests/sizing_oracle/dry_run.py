# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs in the oracle's own environment (it has xllamacpp). One JSON request a line on stdin, one JSON answer a line on stdout.

Each request is a fork that starts llama.cpp's server on a head without weights, lets it say what it would allocate, and is killed
before it loads anything.
"""

from __future__ import annotations

import json
import os
import re
import select
import signal
import sys
import time

import xllamacpp

_COMPUTE = re.compile(r"sched_reserve: +\S+ compute buffer size = +([0-9.]+) MiB")
_KV = re.compile(r"llama_kv_cache: size = +([0-9.]+) MiB")
_STATE = re.compile(r"llama_memory_recurrent: size = +([0-9.]+) MiB")
_BREAKDOWN = re.compile(r"- Host .*?\| +\d+ = +(\d+) \+ +(\d+) \+ +(\d+)")
_FLASH = {
    True: xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_ENABLED,
    False: xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED,
}
_TYPES = {
    "f16": xllamacpp.ggml_type.GGML_TYPE_F16,
    "q8_0": xllamacpp.ggml_type.GGML_TYPE_Q8_0,
    "q4_0": xllamacpp.ggml_type.GGML_TYPE_Q4_0,
}


def _serve(request):
    params = xllamacpp.CommonParams()
    params.model.path = request["path"]
    params.n_ctx = request["context"] * request["parallel"]
    params.n_parallel = request["parallel"]
    params.n_batch = params.n_ubatch = request["ubatch"]
    params.flash_attn_type = _FLASH[request["flash_attention"]]
    params.cache_type_k = params.cache_type_v = _TYPES[request["kv_cache_type"]]
    params.kv_unified = False
    params.embedding = request.get("embedding", False)
    params.fit_params = True
    params.warmup = False
    params.verbosity = 10
    params.port = 0
    xllamacpp.Server(params)


def ask(request, seconds=60):
    """{'compute': MiB, 'kv': MiB, 'state': MiB, 'model': MiB} or {'error': last lines}."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.setpgid(0, 0)
        os.dup2(writer, 1)
        os.dup2(writer, 2)
        os.close(reader)
        try:
            _serve(request)
        except BaseException as problem:  # the parent reads the reason
            print("FAILED", problem, flush=True)
        os._exit(1)
    os.close(writer)
    found, tail, rest, end = {"kv": 0.0, "state": 0.0, "compute": 0.0}, [], b"", time.monotonic() + seconds
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
                for key, pattern in (("compute", _COMPUTE), ("kv", _KV), ("state", _STATE)):
                    match = pattern.search(line)
                    if match:
                        found[key] += float(match.group(1))
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
