# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures: one fake registry and one fake Ollama for each test, and a way to run the module's logic against them."""

from __future__ import annotations

import pytest
from ansible_collections.llmfleet.ollama.plugins.module_utils.models.converge import Converger

from support.fake_ollama import FakeOllama, FakeRegistry


@pytest.fixture
def registry():
    server = FakeRegistry()
    yield server
    server.stop()


@pytest.fixture
def ollama(tmp_path, registry):
    server = FakeOllama(tmp_path / "store", registry)
    yield server
    server.stop()


@pytest.fixture
def options(tmp_path, ollama, registry):
    return {
        "models": [],
        "state": "present",
        "registry": registry.url,
        "api_url": ollama.url,
        "models_dir": ollama.path,
        "reserve_bytes": 0,
        "prove": False,
        "prove_gpu": True,
        "proofs_path": str(tmp_path / "facts.d" / "llmfleet.fact"),
        "settings": {},
        "devices": [],
        "https_proxy": "",
        "no_proxy": "",
        "timeout": 1,
        "retries": 2,
    }


@pytest.fixture
def converge(options):
    """converge(models, check=False, **options) -> result; naps are recorded, not slept."""

    def run(models, check=False, **changes):
        run.naps = []
        run.progress = []
        converger = Converger(
            dict(options, models=models, **changes), check_mode=check, progress=run.progress.append, sleep=run.naps.append
        )
        return converger.look().act()

    return run
