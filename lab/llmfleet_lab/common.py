# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names, addresses and folders of the lab, and the few helpers that every part uses."""

from __future__ import annotations

import fcntl
import hashlib
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1]
ROOT = SOURCE.parent
CACHE = ROOT / ".cache" / "lab"

NETWORK = "llmfleet"
SUBNET = "172.30.77.0/24"
GATEWAY = "172.30.77.1"
# Containers without an address of their own (Molecule's) get one of these, and never one of the lab's.
GUESTS = "172.30.77.128/25"
# Everything that the lab makes in the engine carries this label, so that `clean` finds it and nothing else.
LABEL = "llmfleet.lab"
# A part is made again when the recipe in this label differs from the code at hand.
RECIPE_LABEL = "llmfleet.recipe"

_START = time.monotonic()


class LabError(Exception):
    """What went wrong, where, and what to do, in one sentence for the person at the terminal."""


def say(part: str, text: str) -> None:
    """Print one progress line with the seconds since the start."""
    # In one piece with its end: several parts speak at once.
    sys.stdout.write(f"[{time.monotonic() - _START:5.1f}s] {part}: {text}\n")
    sys.stdout.flush()


def run(command: Sequence[str | Path], log: Path | None = None, **kwargs) -> str:
    """Run a command to its end; its output goes to the log, and its tail into the error."""
    words = [str(word) for word in command]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False, **kwargs)
    if log:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(done.stdout)
    if done.returncode:
        tail = "\n".join(done.stdout.strip().splitlines()[-8:])
        raise LabError(f"`{' '.join(words[:6])}` ended with code {done.returncode}{f' (all of it in {log})' if log else ''}:\n{tail}")
    return done.stdout


def recipe(*parts: Path | str) -> str:
    """A short hash over source files and settings: the same recipe makes the same thing."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.read_bytes() if isinstance(part, Path) else part.encode())
        digest.update(b"\0")
    return digest.hexdigest()[:16]


def is_made(folder: Path, wanted: str) -> bool:
    """Whether the folder was finished with this recipe."""
    stamp = folder / ".recipe"
    return stamp.is_file() and stamp.read_text() == wanted


def mark_made(folder: Path, wanted: str) -> None:
    """Remember that the folder is complete; written last."""
    (folder / ".recipe").write_text(wanted)


@contextmanager
def only_one(name: str) -> Iterator[None]:
    """Let one lab.py at a time build; a second one waits instead of breaking the first one's work."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / f"{name}.lock", "w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("lab", "another lab.py is at work; waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
