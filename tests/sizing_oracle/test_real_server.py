# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module model_oracle, run by Ansible, with a real llama-server in the layout of Ollama's archive and a header served by range.

Without this test the options and the words of the real program would only be known from a recording. It needs the server that
LLMFLEET_BUILD_SERVER=1 builds once (see oracle.llama_server).
"""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
import tempfile

import oracle
import pytest
from ansible_collections.llmfleet.ollama.plugins.module_utils.model_header import gguf
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing import versions
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.model import memory
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.model.shape import Shape
from support import MIB, headers, loopback_registry

MODELS = {model.label: model for model in headers.models()}
CASES = [
    ("qwen2-7b", 8192, 1, 512, "f16", True),
    ("qwen2-32b", 8192, 4, 1024, "q8_0", True),
    ("llama-3b tied", 32768, 1, 1024, "q4_0", True),
    ("gemma3-4b", 32768, 1, 1024, "f16", True),
    ("gpt-oss-20b", 8192, 1, 1024, "f16", True),
    ("phi4-14b", 8192, 1, 1024, "q8_0", True),
    ("qwen35-9b hybrid", 8192, 1, 1024, "f16", True),
    ("deepseek-r1-671b legacy", 4096, 1, 512, "f16", False),
    ("deepseek-r1-671b MLA", 4096, 1, 512, "f16", True),
]

ASK = """
import json, sys
from ansible_collections.llmfleet.ollama.plugins.module_utils.oracle import llama_server
print(json.dumps(llama_server.ask(sys.argv[1], sys.argv[2], json.loads(sys.argv[3]), 60)))
"""


@pytest.fixture(scope="module")
def server():
    path = oracle.llama_server()
    if not path:
        pytest.skip("NOT RUN AGAINST A REAL llama-server: LLMFLEET_BUILD_SERVER=1 builds one into .cache (10 minutes or more)")
    return path


@pytest.fixture(scope="module")
def somebody():
    """What subprocess needs for a process that is not root's: root runs no program on a header, unless systemd can run it as somebody else."""
    with tempfile.TemporaryDirectory() as home:
        environ = dict(os.environ, PYTHONPATH=os.path.join(oracle.ROOT, "collections"), HOME=home, ANSIBLE_HOME=home, TMPDIR=home)
        if os.geteuid():
            yield {"env": environ}
            return
        nobody = pwd.getpwnam("nobody")
        os.chown(home, nobody.pw_uid, nobody.pw_gid)
        yield {"env": environ, "user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def as_somebody(command, somebody):
    return subprocess.run(command, cwd=oracle.ROOT, capture_output=True, text=True, timeout=120, check=False, **somebody)


def module(arguments, somebody):
    options = ["-c", "local", "-e", "ansible_become=false", "-m", "llmfleet.ollama.model_oracle", "-a", json.dumps(arguments)]
    command = [sys.executable, "-m", "ansible", "adhoc", "localhost", *options]
    told = {"ANSIBLE_LOAD_CALLBACK_PLUGINS": "1", "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json", "ANSIBLE_PYTHON_INTERPRETER": sys.executable}
    done = as_somebody(command, dict(somebody, env=dict(somebody["env"], **told)))
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)["plays"][0]["tasks"][0]["hosts"]["localhost"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: "%s-%d" % case[:2])
def test_the_hosts_server_says_what_we_compute(server, somebody, tmp_path, case):
    label, context, parallel, ubatch, kind, flash = case
    path = MODELS[label].write(str(tmp_path / "m.gguf"))
    keys, tensors, length, size = gguf.read_file(path)
    registry = loopback_registry.Registry()
    blob = registry.add("m", "1", path)
    with loopback_registry.served(registry):
        answer = module(
            {
                "server": ["/nowhere/llama-server", server],
                "url": "%s/v2/library/m/blobs/%s" % (registry.url, blob),
                "header_bytes": length,
                "blob_bytes": size,
                "context": context,
                "parallel": parallel,
                "ubatch": ubatch,
                "kv_cache_type": kind,
                "flash_attention": flash,
                "timeout": 60,
            },
            somebody,
        )
    assert answer["asked"], answer
    # A machine without a GPU: all of it would lie in its memory, which is no fit.
    assert answer["where"] == "host" and answer["fits"] is False and registry.sent < 2 * length
    assert_equal(label, answer, keys, tensors, size, case[1:])


def assert_equal(label, answer, keys, tensors, size, settings):
    context, parallel, ubatch, kind, flash = settings
    shape = Shape(dict(keys, tensors=tensors, blob_bytes=size, **{"tokenizer.ggml.tokens.count": MODELS[label].d["vocab"]}))
    era = versions.era_of_build(int(oracle.SERVER.split(".", 1)[0]))
    found = memory.memory(shape, memory.Settings(context, parallel, kind, kind, flash, ubatch, era))
    # The CPU holds a tied matrix once and reports the input layer with the rest.
    ours = shape.cpu_weights + found.kv + found.recurrent + found.compute + found.mask
    print("%-28s ours %10.2f MiB, llama-server %d MiB" % (label, ours / MIB, answer["projected_bytes"] / MIB))
    # The server cuts off what is below a mebibyte.
    assert -0.02 <= (ours - answer["projected_bytes"]) / MIB <= 1.02


@pytest.mark.parametrize("label", MODELS)
def test_every_architecture_on_the_build_of_the_default_ollama(server, somebody, label):
    """The grid compares the neighbouring build b10566 by its parts; this compares the sum on the build itself."""
    path = MODELS[label].write(os.path.join(somebody["env"]["HOME"], "m.gguf"))
    keys, tensors, _length, size = gguf.read_file(path)
    context = min(8192, MODELS[label].keys["context_length"])
    settings = {"context": context, "parallel": 1, "ubatch": min(1024, context), "kv_cache_type": "f16", "flash_attention": True}
    done = as_somebody([sys.executable, "-c", ASK, server, path, json.dumps(settings)], somebody)
    assert done.returncode == 0, done.stdout + done.stderr
    answer = json.loads(done.stdout)
    assert_equal(label, answer, keys, tensors, size, tuple(settings.values()))
