# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the sessions of noxfile.py behind the other tests, which keep one of two cores busy at most; their tests here, the last ones, wait for them.

The whole output of a session is kept in tests/output/versions/.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support import ROOT, behind

OUTPUT = ROOT / "tests" / "output" / "versions"
RUNS = pytest.StashKey[dict]()
sys.path.insert(0, str(ROOT))  # noxfile.py


def run(session: str, step: str, first: bool) -> tuple:
    """Return code, seconds, log and what it says, of one step of one session."""
    log = OUTPUT / ("%s%s%s.log" % (session, "-first" if first else "", "-" + step if step else ""))
    # ansible-core and Molecule look at these, a session decides itself; and what is missing is for the test to say.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "MOLECULE_", "PYTEST_")) and name != "CI"}
    environment["NO_COLOR"] = "1"
    if first:
        environment["LLMFLEET_FIRST"] = "1"
    place = str(ROOT / ".cache" / ("nox-first" if first else "nox"))
    command = ["nice", "-n", "5", sys.executable, "-m", "nox", "-f", str(ROOT / "noxfile.py"), "--envdir", place, "-s", session]
    command += ["--", step] if step else []
    started = time.monotonic()
    with log.open("w", encoding="utf-8") as stream:
        done = subprocess.run(command, cwd=ROOT, env=environment, stdout=stream, stderr=subprocess.STDOUT, check=False)
    return done.returncode, time.monotonic() - started, log, log.read_text(encoding="utf-8", errors="replace")


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session):
    """Starts what was selected, before the first test of all."""
    wanted = dict.fromkeys(item.callspec.params["job"] for item in session.items if "job" in getattr(getattr(item, "callspec", None), "params", ()))
    if not wanted or session.config.option.collectonly:
        return
    OUTPUT.mkdir(parents=True, exist_ok=True)
    jobs = behind.of(session.config)
    session.config.stash[RUNS] = {job: jobs.add(behind.PAIR, run, *job) for job in wanted}
    # Behind scenarios they wait for those; alone they have two cores.
    alone = all(Path(item.path).parent == Path(__file__).parent for item in session.items)
    if not jobs.busy():
        jobs.work(behind.PAIR)
    if alone:
        jobs.work(behind.PAIR)


@pytest.fixture
def finished(job, request):
    """The finished run of this test's session."""
    return request.config.stash[RUNS][job].result()
