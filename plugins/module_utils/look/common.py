# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a look reads alike on every POSIX system: files, links, users, names, stores, programs, and what Ollama's API says.

A file is read through a descriptor that follows no link, only if it is a regular one, and only up to a size. A program and an answer have an end.
Nothing is judged here, and texts are brought home as they are: `texts.clean` makes them harmless on the controller, once and for every system.
"""

from __future__ import annotations

import grp
import hashlib
import http.client
import json
import os
import pwd
import shutil
import socket
import stat
import subprocess
import time
from urllib.parse import urlsplit

from ansible_collections.llmfleet.ollama.plugins.module_utils.change import lock, record
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.names import Name, is_guard
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.store import Store

# A file of ours has a few kilobytes; the content of a longer one is not read.
LARGEST_FILE = 1000000
# /api/tags of a thousand models is about 500 kB.
LARGEST_ANSWER = 4 << 20
# Entries of a list that somebody on the host can make long at will.
MOST = 2000
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# What every file of the roles says of itself.
MARK = b"Managed by llmfleet"

KINDS = (("link", stat.S_ISLNK), ("directory", stat.S_ISDIR), ("file", stat.S_ISREG))
# What of an entry of /api/tags or /api/ps is brought home, by its JSON type.
API_FIELDS = {
    "name": str, "model": str, "digest": str, "size": int, "size_vram": int, "context_length": int, "expires_at": str, "modified_at": str,
}


def told(name):
    """A name that the system gave, as JSON can carry it: what is not UTF-8 in it becomes U+FFFD."""
    return os.fsencode(name).decode("utf-8", "replace")


# -- files ---------------------------------------------------------------------------------------------------------------


def read_file(path, limit=LARGEST_FILE):
    """The bytes of a regular file; None for a link, another kind of file, one of more than `limit` bytes, or one that may not be read."""
    try:
        # Without O_NONBLOCK a pipe that somebody put there would hold us.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        try:
            data = file.read(limit + 1)
        except OSError:
            return None
    return data if len(data) <= limit else None


def read_text(path, limit=LARGEST_FILE):
    """The text of such a file, else an empty one."""
    return (read_file(path, limit) or b"").decode("utf-8", "replace")


def system_text(path, root=""):
    """The text of a file that root keeps for all programs of the host; some distributions make a link of it."""
    return read_text(os.path.realpath(root + path))


def _name(lookup, number):
    try:
        return lookup(number)[0]
    except KeyError:
        return str(number)


def describe(path, root=""):
    """One path as lstat sees it, with the SHA-256 of a file that is not too long; None where nothing is."""
    at = root + path
    try:
        found = os.lstat(at)
    except (FileNotFoundError, NotADirectoryError):
        return None
    kind = next((name for name, test in KINDS if test(found.st_mode)), "other")
    data = read_file(at) if kind == "file" and found.st_size < LARGEST_FILE else None
    return {
        "path": path,
        "kind": kind,
        "mode": "%04o" % stat.S_IMODE(found.st_mode),
        "owner": told(_name(pwd.getpwuid, found.st_uid)),
        "group": told(_name(grp.getgrgid, found.st_gid)),
        "sha256": hashlib.sha256(data).hexdigest() if data is not None else None,
        "target": told(os.readlink(at)) if kind == "link" else None,
        # The clock was ahead when it was written (a battery that is empty, a hardware clock in local time): then that time says nothing.
        "changed_at": max(int(found.st_mtime), 0) if found.st_mtime <= time.time() else None,
        "size_bytes": found.st_size if kind == "file" else None,
        "ours": MARK in data if data is not None else None,
        "protected": None,
        "granted": None,
    }


def nearest(path, root=""):
    """The nearest directory above a path, or at it, that exists."""
    while not os.path.isdir(root + path) and os.path.dirname(path) != path:
        path = os.path.dirname(path)
    return path


def free_bytes(path, root=""):
    """Room for a user without root's reserve on the file system that holds a path, which need not exist yet; None where it can't be told."""
    try:
        room = os.statvfs(root + nearest(path, root))
    except OSError:
        return None
    return room.f_frsize * room.f_bavail


def read_only(path, root=""):
    """Whether the file system that holds a path, which need not exist yet, is mounted so that nobody writes there."""
    try:
        return bool(os.statvfs(root + nearest(path, root)).f_flag & os.ST_RDONLY)
    except OSError:
        return False


def releases(install_dir, root=""):
    """Names below the directory of the releases that begin with a digit, what a run that was cut off has left included."""
    try:
        names = os.listdir(root + install_dir)
    except OSError:
        names = []
    return [told(name) for name in sorted(names) if name[:1].isdigit()][:MOST]


# -- users ---------------------------------------------------------------------------------------------------------------


def user(name):
    """Whether a user exists, and the names of its groups."""
    try:
        entry = pwd.getpwnam(name)
    except (KeyError, ValueError):
        return {"exists": False, "groups": []}
    return {"exists": True, "groups": [told(_name(grp.getgrgid, number)) for number in os.getgrouplist(name, entry.pw_gid)][:MOST]}


def group(name):
    """Whether a group exists."""
    try:
        return bool(grp.getgrnam(name))
    except KeyError:
        return False


def home(name):
    """A user's home, None for no user."""
    try:
        return pwd.getpwnam(name).pw_dir
    except (KeyError, ValueError):
        return None


def become(name):
    """Make this process one of the user's, for good: only in a child."""
    entry = pwd.getpwnam(name)
    os.initgroups(name, entry.pw_gid)
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)


def access(store, name, root=""):
    """Whether the service's user gets into its store and may write there. Only in a child: it becomes that user.

    A user that does not exist yet will belong to nobody's group, so what others may is what it may.
    """
    above, path = [], store
    while os.path.dirname(path) != path:
        path = os.path.dirname(path)
        if os.path.exists(root + path):
            above.append(path)
    there = os.path.isdir(root + store)
    if user(name)["exists"]:
        become(name)
        closed = [path for path in above if not os.access(root + path, os.X_OK)]
        denied = there and not os.access(root + store, os.W_OK | os.X_OK)
    else:
        closed = [path for path in above if not os.stat(root + path).st_mode & stat.S_IXOTH]
        denied = there
    # The highest: behind it nothing else could be entered anyway.
    return {"closed_parent": closed[-1] if closed else None, "denied": denied}


# -- stores --------------------------------------------------------------------------------------------------------------


def has_entries(path, root=""):
    """Whether a directory holds more than the folder that a new file system comes with."""
    try:
        with os.scandir(root + path) as entries:
            return any(entry.name != "lost+found" for entry in entries)
    except OSError:
        return False


def holds_models(store, root=""):
    """Whether a store has a blob: Ollama writes those before it writes a manifest."""
    try:
        with os.scandir(root + store + "/blobs") as entries:
            return any(entry.name.startswith("sha256-") and entry.is_file(follow_symlinks=False) for entry in entries)
    except OSError:
        return False


def other_stores(wanted, candidates, root=""):
    """Those of the candidates that hold models and are not the wanted store, each once."""
    found = [path for path in dict.fromkeys(candidates) if path.startswith("/") and path != wanted]
    return [{"path": path, "size_bytes": None} for path in found[:MOST] if holds_models(path, root)]


def manifests(store, root=""):
    """Every model of a store as its manifest tells it: name, digest, and the layers that are absent or of the wrong size."""
    place = Store(root + store)
    found = []
    for parts, _path in place.manifests():
        if len(found) == MOST:
            break
        manifest = None if is_guard(Name(*parts)) else place.manifest(parts)
        if manifest is None:
            continue
        name = "%s/%s/%s:%s" % tuple(told(part) for part in parts)
        found.append({"name": name, "digest": "sha256:" + manifest.digest, "bad_blobs": place.bad_blobs(manifest)})
    return found


def proofs(path, root=""):
    """What was proved of models on this host, None where nothing was."""
    try:
        found = json.loads(read_text(root + path, LARGEST_ANSWER))
    except (ValueError, RecursionError):
        return None
    entries = found.get("proofs") if isinstance(found, dict) else None
    return entries if isinstance(entries, dict) else None


# -- programs ------------------------------------------------------------------------------------------------------------


def tools(names, path=PATH):
    """Those of the programs that root finds."""
    return [name for name in names if shutil.which(name, path=path)]


def ask(arguments, seconds=5, path=PATH):
    """(exit status, output, complaints) of a program that only tells something; None where there is none or it does not end in time."""
    found = shutil.which(arguments[0], path=path)
    if found is None:
        return None
    try:
        done = subprocess.run(  # pylint: disable=ansible-bad-function
            [found] + list(arguments[1:]),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={"PATH": path, "LC_ALL": "C", "TZ": "UTC"},
            timeout=seconds,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return tuple([done.returncode] + [stream[:LARGEST_FILE].decode("utf-8", "replace") for stream in (done.stdout, done.stderr)])


def clock(path=PATH):
    def run(argv):
        answer = ask(argv, path=path)
        return answer[1] if answer and answer[0] == 0 else None

    return lock.Clock(lock.boot_id(run))


def change(folder, system, root="", path=PATH):
    """A change that was begun and not ended: what its record tells, and who is at it now. Neither is touched."""
    said = record.read(root + folder) if folder else None
    return {"record": record.told(said), "holder": lock.read(root + lock.FOLDERS[system], clock(path))}


# -- the network ---------------------------------------------------------------------------------------------------------


def addresses(name):
    """Every address that this host knows for a name, without zones; none for a name that it does not know."""
    try:
        # AI_ADDRCONFIG, as getent asks: no IPv6 where the host has none.
        rows = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    except (OSError, UnicodeError):
        return []
    return list(dict.fromkeys(row[4][0].partition("%")[0] for row in rows))


class Silent(Exception):
    """No answer of Ollama's kind, in words."""


def get(url, path, seconds, limit=LARGEST_ANSWER):
    """One answer of this host's own server as a dict, within `seconds` and `limit` bytes; raises Silent."""
    parts = urlsplit(url)
    deadline = time.monotonic() + seconds
    # http.client knows no proxies, which is right here.
    connection = http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=seconds)
    try:
        connection.connect()
        # The answer may take the socket over from the connection.
        own = connection.sock
        connection.request("GET", path, headers={"Accept": "application/json"})
        answer = connection.getresponse()
        data = b""
        # Python 3.13 closes a socket with the last byte that was promised, older ones with the first reading behind it.
        while not answer.isclosed():
            # A socket's timeout begins anew with each byte, and a server may send one now and then.
            own.settimeout(max(deadline - time.monotonic(), 0.001))
            piece = answer.read1(65536)
            if not piece:
                break
            data += piece
            if len(data) > limit:
                raise Silent("it answers with more than %d bytes" % limit)
        value = json.loads(data.decode("utf-8"))
    except socket.timeout:
        raise Silent("it does not answer in time")
    except (ConnectionError, OSError) as error:
        raise Silent((error.strerror or str(error)).lower())
    except http.client.HTTPException:
        raise Silent("it does not speak HTTP")
    except (ValueError, RecursionError):
        raise Silent("it answers with something that isn't JSON")
    finally:
        connection.close()
    if answer.status != 200 or not isinstance(value, dict):
        raise Silent("it answers as Ollama does not (HTTP %d)" % answer.status)
    return value


def walk_api(emit, settled, url, seconds=5):
    """Work of the job `api`: what the server says of itself. Where no version answers, nothing else is asked."""
    if settled:
        return
    emit({"start": "api"})
    try:
        version = get(url, "/api/version", seconds).get("version")
        if isinstance(version, str) and version:
            emit({"version": version})
            for key, path in (("models", "/api/tags"), ("running", "/api/ps")):
                emit({key: _entries(get(url, path, seconds))})
    except Silent as silent:
        emit({"silent": str(silent)})


def _is(value, kind):
    # Python counts true among the numbers.
    return isinstance(value, kind) and not isinstance(value, bool)


def _entries(answer):
    rows = answer.get("models")
    # Ollama writes null for an empty list.
    rows = [row for row in rows if isinstance(row, dict)][:MOST] if isinstance(rows, list) else []
    return [{name: row[name] for name, kind in API_FIELDS.items() if _is(row.get(name), kind)} for row in rows]


# -- the whole -----------------------------------------------------------------------------------------------------------


def places(question, system, root="", path=PATH):
    """Steps of the job `places` that every system has."""
    return [
        ("user", lambda: user(question["user"])),
        ("files", lambda: [row for row in (describe(path, root) for path in question["paths"]) if row]),
        ("read_only", lambda: [path for path in [question["models_dir"], question["install_dir"], *question["paths"]] if read_only(path, root)]),
        ("change", lambda: change(question["record"], system, root, path)),
        ("proofs", lambda: proofs(question["proofs"], root)),
        ("manifests", lambda: manifests(question["models_dir"], root)),
    ]


def strangers(question, root, resolve):
    """Jobs that need a child of their own: one becomes another user, the other may wait for name servers."""
    return [
        ("access", [("access", lambda: access(question["models_dir"], question["user"], root))]),
        ("names", [("resolved " + name, lambda name=name: resolve(name)) for name in question["names"]]),
    ]


def assemble(values, question):
    """Fields of the look out of what the jobs brought home. What a failed reader owed is null."""
    found = {name: values.get(name) for name in ("service", "door", "user", "files", "read_only", "change", "proofs", "install")}
    found.update(values.get("port") or {"port_owner": None, "own_listener": None})
    store = dict.fromkeys(("missing_mount", "filesystem", "free_bytes", "ownerless_volume", "has_entries", "closed_parent", "denied"))
    store.update(values.get("store") or {})
    store.update(values.get("access") or {})
    store.update((name, values.get(name)) for name in ("other_stores", "manifests"))
    found["resolved"] = [{"name": name, "addresses": values.get("resolved " + name) or []} for name in question["names"]]
    return dict(found, store=store)
