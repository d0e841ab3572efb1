# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes the models of one store of Ollama into another, so that a new ollama_models_dir does not mean a new download.

In two steps, and what lies between them is the proof of the new server: `bring` adds to the new store and leaves the old one whole, `leave`
removes from the old one what the new one has. Whatever happens in between, one complete store is there, and either step may run again.
On one file system `bring` makes second names for the same files, which takes neither time nor room; elsewhere it copies, and holds each
copy against its digest.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import pwd
import re
import shutil
import stat
import subprocess
import time

from ansible_collections.llmfleet.ollama.plugins.module_utils.bytes import gib
from ansible_collections.llmfleet.ollama.plugins.module_utils.errors import Failure
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.manifest import MAX_MANIFEST, Manifest
from ansible_collections.llmfleet.ollama.plugins.module_utils.transfer import Rate

BLOB = re.compile(r"sha256-[0-9a-f]{64}\Z")
# Since 0.40 a model's name is a link to the blob that holds its manifest.
NAMES = ("manifests", "manifests-v2")
NAME_LINK = re.compile(r"(\.\./)+blobs/(sha256-[0-9a-f]{64})\Z")
CHUNK = 1 << 20
# What link() says where there can be no second name: another file system, none that knows them, too many, or a file of somebody else's.
NO_LINK = (errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS, errno.EACCES)
# Several servers may use a store on one of these. Names of /proc/self/mountinfo and of the mount command of macOS.
SHARED = re.compile(r"(nfs4?|cifs|smb3|smbfs|smb2|ceph|afs|afpfs|lustre|gpfs|9p|virtiofs|glusterfs|fuse\.(sshfs|glusterfs|ceph|s3fs|rclone))\Z")


class OldStore:
    """A store that the models shall leave, and the blobs that have to come along: those that a model is made of, and no beginnings of pulls."""

    def __init__(self, path):
        self.path = path
        self.blobs = dict(_files(os.path.join(path, "blobs")))
        self.names = [(area, relative) for area in NAMES for relative in _walk(os.path.join(path, area))]
        self.used = self._used()
        self.wanted = {name: size for name, size in self.blobs.items() if BLOB.match(name) and (self.used is None or name in self.used)}
        self.bytes = sum(self.wanted.values())

    def _used(self):
        """The blobs that a model is made of; None where that cannot be told, and then all of them count."""
        used = set()
        for area, relative in self.names:
            path = os.path.join(self.path, area, relative)
            try:
                if os.path.islink(path):
                    return None
                with open(path, "rb") as handle:
                    used.update(digest.replace(":", "-") for digest in Manifest(handle.read(MAX_MANIFEST)).blobs)
            except (OSError, ValueError):
                return None
        return used

    def writable(self):
        folders = [os.path.join(self.path, part) for part in ("blobs",) + NAMES]
        blobs = [os.path.join(self.path, "blobs", name) for name in self.wanted]
        return all(os.access(folder, os.W_OK | os.X_OK) for folder in folders if os.path.isdir(folder)) and all(os.access(blob, os.R_OK) for blob in blobs)


class Mover:
    def __init__(self, sources, dest, reserve_bytes=0, progress=None):
        self.dest = dest
        self.reserve = reserve_bytes
        self.progress = progress or (lambda state: None)
        self.warnings = []
        self.moved_bytes = 0
        self.moved = 0
        self.copied_bytes = 0
        self.stores = []
        self.closed = []
        for path in sources:
            try:
                os.stat(path)
                # A link or a bind mount may lead to the very same store, which must lose nothing.
                store = None if _same_store(path, dest) else OldStore(path)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except PermissionError:
                self.closed.append(path)
                continue
            if store and (store.wanted or store.names):
                self.stores.append(store)

    @property
    def bytes(self):
        return sum(store.bytes for store in self.stores)

    def missing(self):
        """(store, name, size) of the blobs that the new store lacks."""
        seen = {}
        for store in self.stores:
            for name, size in store.wanted.items():
                if name not in seen and _size(os.path.join(self.dest, "blobs", name)) != size:
                    seen[name] = (store, name, size)
        return [seen[name] for name in sorted(seen)]

    def to_copy(self):
        """Bytes that will be there twice for a while."""
        here = os.stat(_existing(self.dest)).st_dev
        return sum(size for store, _name, size in self.missing() if os.stat(os.path.join(store.path, "blobs")).st_dev != here)

    def free(self):
        room = os.statvfs(_existing(self.dest))
        return room.f_bavail * room.f_frsize

    # -- before anything is changed --------------------------------------------------------------------------------------

    def judge(self, word, user):
        """None, or why this cannot go on, in one sentence."""
        if word == "leave":
            return None
        leave = "set ollama_models_move to leave to start without them, which leaves them there"
        if self.closed:
            return "ollama_models_dir is %s, but the models are in %s, which user %s cannot enter; run chown -R %s %s there, or %s." % (
                self.dest, self.closed[0], user, user, self.closed[0], leave,
            )
        if not self.bytes:
            return None
        old = " and ".join(store.path for store in self.stores)
        if word != "move":
            return "ollama_models_dir is %s, but %s holds %s of models; set ollama_models_move to true to move them there, or %s." % (
                self.dest, old, gib(self.bytes), leave,
            )
        for store in self.stores:
            kind = _filesystem(store.path)
            if SHARED.match(kind):
                return "The %s of models in %s cannot be moved to %s (ollama_models_move), since it lies on %s, where other servers may use them; %s." % (
                    gib(store.bytes), store.path, self.dest, kind, leave,
                )
            if not store.writable():
                return (
                    "User %s cannot take the %s of models out of %s to move them to %s (ollama_models_move); run chown -R %s %s there, or %s."
                    % (user, gib(store.bytes), store.path, self.dest, user, store.path, leave)
                )
        needed, free = self.to_copy() + self.reserve, self.free()
        if self.to_copy() and needed > free:
            return (
                "ollama_models_dir %s has %s free, but %s of models are to be moved there from %s (ollama_models_move) and %s to be kept free; "
                "make room, choose a larger file system, or %s." % (self.dest, gib(free), gib(self.to_copy()), old, gib(self.reserve), leave)
            )
        return None

    # -- the two steps ---------------------------------------------------------------------------------------------------

    def bring(self):
        """All that the old stores have is in the new one as well. Blobs first: a name must never be there without what it names."""
        missing = self.missing()
        gauge = _Gauge("models to %s" % self.dest, sum(size for _store, _name, size in missing), self.progress)
        for folder in ["blobs"] + sorted({area for store in self.stores for area, _relative in store.names}):
            os.makedirs(os.path.join(self.dest, folder), mode=0o755, exist_ok=True)
        for store, name, size in missing:
            if self._bring_blob(store, name, size, gauge):
                self.moved_bytes += size
                self.moved += 1
        for store in self.stores:
            for area, relative in store.names:
                self._bring_name(os.path.join(store.path, area, relative), os.path.join(self.dest, area, relative))

    def _bring_blob(self, store, name, size, gauge):
        old, new = os.path.join(store.path, "blobs", name), os.path.join(self.dest, "blobs", name)
        # Ollama knows no such name, and removes it at its next start should this run end here.
        temporary = new + ".moving"
        _unlink(temporary)
        try:
            os.link(old, temporary)
            gauge.add(size)
        except OSError as exc:
            if exc.errno not in NO_LINK:
                raise
            if not self._copy_blob(old, temporary, name, size, gauge):
                return False
        os.replace(temporary, new)
        return True

    def _copy_blob(self, old, temporary, name, size, gauge):
        if size + self.reserve > self.free():
            raise Failure("%s has %s free, but the next blob has %s: make room, then run again; what was copied is kept" % (
                self.dest, gib(self.free()), gib(size),
            ))
        digest = hashlib.sha256()
        with open(os.open(old, os.O_RDONLY | os.O_NOFOLLOW), "rb") as source, open(temporary, "xb") as copy:
            for chunk in iter(lambda: source.read(CHUNK), b""):
                digest.update(chunk)
                copy.write(chunk)
                gauge.add(len(chunk))
            copy.flush()
            os.fsync(copy.fileno())
        if digest.hexdigest() != name.partition("-")[2]:
            _unlink(temporary)
            self.warnings.append("%s is spoilt, it does not match its name: it stays where it is, and its model will be fetched again" % old)
            return False
        os.chmod(temporary, 0o644)
        self.copied_bytes += size
        return True

    def _bring_name(self, old, new):
        """The later of two manifests of one name is the one that was pulled last."""
        try:
            there = os.lstat(new)
        except FileNotFoundError:
            there = None
        here = os.lstat(old)
        if there is not None and there.st_mtime >= here.st_mtime:
            return
        os.makedirs(os.path.dirname(new), mode=0o755, exist_ok=True)
        temporary = os.path.join(self.dest, ".moving")
        _unlink(temporary)
        if stat.S_ISLNK(here.st_mode):
            os.symlink(os.readlink(old), temporary)
            os.utime(temporary, ns=(here.st_atime_ns, here.st_mtime_ns), follow_symlinks=False)
        else:
            shutil.copyfile(old, temporary, follow_symlinks=False)
            os.chmod(temporary, 0o644)
            os.utime(temporary, ns=(here.st_atime_ns, here.st_mtime_ns))
        os.replace(temporary, new)
        self.moved += 1

    def leave(self):
        """The old stores lose what the new one has. Returns what stays there, as paths."""
        stays = []
        for store in self.stores:
            for name, size in store.blobs.items():
                path = os.path.join(store.path, "blobs", name)
                has = _size(os.path.join(self.dest, "blobs", name)) == size
                # Left over from pulls and removals: a server removes it at its start.
                unused = store.used is not None and name not in store.used and name.startswith("sha256-")
                if has or unused:
                    self._drop(path)
                else:
                    stays.append(path)
            # Last, so that a run that ends here knows what is left.
            for area, relative in store.names:
                if os.path.lexists(os.path.join(self.dest, area, relative)):
                    self._drop(os.path.join(store.path, area, relative))
                else:
                    stays.append(os.path.join(store.path, area, relative))
            for folder in ("blobs",) + NAMES:
                _prune(os.path.join(store.path, folder))
            _rmdir(store.path)
        return stays

    def _drop(self, path):
        os.unlink(path)
        self.moved += 1


class _Gauge:
    """Says how far a copy has come, in the words of plugin_utils/progress.py."""

    def __init__(self, what, total, say, clock=time.monotonic):
        self.what, self.total, self.say, self.clock = what, total, say, clock
        self.done, self.rate = 0, Rate()

    def add(self, count):
        self.done += count
        self.rate.add(self.clock(), self.done)
        self.say({
            "what": self.what, "status": "pulling", "completed_bytes": self.done, "total_bytes": self.total,
            "rate": self.rate.per_second, "seconds_left": self.rate.seconds_for(self.total - self.done),
        })


def as_user(user, work, progress):
    """Runs `work(progress)` as somebody else in a process of its own and returns what it returns, which must be JSON: root follows no link
    into what that user can write."""
    try:
        account = pwd.getpwnam(user)
    except KeyError:
        account = None
    if account is None or os.geteuid() == account.pw_uid:
        return work(progress)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        # Nothing may return or raise from here: there are two of us.
        try:
            os.close(reader)
            with os.fdopen(writer, "w", encoding="utf-8") as pipe:
                os.initgroups(user, account.pw_gid)
                os.setgid(account.pw_gid)
                os.setuid(account.pw_uid)
                _answer(work, pipe)
        finally:
            os._exit(0)
    os.close(writer)
    answer = {}
    with os.fdopen(reader, encoding="utf-8") as pipe:
        for line in pipe:
            answer = json.loads(line)
            progress(answer.get("progress", {}))
    os.waitpid(child, 0)
    if "failure" in answer:
        raise Failure(answer["failure"])
    if "result" not in answer:
        raise Failure("the work as user %s ended without an answer: it was killed, or the host ran out of memory; run again" % user)
    return answer["result"]


def _answer(work, pipe):
    said = [0.0]

    def progress(state):
        if time.monotonic() - said[0] >= 1:
            said[0] = time.monotonic()
            pipe.write(json.dumps({"progress": state}) + "\n")
            pipe.flush()

    try:
        answer = {"result": work(progress)}
    except Failure as exc:
        answer = {"failure": str(exc)}
    except OSError as exc:
        answer = {"failure": str(exc)}
    pipe.write(json.dumps(answer) + "\n")


def _files(folder):
    """Names and sizes of the files in a folder: no links, no folders."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_file(follow_symlinks=False):
                    yield entry.name, entry.stat(follow_symlinks=False).st_size
    except (FileNotFoundError, NotADirectoryError):
        return


def _walk(folder):
    """Paths of the manifests below a folder, without going through a link."""
    for at, _folders, names in os.walk(folder):
        for name in names:
            path = os.path.join(at, name)
            mode = os.lstat(path).st_mode
            if stat.S_ISREG(mode) or (stat.S_ISLNK(mode) and NAME_LINK.match(os.readlink(path))):
                yield os.path.relpath(path, folder)


def _same_store(one, other):
    pairs = [(one, other)] + [(os.path.join(one, part), os.path.join(other, part)) for part in ("blobs",) + NAMES]
    return any(os.path.exists(a) and os.path.exists(b) and os.path.samefile(a, b) for a, b in pairs)


def _existing(path):
    """The path, or the nearest folder above it that is there."""
    while not os.path.isdir(path) and os.path.dirname(path) != path:
        path = os.path.dirname(path)
    return path


def _size(path):
    try:
        entry = os.lstat(path)
    except FileNotFoundError:
        return None
    return entry.st_size if stat.S_ISREG(entry.st_mode) else None


def _unlink(path):
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


def _rmdir(path):
    """An empty folder goes, unless it is a mount point or lies in somebody else's."""
    try:
        os.rmdir(path)
    except OSError:
        pass


def _prune(folder):
    for at, _folders, _names in os.walk(folder, topdown=False):
        _rmdir(at)


def _filesystem(path):
    """The type of the file system that a path is on, "" where nobody says."""
    path = os.path.realpath(path)
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as handle:
            rows = [line.split(" - ", 1) for line in handle]
        mounts = [(re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal.group(1), 8)), row[0].split()[4]), row[1].split()[0]) for row in rows]
    except OSError:
        said = subprocess.run(["/sbin/mount"], capture_output=True, text=True, check=False).stdout
        mounts = [match.groups() for match in re.finditer(r" on (.+) \((\w+)[,)]", said)]
    found, length = "", -1
    for point, kind in mounts:
        # The last of two on one point hides the other.
        if (path + "/").startswith(point.rstrip("/") + "/") and len(point) >= length:
            found, length = kind, len(point)
    return found
