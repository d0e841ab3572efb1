# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs beside Ollama on a host with Python: files of ours, which systemd or launchd starts. All of it is looked at before any of it is changed."""

from __future__ import annotations

import datetime
import json
import os
import platform
import pwd
import sys

from ansible_collections.llmfleet.ollama.plugins.module_utils.change import lock
from ansible_collections.llmfleet.ollama.plugins.module_utils.files import write_file
from ansible_collections.llmfleet.ollama.plugins.module_utils.look.common import clock
from ansible_collections.llmfleet.ollama.plugins.module_utils.models.local import Local
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.api import OllamaApi, OllamaError
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.names import parse_name

# In the files: the Python that starts a program, and the owner of a folder. Written there by the host, since the controller cannot know them.
PYTHON = "@PYTHON@"
OWNER = "@OWNER@"
# What keep_alive -1 makes of a model's end is centuries away.
YEARS = 50


class Beside:
    """Files that lie there while they are wanted, and who starts what they say."""

    # How a sentence begins that says what does not work.
    wrong = ""

    def __init__(self, module, params):
        self.module, self.params = module, params
        # Of a Mac that is a stand-in, which asks to install a Python.
        python = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") and not params.get("label") else sys.executable
        self.files = {path: text.replace(PYTHON, python) for path, text in params["files"].items()}
        self.before, self.stale, self.gone = {}, [], []

    def look(self, paths):
        """What differs. paths: all that may lie there."""
        self.before = {path: _content(path) for path in paths}
        self.stale = [path for path, text in self.files.items() if self.before[path] != text]
        self.gone = [path for path in paths if self.before[path] is not None and path not in self.files]

    def differs(self):
        return bool(self.stale or self.gone)

    def write(self):
        for path in self.stale:
            write_file(path, self.files[path].encode("utf-8"))
            os.chmod(path, 0o644)

    def diff(self):
        return [
            {"before": text or "", "after": self.files.get(path, ""), "before_header": path, "after_header": path}
            for path, text in self.before.items()
            if path in self.stale or path in self.gone
        ]

    def must(self, argv, way=""):
        code, out, err = self.module.run_command(argv)
        if code:
            said = (err or out).strip().splitlines() or ["%s ends with %d" % (argv[0], code)]
            self.module.fail_json(msg="%s: %s%s" % (self.wrong, said[-1], way))


class Warm(Beside):
    """Models that stay loaded (keep_warm)."""

    wrong = "The models that keep_warm wants loaded are not"

    def __init__(self, module, params):
        super().__init__(module, params)
        self.unit = os.path.basename(params["starter"])
        self.wanted = json.loads(self.files[params["list"]]) if self.files else {"models": []}
        self.names = [model["name"] for model in self.wanted["models"]]
        self.look([params["starter"], params["program"], params["list"]])
        self.cold = self._cold()

    def differs(self):
        return super().differs() or bool(self.cold)

    def act(self):
        """Does it, and says whether it has changed anything: what could not be loaded is no change."""
        self._drop()
        self._have()
        return bool(self.stale or self.gone or set(self.cold) - set(self._cold()))

    def _cold(self):
        """Models that are not loaded for good. A server that does not answer has none."""
        if not self.names:
            return []
        local = Local(OllamaApi(self.wanted["url"]))
        try:
            local.read()
            running = local.running().items()
        except OllamaError:
            return self.names
        # Two names of the same weights are loaded once, under either.
        stay = {str(entry.get("digest")).replace("sha256:", "") for _name, entry in running if _stays(entry)}
        held = {name: local.models.get(parse_name(name).key) for name in self.names}
        return [name for name, entry in held.items() if not (entry and entry["digests"] & stay)]

    def _drop(self):
        if not self.gone:
            return
        if self.params["label"]:
            # What is not loaded cannot be unloaded, and that is as well.
            self.module.run_command(["/bin/launchctl", "bootout", "system/" + self.params["label"]])
        else:
            self.module.run_command(["systemctl", "disable", "--now", self.unit])
        for path in self.gone:
            os.unlink(path)
        if not self.params["label"]:
            self.must(["systemctl", "daemon-reload"])

    def _have(self):
        self.write()
        if not self.files or not (self.stale or self.cold):
            return
        if self.params["label"]:
            if self.stale:
                self.module.run_command(["/bin/launchctl", "bootout", "system/" + self.params["label"]])
                self.must(["/bin/launchctl", "bootstrap", "system", self.params["starter"]])
            self.must([sys.executable, self.params["program"], self.params["list"]])
            return
        if self.stale:
            self.must(["systemctl", "daemon-reload"])
            self.must(["systemctl", "enable", self.unit])
        self.must(["systemctl", "restart", self.unit], "; journalctl -u %s says why" % self.unit)


class Numbers(Beside):
    """What Prometheus' node exporter is told (ollama_textfile_dir). With systemd only."""

    wrong = "Prometheus' node exporter is told nothing of Ollama"

    def __init__(self, module, params):
        super().__init__(module, params)
        self.folder = params["folder"] or ""
        self.file = os.path.join(self.folder, params["name"]) if self.folder else ""
        _program, self.list, service, timer = params["paths"]
        self.service, self.timer = os.path.basename(service), os.path.basename(timer)
        if self.files:
            owner = self._owner()
            self.files = {path: text.replace(OWNER, owner) for path, text in self.files.items()}
        self.look(params["paths"])
        self.ends = timer in self.gone
        told = self._told()
        if told and told != self.file and os.path.lexists(told):
            self.gone.append(told)
        self.silent = bool(self.files) and (self._is_idle() or not os.path.exists(self.file))

    def differs(self):
        return super().differs() or self.silent

    def act(self):
        """Does it, and says whether it has changed anything."""
        self._drop()
        self._have()
        return self.differs()

    def _owner(self):
        if not os.path.isdir(self.folder):
            self.module.fail_json(
                msg="ollama_textfile_dir %s is no folder; install the node exporter, make the folder, or leave the variable out." % self.folder
            )
        number = os.stat(self.folder).st_uid
        try:
            return pwd.getpwuid(number).pw_name
        except KeyError:
            return str(number)

    def _told(self):
        """The file that an earlier run has had written, maybe in another folder."""
        try:
            return str(json.loads(self.before[self.list] or "{}").get("file") or "")
        except (ValueError, AttributeError):
            return ""

    def _is_idle(self):
        return self.module.run_command(["systemctl", "--quiet", "is-active", self.timer])[0] != 0

    def _drop(self):
        if self.ends:
            self.module.run_command(["systemctl", "disable", "--now", self.timer])
            self.module.run_command(["systemctl", "stop", self.service])
        for path in self.gone:
            os.unlink(path)
        if self.ends:
            self.must(["systemctl", "daemon-reload"])

    def _have(self):
        self.write()
        if not self.stale and not self.silent:
            return
        self.must(["systemctl", "daemon-reload"])
        self.must(["systemctl", "start", self.service], "; journalctl -u %s says why" % self.service)
        self.must(["systemctl", "enable", self.timer])
        self.must(["systemctl", "restart", self.timer])


def run(module):
    """The result of module ollama_beside. The host is taken for a change, and for nothing else."""
    params = module.params
    warm = Warm(module, params["warm"]) if params["warm"] else None
    numbers = Numbers(module, params["numbers"]) if params["numbers"] else None
    both = [one for one in (warm, numbers) if one]
    changed = any(one.differs() for one in both)
    if changed and not module.check_mode:
        hold = _hold(module)
        try:
            # Each of them, also behind one that has changed something.
            acted = [one.act() for one in both]
            changed = any(acted)
        finally:
            hold.free()
    diff = [part for one in both for part in one.diff()]
    return {"changed": changed, "models": warm.names if warm else [], "path": numbers.file if numbers else "", "diff": diff}


def _hold(module):
    """The host for this piece of work; nothing where it is not root's to take."""
    holder = module.params.get("holder")
    me = dict(holder, doing="what runs beside Ollama") if holder and os.geteuid() == 0 else None
    try:
        return lock.Hold(lock.FOLDERS.get(platform.system()), me, clock(), module.params.get("over", "")).take()
    except lock.Held as held:
        return module.fail_json(msg=lock.words(held.holder), held=held.holder)


def _content(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return None


def _stays(entry):
    year = str(entry.get("expires_at") or "")[:4]
    return year.isdigit() and int(year) > datetime.datetime.now(datetime.timezone.utc).year + YEARS
