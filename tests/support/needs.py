# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a unit test needs beside Python. A machine without it skips the test and says why; `make test` skips nothing (tests/conftest.py)."""

from __future__ import annotations

import os
import shutil
import sys

import pytest

root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, who alone gives files away and becomes somebody else")
linux = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")


def compiler() -> str:
    """A C compiler, for the libraries that play a driver as Linux loads it."""
    if sys.platform != "linux":
        pytest.skip("needs Linux")
    found = shutil.which("cc") or shutil.which("gcc")
    if found is None:
        pytest.skip("needs a C compiler; install gcc")
    return found


def tool(name: str) -> str:
    """A program that a bare machine may lack."""
    found = shutil.which(name)
    if found is None:
        pytest.skip("needs the program %s; install it" % name)
    return found
