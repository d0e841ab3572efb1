# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The side that a person sees: one module run on a calm host, lines of progress on a busy one, and the controller's side for Windows."""

from __future__ import annotations

import json
import os
import subprocess
import time
import types

import pytest
import yaml
from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure, AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.llmfleet.ollama.plugins.action import ollama_models as action
from ansible_collections.llmfleet.ollama.plugins.module_utils import job
from ansible_collections.llmfleet.ollama.plugins.plugin_utils import progress
from support import ROOT
from support.fake_ollama import model_blobs


class Task:
    def __init__(self, args, check_mode=False, async_val=0, diff=False):
        self.args, self.check_mode, self.async_val, self.diff = args, check_mode, async_val, diff
        self.action = "llmfleet.ollama.ollama_models"
        self.delegate_to = None


class Connection:
    """A host's shell that is this machine's, with `breaks` connection failures to come and Windows files in a dict."""

    def __init__(self, windows=False, breaks=0):
        self._shell = type("Shell", (), {"_IS_WINDOWS": windows, "tmpdir": "/tmp/none"})()
        self.breaks = breaks
        self.files = {}

    def fetch_file(self, remote, local):
        if remote not in self.files:
            raise AnsibleError("failed to transfer file: does not exist")
        with open(local, "wb") as handle:
            handle.write(self.files[remote])

    def put_file(self, local, remote):
        with open(local, "rb") as handle:
            self.files[remote] = handle.read()


def make(task, connection, module=None):
    made = action.ActionModule.__new__(action.ActionModule)
    made._task, made._connection = task, connection
    made._execute_module = lambda **kwargs: made.calls.append(kwargs) or module(kwargs)
    made.calls = []

    def shell(command):
        if connection.breaks:
            connection.breaks -= 1
            raise AnsibleConnectionFailure("broken pipe")
        done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=False)
        return {"stdout": done.stdout, "rc": done.returncode}

    made._low_level_execute_command = shell
    return made


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(progress, "QUICKEST_LOOK", 0.1)
    monkeypatch.setattr(progress, "SHORTEST", 0.1)
    monkeypatch.setattr(job, "WRITE_EVERY", 0.0)


def test_calm_host_costs_one_module_run():
    """The budget of a converged host is ten module runs in all; this is one of them."""
    made = make(Task({"models": ["x"]}), Connection(), lambda call: {"changed": False})
    assert made._run_there({"inventory_hostname": "h"}) == {"changed": False}
    assert len(made.calls) == 1 and made.calls[0]["module_args"]["background"] is True


@pytest.mark.parametrize(("plan", "empty"), [({"elsewhere": ["deepseek-r1"]}, True), ({"models": []}, None), (None, None)])
def test_an_empty_list_is_meant_where_other_hosts_have_the_copies(monkeypatch, plan, empty):
    """With state exact it would else be refused there, as a list that somebody forgot."""
    made = make(Task({"models": []}), Connection(), lambda call: {"changed": False})
    monkeypatch.setattr(action.ActionBase, "run", lambda self, tmp, task_vars: {})
    made.run(task_vars={"inventory_hostname": "h", "ansible_facts": {"model_plan": plan}})
    assert made.calls[0]["module_args"].get("accept_empty") is empty


@pytest.mark.parametrize("task", [Task({}, check_mode=True), Task({}, async_val=60)])
def test_check_mode_and_async_stay_in_one_module_run(task):
    made = make(task, Connection(), lambda call: {"changed": True})
    made._run_there({"inventory_hostname": "h"})
    assert made.calls[0]["module_args"]["background"] is False
    assert made.calls[0]["wrap_async"] == task.async_val


def test_work_in_the_background_is_followed_to_its_result(monkeypatch):
    """A broken line does not lose the download: the host goes on, and we come back to its file."""
    said = []

    def work(progress):
        for step in range(1, 5):
            progress(
                {
                    "what": "x:1b",
                    "number": 1,
                    "count": 1,
                    "status": "pulling 123",
                    "total_bytes": 4 << 30,
                    "completed_bytes": step << 30,
                    "rate": 1 << 20,
                    "seconds_left": 100,
                }
            )
            time.sleep(0.2)
        return {"changed": True, "models": [], "warnings": [], "diff": {"before": "", "after": "x"}}

    path = []
    made = make(
        Task({}, diff=True),
        Connection(breaks=2),
        lambda call: path.append(job.start(work, "the work")) or {"changed": False, "job": path[0]},
    )
    monkeypatch.setattr(action, "ticker_for", lambda variables: progress.Ticker(variables["inventory_hostname"], say=said.append))
    result = made._run_there({"inventory_hostname": "lab-3060"})
    assert result == {"changed": True, "models": [], "diff": {"before": "", "after": "x"}}
    assert any(line.startswith("lab-3060: x:1b ") and "4.0 GiB" in line and "MiB/s, 2 min left" in line for line in said), said
    assert not os.path.exists(os.path.dirname(path[0])), "the work's folder stayed on the host"


def followed(path, connection=None):
    """What the action makes of a state file."""
    made = make(Task({}), connection or Connection(), None)
    return progress.result_of_job(made._low_level_execute_command, path, progress.Ticker("h", say=print), action.DIED)


def test_a_host_that_is_lost_for_long_is_unreachable(monkeypatch, tmp_path):
    monkeypatch.setattr(progress, "LOST_LOOKS", 2)
    with pytest.raises(AnsibleConnectionFailure):
        followed(str(tmp_path / "state.json"), Connection(breaks=99))


def test_killed_work_is_a_failure_and_no_endless_wait(tmp_path):
    state = tmp_path / "state.json"
    state.write_text('{"pid": 999999999, "progress": {}}')
    with pytest.raises(AnsibleActionFail, match="without a result"):
        followed(str(state))


def test_work_that_crashes_says_so():
    def work(progress):
        raise ValueError("odd")

    result = followed(job.start(work, "the work on the models"))
    assert result["failed"] and "the work on the models ended with ValueError: odd" in result["msg"] and "Traceback" in result["exception"]


def test_state_file_is_private():
    """It lies in a folder that everybody can list."""
    path = job.start(lambda progress: {"changed": False}, "the work")
    assert os.stat(os.path.dirname(path)).st_mode & 0o077 == 0
    assert os.stat(path).st_mode & 0o077 == 0
    followed(path)


@pytest.mark.parametrize(
    "url, address, expected",
    [
        ("http://127.0.0.1:11434", "10.0.0.5", "http://10.0.0.5:11434"),
        ("http://localhost", "win.example", "http://win.example:11434"),
        ("http://0.0.0.0:1234", "fe80::1", "http://[fe80::1]:1234"),
        ("https://ollama.example:443", "10.0.0.5", "https://ollama.example:443"),
    ],
)
def test_loopback_of_a_windows_host_is_not_ours(url, address, expected):
    assert action.reachable(url, address) == expected


def windows(options, **changes):
    args = {key: options[key] for key in ("api_url", "registry", "reserve_bytes", "timeout", "retries", "models_dir")}
    args.update({"prove": True, "proofs_path": "C:\\ProgramData\\llmfleet\\proofs.json"}, **changes)
    return Task(args, check_mode=changes.pop("check", False))


@pytest.fixture
def named(registry, monkeypatch):
    """A mirror whose name has no port, as Windows wants it, though the fake listens on one."""
    registry.put("library/small/1b", model_blobs("small"))
    monkeypatch.setattr(
        action.parse_registry("").__class__,
        "manifest_url",
        lambda self, name: "%s/v2/%s/%s/manifests/%s" % ((registry.url,) + tuple(name[1:])),
    )


class WindowsHost:
    """What win_host_change says: who has the host."""

    def __init__(self, held=""):
        self.held, self.holders = held, []

    def __call__(self, call):
        assert call["module_name"] == "llmfleet.ollama.win_host_change"
        given = call["module_args"]
        swapped = given.get("swap", False) and given["expect"] == self.held
        if swapped:
            self.held = given["holder"]
            self.holders.append(self.held)
        return {"is_root": True, "holder": self.held, "record": "", "found": [], "since_start": 100, "now": 1764280800, "swapped": swapped}


def test_models_of_a_windows_host_that_another_controller_changes_stay(options, ollama, named):
    """Deleted, one run would remove what another one is proving."""
    held = {
        "token": "b", "who": "otto@lap", "doing": "Ollama 0.33.0", "controller": "lap 2", "process": "1", "started": "then", "since": 1764280700,
        "alive_at": 90, "boot": "this start",
    }
    made = make(windows(options, models=["small:1b"], registry="http://mirror"), Connection(windows=True), WindowsHost(json.dumps(held)))
    with pytest.raises(AnsibleActionFail, match=r"otto@lap changes this host \(Ollama 0.33.0\) since 2025-11-27 21:58 UTC"):
        made._run_from_here("win", {"ansible_host": "127.0.0.1"})
    assert ollama.names() == []


def test_windows_host_is_served_from_here(options, ollama, named):
    connection = Connection(windows=True)
    host = WindowsHost()
    made = make(windows(options, models=["small:1b"], registry="http://mirror"), connection, host)
    result = made._run_from_here("win", {"ansible_host": "127.0.0.1"})
    assert result["changed"] and ollama.names() == ["small:1b"]
    assert [bool(text) for text in host.holders] == [True, False] and '"doing": "models"' in host.holders[0], "the host was taken for it, and let go of"
    proofs = json.loads(connection.files["C:\\ProgramData\\llmfleet\\proofs.json"])["proofs"]
    assert [entry["ok"] for entry in proofs.values()] == [True]
    again = make(windows(options, models=["small:1b"], registry="http://mirror"), connection)
    again = again._run_from_here("win", {"ansible_host": "127.0.0.1"})
    assert not again["changed"] and again["proved"][0]["remembered"]


def test_windows_host_refuses_a_mirror_with_a_port(options, ollama):
    """Ollama's own words for it are "The directory name is invalid", after the download has begun."""
    with pytest.raises(AnsibleActionFail, match="80 or 443"):
        make(windows(options, models=["small:1b"], registry="http://mirror:5080"), Connection(windows=True))._run_from_here("win", {})
    assert ollama.requests == []


def test_windows_options_are_checked_as_the_module_would(options, ollama):
    with pytest.raises(AnsibleActionFail, match="state"):
        make(windows(options, models=["x"], state="wrong"), Connection(windows=True))._run_from_here("win", {})
    with pytest.raises(AnsibleActionFail, match="not a model's name"):
        make(windows(options, models=["a b"], registry=""), Connection(windows=True))._run_from_here("win", {})


FACTS = {"os_family": "Debian", "model_plan": {"models": [{"name": "chat:7b", "placement": "gpu"}], "environment": {"A": "1"}, "cards": ["card"]}}


def test_without_the_role_its_defaults_are_known():
    """Deleted, site.yml could bring models with other options than a play that enters the role."""
    said = yaml.safe_load((ROOT / "roles/ollama_models/defaults/main.yml").read_text(encoding="utf-8"))
    templar = Templar(loader=DataLoader(), variables={"ansible_facts": FACTS})
    role = {name: templar.template(trust_as_template(value) if isinstance(value, str) else value) for name, value in said.items()}
    given = action.from_variables({"ansible_facts": FACTS}, str)
    for option, names in action.VARIABLES.items():
        if names[0] in role:
            # What is not given is left to the module.
            assert given.get(option, action.ARGUMENTS[option].get("default")) == role[names[0]], option
    assert given["models"] == [{"name": "chat:7b", "require_gpu": True}] and (given["settings"], given["devices"]) == ({"A": "1"}, ["card"])
    assert set(role) - {names[0] for names in action.VARIABLES.values()} == {"ollama_models_accept_spill"}, "what the playbook answers itself"


@pytest.mark.parametrize(
    "said,option,value",
    [
        ({"ollama_host": "10.0.0.5", "ollama_port": 80}, "api_url", "http://10.0.0.5:80"),
        ({"ollama_host": "::", "ollama_port": 80}, "api_url", "http://127.0.0.1:80"),
        ({"ollama_models_api_url": "http://x"}, "api_url", "http://x"),
        ({"llm_registry": "hub", "ollama_models_registry": "other"}, "registry", "other"),
        ({"llm_registry": "hub", "ollama_models_registry": "omitted"}, "registry", "hub"),
        ({"ollama_models_dir": "/d"}, "models_dir", "/d"),
        ({"ollama_models_dir": "/d", "ollama_models_store": "~/s"}, "models_dir", "~/s"),
        ({"llm_prove_gpu": "no"}, "prove_gpu", False),
        ({"ollama_no_proxy": ["a", "b"]}, "no_proxy", "a,b"),
        ({"ollama_models_wanted": []}, "models", []),
    ],
)
def test_the_first_variable_that_is_set_counts(said, option, value):
    assert action.from_variables({"omit": "omitted", **said}, lambda given: given)[option] == value


def test_a_variable_is_refused_by_its_own_name():
    with pytest.raises(AnsibleActionFail, match="ollama_models_state.*gone"):
        action.from_variables({"ollama_models_state": "gone"}, lambda given: given)


def test_what_a_task_says_wins_over_variables():
    made = make(Task({"from_variables": True, "state": "exact"}), Connection(), lambda call: {"changed": False})
    made._templar = types.SimpleNamespace(template=lambda value: value)
    made._read_variables({"ansible_facts": FACTS, "ollama_models_state": "absent", "ollama_models_retries": "7"})
    assert (made._task.args["state"], made._task.args["retries"]) == ("exact", 7)
