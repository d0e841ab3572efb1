# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What served before a change. Where an earlier run was cut off, its record on the host knows that and the look does not: it sees the change half made."""

from __future__ import annotations

import dataclasses
import datetime
import re
import typing


@dataclasses.dataclass(frozen=True)
class Before:
    """What a change can go back to.

    release, previous: of the links, '' for none. version: what answered at url, '' where nothing did. releases: those that were there. missing: paths at
    which nothing was. open: it is the record of a run that was cut off. tried: the releases that such runs asked for.
    """

    release: str
    previous: str
    version: str
    url: str
    had_server: bool
    releases: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    open: bool = False
    tried: tuple[str, ...] = ()

    def steps(self, record, asked, paths):
        """What the role acts by: the record's folder, and what module host_change writes there of `paths`, in the order in which they are put back."""
        before = {
            "release": self.release, "previous": self.previous, "version": self.version, "url": self.url, "had_server": self.had_server,
            "releases": list(self.releases),
        }
        return {"record": record, "change": {"record": record, "before": before, "asked": asked, "paths": paths}, "open": self.open}


def of_record(look) -> typing.Optional[Before]:
    """What the record on the host says; None without one."""
    record = look["change"]["record"]
    if record is None:
        return None
    before = record["before"]
    return Before(
        release=_release(before["release"]), previous=_release(before["previous"]), version=before["version"], url=before["url"],
        had_server=before["had_server"], releases=tuple(before["releases"]), missing=tuple(record["missing"]), open=True,
        tried=tuple(name for name in record["tried"] if _release(name)),
    )


def _release(name):
    """It becomes part of a path that is removed, so nothing else than a release's name."""
    return name if re.fullmatch(r"\d[0-9A-Za-z.+_-]*", name) else ""


def unfinished(look, version, url, check_mode=False):
    """What people are told of a change that was cut off; '' without one. check_mode: what this run finds, another one acts on."""
    record, answers = look["change"]["record"], look["api"]["version"]
    if record is None:
        return ""
    before = record["before"]
    served = "Ollama %s" % (before["version"] or before["release"] or "of unknown version") if before["had_server"] else "no server"
    return (
        "%s began to bring Ollama %s to this host at %s and did not come to an end; before that there was %s, and now %s at %s. %s goes on to %s, and %s if "
        "that does not answer." % (
            record["by"], record["asked"], _when(record["since"]), served, "%s answers" % answers if answers else "nothing answers", url,
            "A run without --check" if check_mode else "This run", version,
            "has the server from before back" if before["had_server"] else "takes it away again",
        )
    )


def words(look):
    """What there is to do, of a change that was cut off."""
    record = look["change"]["record"]
    return "finish what %s began at %s" % (record["by"], _when(record["since"]))


def _when(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
