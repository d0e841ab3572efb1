# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens to a machine of the lab, from outside: its power and its cable."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path


def _docker(*words: str) -> str:
    return subprocess.run(["docker", *words], check=True, capture_output=True, text=True).stdout


def power_off(name: str) -> None:
    """At once, with nothing written down or taken leave of."""
    _docker("kill", name)


def power_on(name: str, patience: float = 240) -> None:
    """Until an ordinary user may sign in."""
    _docker("start", name)
    deadline = time.monotonic() + patience
    said = ""
    while time.monotonic() < deadline:
        said = subprocess.run(["docker", "exec", name, "systemctl", "is-system-running"], capture_output=True, text=True, check=False).stdout.strip()
        if said in ("running", "degraded"):
            return
        time.sleep(0.5)
    raise AssertionError(f"{name} did not boot within {patience} seconds: systemd says {said!r}")


def cable(name: str, state: str) -> None:
    """Pulls the cable out of a machine (down), or puts it in again (up), on the side of the switch."""
    index = _docker("exec", name, "cat", "/sys/class/net/eth0/iflink").strip()
    [port] = [link.parent.name for link in Path("/sys/class/net").glob("*/ifindex") if link.read_text().strip() == index]
    subprocess.run(["ip", "link", "set", port, state], check=True)
