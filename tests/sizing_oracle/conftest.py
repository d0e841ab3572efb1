# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The oracle's builds, and the table of differences at the end of the run.

LLMFLEET_ORACLE_RECORD=tests/unit/plugins/plugin_utils/sizing/model/recorded_dry_runs.csv keeps what llama.cpp said for the unit tests, which do without it.
"""

from __future__ import annotations

import csv
import os
import subprocess

import oracle
import pytest

RECORD = []  # build, model, settings, what llama.cpp said
ROWS = {}  # (build, model) -> [runs, worst difference in MiB, worst in %]


def pytest_generate_tests(metafunc):
    if "build" in metafunc.fixturenames:
        newest = os.environ.get("LLMFLEET_ORACLE_NEWEST")
        metafunc.parametrize("build", ["newest"] if newest else list(oracle.PINNED), scope="session", indirect=True)


@pytest.fixture(scope="session")
def build(request):
    version = oracle.PINNED.get(request.param, "")
    try:
        made = oracle.Oracle(version)
    except (OSError, subprocess.SubprocessError) as problem:
        if os.environ.get("LLMFLEET_ORACLE_NEWEST"):
            raise  # who asks for the newest build wants to know whether it drifted, not that nobody looked
        pytest.skip("NOT COMPARED WITH LLAMA.CPP: no environment with xllamacpp %s could be made (%s)" % (version or "(newest)", problem))
    yield made
    made.close()


@pytest.fixture
def note():
    def add(build, label, settings, ours, answer):
        theirs = answer["compute"]
        RECORD.append((build, label, *settings, *("%.2f" % answer[part] for part in ("kv", "state", "compute"))))
        row = ROWS.setdefault((build, label), [0, 0.0, 0.0])
        difference = ours - theirs
        row[0] += 1
        if abs(difference) > abs(row[1]):
            row[1] = difference
        percent = 100 * difference / theirs if theirs else 0.0
        if abs(percent) > abs(row[2]):
            row[2] = percent

    return add


def pytest_terminal_summary(terminalreporter):
    if not ROWS:
        return
    if os.environ.get("LLMFLEET_ORACLE_RECORD"):
        with open(os.environ["LLMFLEET_ORACLE_RECORD"], "w", encoding="utf-8", newline="") as stream:
            csv.writer(stream, lineterminator="\n").writerows(RECORD)
    terminalreporter.write_line("")
    terminalreporter.write_line("compute buffer, ours against llama.cpp's dry run (KV cache and recurrent state: equal in every run)")
    terminalreporter.write_line("%-8s %-28s %6s %12s %9s" % ("build", "model", "runs", "worst MiB", "worst %"))
    for (build, label), (runs, worst, percent) in sorted(ROWS.items()):
        terminalreporter.write_line("b%-7d %-28s %6d %+12.2f %+8.2f%%" % (build, label, runs, worst, percent))
