# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""llm_oracle: controller, with a package that talks as xllamacpp does (tests/sizing_oracle asks the real one).

Without these tests a plan could trust a llama.cpp of another era, wait for one that hangs, or read each head again for every host.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time

import pytest
from ansible_collections.llmfleet.ollama.plugins.module_utils.model_header.http_client import HttpError
from ansible_collections.llmfleet.ollama.plugins.module_utils.oracle.llama_server import NoAnswer
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.oracle import xllamacpp as oracle
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.source.cache import Cache
from support import MIB, headers, loopback_registry, needs

MODELS = {model.label: model for model in headers.models()}
# What it says is llama.cpp's form with made-up sizes; FAKE_COMPUTE is the buffer in MiB.
PACKAGE = """
import os, types
class CommonParams:
    def __init__(self):
        self.model = types.SimpleNamespace()
llama_flash_attn_type = types.SimpleNamespace(LLAMA_FLASH_ATTN_TYPE_ENABLED=1, LLAMA_FLASH_ATTN_TYPE_DISABLED=0, LLAMA_FLASH_ATTN_TYPE_AUTO=2)
ggml_type = types.SimpleNamespace(GGML_TYPE_F16=1, GGML_TYPE_Q8_0=8)
def Server(params):
    with open(params.model.path, "rb") as stream:
        assert stream.read(4) == b"GGUF"
    os.write(1, b"x llama_kv_cache: size = %d.00 MiB\\n" % (params.n_ctx // 1024 * 56))
    os.write(1, b"x sched_reserve:        CPU compute buffer size = " + os.environ["FAKE_COMPUTE"].encode() + b" MiB\\n")
    os.write(1, b"x | - Host | 3570 = 3389 + 112 + 68 |\\n")
    import time; time.sleep(60)
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """install(version): a folder for PYTHONPATH; this process sees it too."""

    def install(version, text=PACKAGE):
        folder = tmp_path / "site"
        (folder / ("xllamacpp-%s.dist-info" % version)).mkdir(parents=True)
        (folder / "xllamacpp.py").write_text(text)
        (folder / ("xllamacpp-%s.dist-info" % version) / "METADATA").write_text("Metadata-Version: 2.1\nName: xllamacpp\nVersion: %s\n" % version)
        monkeypatch.syspath_prepend(str(folder))
        monkeypatch.setenv("PYTHONPATH", str(folder))
        return folder

    return install


def planned(headroom, **memory):
    parts = {"weights_bytes": 8000, "kv_cache_bytes": 100, "recurrent_bytes": 20, "compute_bytes": 300, "margin_bytes": 1024, "total_bytes": 9444}
    return {"name": "m:1", "placement": "gpu", "headroom_bytes": headroom, "memory": dict(parts, **memory)}


def test_llama_cpps_numbers_take_the_place_of_ours():
    """50 bytes more than planned: they fit into 50 free ones and miss 49 by one."""
    found = {"kv": 100, "state": 30, "compute": 340}
    held, missed = oracle.judge(found, planned(50)), oracle.judge(found, planned(49))
    assert held["fits"] and held["missing_bytes"] == 0 and held["difference_bytes"] == 50
    assert not missed["fits"] and missed["missing_bytes"] == 1
    # The host's answer has the same relation: what is projected and the margin go into what is free.
    assert missed["projected_bytes"] + 1024 - missed["free_bytes"] == 1


def test_a_package_that_allocates_otherwise_is_refused(package):
    """An answer of era iv about an Ollama of era ii would be wrong by 2 % of the buffer; the sentence says what to install."""
    package("2026.10.11549")
    with pytest.raises(oracle.Unusable, match=r"xllamacpp 2026\.10\.11549 allocates otherwise .* Ollama 0\.32\.15.*pip install xllamacpp==2026\.8\.10566"):
        oracle.build("0.32.15")


@pytest.mark.parametrize("version", ["0.2.14", "2026"])
def test_a_package_of_unknown_age_is_refused(package, version):
    package(version)
    with pytest.raises(oracle.Unusable, match="allocates otherwise"):
        oracle.build("0.32.15")


class _Client:
    def __init__(self, body=b"GGUF" + b"x" * 60, problem=None):
        self.body, self.problem, self.asked = body, problem, []

    def part(self, url, offset, length):
        self.asked.append((url, offset, length))
        if self.problem:
            raise self.problem
        return self.body, len(self.body)


def request(**other):
    found = {"url": "http://m/blobs/sha256:1", "header_bytes": 64, "blob_bytes": 4096, "ollama_version": "0.32.15", "timeout": 5}
    found.update(context=4096, parallel=1, ubatch=512, kv_cache_type="f16", flash_attention=True)
    return dict(found, **other)


def test_a_fleet_asks_once(package, tmp_path):
    """One head for all settings, one dry run for each of them, none for the second host, in another process too."""
    package("2026.8.10566")
    client, runs = _Client(), []

    def dry_run(asked, seconds):
        runs.append(asked["context"])
        assert os.path.getsize(asked["path"]) == 4096 and seconds == 5
        return {"kv": 1.5, "state": 0.0, "compute": 2.25}

    for context in (4096, 8192, 4096, 8192):
        found = oracle.answer(request(context=context), Cache(str(tmp_path / "cache")), client, dry_run)
        assert found == {"kv": 3 * MIB // 2, "state": 0, "compute": 9 * MIB // 4}
    assert runs == [4096, 8192] and client.asked == [("http://m/blobs/sha256:1", 0, 64)]


@pytest.mark.parametrize("client", [_Client(problem=HttpError("busy", "http://m/blobs/sha256:1", "asks to slow down (HTTP 429)")), _Client(b"GGUF")])
def test_a_head_that_does_not_come_names_its_address_and_leaves_nothing(package, tmp_path, client):
    package("2026.8.10566")
    with pytest.raises(NoAnswer, match="http://m/blobs/sha256:1"):
        oracle.answer(request(), Cache(str(tmp_path / "cache")), client, None)
    assert not [name for name in os.listdir(tmp_path / "cache") if not name.endswith(".lock")]


def test_a_llama_cpp_that_hangs_or_dies_is_ended(tmp_path, monkeypatch):
    """The play goes on, and no server stays behind on a hole of 40 GB."""
    monkeypatch.setattr(oracle, "_START", 1)
    program = tmp_path / "hangs.py"
    program.write_text("import os, time\nopen(%r, 'w').write(str(os.fork() or os.getpid()))\ntime.sleep(60)\n" % str(tmp_path / "pid"))
    with pytest.raises(NoAnswer, match="did not answer in 2 seconds"):
        oracle._dry_run({}, 1, str(program))
    child = int((tmp_path / "pid").read_text())
    for _again in range(50):
        if not os.path.exists("/proc/%d" % child) or "Z" in open("/proc/%d/stat" % child, encoding="utf-8").read().split()[2]:
            break
        time.sleep(0.1)
    else:
        pytest.fail("the server lives on")
    program.write_text("raise SystemExit(3)\n")
    with pytest.raises(NoAnswer, match="exit status 3"):
        oracle._dry_run({}, 1, str(program))


def test_what_llama_cpp_says_is_read(package, tmp_path, monkeypatch):
    """Through the real program and a package in the form of xllamacpp; another device's buffers are not taken for the CPU's."""
    package("2026.8.10566")
    monkeypatch.setenv("FAKE_COMPUTE", "68.51")
    path = MODELS["qwen2-1.5b"].write(str(tmp_path / "m.gguf"))
    asked = dict(request(), path=path)
    assert oracle._dry_run(asked, 20) == {"kv": 224.0, "state": 0.0, "compute": 68.51, "model": 3389, "context": 112, "rounded": 68}
    (tmp_path / "site" / "xllamacpp.py").write_text(PACKAGE.replace("CPU compute", "Metal compute"))
    with pytest.raises(NoAnswer, match="uses Metal"):
        oracle._dry_run(asked, 20)
    (tmp_path / "site" / "xllamacpp.py").write_text("raise ImportError('libgomp.so.1 is missing')")
    with pytest.raises(NoAnswer, match=r"libgomp\.so\.1 is missing"):
        oracle._dry_run(asked, 20)


# What a hole in llama.cpp would give: it says which of these it could do.
PRYING = "import encodings.idna, socket\n" + PACKAGE + """
def Server(params, told=Server):
    could = [] if os.getuid() else ["root"]
    for name, act in {
        "write": lambda: open(os.environ["PRIED"], "ab", 0).write(b"x"), "connect": lambda: socket.create_connection(("127.0.0.1", int(os.environ["PORT"])), 5),
    }.items():
        try:
            act()
        except OSError:
            continue
        could.append(name)
    os.write(1, b"x sched_reserve:  (" + "-".join(could).encode() + b") compute buffer size = 1.00 MiB\\n")
"""


@needs.linux
def test_what_nobody_has_checked_is_read_without_rights(package, tmp_path, monkeypatch):
    """Deleted: a hole in llama.cpp's reader would be the controller's, from which the whole fleet is reached; root's where Ansible runs as root."""
    package("2026.8.10566", PRYING)
    (tmp_path / "open").touch()
    (tmp_path / "open").chmod(0o666)
    namespaces = subprocess.run(["unshare", "-n" if os.geteuid() == 0 else "-rn", "true"], capture_output=True, check=False).returncode == 0
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("PORT", str(server.getsockname()[1]))
        monkeypatch.setenv("PRIED", str(tmp_path / "open"))
        path = MODELS["qwen2-1.5b"].write(str(tmp_path / "m.gguf"))
        os.chmod(path, 0o600)
        with pytest.raises(NoAnswer, match=r"uses \(%s\)" % ("" if namespaces else "connect")):
            oracle._dry_run(dict(request(), path=path), 20)
    assert (tmp_path / "open").read_bytes() == b""


@pytest.fixture
def registry(tmp_path):
    made = loopback_registry.Registry()
    for tag, label in {"1.5b": "qwen2-1.5b", "7b": "qwen2-7b"}.items():
        made.add("deepseek-r1", tag, MODELS[label].write(str(tmp_path / (tag + ".gguf"))))
    with loopback_registry.served(made):
        yield made


WANTS = {"llm_models": [{"family": "deepseek-r1", "context": 4096, "min_context": 4096}], "llm_policy": {"kv_cache_types": ["f16"]}}


@pytest.mark.one_pair
def test_the_play_plans_again_by_the_controllers_answer(package, registry, tmp_path, monkeypatch):
    """Two hosts that are never contacted: what llama.cpp says does not fit the smaller card is planned smaller there, and only there."""
    package("2026.8.10566")
    monkeypatch.setenv("FAKE_COMPUTE", "1543.00")  # 1400 MiB more than the 143 of the plan
    wanted = dict(WANTS, llm_registry=registry.url, llm_oracle="controller", llm_metadata_sources=["header"])
    status, told, plans = loopback_registry.plan(tmp_path, {"small": 15.5, "large": 24}, **wanted)
    assert not status, told
    assert plans["large"]["models"][0]["tag"] == "7b"
    assert plans["small"]["models"][0]["tag"] == "1.5b", told
    assert any(row["name"] == "deepseek-r1:7b" for row in plans["small"]["rejected"])
    before = len(registry.requests)
    monkeypatch.setenv("FAKE_COMPUTE", "1.00")
    assert loopback_registry.plan(tmp_path, {"small": 15.5, "large": 24}, **wanted)[2] == plans  # from the cache
    assert len(registry.requests) == before
    # Without the oracle both hold the larger one.
    wanted["llm_oracle"] = False
    plans = loopback_registry.plan(tmp_path, {"small": 15.5}, **wanted)[2]
    assert plans["small"]["models"][0]["tag"] == "7b"


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"llm_oracle": "controller"}, "the Python that runs Ansible has no xllamacpp: install it"),
        ({"llm_oracle": "contoller"}, "llm_oracle is 'contoller': write host, controller or false"),
        ({"llm_oracle": "controller", "llm_metadata_sources": ["catalogue"]}, "needs the header of each model, but llm_metadata_sources is ['catalogue']"),
    ],
)
def test_what_is_missing_is_said_in_one_sentence(registry, tmp_path, variables, words):
    if subprocess.run([sys.executable, "-c", "import xllamacpp"], capture_output=True, check=False).returncode == 0 and "no xllamacpp" in words:
        pytest.skip("this Python has xllamacpp")
    wanted = dict(WANTS, llm_registry=registry.url, **variables)
    status, told, _plans = loopback_registry.plan(tmp_path, {"small": 15.5}, **wanted)
    assert status and words in told and "Traceback" not in told, told
