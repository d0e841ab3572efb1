# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Simulated hosts of tests/stubs for unit tests: a test changes one, and the decision looks at it."""

from __future__ import annotations

import importlib.util
import json
import sys

import pytest
from ansible_collections.llmfleet.ollama.plugins.plugin_utils import windows_change
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.service import decide, inventory
from support import ROOT

STUBS = ROOT / "tests/stubs"


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


def near(**variables):
    """What decides beside the host itself: public variables, and the rest of an inventory of one host."""
    known = {"inventory_hostname": "here", "ansible_connection": "local", "ansible_facts": {}, "groups": {}, "hostvars": {}}
    variables = {"ollama_version": "0.32.15", **variables}
    return variables, inventory.around({**known, **variables})


@pytest.fixture
def question_of():
    """What a look at a host of this platform is asked."""
    return lambda platform: next(asked.to_dict() for asked in decide.questions(*near()) if asked.system == platform)


@pytest.fixture
def host_of(stage, tmp_path):
    """What is decided of a simulated host, whose state a test may change before. given: what the inventory says of it."""

    def make(platform, change=None, facts=None, **given):
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
        variables, around = near(ansible_facts=facts or {}, **given)
        _module, system = stage.simulated(platform)
        host = system(path)
        asked = next(question for question in decide.questions(variables, around) if question.system == platform)
        look = host.look(asked.to_dict())
        if platform == "windows":
            look["change"] = windows_change.told(look["change"])
        host.close()
        return decide.decide("here", variables, look, around)

    return make
