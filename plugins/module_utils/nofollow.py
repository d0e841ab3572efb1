# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files in folders that somebody else can write: the one place where such a path is opened, and nobody's link is followed on the way.

A path is walked from / component by component, each through the descriptor of the one before, so nothing can be exchanged behind our back. A link
among the folders is followed only if root or this process's own user made it, as an administrator moves a store to another disk; at the end of a
path no link is followed at all. What is asked of a file is asked of the open file.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from contextlib import contextmanager

# O_PATH asks for no right to read a folder; macOS has none.
_FOLDER = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Without O_NONBLOCK a pipe that somebody put there would hold us.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
# As many links as Linux follows.
_LINKS = 40


class Foreign(OSError):
    """Something on the way is a link of somebody else's, or at its end is no regular file."""


def _foreign(path, what):
    return Foreign(errno.ELOOP, "%s, which nobody but root may put there" % what, path)


def _target(part, folder, path):
    """What a link among the folders says, if somebody made it whose word counts."""
    before = os.stat(part, dir_fd=folder, follow_symlinks=False)
    if not stat.S_ISLNK(before.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
    if before.st_uid not in (0, os.geteuid()):
        raise _foreign(path, "%s is a link" % part)
    target = os.readlink(part, dir_fd=folder)
    after = os.stat(part, dir_fd=folder, follow_symlinks=False)
    if (before.st_ino, before.st_ctime_ns) != (after.st_ino, after.st_ctime_ns):
        raise _foreign(path, "%s was exchanged" % part)
    return target


@contextmanager
def folder(path):
    """The descriptor of a folder; good for *_at calls, not for reading."""
    todo, links = os.path.join(os.getcwd(), path).split("/")[::-1], 0
    at = os.open("/", _FOLDER)
    try:
        while todo:
            part = todo.pop()
            if part in ("", "."):
                continue
            try:
                inner = os.open(part, _FOLDER, dir_fd=at)
            except OSError as exc:
                if exc.errno not in (errno.ELOOP, errno.ENOTDIR):
                    raise
                links += 1
                if links > _LINKS:
                    raise
                target = _target(part, at, path)
                if target.startswith("/"):
                    os.close(at)
                    at = os.open("/", _FOLDER)
                todo += target.split("/")[::-1]
                continue
            os.close(at)
            at = inner
        yield at
    finally:
        os.close(at)


@contextmanager
def opened(path):
    """The descriptor of a regular file, for reading."""
    with folder(os.path.dirname(path)) as at, opened_in(at, os.path.basename(path), path) as descriptor:
        yield descriptor


@contextmanager
def opened_in(at, name, path=None):
    """The same of a name in an open folder; path: what it is called in an error."""
    path = path or name
    try:
        descriptor = os.open(name, _FILE, dir_fd=at)
    except OSError as exc:
        # A link, in Linux's word and in that of a BSD; a socket.
        if exc.errno in (errno.ELOOP, errno.EMLINK, errno.ENXIO):
            raise _foreign(path, "it is no regular file")
        raise
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise _foreign(path, "it is no regular file")
        yield descriptor
    finally:
        os.close(descriptor)


def read(path, limit):
    """The first bytes of a regular file."""
    with opened(path) as descriptor, os.fdopen(os.dup(descriptor), "rb") as file:
        return file.read(limit)


def link_target(path):
    """What a link says, None for anything else. It is a text of somebody's, and not followed."""
    with folder(os.path.dirname(path)) as at:
        try:
            return os.readlink(os.path.basename(path), dir_fd=at)
        except OSError as exc:
            if exc.errno != errno.EINVAL:
                raise
            return None


def lstat(path):
    with folder(os.path.dirname(path)) as at:
        return os.stat(os.path.basename(path), dir_fd=at, follow_symlinks=False)


def names(path):
    """{name: mode} of what a folder holds, in order; nothing where there is no such folder, or not for us."""
    found = {}
    try:
        with folder(path) as at:
            descriptor = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=at)
        try:
            for name in sorted(os.listdir(descriptor)):
                try:
                    found[name] = os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_mode
                except FileNotFoundError:
                    continue
        finally:
            os.close(descriptor)
    except OSError:
        pass
    return found


def walk(at, name):
    """(path, descriptor, names of its regular files) of a folder in an open one, and of each folder below it. No link is followed here, whoever made it:
    the root of a container is root by his number."""
    todo = [name]
    while todo:
        path, files = todo.pop(), []
        try:
            inside = _below(at, path)
        except OSError as exc:
            # No folder, or none any more.
            if exc.errno not in (errno.ELOOP, errno.EMLINK, errno.ENOTDIR, errno.ENOENT):
                raise
            continue
        try:
            for entry in sorted(os.listdir(inside), reverse=True):
                try:
                    mode = os.stat(entry, dir_fd=inside, follow_symlinks=False).st_mode
                except FileNotFoundError:
                    continue
                if stat.S_ISDIR(mode):
                    todo.append("%s/%s" % (path, entry))
                elif stat.S_ISREG(mode):
                    files.append(entry)
            yield path, inside, files[::-1]
        finally:
            os.close(inside)


def _below(at, path):
    inside = os.dup(at)
    for part in path.split("/"):
        try:
            inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=inside)
        finally:
            os.close(inside)
        inside = inner
    return inside


def unlink(path):
    """Removes a name, never what a link leads to."""
    with folder(os.path.dirname(path)) as at:
        os.unlink(os.path.basename(path), dir_fd=at)


def link(source, target, descriptor):
    """A second name for the open file that `source` names; raises Foreign if that name leads to another one by now."""
    with folder(os.path.dirname(source)) as old, folder(os.path.dirname(target)) as new:
        name = os.path.basename(target)
        os.link(os.path.basename(source), name, src_dir_fd=old, dst_dir_fd=new, follow_symlinks=False)
        there, meant = os.stat(name, dir_fd=new, follow_symlinks=False), os.fstat(descriptor)
        if (there.st_dev, there.st_ino) != (meant.st_dev, meant.st_ino):
            os.unlink(name, dir_fd=new)
            raise _foreign(source, "it was exchanged")


def seal(descriptor, owners):
    """Takes an open file from a user that others can speak for, so that it stays what it is found to be: root's, to be read by all, and in nobody
    else's hands. owners: of whom it is taken; a file of anybody else's is left as it is, and refused.

    Whoever has the file open for writing keeps that: a lease for reading is granted only where nobody has. Returns what it was before, for give_back().
    """
    found = os.fstat(descriptor)
    if found.st_uid not in owners:
        raise _foreign("/proc/self/fd/%d" % descriptor, "it belongs to user %d" % found.st_uid)
    # What root has closed, nobody opens in passing.
    if found.st_uid != 0 or found.st_mode & 0o022:
        os.fchmod(descriptor, 0o644)
        if os.geteuid() == 0:
            os.fchown(descriptor, 0, 0)
    # Of root's files, too: whoever had this one open when it was taken from him the last time, under another of its names, still has.
    if hasattr(fcntl, "F_SETLEASE"):
        try:
            fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
            fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        except BlockingIOError:
            give_back(descriptor, found)
            raise _foreign("/proc/self/fd/%d" % descriptor, "somebody has it open for writing")
        except OSError:
            # A file system without leases.
            pass
    return found


def give_back(descriptor, found):
    """Undoes seal() of a file that is not believed: under another name of it somebody could say that root has put it there."""
    if os.geteuid() == 0:
        os.fchown(descriptor, found.st_uid, found.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(found.st_mode))


def give(path, uid, gid, private=False, dry=False):
    """Gives a folder and all that is in it to a user; private: and closes it to everybody else. What links lead to is not touched. Says whether
    anything was, or with dry would be, changed."""
    changed = False
    with folder(path) as at:
        # The folder itself comes as "." of the first round.
        for top, folders, files, inside in os.fwalk(".", dir_fd=at):
            for name in (["."] if top == "." else []) + folders + files:
                changed = _give_one(name, inside, uid, gid, private, dry) or changed
    return changed


def _give_one(name, at, uid, gid, private, dry):
    try:
        found = os.stat(name, dir_fd=at, follow_symlinks=False)
    except FileNotFoundError:
        return False
    stays = (found.st_uid, found.st_gid) == (uid, gid)
    if not stays and not dry:
        os.chown(name, uid, gid, dir_fd=at, follow_symlinks=False)
    mode = stat.S_IMODE(found.st_mode)
    wanted = (mode & 0o700) | 0o600 | (0o100 if stat.S_ISDIR(found.st_mode) or mode & 0o111 else 0)
    # There is no call that changes the mode of what a name leads to and is no link, but for an open file.
    if not private or mode == wanted or not (stat.S_ISDIR(found.st_mode) or stat.S_ISREG(found.st_mode)):
        return not stays
    if not dry:
        descriptor = os.open(name, _FILE, dir_fd=at)
        try:
            os.fchmod(descriptor, wanted)
        finally:
            os.close(descriptor)
    return True
