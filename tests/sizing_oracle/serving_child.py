# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs as a program in a Python that has xllamacpp: llama.cpp's server with a real model, until its standard input is closed.

Prints one line of JSON: where it listens, or why it does not. Which limits it has, it reads from where Ollama's llama-server reads them.
"""

from __future__ import annotations

import json
import os
import sys


def main():
    import xllamacpp

    path, context = sys.argv[1], int(sys.argv[2])
    params = xllamacpp.CommonParams()
    params.model.path = path
    params.n_ctx, params.n_parallel, params.n_batch, params.n_ubatch = context, 1, 512, 512
    params.cpuparams.n_threads = 2
    params.warmup, params.fit_params, params.kv_unified = False, False, False
    params.hostname, params.port = "127.0.0.1", 0
    if "LLAMA_ARG_CACHE_RAM" in os.environ:
        params.cache_ram_mib = int(os.environ["LLAMA_ARG_CACHE_RAM"])
    if "LLAMA_ARG_CTX_CHECKPOINTS" in os.environ:
        params.n_ctx_checkpoints = int(os.environ["LLAMA_ARG_CTX_CHECKPOINTS"])
    try:
        server = xllamacpp.Server(params)
        print(json.dumps({"address": server.listening_address}), flush=True)
    except Exception as problem:
        print(json.dumps({"error": str(problem)}), flush=True)
        return
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
