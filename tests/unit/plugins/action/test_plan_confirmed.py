# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When llama.cpp is asked about a plan. Deleted, llm_oracle could be overlooked, or a machine that is only described be asked for its server."""

from __future__ import annotations

import pytest
from ansible_collections.llmfleet.ollama.plugins.action.plan_models import _confirms


@pytest.mark.parametrize(("wish", "described", "asked"), [
    (False, False, False), ("", False, False), ("off", False, False), ("No", False, False), (0, False, False),
    (True, False, True), ("host", False, True), ("controller", False, True), ("contoller", False, True),
    (True, True, False), ("Host", True, False), (1, True, False), ("controller", True, True), ("contoller", True, True),
])
def test_who_is_asked(wish, described, asked):
    """A word that nobody knows goes on to oracle.yml, which refuses it."""
    assert _confirms(wish, described) is asked
