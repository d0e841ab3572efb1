# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The oracle of a host (module model_oracle) against llama.cpp's real server code, started under the name and the options of llama-server.

Without this test the words that it waits for would only be known from a recording.
"""

from __future__ import annotations

import os
import stat

import oracle
import pytest
from ansible_collections.llmfleet.ollama.plugins.module_utils.model_header import gguf
from ansible_collections.llmfleet.ollama.plugins.module_utils.oracle import llama_server
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing import versions
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.model import memory
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.model.shape import Shape
from support import MIB, headers

# The package has the server's code without its command line: this reads the few options that the oracle gives.
SERVER = """#!%s
import sys, xllamacpp as x
words = [w for w in sys.argv[1:] if w not in ("--offline", "--no-warmup")]
given = dict(zip(words[::2], words[1::2]))
p = x.CommonParams()
p.model.path, p.n_ctx, p.n_parallel = given["--model"], int(given["-c"]), int(given["-np"])
p.n_batch, p.n_ubatch = int(given["-b"]), int(given["-ub"])
p.cache_type_k = p.cache_type_v = getattr(x.ggml_type, "GGML_TYPE_" + given["--cache-type-k"].upper())
p.fit_params, p.warmup, p.kv_unified, p.port, p.verbosity = True, False, False, 0, 4
x.Server(p)
"""


@pytest.mark.parametrize("kind", ["package", "built"])
def test_the_answer_is_our_sum(build, tmp_path, monkeypatch, kind):
    server, number = tmp_path / "llama-server", build.build
    if kind == "built":
        server, number = oracle.llama_server(), int(oracle.SERVER.split(".", 1)[0])
        if not server:
            pytest.skip("NOT RUN AGAINST A REAL llama-server: LLMFLEET_BUILD_SERVER=1 builds one into .cache (10 minutes or more)")
    else:
        server.write_text(SERVER % build.python)
        server.chmod(server.stat().st_mode | stat.S_IXUSR)
    model = {item.label: item for item in headers.models()}["qwen2-7b"]
    keys, tensors, length, size = gguf.read_file(model.write(str(tmp_path / "whole.gguf")))
    with open(tmp_path / "whole.gguf", "rb") as stream:
        path = llama_server.write_sparse(str(tmp_path), stream.read(length), size)
    settings = {"context": 8192, "parallel": 2, "ubatch": 512, "kv_cache_type": "q8_0", "flash_attention": True}
    if not os.path.isdir("/run/systemd/system"):
        monkeypatch.setattr(os, "geteuid", lambda: 65534)  # root would have systemd run it as somebody else; this file is our own
    answer = llama_server.ask(str(server), path, settings, 60)
    os.unlink(path)
    shape = Shape(dict(keys, tensors=tensors, blob_bytes=size))
    found = memory.memory(shape, memory.Settings(8192, 2, "q8_0", "q8_0", True, 512, versions.era_of_build(number)))
    ours = found.weights + shape.input_bytes + found.kv + found.compute + found.mask
    assert answer["where"] == "host" and abs(answer["projected_bytes"] - ours) <= 3 * MIB
