# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The oracle on the host, with a program that talks as llama-server does.

Without these tests a server could be left running on a hole of 40 GB, or its answer be read wrongly.
"""

from __future__ import annotations

import os
import stat
import sys

import pytest
from ansible_collections.llmfleet.ollama.plugins.module_utils.oracle import llama_server as dry
from support import MIB, servers

SETTINGS = {"context": 8192, "parallel": 2, "ubatch": 512, "kv_cache_type": "q8_0", "flash_attention": None}
# As b10566 prints it; the first without, the others with GPUs.
CPU = [
    "0.00.024.357 I common_memory_breakdown_print: | memory breakdown [MiB] | total   free    self   model   context   compute    unaccounted |",
    "0.00.025.979 I common_memory_breakdown_print: |   - Host               |                 3570 =  3389 +     112 +      68                |",
    "0.00.026.784 I common_params_fit_impl: projected to use 3570 MiB of host memory vs. 24105 MiB of total host memory",
]
ONE = [
    "common_memory_breakdown_print: |   - CUDA0 (RTX 3060)   | 12036 = 11690 + ( 9042 =  8148 +     768 +     125) +        -8696 |",
    "common_params_fit_impl: projected to use 9042 MiB of device memory vs. 11690 MiB of free device memory",
]
TWO = [
    "common_memory_breakdown_print: |   - CUDA0 (RTX 3090)   | 24135 = 23800 + (23000 = 21000 +    1500 +     500) +        -22665 |",
    "common_memory_breakdown_print: |   - CUDA1 (RTX 3090)   | 24135 = 23800 + (20000 = 18500 +    1200 +     300) +        -19665 |",
    "common_params_fit_impl: projected to use 43000 MiB of device memory vs. 47600 MiB of free device memory",
]


def test_answers_with_and_without_gpus():
    assert dry.parse(CPU) == {"devices": [], "projected_bytes": 3570 * MIB, "free_bytes": 24105 * MIB, "where": "host"}
    one = dry.parse(ONE)
    assert one["devices"][0]["name"] == "CUDA0" and one["devices"][0]["compute_bytes"] == 125 * MIB
    assert dry.parse(ONE[:1]) is None


def test_each_device_has_to_keep_its_margin():
    """Both cards together have room enough; the first alone lacks 224 MiB."""
    assert dry.missing_bytes(dry.parse(ONE), 1024 * MIB) == 0
    assert dry.missing_bytes(dry.parse(TWO), 1024 * MIB) == 224 * MIB


def test_the_command_is_ollamas():
    line = " ".join(dry.command("llama-server", "m.gguf", SETTINGS))
    assert "-c 16384 -np 2 -b 512 -ub 512 --flash-attn auto --cache-type-k q8_0 --cache-type-v q8_0" in line


@pytest.fixture(autouse=True)
def as_somebody(monkeypatch):
    """Not as root, who runs it in a box of systemd's."""
    monkeypatch.setattr(dry.os, "geteuid", lambda: 1000)


@pytest.fixture
def server(tmp_path):
    """A program in place of llama-server; it writes its process id and goes on for a minute, as the real one would, then writes `late`."""

    def make(lines, after="time.sleep(60); open(%r, 'w')" % str(tmp_path / "late")):
        path = tmp_path / "llama-server"
        text = "import os, sys, time\nopen(%r, 'w').write(str(os.getpid()))\n" % str(tmp_path / "pid")
        text += "".join("print(%r, flush=True)\n" % line for line in lines) + after + "\n"
        path.write_text("#!%s\n%s" % (sys.executable, text))
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return str(path)

    make.pid = lambda: int((tmp_path / "pid").read_text())
    return make


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_the_server_is_ended_right_after_its_answer(server, tmp_path):
    program = server(ONE)
    assert dry.ask(program, str(tmp_path / "m.gguf"), SETTINGS, 600)["projected_bytes"] == 9042 * MIB
    assert not alive(server.pid()) and not (tmp_path / "late").exists()


def test_a_server_that_says_nothing_is_ended_in_time(server, tmp_path):
    program = server(["loading"])
    with pytest.raises(dry.NoAnswer, match="did not say"):
        dry.ask(program, "m.gguf", SETTINGS, 1.5)
    assert not alive(server.pid())


def test_a_server_that_dies_is_no_answer(server):
    with pytest.raises(dry.NoAnswer, match="unknown argument"):
        dry.ask(server(["error: unknown argument"], "sys.exit(1)"), "m.gguf", SETTINGS, 10)
    with pytest.raises(dry.NoAnswer, match="does not start"):
        dry.ask("/nowhere/llama-server", "m.gguf", SETTINGS, 10)


def test_root_never_runs_it_and_it_reads_without_network_and_without_a_path_to_write_to(server, tmp_path, monkeypatch):
    """Deleted, a parser of C++ would read bytes that nobody has checked as root. What systemd makes of it was seen in the lab, see docs/sizing.md."""
    words = dry.boxed(["llama-server", "--model", dry.SHOWN], "/a/m.gguf", "u.service", 30, {"CUDA_X": "1", "AWS_SECRET": "s"}, ["video"])
    assert words[0] == "systemd-run" and words[words.index("--") + 1:] == ["llama-server", "--model", dry.SHOWN]
    said = {word.partition("=")[2] for word in words if word.startswith("--property=")}
    wanted = ("DynamicUser=yes", "PrivateNetwork=yes", "ProtectSystem=strict", "ProtectHome=tmpfs", "ReadOnlyPaths=/tmp /var/tmp", "CapabilityBoundingSet=")
    wanted += ("TemporaryFileSystem=/dev/shm /run:ro", "InaccessiblePaths=-/dev/mqueue")
    assert said.issuperset(wanted) and "BindReadOnlyPaths=/a/m.gguf:" + dry.SHOWN in said
    assert "--setenv=CUDA_X=1" in words and not [word for word in words if "AWS" in word]
    monkeypatch.setattr(dry.os, "geteuid", lambda: 0)
    monkeypatch.setattr(dry.os.path, "isdir", lambda path: False)
    with pytest.raises(dry.NoAnswer, match="not run as root"):
        dry.ask(server(ONE), "m.gguf", SETTINGS, 10)
    assert not (tmp_path / "pid").exists(), "it ran"


def test_the_file_is_a_hole(tmp_path):
    path = dry.write_sparse(str(tmp_path), b"GGUF" * 1000, 40 << 30)
    assert os.path.getsize(path) == 40 << 30 and os.stat(path).st_blocks * 512 < 1 << 20


def test_only_the_head_is_fetched():
    asked = []

    class Handler(servers.Quiet):
        def do_GET(self):
            asked.append(self.headers["Range"])
            body = b"x" * (5 if self.path == "/short" else 100)
            self.send_response(206)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with servers.serving(Handler) as url:
        assert dry.fetch_head(url + "/m", 100, 5) == b"x" * 100 and asked == ["bytes=0-99"]
        with pytest.raises(dry.NoAnswer, match="5 of 100"):
            dry.fetch_head(url + "/short", 100, 5)
    with pytest.raises(dry.NoAnswer, match="could not be read"):
        dry.fetch_head(url + "/m", 100, 1)
    with pytest.raises(dry.NoAnswer, match="64 MiB"):
        dry.fetch_head(url + "/m", 1 << 40, 1)
