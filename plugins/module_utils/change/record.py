# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What served before a change, on the host itself: written before the first change, removed after the proof.

A run that is cut off leaves it, and whatever run comes next, from whatever controller, knows from it what to go back to. The record is a folder of
root's alone with copies of the files that a change may replace, and `record.json`, which names them. It appears under its name whole.
"""

from __future__ import annotations

import json
import os
import shutil
import stat

from ansible_collections.llmfleet.ollama.plugins.module_utils import nofollow

NAME = "record.json"
SCHEMA = 1
LARGEST = 1000000
# What is told of the server from before; the rest of a record is how to have it back.
BEFORE = {"release": str, "previous": str, "version": str, "url": str, "had_server": bool, "releases": list}
# By what is changed. Of a web UI: its container and image by their identities, where it answers, whose its data is, the archive that is saved before the
# change, and the one that a restore puts in the place of the data.
SHAPES = {
    "ollama": BEFORE,
    "open_webui": {
        "id": str, "image": str, "version": str, "url": str, "data": str, "owner": int, "group": int, "saved": str, "restoring": str, "restore_key": bool,
    },
    "model_mirror": {"version": str, "url": str},
}


def read(folder):
    """The record, None where no whole one is."""
    try:
        return parsed(nofollow.read(os.path.join(folder, NAME), LARGEST).decode("utf-8"))
    except (OSError, ValueError):
        return None


def parsed(text):
    """The record that a text is, None where it is no whole one."""
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return said if _whole(said) else None


def shape_of(said):
    """What a record tells of the server from before. One of a collection that knew Ollama's only does not name what was changed."""
    return SHAPES.get(str(said.get("of", "ollama")), {"": None})


def _whole(said):
    return (
        isinstance(said, dict) and said.get("schema") == SCHEMA
        and isinstance(said.get("since"), int) and isinstance(said.get("by"), str) and isinstance(said.get("asked"), str)
        and _texts(said.get("tried")) and _texts(said.get("missing")) and isinstance(said.get("kept"), list)
        and all(isinstance(row, dict) and isinstance(row.get("path"), str) for row in said["kept"])
        and isinstance(said.get("before"), dict)
        # The one that no record has stands for a thing of which this collection knows nothing.
        and all(kind is not None and isinstance(said["before"].get(name), kind) for name, kind in shape_of(said).items())
        and _texts(said["before"].get("releases", [])) and isinstance(said.get("stage", ""), str)
    )


def _texts(value):
    return isinstance(value, list) and all(isinstance(entry, str) for entry in value)


def told(said):
    """What a look tells of a record: not where its copies lie."""
    if said is None:
        return None
    return {
        "since": max(said["since"], 0), "by": said["by"], "asked": said["asked"], "tried": said["tried"], "missing": said["missing"],
        "before": {name: said["before"][name] for name in shape_of(said)},
    }


def note(folder, stage):
    """How far the change has come, before the step from which on the way back is another one."""
    said = read(folder)
    if said is None:
        raise FileNotFoundError(2, "there is no record of what served before", os.path.join(folder, NAME))
    _write(folder, dict(said, stage=stage))


def stage_of(said):
    return said.get("stage", "") if said else ""


def begin(folder, before, asked, by, now, paths, of="ollama"):
    """Writes the record of a change, or adds what is asked now to one that is open, whose word on what served before stays. Returns it."""
    there = read(folder)
    if there is not None:
        said = again(there, asked, by, now)
        _write(folder, said)
        return said
    new = folder + ".new"
    for left in (new, folder):
        # Of a run that was cut off here, or of a release of this collection that kept no record.
        if os.path.lexists(left):
            _remove(left)
    os.makedirs(os.path.dirname(folder), 0o755, exist_ok=True)
    os.mkdir(new, 0o700)
    kept, missing = [], []
    for number, path in enumerate(paths):
        _keep(path, os.path.join(new, str(number)), kept, missing)
    said = begun(before, asked, by, now, kept, missing, of)
    _write(new, said)
    os.rename(new, folder)
    _sync(os.path.dirname(folder))
    return said


def again(there, asked, by, now):
    """The record of a change that was cut off, when another run asks for something."""
    return dict(there, asked=asked, by=by, since=now, tried=list(dict.fromkeys(there["tried"] + [asked])))


def begun(before, asked, by, now, kept, missing, of="ollama"):
    return {"schema": SCHEMA, "of": of, "since": now, "by": by, "asked": asked, "tried": [asked], "before": before, "kept": kept, "missing": missing}


def _keep(path, copy, kept, missing):
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        missing.append(path)
        return
    if stat.S_ISLNK(found.st_mode):
        kept.append({"path": path, "target": os.readlink(path)})
    elif stat.S_ISREG(found.st_mode):
        _copy(path, copy)
        kept.append({"path": path, "copy": os.path.basename(copy)})
    # What is neither is no file of ours, and no change replaces it.


def _copy(source, target):
    """With owner, mode, times and labels, for the disk and not only for memory."""
    # Closed to everybody until it has its mode: a proxy's password may stand in it, and beside a file of a service others may read.
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    shutil.copy2(source, target, follow_symlinks=False)
    found = os.lstat(source)
    os.chown(target, found.st_uid, found.st_gid, follow_symlinks=False)
    # chown takes setuid bits away, and copy2 came before it.
    os.chmod(target, stat.S_IMODE(found.st_mode))
    _sync(target)


def _sync(path):
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write(folder, said):
    new = os.path.join(folder, NAME + ".new")
    with open(new, "w", encoding="utf-8", opener=lambda path, flags: os.open(path, flags | os.O_NOFOLLOW, 0o600)) as file:
        json.dump(said, file, sort_keys=True)
        file.flush()
        os.fsync(file.fileno())
    os.rename(new, os.path.join(folder, NAME))
    _sync(folder)


def restore(folder):
    """Puts back what lay at the record's paths, the first ones first, and removes what was not there. Says whether anything was another one.

    The record stays: the old server is not proved yet. What is as it was is not written, for a disk may be full or closed to us.
    """
    said, changed = read(folder), False
    if said is None:
        raise FileNotFoundError(2, "there is no record of what served before", os.path.join(folder, NAME))
    for row in said["kept"]:
        changed = (_link_back(row["path"], row["target"]) if "target" in row else _file_back(row["path"], os.path.join(folder, row["copy"]))) or changed
    for path in said["missing"]:
        if os.path.lexists(path) and not (os.path.isdir(path) and not os.path.islink(path)):
            os.unlink(path)
            changed = True
    return changed


def _link_back(path, target):
    if os.path.islink(path) and os.readlink(path) == target:
        return False
    new = path + ".new"
    if os.path.lexists(new):
        os.unlink(new)
    os.symlink(target, new)
    os.rename(new, path)
    return True


def _file_back(path, copy):
    if _same(path, copy):
        return False
    os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
    new = os.path.join(os.path.dirname(path), "." + os.path.basename(path) + ".llmfleet")
    if os.path.lexists(new):
        os.unlink(new)
    _copy(copy, new)
    os.rename(new, path)
    return True


def _same(path, copy):
    try:
        there, kept = os.lstat(path), os.lstat(copy)
    except (FileNotFoundError, NotADirectoryError):
        return False
    alike = ("st_mode", "st_uid", "st_gid", "st_size")
    if not stat.S_ISREG(there.st_mode) or any(getattr(there, name) != getattr(kept, name) for name in alike):
        return False
    with open(path, "rb") as one, open(copy, "rb") as other:
        return one.read() == other.read()


def done(folder):
    """Removes the record: what was asked is proved, or what was before is back. Says whether there was one."""
    if not os.path.lexists(folder):
        return False
    _remove(folder)
    return True


def _remove(path):
    """A folder of ours and what is in it; from record.json on it is none any more."""
    if os.path.islink(path) or not os.path.isdir(path):
        os.unlink(path)
        return
    named = os.path.join(path, NAME)
    if os.path.lexists(named):
        os.unlink(named)
    shutil.rmtree(path)
