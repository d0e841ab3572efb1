# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Downloads that show how far they are, and to nobody the password of a proxy: real plays, and what a host can answer in between."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import threading
import time

import pytest
import tree_sitter
import tree_sitter_powershell
import yaml
from ansible.errors import AnsibleActionFail
from ansible.plugins.shell.powershell import ShellModule as PowerShell
from ansible_collections.llmfleet.ollama.plugins.action import followed
from ansible_collections.llmfleet.ollama.plugins.plugin_utils import progress
from support import ROOT, needs, servers

DATA = b"x" * (6 << 20)


@pytest.fixture
def slow():
    """A server that sends 1 MiB a second and keeps the last of it until a line with a rate was shown, however slow the machine that shows it is;
    `says_size` is whether it tells how long a file is."""

    class Handler(servers.Quiet):
        says_size = True
        shown = threading.Event()
        asked = []

        def do_HEAD(self):
            Handler.asked.append(self.command)
            self.send_response(200)
            if self.says_size:
                self.send_header("Content-Length", str(len(DATA)))
            self.end_headers()

        def do_GET(self):
            self.do_HEAD()
            for start in range(0, len(DATA), 1 << 18):
                if start + (1 << 18) == len(DATA):
                    Handler.shown.wait(60)
                self.wfile.write(DATA[start:start + (1 << 18)])
                time.sleep(0.25)

    with servers.serving(Handler) as url:
        Handler.url = url + "/a.tar.zst"
        yield Handler


def play(folder, url, checksum, shown, proxy=""):
    (folder / "part").mkdir(exist_ok=True)
    task = {
        "name": "Download",
        "llmfleet.ollama.followed": {
            "what": "a.tar.zst 1.0",
            "path": "%s/part/tmp*" % folder,
            "headers": "%s/part/headers" % folder,
            "proxy": proxy,
            "module": "llmfleet.ollama.download",
            "options": {"url": url, "dest": "%s/part/a" % folder, "checksum": checksum, "mode": "0600", "headers_to": "%s/part/headers" % folder},
        },
    }
    (folder / "site.yml").write_text(yaml.safe_dump([{"hosts": "all", "gather_facts": False, "tasks": [task]}]))
    hosts = {"hub": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}}
    (folder / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": hosts}}))
    (folder / "ansible.cfg").write_text("[defaults]\n")
    environment = {
        **os.environ,
        "ANSIBLE_CONFIG": str(folder / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"),
        "ANSIBLE_ASYNC_DIR": str(folder / "async"),
        "ANSIBLE_NOCOLOR": "1",
    }
    program = str(pathlib.Path(sys.executable).parent / "ansible-playbook")
    words = [program, *["-vvvv"] * bool(proxy), "-i", "hosts.yml", "site.yml"]
    with subprocess.Popen(
        words, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as started:
        said = ""
        for line in started.stdout:
            said += line
            # The first line has no rate yet.
            if line.startswith("hub: a.tar.zst") and "/s" in line:
                shown.set()
    return said, started.returncode


def test_a_download_shows_percent_rate_and_time_left(tmp_path, slow):
    """1.5 GB of a release were a silent task name for minutes; the file, its mode and its checksum stay right."""
    said, code = play(tmp_path, slow.url, "sha256:" + hashlib.sha256(DATA).hexdigest(), slow.shown)
    assert code == 0, said
    assert re.search(r"^hub: a\.tar\.zst 1\.0 +\d+ %, \d\.\d MiB of 6\.0 MiB, \d+\.\d [KM]iB/s, \d+ s left$", said, re.M), said
    assert "changed: [hub]" in said and (tmp_path / "part/a").read_bytes() == DATA
    assert (tmp_path / "part/a").stat().st_mode & 0o777 == 0o600
    assert list((tmp_path / "async").iterdir()) == [], "the job's file stayed on the host"
    assert slow.asked == ["GET"] and [entry.name for entry in (tmp_path / "part").iterdir()] == ["a"]


def test_a_wrong_file_fails_with_both_sums_and_a_silent_size_is_no_fault(tmp_path, slow):
    """The role's way back reads the module's own sentence; and a server that names no length must not stop a download."""
    slow.says_size = False
    said, code = play(tmp_path, slow.url, "sha256:" + "0" * 64, slow.shown)
    assert code == 2 and "did not match %s; it was %s" % ("0" * 64, hashlib.sha256(DATA).hexdigest()) in said
    assert re.search(r"^hub: a\.tar\.zst 1\.0, \d\.\d MiB, \d+\.\d [KM]iB/s$", said, re.M), said


def test_a_list_of_sums_names_the_file(tmp_path):
    """Deleted, `ollama_download_checksum: sha256:<URL>` would be without a test."""
    lists = {"/good": "%s  ./a.tar.zst\n" % hashlib.sha256(b"whole").hexdigest(), "/bad": "%s  a.tar.zst\n" % ("1" * 64), "/none": "\n"}

    class Handler(servers.Quiet):
        def do_GET(self):
            body = lists.get(self.path, "whole").encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with servers.serving(Handler) as url:
        for name, words in (("/bad", "did not match"), ("/none", "names no checksum of a.tar.zst")):
            said, code = play(tmp_path, url + "/a.tar.zst", "sha256:" + url + name, threading.Event())
            assert code == 2 and words in said and not (tmp_path / "part/a").exists(), said
        said, code = play(tmp_path, url + "/a.tar.zst", "sha256:" + url + "/good", threading.Event())
        assert code == 0 and (tmp_path / "part/a").read_text() == "whole", said


@needs.linux  # /proc
def test_nobody_sees_the_password_of_the_proxy(tmp_path):
    """Deleted, it would stand in the process list of the host for the whole download, and in sudo's log."""
    seen, words = [], []

    class Handler(servers.Quiet):
        def do_CONNECT(self):
            seen.append(self.headers["Proxy-Authorization"])
            for line in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
                with contextlib.suppress(OSError):
                    words.append(line.read_bytes())
            self.send_error(502, "closed to p@ss-S3cr3t")

    with servers.serving(Handler) as url:
        said, code = play(tmp_path, "https://releases.example/a", "", threading.Event(), url.replace("//", "//fleet:p%40ss-S3cr3t@"))
    assert code == 2 and "Tunnel connection failed: 502" in said, said
    assert seen[0] == "Basic " + base64.b64encode(b"fleet:p@ss-S3cr3t").decode()
    assert any(b"python" in word for word in words) and not [word for word in words if b"ss-S3cr3t" in word]
    assert "ss-S3cr3t" not in said


@pytest.mark.parametrize(
    "text, expected",
    [
        ('{"started": true, "finished": false, "ansible_job_id": "j1"}\nsize 4096\ntotal 8192\n', (False, 4096, 8192)),
        ('{"changed": true, "size": 3}\nsize \n', (True, None, None)),
        ('{"started": true, "finished": true, "changed": false}\n', (True, None, None)),
        ("", (False, None, None)),
        ('{"started": tr\nsize 12\ntotal\n', (False, 12, None)),
        ("[1]\nsize -1\n", (False, None, None)),
    ],
)
def test_what_a_host_prints_is_read(text, expected):
    """A result that is half written, and on Windows keeps the wrapper's words, must be neither missed nor taken for the end."""
    assert followed.read(text) == expected


def test_stars_are_the_shells_and_nothing_else_is():
    """A store under '/srv/my models' or one that somebody named `$(reboot)` is a path, not a command."""
    assert followed.quoted("/srv/my models/tmp*") == "'/srv/my models/tmp'*"
    assert followed.quoted("/srv/$(reboot)/*") == "'/srv/$(reboot)/'*"
    assert followed.quoted("") == "''"


def test_states_of_a_download():
    """Hashing and unpacking 1.5 GB take a minute in which '100 %, 0 s left' would look hung."""
    download = followed.Download("a")
    download.total = 100
    download.feed(0.0, None)
    assert download.state()["status"] == "waiting for the first byte" and download.still_for(1e6) == 0
    download.feed(1.0, 10)
    download.feed(2.0, 30)
    assert download.state() == {
        "what": "a", "status": "pulling", "completed_bytes": 30, "total_bytes": 100, "rate": 20, "seconds_left": 3,
    }  # fmt: skip
    download.feed(3.0, 100)
    assert download.state()["status"].startswith("all there")
    download.feed(4.0, None)
    assert download.state()["status"].startswith("all there") and download.still_for(10.0) == 7.0


class Connection:
    def __init__(self, shell):
        self._shell = shell


class Posix:
    pass


def make(shell, answers):
    made = followed.ActionModule.__new__(followed.ActionModule)
    made._connection = Connection(shell)
    made.commands = []

    def execute(command):
        made.commands.append(command)
        return {"stdout": answers.pop(0) if len(answers) > 1 else answers[0]}

    made._low_level_execute_command = execute
    return made


def test_a_killed_download_is_a_failure_and_no_endless_wait(monkeypatch):
    """Nobody writes the end of a job that the host's kernel has killed."""
    monkeypatch.setattr(followed, "STILL", 0.3)
    monkeypatch.setattr(followed, "QUICK", 0.0)
    monkeypatch.setattr(progress, "QUICKEST_LOOK", 0.05)
    made = make(Posix(), ['{"started": true, "finished": false}\nsize 5\n'])
    given = {"what": "a.tar.zst", "path": "/p/tmp*", "headers": "", "url": "", "options": {}, "module": "m"}
    with pytest.raises(AnsibleActionFail, match=r"a\.tar\.zst stopped growing"):
        made._follow(given, {"results_file": "/r"}, {})


def test_the_size_comes_from_the_headers_that_a_program_keeps(tmp_path):
    """A Mac's curl goes through a proxy whose password no module may see; the redirect's own length is not the file's."""
    made = make(Posix(), [""])
    (tmp_path / "headers").write_text("HTTP/1.1 302 Found\r\ncontent-length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4096\r\n\r\n")
    (tmp_path / "job").write_text(json.dumps({"started": 1, "finished": 0}))
    (tmp_path / "a b").write_bytes(b"12345")
    look = made._look({"path": str(tmp_path / "a b"), "headers": str(tmp_path / "headers")}, str(tmp_path / "job"))
    said = subprocess.run(["/bin/sh", "-c", look], capture_output=True, text=True, check=True).stdout
    assert followed.read(said) == (False, 5, 4096)
    (tmp_path / "headers").unlink()
    (tmp_path / "a b").unlink()
    said = subprocess.run(["/bin/sh", "-c", look], capture_output=True, text=True, check=True).stdout
    assert followed.read(said) == (False, None, None)


def test_the_newest_file_counts(tmp_path):
    """What a run that was killed has left lies beside the file that grows."""
    for age, name in ((100, "tmpold"), (0, "tmpnew")):
        (tmp_path / name).write_bytes(b"1" * (10 + age))
        os.utime(tmp_path / name, (time.time() - age, time.time() - age))
    (tmp_path / "job").write_text("{}")
    look = make(Posix(), [""])._look({"path": str(tmp_path / "tmp*"), "headers": ""}, str(tmp_path / "job"))
    assert followed.read(subprocess.run(["/bin/sh", "-c", look], capture_output=True, text=True, check=True).stdout)[1] == 10


class Windows(PowerShell):
    def get_option(self, name):
        return {"remote_tmp": "%TEMP%", "async_dir": "%USERPROFILE%\\.ansible_async"}[name]


def test_windows_is_looked_at_by_powershell_and_asked_through_the_same_proxy():
    """No Windows here: that the script is one, encoded as the connections want it, and that no option of the proxy is lost."""
    made = make(Windows(), [""])
    command = made._look({"path": "", "headers": ""}, "C:\\Users\\o'hara\\.ansible_async\\j1.2")
    script = base64.b64decode(command.split(" ")[-1]).decode("utf-16-le")
    assert "[IO.File]::ReadAllText('C:\\Users\\o''hara\\.ansible_async\\j1.2')" in script and "'%TEMP%'" in script
    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_powershell.language()))
    assert not parser.parse(script.encode()).root_node.has_error
    calls = []
    made._execute_module = lambda **call: calls.append(call) or {"content_length": 12}
    options = {"url": "http://x/a", "dest": "C:\\a", "proxy_url": "http://p", "proxy_password": "s", "url_timeout": 60, "proxy_username": None}
    assert made._ask_for_size({"url": "http://x/a", "options": options}, {}) == 12
    assert calls[0]["module_name"] == "ansible.windows.win_uri"
    assert calls[0]["module_args"] == {"url": "http://x/a", "method": "HEAD", "proxy_url": "http://p", "proxy_password": "s", "url_timeout": 60}


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("", {}), ("http://proxy:3128", {"proxy_url": "http://proxy:3128"}),
        ("http://me:a%40b@proxy:3128/", {"proxy_url": "http://proxy:3128/", "proxy_username": "me", "proxy_password": "a@b"}),
        ("http://me@proxy:3128", {"proxy_url": "http://proxy:3128", "proxy_username": "me"}),
    ],
)
def test_a_password_of_the_proxy_stands_in_an_option_of_its_own(url, options):
    """win_get_url shows proxy_url in its result, and takes no name and password from there."""
    assert followed.windows_proxy(url) == options
