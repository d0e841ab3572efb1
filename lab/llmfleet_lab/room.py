# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether this machine has room for what a goal of the Makefile needs: no other checkout's lab, and a disk that holds it.

`python3 -m llmfleet_lab.room GOAL` asks before anything is installed or built, so it needs neither the Python environment nor its packages.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from . import checkout
from .common import CACHE, LabError

# GiB that were in use at one moment on Debian 12, rounded up: what is built in this folder, and what the container engine stores.
DISK = {"demo": (4, 3)}
WHOLE = (7, 8)  # `make test`, and so the parts of it


def disk(goal: str, docker: checkout.Docker = checkout.docker, usage=shutil.disk_usage, device=lambda place: place.stat().st_dev) -> None:
    """Refuse a disk on which something else would fail of it in the middle: a plan that says what is missing for a model, say.

    What is built already is not built again, and its size would take seconds to count: with it half of the room is asked for.
    """
    try:
        storage = docker("info", "--format", "{{.DockerRootDir}}").strip()
    except (FileNotFoundError, LabError):
        storage = ""
    share = 0.5 if (CACHE.parent / "venv").is_dir() else 1
    wanted: dict = {}
    for folder, gib in zip((CACHE, Path(storage or "/var/lib/docker")), DISK.get(goal, WHOLE), strict=True):
        place = next(one for one in (folder, *folder.parents) if one.is_dir())
        wanted.setdefault(device(place), [place, 0.0])[1] += gib * share
    for place, gib in wanted.values():
        free = usage(place).free / 2**30
        if free < gib:
            raise LabError(
                f"the disk of {place} has {free:.1f} GiB free, and up to {gib:.0f} GiB are used there: make room "
                "(`docker system df` tells what the container engine holds), or move the checkout or the engine's storage to a larger one."
            )


if __name__ == "__main__":
    try:
        checkout.make_room(f"make {sys.argv[1]} {checkout.VARIABLE}=1")
        disk(sys.argv[1])
    except LabError as error:
        sys.exit(f"make {sys.argv[1]}: {error}")
