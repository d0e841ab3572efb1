# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who changes a Windows host, and what served there before: decided as on Linux, done on the simulated host.

Deleted, two controllers would change one Windows host, or a run that was cut off in the proof would call the broken release the server from before.
"""

from __future__ import annotations

import json
import types

import pytest
from ansible_collections.llmfleet.ollama.plugins.module_utils.change import record
from ansible_collections.llmfleet.ollama.plugins.plugin_utils import holder, windows_change

FOLDER = "C:\\ollama\\.before"
LAUNCHER = "C:\\ollama\\service\\serve.cmd"
RULE = {"port": "11434", "addresses": ["10.0.0.0/8"]}
TASK = {"arguments": "/d", "account": "S-1-5-19", "enabled": True, "triggers": ["boot"]}
BEFORE = {"release": "0.32.15", "had_server": True, "version": "0.32.15", "url": "http://127.0.0.1:11434", "releases": ["0.32.15"]}


class Host:
    """A Windows host, and runs of Ansible that come to it."""

    def __init__(self, system, path):
        self.system, self.path, self.asked = system, path, []
        # Called between a question and the act that it leads to.
        self.meanwhile = None

    def call(self, arguments, check=False):
        host = self.system(self.path, check)
        try:
            return host.call(windows_change.MODULE, arguments, arguments)
        finally:
            host.close()

    def state(self, change=None):
        state = json.loads(self.path.read_text(encoding="utf-8"))
        if change:
            change(state)
            self.path.write_text(json.dumps(state), encoding="utf-8")
        return state

    def run(self, state, who="anna@desk", check=False, **arguments):
        """One task of host_change. Another who is another controller."""
        me = {"token": who, "who": who, "controller": who, "process": "1", "started": "then"}

        def execute(module_name, module_args, task_vars):
            self.asked.append(module_args)
            if module_args.get("swap") and self.meanwhile:
                meanwhile, self.meanwhile = self.meanwhile, None
                meanwhile()
            return self.call(module_args, check)

        action = types.SimpleNamespace(_execute_module=execute, _task=types.SimpleNamespace(check_mode=check))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(holder, "me", lambda: me)
            return windows_change.run(action, {}, {"state": state, **arguments})


@pytest.fixture
def host(stage, tmp_path):
    path = tmp_path / "host.json"
    path.write_text(json.dumps(stage.new_state("windows")), encoding="utf-8")
    _module, system = stage.simulated("windows")
    return Host(system, path)


def change(asked="0.33.0", **more):
    return {
        "record": FOLDER, "asked": asked, "before": BEFORE, "paths": [LAUNCHER, "C:\\gone"], "task": "ollama", "door": "llmfleet ollama", "rule": RULE, **more,
    }


def serving(text="old", port="11434"):
    def make(state):
        state["files"]["C:\\ollama\\service"] = {"type": "directory"}
        state["files"][LAUNCHER] = {"type": "file", "text": text}
        state["tasks"]["\\llmfleet\\ollama"] = {**TASK, "arguments": text}
        state["firewall"]["rules"]["llmfleet ollama"] = {"port": port, "addresses": ["10.0.0.0/8"]}

    return make


def later(seconds):
    return lambda state: state.update(since_start=state.get("since_start", 0) + seconds)


def started_anew(state):
    state.update(holder="", since_start=0)


# what happens to the host after anna has begun -> does otto get in
ENDS = {
    "at once": ([], False), "silent for less than 15 minutes": ([later(899)], False), "silent for 15 minutes": ([later(900)], True),
    "a start of the machine": ([later(899), started_anew], True), "spoilt by hand": ([lambda state: state.update(holder="{")], True),
}


@pytest.mark.parametrize("case", ENDS)
def test_one_controller_at_a_time(host, case):
    events, gets_in = ENDS[case]
    assert host.run("begin", doing="models") == {"changed": False, "record": None}
    for event in events:
        host.state(event)
    result = host.run("begin", "otto@lap")
    assert bool(result.get("failed")) is not gets_in
    if not gets_in:
        assert result["msg"].startswith("anna@desk changes this host (models) since 2025-11-27 22:00 UTC, and gave its last sign of life ")
    assert json.loads(host.state()["holder"])["who"] == ("otto@lap" if gets_in else "anna@desk")


def test_signs_of_life_and_an_end(host):
    """Of the holder only; and one that nobody holds is not taken by them."""
    host.run("begin")
    for _piece in range(3):
        host.state(later(800))
        host.run("renew", "otto@lap")
        host.run("renew")
    assert host.run("begin", "otto@lap")["failed"]
    host.run("done", "otto@lap")
    assert host.run("begin", "otto@lap")["failed"]
    host.run("done")
    host.run("renew")
    assert host.state()["holder"] == "" and host.asked[-1] == {"record": "", "paths": []}, "a question is all that it took"


def test_work_inside_of_other_work_lets_go_of_nothing(host):
    host.run("begin")
    host.run("begin", doing="models")
    host.run("done")
    assert host.run("begin", "otto@lap")["failed"]
    host.run("done")
    assert not host.run("begin", "otto@lap").get("failed")


def test_who_comes_between_the_question_and_the_act_is_seen(host):
    """Both have found nobody; the one whose act comes first has it."""
    host.meanwhile = lambda: host.run("begin", "otto@lap", doing="Ollama 1.0")
    result = host.run("begin", change=change())
    assert result["held"]["who"] == "otto@lap" and "otto@lap changes this host (Ollama 1.0)" in result["msg"]
    assert FOLDER not in host.state()["files"]


def test_a_run_of_this_machine_that_was_killed_is_followed_at_once(host, monkeypatch):
    host.run("begin")
    monkeypatch.setattr(holder, "is_gone", lambda held: held["who"] == "anna@desk")
    assert not host.run("begin", "anna@desk again").get("failed")
    assert host.run("begin", "otto@lap")["failed"]


def test_what_served_is_written_down_first_and_comes_back(host):
    host.state(serving())
    told = host.run("begin", change=change())["record"]
    assert told["before"] == {**{name: kind() for name, kind in record.BEFORE.items()}, **BEFORE} and told["missing"] == ["C:\\gone"]
    assert told["by"] == "anna@desk" and told["asked"] == "0.33.0" and host.state()["files"][FOLDER]["acl"]["owner"] == "S-1-5-32-544"
    host.state(serving("new", port="11500"))
    host.state(lambda state: state["files"].update({"C:\\gone": {"type": "file", "text": "new"}}))
    # The run was cut off here; another controller asks for something else, and its word on what served before is the first one's.
    host.state(started_anew)
    told = host.run("begin", "otto@lap", change=change("0.33.1", before={**BEFORE, "release": "0.33.0"}))["record"]
    assert told["tried"] == ["0.33.0", "0.33.1"] and told["before"]["release"] == "0.32.15" and told["by"] == "otto@lap"
    assert host.run("restore", "otto@lap", record=FOLDER)["changed"]
    state = host.state()
    assert state["files"][LAUNCHER]["text"] == "old" and "C:\\gone" not in state["files"]
    assert state["tasks"]["\\llmfleet\\ollama"]["arguments"] == "old" and state["firewall"]["rules"]["llmfleet ollama"]["port"] == "11434"
    host.run("done", "otto@lap")
    assert host.state()["files"].get(FOLDER), "what is not proved stays for the next run"
    host.run("done", "otto@lap", record=FOLDER)
    assert not [path for path in host.state()["files"] if path.startswith(FOLDER)] and host.state()["holder"] == ""


def test_a_way_back_that_another_controller_has_begun_meanwhile_is_not_gone(host):
    host.run("begin", change=change())
    host.state(later(900))
    host.run("begin", "otto@lap", change=change("0.31.0"))
    assert host.run("restore", record=FOLDER)["held"]["who"] == "otto@lap"


def test_a_server_that_had_no_rule_has_none_again(host):
    host.run("begin", change=change(rule=None))
    host.state(serving())
    host.run("restore", record=FOLDER)
    assert host.state()["firewall"]["rules"] == {} and LAUNCHER not in host.state()["files"]


def test_the_folder_of_the_releases_is_closed_before_anything_is_in_it(host):
    """Deleted: what a user puts there between the look and the first change would be the service's."""
    rights = "O:BAG:BAD:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;0x1200a9;;;BU)(A;OICI;0x1200a9;;;S-1-5-19)"
    host.state(serving())
    assert host.run("begin", change=change(rights=rights))["failed"] and not host.state().get("holder")
    host.state(lambda state: [state["files"].pop(path) for path in (LAUNCHER, "C:\\ollama\\service")])
    assert not host.run("begin", change=change(rights=rights)).get("failed")
    acl = host.state()["files"]["C:\\ollama"]["acl"]
    assert acl == {"protected": True, "owner": "S-1-5-32-544", "grants": {"S-1-5-18": "F", "S-1-5-32-544": "F", "S-1-5-32-545": "RX", "S-1-5-19": "RX"}}


def test_what_others_could_have_written_is_no_record(host):
    host.run("begin", change=change())
    host.state(lambda state: state["files"][FOLDER]["acl"].update(protected=False))
    assert host.run("done")["record"] is None


def test_a_dry_run_and_an_account_without_rights_take_nothing(host):
    assert host.run("begin", check=True, change=change()) == {"changed": False, "record": None}
    host.state(lambda state: state["machine"].update(is_admin=False))
    assert host.run("begin", change=change()) == {"changed": False, "record": None}
    assert not host.state().get("holder") and FOLDER not in host.state()["files"]


@pytest.mark.parametrize("text", [None, 1, "", "{", "[]", "{}", "[" * 100000])
def test_a_spoilt_text_is_neither_record_nor_holder(text):
    assert windows_change.told({"record": text, "holder": text, "since_start": None, "now": "x"}) == {"record": None, "holder": None}


def test_the_next_run_goes_back_to_what_the_record_says_and_not_to_the_link(host_of):
    """The link leads to the release that broke; on Windows it was restarted as "the server from before"."""
    said = record.begun({**{name: kind() for name, kind in record.BEFORE.items()}, **BEFORE}, "0.33.0", "anna@desk", 1764280800, [], [])
    closed = {"protected": True, "owner": "S-1-5-32-544", "grants": {"S-1-5-18": "F", "S-1-5-32-544": "F"}}

    def cut(state):
        state["files"].update({path: {"type": "directory", "acl": closed} for path in ("C:\\ollama", FOLDER)})
        state["files"].update({"C:\\ollama\\" + name: {"type": "directory"} for name in ("0.32.15", "0.33.0")})
        state["files"]["C:\\ollama\\current"] = {"type": "link", "target": "C:\\ollama\\0.33.0"}
        state["files"][FOLDER + "\\record.json"] = {"type": "file", "text": json.dumps(said)}

    made = host_of("windows", cut, ollama_version="0.32.15")
    assert made.problems == [] and made.before == {"version": "0.32.15", "url": "http://127.0.0.1:11434"}
    assert made.steps["old_version"] == "0.32.15" and made.steps["open"] and made.steps["remove_releases"] == ["0.33.0"]
    assert made.changes[0] == "finish what anna@desk began at 2025-11-27 22:00 UTC" and "run 0.32.15 instead of 0.33.0" in made.changes
    assert made.warnings[0].startswith(
        "anna@desk began to bring Ollama 0.33.0 to this host at 2025-11-27 22:00 UTC and did not come to an end; before that there was Ollama 0.32.15, and now "
        "nothing answers at http://127.0.0.1:11434."
    )
    again = host_of("windows", cut, ollama_version="0.33.0", ollama_accept_untested_version=True)
    assert again.steps["old_version"] == "0.32.15" and again.steps["failed_releases"] == ["0.33.0"] and again.restart


def test_a_record_that_others_could_have_made_is_no_reason_to_trust_its_folder(host_of):
    def theirs(state):
        state["files"].update({path: {"type": "directory"} for path in ("C:\\ollama", FOLDER)})

    (problem,) = host_of("windows", theirs).problems
    assert problem.id == "install_dir_of_others" and "holds .before already" in problem.say
