# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two runs of Ansible and one host: a real play, against a folder in place of /run.

Deleted, a Ctrl-C would keep the same person out of the host for a quarter of an hour, or two people would change it at once.
"""

from __future__ import annotations

import json
import os
import pathlib
import platform
import subprocess
import sys

import pytest
import yaml
from ansible.errors import AnsibleConnectionFailure
from ansible_collections.llmfleet.ollama.plugins.module_utils.change import lock, record
from ansible_collections.llmfleet.ollama.plugins.module_utils.look import common
from ansible_collections.llmfleet.ollama.plugins.modules import host_change
from ansible_collections.llmfleet.ollama.plugins.plugin_utils import holder, signs, windows_change
from support import ROOT, servers


def play(folder, *tasks):
    """(return code, what it said) of a play with these calls of host_change."""
    rows = [{"llmfleet.ollama.host_change": {"lock": str(folder / "run/lock"), "doing": "Ollama 2.0", **task}} for task in tasks]
    (folder / "site.yml").write_text(yaml.safe_dump([{"hosts": "all", "gather_facts": False, "tasks": rows}]))
    hosts = {"hub": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}}
    (folder / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": hosts}}))
    (folder / "ansible.cfg").write_text("[defaults]\n")
    environment = {
        **os.environ, "ANSIBLE_CONFIG": str(folder / "ansible.cfg"), "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"), "ANSIBLE_NOCOLOR": "1",
    }
    program = str(pathlib.Path(sys.executable).parent / "ansible-playbook")
    done = subprocess.run(
        [program, "-i", "hosts.yml", "site.yml"], cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=300,
    )
    return done.returncode, done.stdout


def begun(folder, asked="2.0"):
    before = {"release": "1.0", "had_server": True}
    return {
        "state": "begin",
        "change": {"record": str(folder / "opt/.before"), "asked": asked, "before": before, "paths": [str(folder / "opt/current")]},
    }


def held(folder):
    return lock.read(str(folder / "run/lock"), common.clock())


def test_a_run_that_ended_without_a_word_is_followed_at_once(tmp_path):
    """Its process is gone, and this machine knows that; the record has who it was."""
    begin = begun(tmp_path)
    assert play(tmp_path, begin)[0] == 0
    first = held(tmp_path)
    assert first["who"] == holder.me()["who"] and holder.is_gone(first)
    code, said = play(tmp_path, begun(tmp_path, "3.0"), {"state": "renew"}, {"state": "done"})
    assert code == 0, said
    assert held(tmp_path) is None and record.read(str(tmp_path / "opt/.before"))["tried"] == ["2.0", "3.0"]


def test_a_run_of_another_controller_is_not(tmp_path):
    lock.take(str(tmp_path / "run/lock"), {**holder.me(), "doing": "Ollama 1.0", "token": "other", "who": "otto@lap", "controller": "lap 2"}, common.clock())
    code, said = play(tmp_path, begun(tmp_path))
    assert code == 2 and "otto@lap changes this host (Ollama 1.0) since" in said and "15 minutes" in said
    assert not (tmp_path / "opt").exists() and held(tmp_path)["token"] == "other"


def test_who_this_run_is():
    """A number of a process is given again; its time of start tells the two apart."""
    me = holder.me()
    assert me == holder.me() and not holder.is_gone(me)
    assert holder.is_gone({**me, "started": "then"}) and not holder.is_gone({**me, "started": "then", "controller": "lap 2"})
    assert not holder.is_gone({}) and not holder.is_gone({**me, "process": "x"})


def test_signs_of_life_while_something_long_goes_on(monkeypatch):
    """Ten hours of a download on a slow line are no silence; and a host is not asked every second."""
    calls, seconds = [], [0]

    def execute(**call):
        calls.append((call["module_name"], call["module_args"]["state"]))
        raise AnsibleConnectionFailure("for a moment")

    shell = type("Shell", (), {"_IS_WINDOWS": False})()
    action = type("Action", (), {"_connection": type("Connection", (), {"_shell": shell})(), "_execute_module": staticmethod(execute)})()
    told = []
    tick = signs.Signs(action, {}, told.append, clock=lambda: seconds[0])
    for seconds[0] in (1, 299, 300, 301, 599, 600):
        tick({"what": "x"})
    assert calls == [("llmfleet.ollama.host_change", "renew")] * 2 and len(told) == 6
    shell._IS_WINDOWS, seconds[0] = True, 10000
    monkeypatch.setattr(windows_change, "run", lambda _action, _task_vars, arguments: calls.append(arguments))
    tick({"what": "x"})
    assert calls[2:] == [{"state": "renew"}]


@pytest.fixture
def wanted(tmp_path):
    return {
        **begun(tmp_path), "of": "ollama", "record": "", "stage": "", "doing": "",
        "lock": str(tmp_path / "lock"), "holder": {**holder.me()}, "over": "",
    }


def test_a_server_that_listens_elsewhere_is_asked_for_its_version(wanted):
    class Handler(servers.Quiet):
        def do_GET(self):
            body = json.dumps({"version": "1.0"}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with servers.serving(Handler) as url:
        wanted["change"]["before"] = {"url": url}
        host_change.act(wanted, common.clock())
        assert record.read(wanted["change"]["record"])["before"] == {**host_change.BARE, "url": url, "version": "1.0"}
    assert host_change.before_of({"url": url})["version"] == ""


def test_a_sign_of_life_takes_nothing(wanted):
    host_change.act({**wanted, "state": "renew"}, common.clock())
    assert lock.read(wanted["lock"], common.clock()) is None


def test_each_thing_of_a_host_has_a_lock_of_its_own(wanted, monkeypatch, tmp_path):
    """Deleted: who pulls a model would be told to wait for somebody's new web UI, and the other way round."""
    monkeypatch.setitem(lock.FOLDERS, platform.system(), str(tmp_path / "run/change"))
    for of in record.SHAPES:
        change = {"record": "", "before": {}, "asked": "2.0", "paths": []}
        host_change.act({**wanted, "of": of, "lock": None, "change": change, "holder": {**holder.me(), "token": of}}, common.clock())
    folders = {folder: lock.read(str(tmp_path / "run" / folder), common.clock())["doing"] for folder in os.listdir(tmp_path / "run")}
    assert folders == {"change": "Ollama 2.0", "change-open-webui": "Open WebUI 2.0", "change-model-mirror": "the model mirror 2.0"}


def test_a_sign_of_life_is_one_for_all_that_a_run_has_of_the_host(wanted, monkeypatch, tmp_path):
    """Deleted: a mirror that is filled for an hour would be open to a second controller after a quarter of it, since a pull only knows Ollama's lock."""
    monkeypatch.setitem(lock.FOLDERS, platform.system(), str(tmp_path / "run/change"))
    renewed = []
    monkeypatch.setattr(lock, "renew", lambda folder, *_given: renewed.append(os.path.basename(folder)))
    host_change.act({**wanted, "of": "model_mirror", "lock": None, "change": None}, common.clock())
    host_change.act({**wanted, "state": "renew", "lock": None, "change": None}, common.clock())
    assert renewed == ["change-model-mirror"], "and no folder is made for what nobody has"


def test_a_record_of_a_web_ui_says_how_far_its_change_has_come(wanted):
    """Deleted: whether the new release may have written into the data, and with it what a way back has to do, would be a guess."""
    wanted.update(of="open_webui", record=wanted["change"]["record"])
    wanted["change"]["before"] = {"id": "f00", "version": "0.12.0", "owner": 10300}
    host_change.act(wanted, common.clock())
    said = record.read(wanted["record"])
    assert (said["before"]["id"], said["before"]["saved"], said["before"]["owner"], record.stage_of(said)) == ("f00", "", 10300, "")
    host_change.act({**wanted, "state": "note", "stage": "given", "change": None}, common.clock())
    assert record.stage_of(record.read(wanted["record"])) == "given" and record.told(record.read(wanted["record"]))["before"]["id"] == "f00"
    host_change.act({**wanted, "state": "proved", "change": None}, common.clock())
    assert record.read(wanted["record"]) is None and lock.read(wanted["lock"], common.clock()), "the host is still this run's"


def test_what_is_not_proved_stays_for_the_next_run(wanted):
    host_change.act(wanted, common.clock())
    folder = wanted["change"]["record"]
    host_change.act({**wanted, "state": "done", "change": None}, common.clock())
    assert record.read(folder) and lock.read(wanted["lock"], common.clock()) is None
    host_change.act({**wanted, "state": "done", "change": None, "record": folder}, common.clock())
    assert record.read(folder) is None


@pytest.mark.parametrize("state", ["begin", "done"])
def test_who_cannot_go_on_keeps_nobody_out(wanted, monkeypatch, state):
    """A full disk ends a run at its first step or its last; everybody else would be told for 15 minutes that it is at it."""

    def full(*_given):
        raise OSError(28, "No space left on device")

    if state == "done":
        host_change.act(wanted, common.clock())
    monkeypatch.setattr(record, state, full)
    with pytest.raises(OSError):
        host_change.act({**wanted, "state": state, "record": wanted["change"]["record"]}, common.clock())
    assert lock.read(wanted["lock"], common.clock()) is None
