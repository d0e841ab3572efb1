# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The builders of machines as fixtures."""

from __future__ import annotations

import pytest
from support import machines


@pytest.fixture
def make_card():
    return machines.card


@pytest.fixture
def make_machine():
    return machines.machine
