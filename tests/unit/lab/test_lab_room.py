# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The disk that a run of the lab takes: deleted, one that is too small would be met in the middle, by tests of something else."""

from __future__ import annotations

from pathlib import Path

import pytest
from llmfleet_lab import common, room


def free(rooms):
    """Stands for shutil.disk_usage: GiB by folder."""
    return lambda place: type("Usage", (), {"free": rooms[str(place)] * 2**30})


def no_engine(*_words):
    raise FileNotFoundError("docker")


@pytest.mark.parametrize("built", [False, True])
def test_a_disk_that_is_too_small_is_named_before_anything_is_built(built, monkeypatch, tmp_path):
    """A run of CI met a full disk in the middle, and 22 tests told of models that had no room. Once built, a checkout takes half."""
    wanted = sum(room.WHOLE) / (2 if built else 1)
    cache, storage = tmp_path / ".cache", tmp_path / "storage"
    storage.mkdir()
    monkeypatch.setattr(room, "CACHE", cache / "lab")
    if built:
        (cache / "venv").mkdir(parents=True)
    place = str(cache if built else tmp_path)
    with pytest.raises(common.LabError, match=f"the disk of {place} has {wanted - 1:.1f} GiB free, and up to {wanted:.0f} GiB"):
        room.disk("test", lambda *_words: f"{storage}\n", free({place: wanted - 1}))
    room.disk("test", lambda *_words: f"{storage}\n", free({place: wanted}))


def test_two_disks_are_asked_for_their_own_part(monkeypatch, tmp_path):
    """The engine's storage often has a disk of its own: each must hold what lies there, and no more. Without an engine its usual place is asked."""
    monkeypatch.setattr(room, "CACHE", tmp_path / ".cache" / "lab")
    built, stored = room.DISK["demo"]
    usual = next(str(place) for place in (Path("/var/lib/docker"), Path("/var/lib")) if place.is_dir())
    rooms = {str(tmp_path): built, usual: stored - 0.5}
    with pytest.raises(common.LabError, match=f"the disk of {usual} has"):
        room.disk("demo", no_engine, free(rooms), device=str)
    rooms[usual] += 1
    room.disk("demo", no_engine, free(rooms), device=str)
