# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Simulated hosts of tests/stubs for unit tests: a test changes one, the role's variables look at it."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest
from winmac_play import Play, seen_macos, seen_windows

STUBS = Path(__file__).resolve().parents[4] / "stubs"


def load(name, path):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def stage():
    """tests/stubs/stage.py as a module."""
    sys.path.insert(0, str(STUBS))
    return load("winmac_stage", STUBS / "stage.py")


@pytest.fixture
def host_of(stage, tmp_path):
    """A simulated host whose state a test may change before the role looks at it."""

    def make(platform, change=None, **given):
        stage.CACHE, kept = tmp_path, stage.CACHE
        (tmp_path / "hosts" / platform).mkdir(parents=True, exist_ok=True)
        try:
            state = stage.new_state(platform)
            if change:
                change(state)
            stage.state_file(platform, "here").write_text(json.dumps(state), encoding="utf-8")
            path = stage.state_file(platform, "here")
        finally:
            stage.CACHE = kept
        _module, system = stage.simulated(platform)
        host = system(path)
        play = Play(platform, state, **given)
        play.variables["__ollama_seen"] = (seen_windows if platform == "windows" else seen_macos)(host, play)
        play.look = host.look(play.question().to_dict())
        host.close()
        return play

    return make
