# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Says in one sentence how the run ended, before pytest's own closing line."""

from __future__ import annotations

MISSING = "not to be had here: "


def pytest_terminal_summary(terminalreporter, exitstatus):
    reasons = [str(report.longrepr[2]).removeprefix("Skipped: ") for report in terminalreporter.stats.get("skipped", []) if isinstance(report.longrepr, tuple)]
    missing = [reason.removeprefix(MISSING) for reason in dict.fromkeys(reasons) if reason.startswith(MISSING)]
    if missing:
        terminalreporter.write_line("%s%s." % (MISSING.capitalize(), "; ".join(missing)))
    counted = {word: len(terminalreporter.stats.get(word, [])) for word in ("passed", "failed", "error", "skipped")}
    if exitstatus == 0:
        sentence = "All %(passed)d tests passed." % counted
        if counted["skipped"]:
            sentence = "%(passed)d tests passed and %(skipped)d were skipped; -rs says why." % counted
    else:
        sentence = "%(failed)d tests failed and %(error)d could not run; the first lines above each say what to look at." % counted
    terminalreporter.write_line(sentence)
