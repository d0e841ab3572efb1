# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a module that downloads a file by Ansible's own `async`, and shows how far the file has grown.

The module stays what it is: its checksum, its proxy, its retries. Beside it only the size of a file is read, with the host's shell.
"""

from __future__ import annotations

import json
import shlex
import time
from urllib.parse import unquote, urlsplit

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.llmfleet.ollama.plugins.module_utils.transfer import Rate
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.progress import looks, ticker_for
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.signs import Signs

# Ansible's own limit for the job on the host.
LONGEST_JOB = 24 * 3600
# A download that is over before this prints nothing, and nobody is asked how large it will be.
QUICK = 2.0
# A file that has begun to grow and then stands still for so long: its module was killed. Modules give up on a silent server after a minute,
# and hash and move a release within a few.
STILL = 900.0
# Options of win_get_url that win_uri has, too.
WINDOWS_SHARED = ("proxy_url", "proxy_username", "proxy_password", "use_proxy", "validate_certs", "url_timeout")

POSIX_LOOK = """cat %(results)s; echo; echo "size $(ls -dnt -- %(path)s 2>/dev/null | awk 'NR == 1 { print $5 }')\""""
POSIX_HEADERS = """; echo "total $(sed -n 's/^[Cc]ontent-[Ll]ength: *\\([0-9]*\\).*/\\1/p' %s 2>/dev/null | tail -n 1)\""""
# The size in a directory's entry of a file that is open is an old one: Refresh asks the file itself. The folder of the module's run is the newest.
WINDOWS_LOOK = """
[IO.File]::ReadAllText('%(results)s')
$base = [Environment]::ExpandEnvironmentVariables('%(folder)s')
$folder = Get-ChildItem -LiteralPath $base -Directory -Filter 'ansible-moduletmp-*' | Sort-Object -Property CreationTime | Select-Object -Last 1
if ($folder) {
    $sizes = Get-ChildItem -LiteralPath $folder.FullName -File | ForEach-Object { $_.Refresh(); $_.Length }
    "size $($sizes | Sort-Object | Select-Object -Last 1)"
}
"""


class ActionModule(ActionBase):
    _supports_check_mode = True

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        _result, given = self.validate_argument_spec(
            argument_spec={
                "module": {"type": "str", "required": True},
                "options": {"type": "dict", "required": True},
                "what": {"type": "str", "required": True},
                "path": {"type": "str", "default": ""},
                "url": {"type": "str", "default": ""},
                "headers": {"type": "str", "default": ""},
                "proxy": {"type": "str", "default": "", "no_log": True},
            },
        )
        task_vars = task_vars or {}
        if given["proxy"]:
            # download hides it as it stands.
            given["options"].update({"proxy": given["proxy"]} if given["module"] == "llmfleet.ollama.download" else windows_proxy(given["proxy"]))
        if self._task.check_mode:
            return self._execute_module(module_name=given["module"], module_args=given["options"], task_vars=task_vars)
        job = self._start(given, task_vars)
        if "ansible_job_id" not in job:
            # It could not even begin.
            return job
        self._follow(given, job, task_vars)
        return self._result_of(job["ansible_job_id"], task_vars)

    def _start(self, given, task_vars):
        # `async` of a task is what tells core how long the job may take.
        asked = self._task.async_val
        self._task.async_val = LONGEST_JOB
        try:
            return self._execute_module(module_name=given["module"], module_args=given["options"], task_vars=task_vars, wrap_async=True)
        finally:
            self._task.async_val = asked

    def _result_of(self, jid, task_vars):
        shell = {"_async_dir": self._remote_expand_user(self.get_shell_option("async_dir", default="~/.ansible_async"))}

        def status(mode):
            return self._execute_module(
                module_name="ansible.legacy.async_status", module_args={"jid": jid, "mode": mode, **shell}, task_vars=task_vars
            )

        result = status("status")
        status("cleanup")
        for key in ("ansible_job_id", "started", "finished", "results_file"):
            result.pop(key, None)
        return result

    def _follow(self, given, job, task_vars):
        """Returns when the job is over."""
        look = self._look(given, job["results_file"])
        ticker, begun, download = Signs(self, task_vars, ticker_for(task_vars)), time.monotonic(), Download(given["what"])
        for answer in looks(lambda: self._low_level_execute_command(look)):
            now = time.monotonic()
            finished, size, total = read(answer["stdout"])
            if finished:
                return
            if now - begun < QUICK:
                continue
            if given["headers"]:
                # The answer that leads elsewhere has a length of its own.
                download.total = total or download.total
            elif download.total is None:
                download.total = self._ask_for_size(given, task_vars)
            download.feed(now, size)
            if download.still_for(now) > STILL:
                raise AnsibleActionFail(
                    "%s stopped growing %d minutes ago: what downloads it was killed; run again" % (given["what"], STILL // 60)
                )
            ticker(download.state())

    @property
    def _on_windows(self):
        return getattr(self._connection._shell, "_IS_WINDOWS", False)

    def _look(self, given, results):
        if self._on_windows:
            folder = self._connection._shell.get_option("remote_tmp")
            script = WINDOWS_LOOK % {"results": results.replace("'", "''"), "folder": folder.replace("'", "''")}
            return self._connection._shell._encode_script(script)
        look = POSIX_LOOK % {"results": shlex.quote(results), "path": quoted(given["path"])}
        return look + (POSIX_HEADERS % shlex.quote(given["headers"]) if given["headers"] else "")

    def _ask_for_size(self, given, task_vars):
        """0 where the server does not say; asked from the host, which has the way out, by the module that has its proxy's settings."""
        if not given["url"]:
            return 0
        if self._on_windows:
            options = {"url": given["url"], "method": "HEAD"}
            options.update({key: given["options"][key] for key in WINDOWS_SHARED if given["options"].get(key) is not None})
            answer = self._execute_module(module_name="ansible.windows.win_uri", module_args=options, task_vars=task_vars)
        else:
            options = {"url": given["url"], "method": "HEAD", "timeout": 30}
            answer = self._execute_module(module_name="ansible.builtin.uri", module_args=options, task_vars=task_vars)
        return as_count(answer.get("content_length")) or 0


def windows_proxy(url):
    """Options of win_get_url for a proxy whose URL may have a name and a password; its password stands in an option that no module shows."""
    if not url:
        return {}
    parts = urlsplit(url)
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    told = {"proxy_url": bare, "proxy_username": unquote(parts.username or ""), "proxy_password": unquote(parts.password or "")}
    return {name: value for name, value in told.items() if value}


class Download:
    """One file that grows."""

    def __init__(self, what):
        self.what = what
        self.total = None
        self.size = None
        self.moved_at = None
        self.gone = False
        self.rate = Rate()

    def feed(self, now, size):
        if size is None:
            # get_url has moved it to its place, or fetch.sh unpacks it and has removed it.
            self.gone = self.size is not None
            return
        if size != self.size:
            self.size, self.moved_at = size, now
        self.rate.add(now, size)

    def still_for(self, now):
        return 0 if self.moved_at is None else now - self.moved_at

    def state(self):
        if self.size is None:
            return {"what": self.what, "status": "waiting for the first byte"}
        if self.gone or self.total and self.size >= self.total:
            return {"what": self.what, "status": "all there, being checked and put in place"}
        known = {"total_bytes": self.total, "seconds_left": self.rate.seconds_for(self.total - self.size)} if self.total else {}
        return {"what": self.what, "status": "pulling", "completed_bytes": self.size, "rate": self.rate.per_second, **known}


def quoted(path):
    """For the shell, with its stars left to it."""
    return "*".join(shlex.quote(part) if part else "" for part in path.split("*")) or "''"


def read(text):
    """(whether the job is over, size or None, total or None) from what the host printed."""
    finished, counts = False, {"size": None, "total": None}
    for line in text.splitlines():
        word, _space, rest = line.strip().partition(" ")
        if word in counts:
            counts[word] = as_count(rest)
            continue
        try:
            job = json.loads(line)
        except ValueError:
            continue
        if isinstance(job, dict):
            # The file holds the wrapper's words until the module's own result takes their place.
            finished = bool(job.get("finished")) or "started" not in job
    return finished, counts["size"], counts["total"]


def as_count(value):
    text = str(value if value is not None else "").strip()
    return int(text) if text.isdigit() else None
