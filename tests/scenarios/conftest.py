# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts the selected scenarios behind the tests that come first, two at a time, since a scenario waits for services half of the time.

Those that need nothing of the lab which its own tests take down, or count, run behind these, and their tests come last.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support import ROOT, behind

OUTPUT = ROOT / "tests" / "output" / "molecule"
# These start no machine of their own (Molecule's `managed: false`).
SIMULATED = {path.parent.name for path in (ROOT / "molecule").glob("*/molecule.yml") if "    managed: false\n" in path.read_text(encoding="utf-8")}
RUNS = pytest.StashKey[dict]()


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
    # The tests in front are the longest row of all, so what runs behind them waits for them.
    command = ["nice", "-n", "5", sys.executable, "-m", "molecule", "test", "-s", scenario]
    if scenario == "fleet-windows-macos":
        # Its addresses on the loopback are fixed, and the sessions of noxfile.py run it too.
        command = ["flock", str(ROOT / ".cache" / (scenario + ".lock")), *command]
    started = time.monotonic()
    with log.open("w", encoding="utf-8") as stream:
        # The sequence begins with destroy; `molecule reset` would take the other scenario's containers away as well.
        done = subprocess.run(command, cwd=ROOT, env=environment, stdout=stream, stderr=subprocess.STDOUT, check=False)
    return done.returncode, time.monotonic() - started, log


def lab_up() -> None:
    """Not only the base: the scenarios of Open WebUI load the images that `up` builds."""
    log = OUTPUT / "lab.log"
    with log.open("w", encoding="utf-8") as stream:
        done = subprocess.run([sys.executable, "lab/lab.py", "up"], cwd=ROOT, stdout=stream, stderr=subprocess.STDOUT, check=False)
    assert done.returncode == 0, "there is no lab; the end of %s:\n%s" % (log.relative_to(ROOT), log.read_text(encoding="utf-8")[-3000:])


def scenario_of(item) -> str:
    """The scenario that a test waits for, or nothing."""
    return getattr(getattr(item, "callspec", None), "params", {}).get("scenario", "")


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: scenario_of(item) in SIMULATED.union(behind.NO_UPSTREAM))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session):
    wanted = list(filter(None, map(scenario_of, session.items)))
    if not wanted or session.config.option.collectonly:
        return
    OUTPUT.mkdir(parents=True, exist_ok=True)
    for left in OUTPUT.glob("*-first-try.log"):
        left.unlink()
    jobs = behind.of(session.config)
    up = jobs.add(behind.SCENARIO, lab_up)

    def after_the_lab(scenario: str) -> tuple:
        up.result()
        return run(scenario)

    session.config.stash[RUNS] = {
        scenario: jobs.add(behind.PAIR, run, scenario)
        if scenario in SIMULATED
        else jobs.add(behind.BESIDE if scenario in behind.NO_UPSTREAM else behind.SCENARIO, after_the_lab, scenario)
        for scenario in wanted
    }
    jobs.work(*behind.KINDS)
    jobs.work(*behind.SECOND)


@pytest.fixture(scope="session")
def runs(request):
    """The runs by scenario."""
    return request.config.stash[RUNS]
