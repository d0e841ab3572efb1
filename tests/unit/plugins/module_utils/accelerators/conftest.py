# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import jsonschema
import pytest
from ansible_collections.llmfleet.ollama.plugins.module_utils.accelerators import fact
from support import ROOT

SCHEMA = json.loads((ROOT / "plugins/module_utils/accelerators/vram.schema.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


@pytest.fixture(scope="session")
def interpret():
    """The fact of an observation; whatever the observation, the fact must be valid and serialisable."""

    def run(observation):
        found = fact.interpret(observation)
        VALIDATOR.validate(found)
        json.dumps(found, allow_nan=False)
        return found

    return run
