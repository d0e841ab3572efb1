# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first hour of a contributor: a machine with Python and make, no root, no compiler, no container engine.

Deleted, `make unit` could ask for the lab's Debian packages again, and everybody without root on Debian would leave before the first test.
"""

from __future__ import annotations

import re

import fresh_machine

# Pure Python, one that starts Ansible, and some that want a compiler: the three kinds of unit tests.
CHOSEN = " ".join(
    "tests/unit/plugins/module_utils/%s.py" % name for name in ("accelerators/test_machines", "probe/test_probe_playbook", "probe/test_bindings")
)


def test_unit_tests_by_somebody_without_root():
    """What a machine lacks is named, not failed on; all the rest passes."""
    with fresh_machine.bare("first-hour", "llmfleet/debian13") as machine:
        machine.install("make", "python3-venv")
        machine.clone()
        for absent in ("cc", "gcc", "docker", "git"):
            assert machine.user(f"command -v {absent}").returncode, f"{absent} is there, so this machine is not bare"
        # pip carries authorities of its own; where a company's proxy signs, the system's are the right ones.
        done = machine.user(f"export PIP_CERT=/etc/ssl/certs/ca-certificates.crt; id -u; make unit T='-rs {CHOSEN}'")
        assert done.returncode == 0, done.stdout[-4000:]
        assert not done.stdout.startswith("0\n")
        assert int(re.search(r"(\d+) passed", done.stdout)[1]) > 50, done.stdout[-4000:]
        reasons = set(re.findall(r"^SKIPPED \[\d+\] \S+ (.*)$", done.stdout, re.MULTILINE))
        assert reasons == {"needs a C compiler; install gcc"}, reasons
