# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine that the lab starts, with a program in dockerd's place. Deleted, who removes the checkout that started it could start no container more."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import runc_within_limits
from llmfleet_lab import engine


def program(path: Path, text: str) -> Path:
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)
    return path


@pytest.fixture
def dockerd(tmp_path, monkeypatch):
    """Docker 20.10 on a machine that was not given all capabilities: it serves until it is told to end."""
    tools = tmp_path / "tools"
    tools.mkdir()
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    monkeypatch.setattr(engine, "RUNTIME", tmp_path / "lib/llmfleet-lab/runc_within_limits.py")
    monkeypatch.setattr(engine, "PID_FILE", tmp_path / "dockerd.pid")
    monkeypatch.setattr(engine.runc_within_limits, "missing", lambda: {"CAP_BPF"})
    program(tools / "runc", 'echo "runc $*"\n')
    return program(tools / "dockerd", 'if [ "$1" = --version ]; then echo "Docker version 20.10.24+dfsg1"; else read -r line; fi\n')


def test_an_engine_outlives_the_checkout_that_started_it(dockerd, tmp_path, monkeypatch):
    """It serves every checkout of the machine, and nobody knows any more which of them started it."""
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    monkeypatch.setattr(engine.runc_within_limits, "__file__", shutil.copy(runc_within_limits.__file__, checkout))
    options = engine._runtime()
    shutil.rmtree(checkout)
    assert options == ["--add-runtime", f"within-limits={engine.RUNTIME}", "--default-runtime", "within-limits"]
    assert subprocess.run([engine.RUNTIME, "start", "box"], capture_output=True, text=True, check=True).stdout == "runc start box\n"
    # By the next one of us it is brought up to date, and nothing else lies beside it.
    engine.RUNTIME.write_text("an older one")
    monkeypatch.setattr(engine.runc_within_limits, "__file__", str(Path(runc_within_limits.__spec__.origin)))
    engine._runtime()
    assert [path.name for path in engine.RUNTIME.parent.iterdir()] == ["runc_within_limits.py"] and "execvp" in engine.RUNTIME.read_text()


def test_it_goes_with_the_engine_that_runs_it(dockerd, monkeypatch):
    """`make clean` promises that nothing is left; and without a dockerd of ours, one of another checkout may still run it."""
    engine._runtime()
    assert not engine.stop_if_ours() and engine.RUNTIME.exists()
    with subprocess.Popen([dockerd], stdin=subprocess.PIPE) as process:
        engine.PID_FILE.write_text(str(process.pid))
        # Without a limit: with one, wait() sleeps by this very function.
        monkeypatch.setattr(engine.time, "sleep", lambda _seconds: process.wait())
        assert engine.stop_if_ours()
    assert not engine.RUNTIME.parent.exists() and not engine.PID_FILE.exists()


def test_newer_engines_and_whole_machines_need_no_program(dockerd, monkeypatch):
    monkeypatch.setattr(engine.runc_within_limits, "missing", set)
    assert engine._runtime() == []
    monkeypatch.setattr(engine.runc_within_limits, "missing", lambda: {"CAP_BPF"})
    program(dockerd, "echo Docker version 27.1.2\n")
    assert engine._runtime() == [] and not engine.RUNTIME.parent.exists()
