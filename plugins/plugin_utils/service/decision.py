# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way from a wish and a look to a Service that macOS and Windows share; each fills in its files, steps and changes."""

from __future__ import annotations

from . import address, change, environment, release
from .contract import Problem, Service
from .found import Releases, by_path, name_of_target


class Decision:
    """One host that shall have the service.

    A system says: HOME, the variable that names the service's home; LEFTOVER, how the names end that a cut-off run leaves; places(wish);
    _problems(), what this host cannot do; _prepare(), which sets `archives` (names), `door` and `written` (files); restart; _steps(); _changes(steps).
    """

    HOME = LEFTOVER = ""

    def __init__(self, wish, look, around):
        self.wish, self.look, self.around = wish, look, around
        self.files, self.places = by_path(look), self.places_of(wish)
        self.current = name_of_target(self.files.get(self.places["current"]))
        # Of a run that was cut off, which the link does not know.
        self.open = change.of_record(look)
        self.old = self.open.release if self.open else self.current
        # What such runs have brought and nobody will go back to.
        tried = [name for name in self.open.tried if name not in self.open.releases and name not in (wish.version, self.old)] if self.open else []
        self.failed = [name for name in look["install"]["releases"] if name in tried]
        stay = [name for name in look["install"]["releases"] if name not in tried]
        self.releases = Releases(stay, wish.version, self.old, self.LEFTOVER)
        self.addresses, self.guarded = address.addresses(wish, around), address.guarded(wish)
        self.environment, self.archives, self.written, self.door = {}, [], [], {}

    def made(self):
        wish, problems = self.wish, []
        try:
            self.environment = environment.wanted(wish, self.addresses["bind"], {self.HOME: self.places["home"]})
        except environment.BadSetting as wrong:
            problems.append(Problem("environment_value", "ollama_environment", str(wrong)))
        problems += self._problems()
        unfinished = change.unfinished(self.look, wish.version, self.addresses["local"], self.around.check_mode)
        if problems:
            return Service(problems=problems, warnings=[unfinished] if unfinished else [])
        unread = environment.unread(self.environment, wish.version)
        self._prepare()
        steps = self._steps()
        changes = ([change.words(self.look)] if self.open else []) + self._changes(steps)
        return Service(
            warnings=[*(sentence for sentence in (unread, unfinished) if sentence), *self._warnings()], version=wish.version,
            archives=release.sources(wish, self.around, self.archives),
            complete=self.releases.complete, files=self.written, environment=self.environment, door=self.door, addresses=self.addresses,
            restart=self.restart, before=self._before(), changes=changes, steps=steps,
        )

    def _warnings(self):
        """Sentences about what this host has, which works and not as one would think."""
        return []

    def _before(self):
        """Where the way back asks, and for which release; None where nothing answered. The look asked the wanted port; a server that listens on another
        one has not told its version."""
        if self.open:
            return {"version": self.open.version, "url": self.open.url} if self.open.url else None
        local, version = self.addresses["local"], self.look["api"]["version"] or ""
        url = address.listener_url(self.look["own_listener"]) or (local if version else "")
        return {"version": version if _port(url) == _port(local) else "", "url": url} if url else None

    def _old(self):
        """What a change goes back to."""
        before = self._before() or {"version": "", "url": ""}
        return self.open or change.Before(
            release=self.current, previous="", version=before["version"], url=before["url"], had_server=self.current != "",
            releases=tuple(name for name in self.look["install"]["releases"] if name not in self.releases.leftovers),
        )

    def _returning(self):
        """The steps of the way back that are the same everywhere."""
        old = self._old()
        return {
            "old_version": self.old, "previous_version": self.releases.previous, "previous_before": "", "had_server": old.had_server, "back_url": old.url,
            "prove_back": old.had_server and self._before() is not None,
        }


def _port(url):
    return url.rpartition(":")[2]
