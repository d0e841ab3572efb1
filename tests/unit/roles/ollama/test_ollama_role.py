# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""argument_specs.yml, from which people read, names the same variables as defaults/main.yml, with the same defaults.

Deleted, nothing would show that one of the two has been forgotten.
"""

from __future__ import annotations

import yaml
from support import ROOT

ROLE = ROOT / "roles" / "ollama"


def load(name):
    return yaml.safe_load((ROLE / name).read_text(encoding="utf-8"))


def test_documented_variables_are_those_with_defaults():
    assert set(load("meta/argument_specs.yml")["argument_specs"]["main"]["options"]) == set(load("defaults/main.yml"))


def test_documented_defaults_are_the_real_ones():
    documented = load("meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    real = load("defaults/main.yml")
    assert {k: o["default"] for k, o in documented.items() if "default" in o} == {k: real[k] for k, o in documented.items() if "default" in o}
