# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Environments with builds of llama.cpp (package xllamacpp), made on demand below .cache, and a process in each that answers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
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
            [self.python, "-P", os.path.join(ROOT, "plugins", "plugin_utils", "sizing", "dry_run.py")],
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
