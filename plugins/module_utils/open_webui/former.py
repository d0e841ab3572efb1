# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The container from before a change: the one way back of a run that fails, and of the next run after one that was cut off.

Which containers there are, and what the record says, tells how far it came. Each step can be done again, and the record goes last.
"""

from __future__ import annotations

import os
import shlex
import time
import urllib.error
from urllib.parse import quote

from ansible_collections.llmfleet.ollama.plugins.module_utils import nofollow
from ansible_collections.llmfleet.ollama.plugins.module_utils.change import record
from ansible_collections.llmfleet.ollama.plugins.module_utils.open_webui.data import DataError, bring_back
from ansible_collections.llmfleet.ollama.plugins.module_utils.open_webui.engine import describe_container
from ansible_collections.llmfleet.ollama.plugins.module_utils.open_webui.host import opener

# From this stage of a change on, another container may have written into the data.
GIVEN = "given"
# What there is to do: nothing; the new container stands beside the old one, and is proved or gives way; the old one is aside and nobody has its name; it
# has its name, and may be stopped; an archive is half in the place of the data; whatever it was is over.
NOTHING, PROVE, BACK, START, RESTORE, SETTLE = "", "prove", "back", "start", "restore", "settle"


def todo(said, ours, aside):
    """said: the record, None without one. ours, aside: describe_container() of the container and of the one that was put aside."""
    before = said["before"] if said else {}
    if before.get("restoring"):
        return SETTLE if ours["exists"] else RESTORE
    if aside["exists"]:
        return PROVE if ours["exists"] else BACK
    if said is None:
        return NOTHING
    return START if ours["exists"] and ours["id"] == before["id"] else SETTLE


def when(seconds):
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))


def unfinished(said):
    """Who began what. A collection before this one kept no record."""
    if said is None:
        return "A run of an earlier release of this collection began to change Open WebUI and did not come to an end"
    before = said["before"]
    if before["restoring"]:
        return "%s began to restore %s at %s and did not come to an end" % (said["by"], before["restoring"], when(said["since"]))
    served = "Open WebUI %s" % before["version"] if before["version"] else "another container" if before["id"] else "none"
    return "%s began to bring Open WebUI %s to this host at %s and did not come to an end; before that there was %s" % (
        said["by"], said["asked"], when(said["since"]), served,
    )


class Former:
    """wanted: the module's options. wait(url, seconds): why nobody answers there, None when somebody does. run_command: the module's."""

    def __init__(self, engine, wanted, wait, run_command):
        self.engine, self.wanted, self.wait, self.run_command = engine, wanted, wait, run_command
        self.name, self.aside_name = wanted["name"], wanted["name"] + "-previous"
        self.folder = wanted["record"]
        self.said = record.read(self.folder)
        self.before = self.said["before"] if self.said else {}
        self.ours, self.aside = (describe_container(engine.container(name)) for name in (self.name, self.aside_name))
        self.todo = todo(self.said, self.ours, self.aside)
        version = self.before.get("version") or self.aside["version"] or ""
        self.result = {"done": self.todo, "about": {}, "saved": "", "kept": "", "answers": True, "why": "", "version": version}

    def run(self):
        if self.todo == PROVE and self._proves():
            self.result["done"] = "proved"
        elif self.todo in (PROVE, BACK):
            self.result["done"] = BACK
            self._back()
        elif self.todo == START:
            if not self.wanted["late"]:
                # It was started with what the change has written, and did not become ready.
                self._keep_log()
            self._files()
            self._start()
        elif self.todo == RESTORE and not self.wanted["restores"]:
            self._restore()
        record.done(self.folder)
        if self.result["done"] in (BACK, START):
            url = self.before.get("url") or self.wanted["url"]
            self.result["why"] = self.wait(url, self.wanted["patience"]) or ""
            self.result["answers"] = not self.result["why"]
        return self.result

    # -- the new one ---------------------------------------------------------------------------------------------------

    def _proves(self):
        """What answers is proved, whoever waited for it, and people may have chatted with it since; the old one goes."""
        if not self.wanted["seconds"]:
            return False
        why = self.wait(self.wanted["url"], self.wanted["seconds"])
        if why is None:
            self._remove(self.aside_name)
            return True
        if self.said is None:
            raise DataError(
                "%s and %s are both there, left by a run of an earlier release of this collection, and the first one does not answer (%s): see its log, "
                "and remove the one that shall not serve (open_webui_container)" % (self.name, self.aside_name, why)
            )
        return False

    # -- the old one ---------------------------------------------------------------------------------------------------

    def _back(self):
        if self.ours["exists"]:
            self._keep_log()
            self._remove(self.name)
        if self.before.get("saved") and record.stage_of(self.said) == GIVEN:
            self._data(self.before["saved"], self.before["data"], (self.before["owner"], self.before["group"]), self.wanted["late"])
        elif self.before.get("data") and os.path.isdir(self.before["data"]):
            # The new container's user may have got it already.
            nofollow.give(self.before["data"], self.before["owner"], self.before["group"])
        self._files()
        self.engine.tell("POST", "/containers/%s/rename?name=%s" % (quote(self.aside_name, safe=""), quote(self.name, safe="")))
        self._start()

    def _files(self):
        if self.said is not None:
            record.restore(self.folder)

    def _start(self):
        # It may run with what the change has written.
        self.engine.tell("POST", "/containers/%s/restart?t=30" % quote(self.name, safe=""))

    def _remove(self, name):
        self.engine.tell("DELETE", "/containers/%s?force=true" % quote(name, safe=""))

    def _keep_log(self):
        """The way back matters more than the log of a container that may never have run."""
        try:
            log = self.engine.log(self.name)
            os.makedirs(self.wanted["logs"], mode=0o700, exist_ok=True)
            name = "failed-%s.log" % os.path.basename(self.said["asked"])
            with open(os.path.join(self.wanted["logs"], name), "wb", opener=lambda path, flags: os.open(path, flags | os.O_NOFOLLOW, 0o600)) as file:
                file.write(log)
        except OSError:
            pass

    # -- the data ------------------------------------------------------------------------------------------------------

    def _restore(self):
        path = self.before["data"] or self._volume()
        if not path:
            # There was no data and still is none: nothing of the archive came to the host.
            return
        self._data(self.before["restoring"], path, (self.wanted["uid"], self.wanted["gid"]), False, self.before["restore_key"])

    def _volume(self):
        if self.wanted["data"].startswith("/"):
            return self.wanted["data"]
        return (self.engine.volume(self.wanted["data"]) or {}).get("Mountpoint", "")

    def _data(self, archive, path, owner, keep, key=False):
        if not os.path.exists(archive):
            raise DataError(
                "%s. It is to be brought back from %s, which is gone: put that back, or restore another one with playbooks/restore.yml"
                % (unfinished(self.said), archive)
            )
        dump = os.path.join(os.path.dirname(archive), "restore.dump") if self.wanted["restore_command"] else None
        newer = ""
        if keep and self.wanted["dump_command"]:
            newer = os.path.join(os.path.dirname(archive), "newer-%s.dump" % time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()))
            self._command("dump_command", newer)
        if dump and os.path.lexists(dump):
            # Of a way back that was killed: the archive may hold another one, or none.
            os.unlink(dump)
        about = bring_back(archive, path, self.wanted["secret_path"] if key else None, owner, dump, keep)
        if dump and os.path.exists(dump):
            self._command("restore_command", dump)
            os.unlink(dump)
        self.result.update(saved=archive, about=about, kept=" and ".join(place for place in (about["kept"], newer) if place))

    def _command(self, variable, dump):
        # The password goes in by standard input: an environment or an argument would show it in the process list.
        script = "%sexport DUMP=%s\n" % (self.wanted["exports"], shlex.quote(dump))
        code, _out, said = self.run_command(["/bin/sh", "-c", "set -eu; umask 077; . /dev/stdin; " + self.wanted[variable]], data=script)
        if code != 0:
            raise DataError("open_webui_database_%s ended with code %d: %s" % (variable, code, self._without_secrets(said).strip() or "no message"))

    def _without_secrets(self, text):
        for line in self.wanted["exports"].splitlines():
            name, _is, value = " ".join(shlex.split(line)[1:]).partition("=")
            if name in ("PGPASSWORD", "DATABASE_URL") and value:
                text = text.replace(value, "…")
        return text

    # -- what is said --------------------------------------------------------------------------------------------------

    def foretold(self):
        """What was found, and what a run without --check makes of it."""
        if not self.todo:
            return ""
        old = self.result["version"] or "the container from before"
        saved = self.before.get("saved") if record.stage_of(self.said) == GIVEN else ""
        would = {
            PROVE: "keeps the new one if it answers, and else has %s back" % old,
            BACK: "gives %s its name%s back" % (old, ", and its data of %s" % saved if saved else ""),
            START: "starts %s again, of which nothing was replaced yet" % old,
            RESTORE: "puts another archive in its place" if self.wanted["restores"] else "brings that to its end",
            SETTLE: "forgets it, since nothing is left to do",
        }[self.todo]
        return "%s. A run without --check %s." % (unfinished(self.said), would)

    def words(self):
        """What was found, and what came of it."""
        if not self.result["done"]:
            return ""
        did, version = self.result["done"], self.result["version"] or "the container from before"
        kept = "; what was newer lies in %s" % self.result["kept"] if self.result["kept"] else ""
        told = {
            PROVE: "The new one stays if it answers, and else gives way to the old one",
            "proved": "The new one answers, so it stays, and the old one is removed",
            BACK: "%s has its name%s back%s" % (version, ", its data of %s" % self.result["saved"] if self.result["saved"] else "", kept),
            START: "Nothing was replaced yet, and %s was started again" % version,
            RESTORE: "That is brought to its end now",
            SETTLE: "Of that nothing is left to do",
        }[did]
        silent = "" if self.result["answers"] else ", but does not answer yet (%s)" % self.result["why"]
        return "%s. %s%s." % (unfinished(self.said), told, silent)


def wait(url, seconds, sleep=time.sleep, clock=time.monotonic):
    """Why nothing answers with 200 within the seconds; None when something does."""
    end = clock() + seconds
    while True:
        try:
            with opener().open(url, timeout=5) as answer:
                if answer.status == 200:
                    return None
                why = "status %d" % answer.status
        except urllib.error.HTTPError as error:
            why = "status %d" % error.code
        except (OSError, ValueError) as error:
            why = str(getattr(error, "reason", error)) or type(error).__name__
        if clock() >= end:
            return "%s: %s" % (url, why)
        sleep(1)
