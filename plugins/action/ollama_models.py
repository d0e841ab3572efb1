# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs module ollama_models where Python is, and shows how far a download has come.

The module is sent to the host once. When there is nothing to fetch, that is all. Otherwise it leaves a process of its own there and
says where that one tells how far it is; here that file is read every few seconds with the host's shell, which costs no module run.
"""

from __future__ import annotations

import json
import os
import shlex
import tempfile
import time
from urllib.parse import urlsplit, urlunsplit

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure, AnsibleError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama_converge import Converger
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama_names import gib, parse_registry
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama_wants import Failure
from ansible_collections.llmfleet.ollama.plugins.modules.ollama_models import ARGUMENTS

display = Display()

POLL_SECONDS = 2.0
# A host that can't be reached for this long while its work goes on is reported as unreachable.
LOST_POLLS = 15
# A line at least this often, even when the percentage stands still.
LONGEST_SILENCE = 30.0
LOOPBACK = ("localhost", "127.0.0.1", "::1", "0.0.0.0")


class Ticker:
    """Prints progress: at most one line in POLL_SECONDS, and only when there is something new to say."""

    def __init__(self, host, say=display.display, clock=time.monotonic):
        self.host = host
        self.say = say
        self.clock = clock
        self.at = None
        self.shown = None

    def __call__(self, state):
        if not state.get("model"):
            return
        now = self.clock()
        total, done = state.get("total_bytes") or 0, state.get("completed_bytes") or 0
        percent = int(100 * done / total) if total else None
        # "pulling 6a0746a1ec1a" changes with every layer, small ones last milliseconds: one word is enough.
        status = state.get("status", "").split(" sha256")[0]
        key = (state["model"], "pulling" if status.startswith("pulling") else status, percent)
        if self.at is not None and (now - self.at < POLL_SECONDS or (key == self.shown and now - self.at < LONGEST_SILENCE)):
            return
        self.at, self.shown = now, key
        self.say("%s: %s" % (self.host, self.line(state, key[1], percent)))

    @staticmethod
    def line(state, status, percent):
        model = state["model"]
        if state.get("count", 1) > 1:
            model += " (%d of %d)" % (state["number"], state["count"])
        if percent is None or status != "pulling":
            return "%s, %s" % (model, status)
        words = "%s %3d %%, %s of %s" % (model, percent, gib(state["completed_bytes"]), gib(state["total_bytes"]))
        if state.get("rate"):
            words += ", %s/s" % gib(state["rate"])
        if state.get("seconds_left") is not None:
            words += ", %s left" % duration(state["seconds_left"])
        return words


def duration(seconds):
    if seconds < 60:
        return "%d s" % seconds
    if seconds < 3600:
        return "%d min" % round(seconds / 60)
    return "%d h %d min" % (seconds // 3600, seconds % 3600 // 60)


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        task_vars = task_vars or {}
        host = task_vars.get("inventory_hostname", "host")
        if getattr(self._connection._shell, "_IS_WINDOWS", False):
            return self._run_from_here(host, task_vars)
        return self._run_there(host, task_vars)

    # -- on the host ---------------------------------------------------------------------------------------------------

    def _run_there(self, host, task_vars):
        background = not self._task.async_val and not self._task.check_mode
        result = self._execute_module(
            module_name="llmfleet.ollama.ollama_models",
            module_args=dict(self._task.args, background=background),
            task_vars=task_vars,
            wrap_async=self._task.async_val,
        )
        job = result.pop("job", None)
        if job is None:
            return result
        return self._finished(self._follow(job, Ticker(host)))

    def _follow(self, path, ticker):
        """The result of the work that the module left on the host, once it is there."""
        # The process is asked for after its file: one that ended in between has written its result before.
        # Its number is the first thing in the file.
        pid = "sed 's/^{\"pid\": \\([0-9]*\\).*/\\1/' %s" % shlex.quote(path)
        look = "cat %s; if kill -0 $(%s); then echo; echo alive; fi 2>/dev/null" % (shlex.quote(path), pid)
        lost = gone = 0
        while True:
            time.sleep(POLL_SECONDS if lost or gone or ticker.at is not None else POLL_SECONDS / 4)
            try:
                answer = self._low_level_execute_command(look)
                lost = 0
            except AnsibleConnectionFailure:
                # The work goes on without us; a short break of the line is no reason to lose it.
                lost += 1
                if lost > LOST_POLLS:
                    raise
                continue
            state, alive = _read_state(answer["stdout"])
            if state is not None and "result" in state:
                self._low_level_execute_command("rm -r %s" % shlex.quote(os.path.dirname(path)))
                return state["result"]
            gone = 0 if alive else gone + 1
            if gone > 1:
                raise AnsibleActionFail(
                    "the work on the models ended on the host without a result: it was killed, or the host ran out of memory; "
                    "run again, what was downloaded is kept"
                )
            ticker((state or {}).get("progress") or {})

    # -- from the controller -------------------------------------------------------------------------------------------

    def _run_from_here(self, host, task_vars):
        """A Windows host has no Python: the same code asks its Ollama over the network."""
        validated = ArgumentSpecValidator(ARGUMENTS).validate(self._task.args)
        if validated.error_messages:
            raise AnsibleActionFail("; ".join(validated.error_messages))
        options = dict(validated.validated_parameters)
        remote = options["proofs_path"] if "proofs_path" in self._task.args else ""
        options["api_url"] = reachable(options["api_url"], task_vars.get("ansible_host") or host)
        # The store is on the host, out of our reach; the plan has looked at its disk.
        options["models_dir"] = None
        with tempfile.TemporaryDirectory(prefix="llmfleet-models-") as folder:
            options["proofs_path"] = os.path.join(folder, "proofs.json") if remote else ""
            try:
                registry = parse_registry(options["registry"])
                if registry.has_port:
                    raise Failure(
                        "llm_registry '%s' has a port, and Windows cannot store a model of a registry with a port in its name: "
                        "let the mirror listen on 80 or 443" % options["registry"]
                    )
                before = self._fetch(remote, options["proofs_path"])
                converger = Converger(options, check_mode=self._task.check_mode, progress=Ticker(host)).look()
                result = converger.act()
                self._store(remote, options["proofs_path"], before)
            except (Failure, ValueError) as exc:
                raise AnsibleActionFail(str(exc))
        return self._finished(result)

    def _fetch(self, remote, local):
        """Brings the remembered proofs here; a host that has none yet is no fault."""
        if not remote:
            return None
        try:
            self._connection.fetch_file(remote, local)
        except AnsibleConnectionFailure:
            raise
        except AnsibleError as exc:
            display.vv("no proofs at %s yet: %s" % (remote, exc))
        return _content(local)

    def _store(self, remote, local, before):
        if remote and _content(local) not in (None, before):
            self._connection.put_file(local, remote)

    # -- both ----------------------------------------------------------------------------------------------------------

    def _finished(self, result):
        for warning in result.pop("warnings", []):
            display.warning(warning)
        if not self._task.diff:
            result.pop("diff", None)
        return result


def reachable(url, address):
    """The address of the host's Ollama as the controller must write it: loopback there is not loopback here."""
    parts = urlsplit(url if "://" in url else "http://" + url)
    if parts.hostname not in LOOPBACK:
        return url
    name = "[%s]" % address if ":" in address else address
    return urlunsplit((parts.scheme, "%s:%d" % (name, parts.port or 11434), parts.path, "", ""))


def _content(path):
    try:
        with open(path, "rb") as handle:
            return handle.read()
    except FileNotFoundError:
        return None


def _read_state(text):
    """(state, whether its process lives) from what the shell printed."""
    lines = [line for line in text.splitlines() if line.strip()]
    alive = bool(lines) and lines[-1].strip() == "alive"
    for line in lines:
        try:
            state = json.loads(line)
        except ValueError:
            continue
        if isinstance(state, dict) and "pid" in state:
            return state, alive
    return None, alive
