# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make unit` skips what a bare machine lacks, `make test` nothing. Deleted, a lost compiler could take 200 tests with it and all would look green."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest
from support import ROOT

TESTS = {
    "function": "def test_x():\n    pytest.skip('needs a C compiler; install gcc')\n",
    "mark": "@pytest.mark.skipif(True, reason='needs root')\ndef test_x():\n    pass\n",
    "fixture": "@pytest.fixture\ndef lacking():\n    pytest.skip('needs root')\n\ndef test_x(lacking):\n    pass\n",
    "module": "pytest.skip('needs Linux', allow_module_level=True)\n",
}


def run(folder, text, *options):
    """(exit status, output) of pytest over one file with the tests' own conftest."""
    shutil.copy(ROOT / "tests" / "conftest.py", folder)
    (folder / "test_it.py").write_text("import pytest\n\n%s" % text, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--rootdir", str(folder), *options, str(folder)]
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode, done.stdout


@pytest.mark.parametrize("how", TESTS)
def test_a_skip_fails_where_nothing_may_be_skipped(tmp_path, how):
    """However a test is skipped, its reason must stand in the failure."""
    code, said = run(tmp_path, TESTS[how], "--skip-nothing")
    assert code and "Skipped under --skip-nothing: needs" in said, said


def test_elsewhere_a_skip_is_a_skip(tmp_path):
    """Whoever has no compiler must see the rest green."""
    code, said = run(tmp_path, TESTS["function"], "-rs")
    assert code == 0 and "needs a C compiler" in said, said


def test_what_no_package_brings_and_what_is_expected_to_fail_stay(tmp_path):
    """A Python that this machine cannot have is named at the end; an expected failure is reported by pytest as a skip, too."""
    text = "def test_x():\n    pytest.skip('not to be had here: Python 3.9')\n\n@pytest.mark.xfail\ndef test_y():\n    assert False\n"
    code, said = run(tmp_path, text, "--skip-nothing")
    assert code == 0 and "Not to be had here: Python 3.9." in said, said


def test_make_test_skips_nothing():
    """Without the option in the command that CI runs, all of this would be for nobody."""
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8").split("\ntest: ", 1)[1].split("\n\n", 1)[0]
    assert "$(PYTEST) -v --skip-nothing " in recipe
