# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every Molecule scenario, each as one test; conftest.py runs them. The whole output of a scenario is kept in tests/output/molecule/.

Deleted, nothing would show that the roles do on real hosts what their files say.
"""

from __future__ import annotations

import re

import pytest
import yaml
from support import ROOT, behind

OUTPUT = ROOT / "tests" / "output" / "molecule"
# They begin first, so that none of them runs alone at the end.
LONG = ("ollama-lifecycle", "open_webui-variants", "gateway")
NAMES = {path.parent.name for path in (ROOT / "molecule").glob("*/molecule.yml")}
SCENARIOS = [name for name in LONG if name in NAMES] + sorted(NAMES.difference(LONG))


def test_every_role_has_a_scenario():
    """A role without a scenario is a role that nobody has run."""
    roles = {path.parent.name for path in (ROOT / "roles").glob("*/meta")}
    untested = {role for role in roles if not any(name == role or name.startswith(role + "-") for name in SCENARIOS)}
    assert not untested, untested


def test_what_runs_beside_the_labs_tests_asks_nothing_of_the_upstream():
    """They take the upstream down and count what it sent: a pull of a scenario would fail in the middle, or be counted as the fleet's."""
    asking = {path.parent.name for path in (ROOT / "molecule").glob("*/**/*.yml") if re.search(r"(releases|registry)\.lab", path.read_text(encoding="utf-8"))}
    assert "ollama-lifecycle" in asking and set(behind.NO_UPSTREAM) <= NAMES - asking


def test_what_a_host_stored_goes_with_it():
    """Molecule keeps a volume without a name, and every run would leave one more of them: a gigabyte for each host with an engine of its own."""
    for path in (ROOT / "molecule").glob("*/molecule.yml"):
        for platform in yaml.safe_load(path.read_text(encoding="utf-8"))["platforms"]:
            nameless = [volume for volume in platform.get("volumes", []) if ":" not in volume]
            assert not nameless or platform.get("keep_volumes") is False, "%s: %s keeps %s" % (path.parent.name, platform["name"], nameless)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_scenario(scenario, runs, record_property):
    code, seconds, log = runs[scenario].result()
    first = OUTPUT / (scenario + "-first-try.log")
    if first.exists():
        # tests/conftest.py says it at the end: what needs a second try is to be looked at, also where it passed.
        record_property("second try", "%s (%s)" % (scenario, first.relative_to(ROOT)))
    assert code == 0, "%s failed after %.0f s; the end of %s:\n%s" % (
        scenario, seconds, log.relative_to(ROOT), "\n".join(log.read_text(encoding="utf-8").splitlines()[-80:])
    )
