# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose lab runs: a machine has one set of names and addresses for it, and the hosts only let in the checkout that made them.

`python3 -m llmfleet_lab.checkout` asks before anything is installed or built, so it needs neither the Python environment nor its packages.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from .common import CACHE, LABEL, LabError, say

# A container carries the folder of the checkout that holds the key to it.
CHECKOUT_LABEL = "llmfleet.checkout"
HERE = str(CACHE.resolve().parents[1])
VARIABLE = "TAKE_OVER"

Docker = Callable[..., str]


def labels() -> dict[str, str]:
    """What each container of this checkout's lab is marked with."""
    return {CHECKOUT_LABEL: HERE}


def docker(*words: str) -> str:
    """The docker command, since the packages of this checkout's environment may not be there yet."""
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"`docker {' '.join(words[:3])}` ended with code {done.returncode}: {done.stderr.strip()[-400:]}")
    return done.stdout


def others(docker: Docker = docker) -> dict[str, list[str]]:
    """The containers of every other checkout, running or not, by its folder."""
    found: dict[str, list[str]] = {}
    try:
        listed = docker("ps", "--all", "--filter", f"label={CHECKOUT_LABEL}", "--format", '{{.Names}}\t{{.Label "%s"}}' % CHECKOUT_LABEL)
    except (FileNotFoundError, LabError):
        # No engine, or none that answers: `lab.py up` asks again when it has started one.
        return {}
    for line in listed.splitlines():
        name, _tab, folder = line.partition("\t")
        if folder != HERE:
            found.setdefault(folder, []).append(name)
    return found


def make_room(again: str, docker: Docker = docker) -> None:
    """End another checkout's lab where the person said so or nobody else could, and refuse where it is in use."""
    for folder, names in others(docker).items():
        gone = not Path(folder).is_dir()
        if not gone and os.environ.get(VARIABLE, "") in ("", "0"):
            raise LabError(
                f"the lab of {folder} is on this machine ({_few(sorted(names))}), and there is room for one: "
                f"end it with `make clean` in {folder}, or take its place with `{again}`, which removes its hosts and what they stored."
            )
        say("lab", f"ending the lab of {folder}{', a folder that is gone' if gone else ''}")
        docker("rm", "--force", "--volumes", *names)
        # A new fleet would find the accounts and models of the old one.
        volumes = docker("volume", "ls", "--quiet", "--filter", f"label={LABEL}=volume").split()
        if volumes:
            docker("volume", "rm", "--force", *volumes)


def _few(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


if __name__ == "__main__":
    try:
        make_room(f"make {sys.argv[1]} {VARIABLE}=1")
    except LabError as error:
        sys.exit(f"make {sys.argv[1]}: {error}")
