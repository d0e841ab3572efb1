# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose lab runs: a machine has one set of names and addresses for it, and the hosts only let in the checkout that made them.

room.py asks before anything is installed or built, so this needs neither the Python environment nor its packages.
"""

from __future__ import annotations

import os
import subprocess
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


def others(docker: Docker = docker) -> dict[str, dict[str, str]]:
    """The containers of every other checkout, running or not, by its folder: name and state of each."""
    found: dict[str, dict[str, str]] = {}
    try:
        form = '{{.Names}}\t{{.State}}\t{{.Label "%s"}}' % CHECKOUT_LABEL
        listed = docker("ps", "--all", "--filter", f"label={CHECKOUT_LABEL}", "--format", form)
    except (FileNotFoundError, LabError):
        # No engine, or none that answers: `lab.py up` asks again when it has started one.
        return {}
    for line in listed.splitlines():
        name, state, folder = line.split("\t", 2)
        if folder != HERE:
            found.setdefault(folder, {})[name] = state
    return found


def make_room(again: str, docker: Docker = docker) -> None:
    """End another checkout's lab where the person said so, nobody else could or nothing of it runs, and refuse where it is in use.

    After a restart of the engine or of the machine no host of a lab comes up by itself: it has to be made anew in its own checkout, too.
    """
    for folder, containers in others(docker).items():
        names = list(containers)
        gone = not Path(folder).is_dir()
        running = any(state not in ("exited", "created", "dead") for state in containers.values())
        if running and not gone and os.environ.get(VARIABLE, "") in ("", "0"):
            raise LabError(
                f"the lab of {folder} is on this machine ({_few(sorted(names))}), and there is room for one: "
                f"end it with `make clean` in {folder}, or take its place with `{again}`, which removes its hosts and what they stored."
            )
        why = ", a folder that is gone" if gone else "" if running else ", of which nothing runs"
        say("lab", f"ending the lab of {folder}{why}")
        docker("rm", "--force", "--volumes", *names)
        # A new fleet would find the accounts and models of the old one.
        volumes = docker("volume", "ls", "--quiet", "--filter", f"label={LABEL}=volume").split()
        if volumes:
            docker("volume", "rm", "--force", *volumes)


def _few(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
