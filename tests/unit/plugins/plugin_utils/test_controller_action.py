# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What decides on the controller opens no connection. Deleted, a plan for recorded facts could ask for a host that nobody can reach."""

from __future__ import annotations

import importlib

import pytest
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.controller_action import ControllerAction
from support import ROOT

PLANS = sorted(path.stem for path in (ROOT / "plugins/action").glob("plan_*.py"))


@pytest.mark.parametrize("name", [*PLANS, "gateway_told", "service_failure"])
def test_a_plan_needs_no_host(name):
    found = importlib.import_module("ansible_collections.llmfleet.ollama.plugins.action." + name).ActionModule
    assert issubclass(found, ControllerAction) and not found._requires_connection and found._supports_check_mode and not found._supports_async
