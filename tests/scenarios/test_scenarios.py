# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every Molecule scenario, two at a time, each as one test. The whole output of a scenario is kept in tests/output/molecule/.

Deleted, nothing would show that the roles do on real hosts what their files say.
"""

from __future__ import annotations

import concurrent.futures
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OUTPUT = ROOT / "tests" / "output" / "molecule"
# They begin first, so that none of them runs alone at the end.
LONG = ("ollama-lifecycle", "open_webui-variants", "gateway")
NAMES = {path.parent.name for path in (ROOT / "molecule").glob("*/molecule.yml")}
SCENARIOS = [name for name in LONG if name in NAMES] + sorted(NAMES.difference(LONG))
# Scenarios wait for services half of the time, so two share the two cores of a small machine well.
WORKERS = 2


def run(scenario: str) -> tuple:
    """Return code, seconds and log file of a scenario, which a busy machine may ask twice: a fault of ours is there the second time, too."""
    done = once(scenario, OUTPUT / (scenario + ".log"))
    if done[0]:
        done[2].rename(OUTPUT / (scenario + "-first-try.log"))
        done = once(scenario, OUTPUT / (scenario + ".log"))
    return done


def once(scenario: str, log: Path) -> tuple:
    """Return code, seconds and log file of one scenario from an empty state."""
    environment = dict(os.environ, ANSIBLE_FORCE_COLOR="0", PY_COLORS="0", NO_COLOR="1")
    # Molecule writes an ansible.cfg of its own; the project's must not be in its way.
    environment.pop("ANSIBLE_CONFIG", None)
    command = [sys.executable, "-m", "molecule", "test", "-s", scenario]
    if scenario == "fleet-windows-macos":
        # Its addresses on the loopback are fixed, and the sessions of noxfile.py run it too.
        command = ["flock", str(ROOT / ".cache" / (scenario + ".lock")), *command]
    started = time.monotonic()
    with log.open("w", encoding="utf-8") as stream:
        # The sequence begins with destroy; `molecule reset` would take the other scenario's containers away as well.
        done = subprocess.run(command, cwd=ROOT, env=environment, stdout=stream, stderr=subprocess.STDOUT, check=False)
    return done.returncode, time.monotonic() - started, log


@pytest.fixture(scope="session")
def runs(request):
    """Starts the selected scenarios in the background, in the order in which their tests wait for them."""
    OUTPUT.mkdir(parents=True, exist_ok=True)
    for left in OUTPUT.glob("*-first-try.log"):
        left.unlink()
    # Not only the base: the scenarios of Open WebUI load the images that `up` builds.
    subprocess.run([sys.executable, "lab/lab.py", "up"], cwd=ROOT, check=True)
    selected = [item.callspec.params["scenario"] for item in request.session.items if item.function is test_scenario]
    pool = concurrent.futures.ThreadPoolExecutor(max_workers=WORKERS)
    yield {scenario: pool.submit(run, scenario) for scenario in selected}
    pool.shutdown(cancel_futures=True)


def test_every_role_has_a_scenario():
    """A role without a scenario is a role that nobody has run."""
    roles = {path.parent.name for path in (ROOT / "roles").glob("*/meta")}
    untested = {role for role in roles if not any(name == role or name.startswith(role + "-") for name in SCENARIOS)}
    assert not untested, untested


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
