# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Says in one sentence how the run ended, before pytest's own closing line, and lets nothing look green by being skipped where all must run."""

from __future__ import annotations

import pytest

# Their assertions say what they compare, as those of the tests do.
pytest.register_assert_rewrite("support")

MISSING = "not to be had here: "


def pytest_addoption(parser):
    parser.addoption(
        "--skip-nothing", action="store_true",
        help="a skipped test fails, as in `make test`, which installs what tests need; what a machine cannot have is named at the end instead",
    )  # fmt: skip


def refuse_to_skip(report, config):
    """Turns the report of a skip into one of a failure, unless its reason is one of MISSING or the test is expected to fail."""
    if report.skipped and isinstance(report.longrepr, tuple) and config.getoption("skip_nothing") and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2].removeprefix("Skipped: ")
        if not reason.startswith(MISSING):
            report.outcome = "failed"
            report.longrepr = "Skipped under --skip-nothing: %s" % reason
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    return refuse_to_skip((yield), item.config)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    return refuse_to_skip((yield), collector.config)


def pytest_terminal_summary(terminalreporter, exitstatus):
    reasons = [str(report.longrepr[2]).removeprefix("Skipped: ") for report in terminalreporter.stats.get("skipped", []) if isinstance(report.longrepr, tuple)]
    missing = [reason.removeprefix(MISSING) for reason in dict.fromkeys(reasons) if reason.startswith(MISSING)]
    if missing:
        terminalreporter.write_line("%s%s." % (MISSING.capitalize(), "; ".join(missing)))
    twice = [value for report in terminalreporter.stats.get("passed", []) for name, value in report.user_properties if name == "second try"]
    if twice:
        terminalreporter.write_line("Passed only when it was run a second time: %s." % "; ".join(twice))
    counted = {word: len(terminalreporter.stats.get(word, [])) for word in ("passed", "failed", "error", "skipped")}
    if exitstatus == 0:
        sentence = "All %(passed)d tests passed." % counted
        if counted["skipped"]:
            sentence = "%(passed)d tests passed and %(skipped)d were skipped; -rs says why." % counted
    else:
        sentence = "%(failed)d tests failed and %(error)d could not run; the first lines above each say what to look at." % counted
    terminalreporter.write_line(sentence)
