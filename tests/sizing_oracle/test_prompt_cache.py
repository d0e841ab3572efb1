# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What llama.cpp's server keeps of earlier prompts, with a model of a few MiB whose prompts take many, on the processor.

Without this test the limit that the plan writes would rest on figures of one day and one model. The server is that of the package xllamacpp, and the
program llama-server itself where LLMFLEET_BUILD_SERVER=1 has built one (see oracle.llama_server).
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request

import oracle
import pytest
from ansible_collections.llmfleet.ollama.plugins.module_utils.model_header import gguf
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.machine import prompt_cache
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.machine.placement import Load, Rules, on_cpu
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.model.shape import Shape
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.versions import era
from support import GIB, MIB, gguf_bytes, headers

CONTEXT, PROMPTS = 1024, 20
VOCABULARY = 1024
MODELS = {
    # 64 MiB for a prompt that fills the context.
    "plain": headers.Model("plain", "llama", 4, 64, 128, 32, 32, VOCABULARY, 4096, dk=128),
    # Windows, of which the server keeps checkpoints besides.
    "windows": headers.Model("windows", "gemma3", 6, 64, 128, 8, 8, VOCABULARY, 4096, dk=128, tied=True, keys={"attention.sliding_window": 256}),
}
KINDS = {bool: "bool", float: "f32", str: "str", list: "[i32]", int: "u32"}


@pytest.fixture(params=["xllamacpp", "llama-server"])
def command(request):
    """(program and arguments of a server for a file; whether it says where it listens)."""
    if request.param == "llama-server":
        program = oracle.llama_server()
        if not program:
            pytest.skip("NOT RUN AGAINST A REAL llama-server: LLMFLEET_BUILD_SERVER=1 builds one into .cache (10 minutes or more)")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        given = ["-c", str(CONTEXT), "-np", "1", "-b", "512", "-ub", "512", "-t", "2", "--host", "127.0.0.1", "--port", port, "--no-webui", "--offline"]
        return lambda path: ([program, "--model", path, *given], "http://127.0.0.1:" + port)
    try:
        python = oracle.environment(oracle.PINNED["b10566"])
    except (OSError, subprocess.SubprocessError) as problem:
        pytest.skip("NOT RUN: no environment with xllamacpp could be made (%s)" % problem)
    return lambda path: ([python, "-P", os.path.join(os.path.dirname(__file__), "serving_child.py"), path, str(CONTEXT)], None)


def written(label, path):
    """A model of zeros with a vocabulary, so that it answers."""
    model = MODELS[label]
    keys = [("general.architecture", "str", model.arch), ("tokenizer.ggml.model", "str", "gpt2"), ("tokenizer.ggml.pre", "str", "default")]
    keys.append(("tokenizer.ggml.tokens", "strs", ["t%04d" % i for i in range(VOCABULARY)]))
    keys += [("tokenizer.ggml.token_type", "[i32]", [1] * VOCABULARY), ("tokenizer.ggml.merges", "strs", ["a b"])]
    keys += [("%s.%s" % (model.arch, key), KINDS[type(value)], value) for key, value in model.keys.items()]
    path.write_bytes(gguf_bytes.whole_file(keys, model.tensors))
    found, tensors, _length, size = gguf.read_file(str(path))
    return Shape(dict(found, tensors=tensors, blob_bytes=size))


@contextlib.contextmanager
def serving(command, path, environment):
    """(address, process) of a server with these variables."""
    arguments, address = command(path)
    process = subprocess.Popen(
        arguments, env=dict(os.environ, **environment), stdin=subprocess.PIPE, stdout=subprocess.PIPE if address is None else subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, text=True,
    )
    try:
        for line in process.stdout or ():
            if line.startswith("{"):
                address = json.loads(line)["address"]
                break
        assert address, "the server ended before it listened"
        ended = time.monotonic() + 120
        while not answers(address):
            assert process.poll() is None and time.monotonic() < ended, "the server does not answer"
            time.sleep(0.2)
        yield address, process
    finally:
        process.kill()
        process.communicate()


def answers(address):
    try:
        with urllib.request.urlopen(address + "/health", timeout=5) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


def resident_bytes(process):
    with open("/proc/%d/status" % process.pid, encoding="utf-8") as stream:
        return next(int(line.split()[1]) * 1024 for line in stream if line.startswith("VmRSS"))


def grown(command, path, environment):
    """Resident bytes after each of twenty prompts that nearly fill the context, no two of which begin alike."""
    found = []
    with serving(command, path, environment) as (address, process):
        for number in range(PROMPTS):
            prompt = [1 + (number * 37 + i) % (VOCABULARY - 24) for i in range(CONTEXT - 24)]
            body = json.dumps({"prompt": prompt, "n_predict": 1, "cache_prompt": True}).encode()
            request = urllib.request.Request(address + "/completion", body, {"Content-Type": "application/json"})
            with urllib.request.urlopen(request, timeout=900) as answer:
                assert json.load(answer)["tokens_evaluated"] == len(prompt)
            found.append(resident_bytes(process))
    print([size // MIB for size in found])
    return found


def planned(shape, room):
    """What the plan gives this model on a machine that has so much beside it: (the resident, its prompt cache)."""
    placed = on_cpu(shape, Load(CONTEXT, 1, "f16", "f16", True), Rules((0, 32, 15), era("ii"), GIB), 64 * GIB)
    resident = prompt_cache.Resident(shape, placed, False)
    return resident, prompt_cache.plan([resident], -(-(prompt_cache.host_bytes(resident) + room) * 5 // 4))


def variables(cache):
    found = {"LLAMA_ARG_CACHE_RAM": str(cache.limit // MIB)}
    if cache.checkpoints is not None:
        found["LLAMA_ARG_CTX_CHECKPOINTS"] = str(cache.checkpoints)
    return found


@pytest.mark.parametrize("label,room", [("plain", 200 * MIB), ("plain", 40 * MIB), ("windows", 130 * MIB)])
def test_resident_size_never_passes_what_the_plan_says(command, tmp_path, label, room):
    """Enough for some prompts, for none, and for some beside checkpoints."""
    path = tmp_path / "m.gguf"
    resident, cache = planned(written(label, path), room)
    assert (cache.limit > 0) is (room > 100 * MIB)
    kept, checkpoints = prompt_cache.kept_bytes(cache, resident)
    sizes = grown(command, str(path), variables(cache))
    assert max(sizes) <= prompt_cache.host_bytes(resident) + kept + checkpoints
    if cache.limit:
        assert max(sizes) - sizes[0] >= prompt_cache.state_bytes(resident) * 3 // 4  # and some are really kept


def test_without_the_limit_it_would(command, tmp_path):
    """Else the other test would prove nothing: each prompt stays, and each takes what the plan says that one takes."""
    path = tmp_path / "m.gguf"
    resident, cache = planned(written("plain", path), 200 * MIB)
    sizes = grown(command, str(path), {"LLAMA_ARG_CACHE_RAM": "8192"})
    assert sizes[-1] > prompt_cache.host_bytes(resident) + cache.limit
    state = prompt_cache.state_bytes(resident) * (CONTEXT - 24) / CONTEXT
    steps = [after - before for before, after in itertools.pairwise(sizes)]
    assert all(abs(step - state) <= 4 * MIB for step in steps)
