# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Open WebUI's data folder: where it lies, what is in it, and one archive that brings it back."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import sqlite3
import stat
import tarfile
import tempfile
import time
from contextlib import ExitStack, closing

from ansible_collections.llmfleet.ollama.plugins.module_utils import nofollow
from ansible_collections.llmfleet.ollama.plugins.module_utils.bytes import gib

DATABASE = "webui.db"
# `cache` is left out: Open WebUI fills it again by itself.
FOLDERS = ("uploads", "vector_db")
SECRET = "secret_key"
FORMAT = 1
# What Open WebUI and these functions make in its folder, as patterns of names: a purge takes that and nothing else.
MADE = (
    DATABASE, DATABASE + "-*", *FOLDERS, "cache", "docs", "functions", "litellm", "tools", "audit.log", ".restore-*", ".replaced-*", ".kept-*",
)  # fmt: skip

# SQLite needs locks and shared memory that these do not give.
NETWORK_FILESYSTEMS = frozenset(
    "9p afs beegfs ceph cifs fuse.ceph fuse.glusterfs fuse.s3fs fuse.sshfs glusterfs gpfs lustre ncpfs nfs nfs4 smb3 smbfs".split()
)


class DataError(Exception):
    """The data cannot be saved or brought back; the text says what to do."""


def filesystem_of(path: str, mountinfo: str) -> str | None:
    """The type of the file system that holds path (or its nearest existing parent), from the text of /proc/self/mountinfo."""
    path = os.path.realpath(path)
    best, kind = "", None
    for point, filesystem in _mounts(mountinfo):
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        # Of two mounts on one point the later one is on top.
        if inside and len(point) >= len(best):
            best, kind = point, filesystem
    return kind


def mounts_in(path: str | None, mountinfo: str) -> list:
    """What is mounted below a folder: whatever removes the folder would empty that, too."""
    inside = os.path.realpath(path).rstrip("/") + "/" if path else None
    return [point for point, _kind in _mounts(mountinfo) if inside and point.startswith(inside)]


def _mounts(mountinfo: str):
    """Mount points with their types, in order."""
    for line in mountinfo.splitlines():
        fields = line.split(" ")
        if "-" in fields:
            point = fields[4].replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")
            yield point, fields[fields.index("-") + 1]


def volume_filesystem(volume: dict, mountinfo: str) -> str | None:
    """A volume of the `local` driver is mounted only while it is used: its options name the type before that."""
    kind = ((volume.get("Options") or {}).get("type") or "").lower()
    if kind in NETWORK_FILESYSTEMS:
        return kind
    return filesystem_of(volume["Mountpoint"], mountinfo)


def look_into(folder: str | None) -> dict:
    """What the database of a data folder says of itself."""
    found = {"database": False, "revision": None, "chats": None, "users": None, "owner": None, "group": None}
    if not folder or not os.path.isdir(folder):
        return found
    status = os.stat(folder)
    found.update(owner=status.st_uid, group=status.st_gid)
    path = os.path.join(folder, DATABASE)
    if not _is_plain(path) or os.path.getsize(path) == 0:
        return found
    found["database"] = True
    try:
        with closing(_read_only(path)) as database:
            found["revision"] = _one(database, "SELECT version_num FROM alembic_version")
            found["chats"] = _one(database, "SELECT count(*) FROM chat")
            found["users"] = _one(database, "SELECT count(*) FROM user")
    except sqlite3.Error as error:
        raise DataError(f"{path} cannot be read as a database: {error}") from error
    return found


def save(folder: str | None, archive: str, secret: str, about: dict, dump: str | None = None) -> dict:
    """Write everything that another host needs into one archive, and return what went in. Without a folder there is only the dump."""
    os.makedirs(os.path.dirname(archive), mode=0o700, exist_ok=True)
    needed = _size(folder)
    free = shutil.disk_usage(os.path.dirname(archive)).free
    # The database is copied beside the archive first.
    if free < needed:
        raise DataError(f"{os.path.dirname(archive)} has {gib(free)} free, the backup may need {gib(needed)}")
    seen = look_into(folder)
    described = dict(about, format=FORMAT, dump=bool(dump), saved_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), **seen)
    partial = archive + ".partial"
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as raw:
            with tarfile.open(fileobj=raw, mode="w:gz", compresslevel=1) as out:
                _fill(out, os.path.dirname(archive), folder, secret, described, dump)
            raw.flush()
            os.fsync(raw.fileno())
        os.replace(partial, archive)
    except BaseException:
        os.unlink(partial)
        raise
    return described


def _fill(out: tarfile.TarFile, beside: str, folder: str | None, secret: str, described: dict, dump: str | None) -> None:
    if described["database"]:
        with tempfile.TemporaryDirectory(dir=beside) as scratch:
            copy = os.path.join(scratch, DATABASE)
            _copy_database(os.path.join(folder, DATABASE), copy)
            described["database_sha256"] = _sha256(copy)
            out.add(copy, f"data/{DATABASE}")
    for name in FOLDERS if folder else ():
        _add(out, folder, name)
    if dump:
        out.add(dump, "database.dump")
    if os.path.isfile(secret):
        out.add(secret, SECRET)
    content = json.dumps(described, indent=1, sort_keys=True).encode()
    info = tarfile.TarInfo("about.json")
    info.size, info.mtime = len(content), int(time.time())
    out.addfile(info, io.BytesIO(content))


def describe(archive: str) -> dict:
    """What an archive says of itself; an unreadable or foreign one is an error before anything is touched."""
    try:
        with tarfile.open(archive, "r:gz") as source:
            about = json.load(source.extractfile("about.json"))
    except (OSError, EOFError, KeyError, ValueError, tarfile.TarError) as error:
        raise DataError(f"{archive} is not a whole backup made by this collection: {error}") from error
    if about.get("format") != FORMAT:
        raise DataError(f"{archive} has format {about.get('format')}; this version of the collection reads format {FORMAT}")
    return about


def bring_back(archive: str, folder: str, secret: str | None, owner: tuple, dump: str | None = None, keep: bool = False) -> dict:
    """Put the archive's database and folders in the place of what is there. The container must be stopped.

    Everything is unpacked and checked beside the old data first, so a broken archive changes nothing; and the old data gives way by its names, which come
    back if the new ones cannot be had. A call that was killed is done again by the next one.
    keep: what is replaced may be newer than the archive, and stays in a folder beside it, which is `kept` in what is returned (None for none).
    """
    about = describe(archive)
    os.makedirs(folder, exist_ok=True)
    # Of a call that was killed: it has a copy of the secret key.
    _sweep(folder, _FRESH)
    scratch = tempfile.mkdtemp(prefix=_FRESH, dir=folder)
    try:
        _unpack(archive, scratch)
        fresh = os.path.join(scratch, "data")
        os.makedirs(fresh, exist_ok=True)
        if about.get("database"):
            if _sha256(os.path.join(fresh, DATABASE)) != about["database_sha256"]:
                raise DataError(f"the database in {archive} is not the one that was saved; use another backup")
        _give(fresh, owner)
        aside = _exchange(fresh, folder, keep)
        os.chown(folder, *owner)
        if secret and os.path.isfile(os.path.join(scratch, SECRET)):
            with open(os.path.join(scratch, SECRET), "rb") as content:
                place_secret(content.read(), secret)
        if dump and os.path.isfile(os.path.join(scratch, "database.dump")):
            shutil.copyfile(os.path.join(scratch, "database.dump"), dump)
            os.chmod(dump, 0o600)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    # What a call that was killed had put aside is older than what this one has put in its place.
    _sweep(folder, _REPLACED)
    return dict(about, kept=aside if os.path.isdir(aside) else None)


# Names in the folder of the data: unpacked and not in its place yet; replaced and to be removed; replaced and kept.
_FRESH, _REPLACED, _KEPT = ".restore-", ".replaced-", ".kept-"


def _exchange(fresh: str, folder: str, keep: bool) -> str:
    """Old names out, new ones in, or the old ones back. Returns where the old ones are; there is no such folder where there were none."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ-", time.gmtime()) if keep else ""
    aside = tempfile.mkdtemp(prefix=(_KEPT if keep else _REPLACED) + stamp, dir=folder)
    # The old database's write-ahead log must not meet the restored database.
    for name in (DATABASE, DATABASE + "-wal", DATABASE + "-shm", DATABASE + "-journal", *FOLDERS):
        if os.path.lexists(os.path.join(folder, name)):
            os.rename(os.path.join(folder, name), os.path.join(aside, name))
    came = []
    try:
        for name in os.listdir(fresh):
            os.rename(os.path.join(fresh, name), os.path.join(folder, name))
            came.append(name)
    except OSError:
        for name in came:
            os.rename(os.path.join(folder, name), os.path.join(fresh, name))
        for name in os.listdir(aside):
            os.rename(os.path.join(aside, name), os.path.join(folder, name))
        os.rmdir(aside)
        raise
    if not os.listdir(aside):
        os.rmdir(aside)
    return aside


def _sweep(folder: str, prefix: str) -> None:
    for name in os.listdir(folder):
        if name.startswith(prefix):
            _remove(os.path.join(folder, name))


def prune(folder: str, prefix: str, keep: int) -> list:
    """Remove the oldest archives of this prefix beyond `keep`; return their names."""
    names = [name for name in os.listdir(folder) if name.startswith(prefix) and name.endswith(".tar.gz")]
    names.sort(key=lambda name: os.stat(os.path.join(folder, name)).st_mtime, reverse=True)
    for name in names[keep:]:
        os.unlink(os.path.join(folder, name))
    return sorted(names[keep:])


def _is_plain(path: str) -> bool:
    """Whether there is such a file. The container's user may put a link in its place, and what that leads to is no data of ours."""
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return False
    if stat.S_ISLNK(mode):
        raise DataError(f"{path} is a link, which Open WebUI makes nowhere; put the database itself there")
    return stat.S_ISREG(mode)


def _read_only(path: str) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{path.replace('?', '%3f').replace('#', '%23')}?mode=ro", uri=True, timeout=20)


def _copy_database(source: str, target: str) -> None:
    """SQLite's own backup: one consistent moment, with what is still in the write-ahead log, while the server writes on."""
    try:
        with closing(_read_only(source)) as old, closing(sqlite3.connect(target)) as new:
            old.backup(new)
            # Not exchanged for a link meanwhile.
            _is_plain(source)
            fault = _one(new, "PRAGMA quick_check(1)")
            new.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.Error as error:
        raise DataError(f"{source} cannot be copied: {error}") from error
    if fault != "ok":
        raise DataError(f"{source} is damaged ({fault}); repair it before it is backed up or upgraded")


def _unpack(archive: str, folder: str) -> None:
    """Only plain files and folders with names that stay inside: an archive may have passed through many hands."""
    try:
        with tarfile.open(archive, "r:gz") as source:
            for member in source:
                parts = member.name.split("/")
                if member.name.startswith("/") or ".." in parts or not (member.isfile() or member.isdir()):
                    raise DataError(f"{archive} holds {member.name}, which no backup of this collection holds")
                path = os.path.join(folder, *parts)
                if member.isdir():
                    os.makedirs(path, mode=0o700, exist_ok=True)
                    continue
                os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
                with source.extractfile(member) as content, open(path, "wb") as out:
                    shutil.copyfileobj(content, out)
    except (OSError, EOFError, tarfile.TarError) as error:
        raise DataError(f"{archive} cannot be unpacked: {error}") from error


def place_secret(content: bytes, target: str, owner: tuple = (0, 0)) -> None:
    """Write it whole or not at all; a file that is there keeps its owner and mode."""
    mode = 0o640
    if os.path.exists(target):
        status = os.stat(target)
        mode, owner = status.st_mode & 0o777, (status.st_uid, status.st_gid)
    os.makedirs(os.path.dirname(target), mode=0o700, exist_ok=True)
    partial = target + ".partial"
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
        out.write(content)
    os.chown(partial, *owner)
    os.chmod(partial, mode)
    os.replace(partial, target)


def _add(out: tarfile.TarFile, folder: str, name: str) -> None:
    """The folders and files below a folder of the data. The container serves on and may exchange a file for a link at any moment, so each is opened without
    following one, and what is opened is asked. Sockets and links are not data."""
    with nofollow.folder(folder) as at:
        for top, inside, files in nofollow.walk(at, name):
            out.addfile(_described(top, os.fstat(inside)))
            for file in files:
                with ExitStack() as open_until_here:
                    try:
                        descriptor = open_until_here.enter_context(nofollow.opened_in(inside, file))
                    except (FileNotFoundError, nofollow.Foreign):
                        continue
                    with os.fdopen(os.dup(descriptor), "rb") as content:
                        out.addfile(_described(f"{top}/{file}", os.fstat(descriptor)), content)


def _described(path: str, found: os.stat_result) -> tarfile.TarInfo:
    info = tarfile.TarInfo(f"data/{path}")
    info.mode, info.uid, info.gid, info.mtime = stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid, int(found.st_mtime)
    if stat.S_ISDIR(found.st_mode):
        info.type = tarfile.DIRTYPE
    else:
        info.size = found.st_size
    return info


def _give(folder: str, owner: tuple) -> None:
    nofollow.give(folder, *owner)


def _remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


def _size(folder: str | None) -> int:
    total = 0
    if not folder or not os.path.isdir(folder):
        return total
    with nofollow.folder(folder) as at:
        for name in os.listdir(folder):
            if name.startswith(DATABASE):
                # Once as a copy, once in the archive.
                total += 2 * _length(name, at)
            elif name in FOLDERS:
                total += sum(_length(file, inside) for _top, inside, files in nofollow.walk(at, name) for file in files)
    return total


def _length(name: str, inside: int) -> int:
    """Of a name's own; what a link leads to is not looked at, and what is gone meanwhile has none."""
    try:
        return os.stat(name, dir_fd=inside, follow_symlinks=False).st_size
    except FileNotFoundError:
        return 0


def _one(database: sqlite3.Connection, query: str):
    try:
        row = database.execute(query).fetchone()
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return None
        raise
    return row[0] if row else None


def _sha256(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as content:
        for block in iter(lambda: content.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()
