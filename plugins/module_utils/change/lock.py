# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who changes a thing of this host now: one controller at a time, and nobody for longer than it gives signs of life.

Two runs that change one host take each other's half-unpacked release, copies and containers for their own. The lock is a file in a folder of root's
that a start of the host empties (below /run). How long its holder has been silent is measured by the clock since that start, which nobody sets.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
import time
from contextlib import contextmanager

from ansible_collections.llmfleet.ollama.plugins.module_utils import nofollow

# By platform.system(), of what changes Ollama.
FOLDERS = {"Linux": "/run/llmfleet-change", "Darwin": "/var/run/llmfleet-change"}
# A holder that has given no sign of life for so long was killed.
SILENT_SECONDS = 900
LARGEST = 65536
# What a holder says of itself, as text. token: one run of Ansible. controller, process, started: for that controller, which can see whether it still runs.
TEXTS = ("token", "who", "doing", "controller", "process", "started")
# What modules are told of it. No secret: the token names a run, and opens nothing.
OPTIONS = {name: {"type": "str", "required": True, "no_log": False} for name in TEXTS if name != "doing"}

_HOLDER, _GUARD = "holder.json", "guard"


def folder_of(system, of="ollama"):
    """Where the lock of one thing lies: a new release of the web UI is no reason to keep a model off the same host."""
    folder = FOLDERS.get(system, FOLDERS["Linux"])
    return folder if of == "ollama" else "%s-%s" % (folder, of.replace("_", "-"))


class Held(Exception):
    """Somebody else changes this host; holder says who."""

    def __init__(self, holder):
        super().__init__(holder["who"])
        self.holder = holder


class Clock:
    """Wall clock for people, and the time since the host's start, with that start's name, for us."""

    def __init__(self, boot):
        self.boot = boot

    @staticmethod
    def wall():
        return int(time.time())

    @staticmethod
    def since_start():
        # It goes on while the machine sleeps; a Mac's has no such name.
        return int(time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)))


def read(folder, clock):
    """The holder, as judged() has it; None where nobody holds it any more. A look may ask."""
    try:
        return judged(json.loads(nofollow.read(os.path.join(folder, _HOLDER), LARGEST).decode("utf-8")), clock)
    except (OSError, ValueError, RecursionError):
        return None


def judged(said, clock):
    """The holder that a host has written down, with `silent_seconds`, and `until`, when it ends unless it gives another sign of life; None where what
    lies there holds nobody off."""
    if not isinstance(said, dict) or not all(isinstance(said.get(name), str) for name in TEXTS + ("boot",)):
        return None
    said = dict({"depth": 1}, **said)
    if not all(isinstance(said.get(name), int) and not isinstance(said[name], bool) for name in ("since", "alive_at", "depth")):
        return None
    silent = clock.since_start() - said["alive_at"]
    if said["boot"] != clock.boot or not 0 <= silent < SILENT_SECONDS:
        return None
    return dict(
        {name: said[name] for name in TEXTS + ("since", "depth")}, silent_seconds=silent, until=clock.wall() + SILENT_SECONDS - silent,
    )


def taken(there, me, clock, over="", more=1):
    """What a host writes down of `me` (TEXTS), where `there` is the holder as judged() has it. more: how often it has to let go for this. Raises Held."""
    if there and there["token"] not in (me["token"], over):
        raise Held(there)
    mine = there if there and there["token"] == me["token"] else {"since": clock.wall(), "depth": 0}
    return _said(me, mine["since"], max(mine["depth"] + more, 1), clock)


def renewed(there, token, clock):
    """The same of a holder that gives a sign of life; None where it is not the one any more."""
    return _said(there, there["since"], there["depth"], clock) if there and there["token"] == token else None


def freed(there, token, clock):
    """The same of one that lets go, {} for nobody; None where it is not the one. Work inside of other work of one run leaves the host to that."""
    if not there or there["token"] != token:
        return None
    return _said(there, there["since"], there["depth"] - 1, clock) if there["depth"] > 1 else {}


def _said(me, since, depth, clock):
    return dict({name: str(me[name]) for name in TEXTS}, since=since, depth=depth, boot=clock.boot, alive_at=clock.since_start())


def take(folder, me, clock, over=""):
    """Makes `me` (TEXTS) the holder; who is it already has it once more, and lets go as often. over: the token of a holder that is known to be gone.
    Raises Held."""
    with _guarded(folder):
        _write(folder, taken(read(folder, clock), me, clock, over))


def keep(folder, me, clock, over=""):
    """A sign of life of a holder that cannot go on without being it: where it was silent too long it becomes it again, or is told who came. Raises Held."""
    with _guarded(folder):
        _write(folder, taken(read(folder, clock), me, clock, over, more=0))


def renew(folder, token, clock):
    """A sign of life of the holder, if it still is the one. Says whether it is."""
    with _guarded(folder):
        return _write(folder, renewed(read(folder, clock), token, clock))


def free(folder, token, clock):
    """Lets go, of what is its own."""
    with _guarded(folder):
        _write(folder, freed(read(folder, clock), token, clock))


@contextmanager
def _guarded(folder):
    """One reader and writer at a time, in a folder that only root enters."""
    above = os.path.dirname(folder)
    os.makedirs(above, 0o755, exist_ok=True)
    with nofollow.folder(above) as at:
        try:
            os.mkdir(os.path.basename(folder), 0o700, dir_fd=at)
        except FileExistsError:
            pass
    with nofollow.folder(folder) as at:
        guard = os.open(_GUARD, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=at)
        try:
            fcntl.flock(guard, fcntl.LOCK_EX)
            yield
        finally:
            os.close(guard)


def _write(folder, said):
    """None leaves what is there, {} removes it. Says whether there was anything to say."""
    if said == {}:
        nofollow.unlink(os.path.join(folder, _HOLDER))
    elif said:
        with nofollow.folder(folder) as at:
            # The guard is ours, so nobody else writes under this name.
            new = os.open(_HOLDER + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=at)
            with os.fdopen(new, "w", encoding="utf-8") as file:
                json.dump(said, file, sort_keys=True)
            os.rename(_HOLDER + ".new", _HOLDER, src_dir_fd=at, dst_dir_fd=at)
    return said is not None


class Hold:
    """The lock for the length of one piece of work, as a context; while that tells how far it is, `alive` gives signs of life. me: None takes nothing."""

    # More often than is needed by far, and less often than is felt.
    EVERY = 60

    def __init__(self, folder, me, clock, over=""):
        self.folder, self.me, self.clock, self.over = folder, me, clock, over
        self.renewed_at = None

    def take(self):
        if self.me:
            take(self.folder, self.me, self.clock, self.over)
            self.renewed_at = self.clock.since_start()
        return self

    def alive(self):
        if self.me and self.clock.since_start() - self.renewed_at >= self.EVERY:
            self.renewed_at = self.clock.since_start()
            renew(self.folder, self.me["token"], self.clock)

    def free(self):
        if self.me:
            free(self.folder, self.me["token"], self.clock)


@contextmanager
def alive_meanwhile(folder, clock, every=Hold.EVERY):
    """Signs of life of whoever has the lock, while one of its modules works on something long and is silent. Nobody has it: nothing is done."""
    there, over = read(folder, clock), threading.Event()

    def tell():
        while not over.wait(every):
            try:
                renew(folder, there["token"], clock)
            except OSError:
                # The work says what is wrong with the host.
                return

    teller = threading.Thread(target=tell, daemon=True)
    if there:
        teller.start()
    try:
        yield
    finally:
        over.set()
        if there:
            teller.join()


def boot_id(run):
    """The name of this start of the host, '' where it has none. run(argv) -> text or None, for a Mac."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return (run(["sysctl", "-n", "kern.bootsessionuuid"]) or "").strip()


def words(holder):
    """Why somebody else has to wait, and for how long at most, in one sentence."""
    minutes = holder["silent_seconds"] // 60
    return (
        "%s changes this host (%s) since %s, and gave its last sign of life %s; wait until that run is over, or until %s if nothing more is heard of it "
        "(%d minutes after that sign, or with a start of the host), and run this again." % (
            holder["who"], holder["doing"], _when(holder["since"]), "%d minutes ago" % minutes if minutes else "within the last minute",
            _when(holder["until"]), SILENT_SECONDS // 60,
        )
    )


def _when(seconds):
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))
