# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that holds one model, for what runs beside it."""

from __future__ import annotations

import pytest
from support.fake_ollama import FakeOllama, FakeRegistry, model_blobs


@pytest.fixture
def ollama(tmp_path):
    registry = FakeRegistry()
    server = FakeOllama(tmp_path / "store", registry)
    server.have("chat:7b", model_blobs("chat"))
    yield server
    server.stop()
    registry.stop()
