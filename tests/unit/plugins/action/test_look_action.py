# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action: which module looks where, what becomes a fact, and what is not believed.

Deleted, an answer of another schema would end in a traceback, and a text of a host could write on the operator's terminal.
"""

from __future__ import annotations

import types

import pytest
from ansible_collections.llmfleet.ollama.plugins.action import look as action
from ansible_collections.llmfleet.ollama.plugins.module_utils.look.texts import DEEPEST, LONGEST, clean
from ansible_collections.llmfleet.ollama.plugins.plugin_utils import held_look
from looks import bare, there

QUESTIONS = [{"system": system} for system in ("linux", "macos", "windows")]
LOST = {"observation_version": 1, "system": "Linux", "nvml": {"driver": {"rc": 0, "count": 1}, "devices": [{"index": 0, "rc": 15}]}}


@pytest.fixture
def run(monkeypatch):
    """run(answer, **arguments) -> (result, what was executed)"""

    def act(answer, windows=False, verbosity=0, questions=QUESTIONS, reuse=False, task="a-b-run-1-9", **variables):
        plugin = action.ActionModule.__new__(action.ActionModule)
        plugin._connection = types.SimpleNamespace(_shell=types.SimpleNamespace(_IS_WINDOWS=windows))
        plugin._task = types.SimpleNamespace(_uuid=task)
        plugin._display = types.SimpleNamespace(verbosity=verbosity)
        executed = []
        given = {"questions": questions and list(questions), "wish": {}, "reuse": reuse, "filesystems": [], "proofs_path": None}
        plugin.validate_argument_spec = lambda argument_spec: (None, given)
        plugin._execute_module = lambda **called: executed.append(called) or answer
        monkeypatch.setattr(action.ActionBase, "run", lambda self, tmp, task_vars: {})
        plugin._templar = types.SimpleNamespace(template=lambda value: value)
        return plugin.run(task_vars={"inventory_hostname": "gpu1", "groups": {}, "hostvars": {}, **variables}), executed

    return act


@pytest.mark.parametrize(
    ("windows", "module", "systems"), [(False, "look_probe", ["linux", "macos"]), (True, "win_look_probe", ["windows"])],
)
def test_one_module_run(run, windows, module, systems):
    """Exactly one, by the connection's kind; a host gets the questions of the systems that it can have."""
    result, executed = run({"look": bare("windows" if windows else "linux")}, windows=windows)
    assert [called["module_name"] for called in executed] == ["llmfleet.ollama." + module]
    assert executed[0]["module_args"] == {
        "questions": [{"system": system} for system in systems], "filesystems": [], "proofs_path": None,
    }
    assert result["changed"] is False and {"vram", "look"} < set(result["ansible_facts"])


def test_facts(run):
    """The accelerators are interpreted as vram_facts does it; their raw texts are not kept in the fact."""
    answer = bare("linux", observation=dict(LOST, meminfo="MemTotal:  2 kB\nMemAvailable:  1 kB"))
    result = run({"look": answer})[0]
    facts = result["ansible_facts"]
    assert facts["vram"]["system_memory"] == {"total_bytes": 2048, "available_bytes": 1024, "bandwidth_bytes_per_second": None}
    assert "reboot the host" in result["warnings"][0] and "observation" not in result
    assert {name: value for name, value in facts["look"].items() if name not in ("asked", "run", "seen_at")} == bare("linux")


def test_which_python_a_host_has_is_asked_once(run):
    """Deleted, the next module run would ask each host for it again, over a connection of its own."""
    found = {"discovered_interpreter_python": "/usr/bin/python3.11", "system": "odd"}
    facts = run({"look": bare("linux"), "ansible_facts": found})[0]["ansible_facts"]
    assert (facts["discovered_interpreter_python"], facts["system"]) == ("/usr/bin/python3.11", "Linux")
    assert "discovered_interpreter_python" not in run({"look": bare("linux")})[0]["ansible_facts"]


def test_what_is_asked_follows_from_the_inventory(run):
    """A task without options asks what the decision will need; before a role is loaded, its defaults are missing."""
    asked = run({"look": bare("linux")}, questions=None)[1][0]["module_args"]["questions"]
    assert [(entry["system"], entry["models_dir"]) for entry in asked] == [
        ("linux", "/usr/share/ollama/.ollama/models"), ("macos", "/opt/ollama/models"),
    ]
    asked = run({"look": bare("linux")}, questions=None, ollama_models_dir="/srv/m", ollama_port="8080")[1][0]["module_args"]["questions"]
    assert {(entry["models_dir"], entry["port"], entry["url"]) for entry in asked} == {("/srv/m", 8080, "http://127.0.0.1:8080")}


def test_the_role_asks_what_the_plan_has_asked(run):
    """Before a role is loaded its defaults are missing; behind it they are there, and say the same. Another file of proofs is another look."""
    facts = run({"look": bare("linux")}, questions=None)[0]["ansible_facts"]
    defaults = {
        "ollama_version": "0.32.15", "ollama_install_dir": "/opt/ollama", "ollama_models_dir": "/usr/share/ollama/.ollama/models", "ollama_user": "ollama",
        "ollama_group": "ollama", "ollama_port": 11434, "ollama_host": "0.0.0.0", "ollama_allowed_groups": ["open_webui"],
        "ollama_models_proofs_path": "/etc/ansible/facts.d/llmfleet.fact",
    }
    assert run({}, questions=None, reuse=True, ansible_facts=facts, **defaults)[1] == []
    again = run({"look": bare("linux")}, questions=None, reuse=True, ansible_facts=facts, **{**defaults, "ollama_models_proofs_path": "/srv/proofs"})[1]
    assert [called["module_args"]["proofs_path"] for called in again] == ["/srv/proofs"]


def test_usual_facts(run):
    """Tasks that ask for the system need no setup; what a setup said is not overwritten by less."""
    facts = run({"look": bare("windows")})[0]["ansible_facts"]
    assert (facts["os_family"], facts["architecture"], facts["distribution_version"]) == ("Windows", "AMD64", "10.0.20348")
    facts = run({"look": bare("linux")}, ansible_facts={"distribution_version": "13.1"})[0]["ansible_facts"]
    assert (facts["os_family"], facts["distribution"], facts["service_mgr"]) == ("Debian", "Debian", "systemd") and "distribution_version" not in facts
    assert run({"look": bare("linux", os_like=["rocky", "rhel", "centos", "fedora"])})[0]["ansible_facts"]["os_family"] == "RedHat"
    assert run({"look": bare("linux", os_like=["void"])})[0]["ansible_facts"]["os_family"] == "Void"


def test_a_look_is_kept_for_the_rest_of_the_run(run):
    """The role after the plan needs no module run; another run, another question, or a decision that was made from it, and it looks again."""
    facts = run({"look": bare("linux")})[0]["ansible_facts"]
    kept, executed = run({}, reuse=True, task="c-d-run-1-77", ansible_facts=facts)
    assert executed == [] and kept == {"changed": False, "msg": "was looked at in this run"}
    for again in (
        {"reuse": False}, {"task": "a-b-run-2-9"}, {"questions": [{"system": "linux", "port": 1}]},
        {"ansible_facts": {**facts, "look": {**facts["look"], "run": ""}}}, {"ansible_facts": {}},
    ):
        assert len(run({"look": bare("linux")}, **{"reuse": True, "ansible_facts": facts, **again})[1]) == 1, again
    for away in (-held_look.SECONDS, 60):
        moved = {**facts, "look": {**facts["look"], "seen_at": facts["look"]["seen_at"] + away}}
        assert len(run({"look": bare("linux")}, reuse=True, ansible_facts=moved)[1]) == 1, "a mirror was filled for hours meanwhile, or a clock was set"
    # What another system would have been asked is of no account.
    assert run({}, reuse=True, ansible_facts=facts, questions=[QUESTIONS[0], {"system": "macos", "port": 1}])[1] == []


def test_the_first_module_of_a_run(run):
    """A forgotten password of sudo is a sentence with its variable, not one of sudo's."""
    failed = {"failed": True, "msg": "Missing sudo password", "rc": 1}
    assert "ansible_become_password" in run(failed)[0]["msg"]


def test_the_observation_is_shown_to_those_who_debug(run):
    assert run({"look": bare("linux", observation=LOST)}, verbosity=3)[0]["observation"] == LOST


def test_a_host_without_python_is_a_failure(run):
    assert run({"failed": True, "msg": "no interpreter"})[0] == {"failed": True, "msg": "no interpreter"}


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ({}, "What gpu1 says of itself cannot be used: look is null"),
        ({"look": "yes"}, "What gpu1 says of itself cannot be used: look is 'yes', not named values"),
        ({"look": bare("linux", schema=2)}, "What gpu1 says of itself cannot be used: look.schema is 2"),
        ({"look": bare("linux", store={"denied": None})}, "What gpu1 says of itself cannot be used: look.store.denied is null"),
    ],
)
def test_an_answer_that_cannot_be_believed(run, answer, sentence):
    """One sentence with host and field; no fact is set."""
    result = run(answer)[0]
    assert result["failed"] is True and result["msg"].startswith(sentence) and "ansible_facts" not in result


def test_texts_of_the_host_are_harmless(run):
    """A process that calls itself ESC ]0;... would name the operator's terminal; a name with a line break would forge a line of a log."""
    answer = bare("linux", port_owner="ng\x1b]0;x\x07inx\nFAILED\u202e", files=[there("/x", "link", target="a\x00b")], proofs={"a\x9bb": {"why": "c\r"}})
    look = run({"look": answer})[0]["ansible_facts"]["look"]
    assert look["port_owner"] == "ng]0;xinxFAILED" and look["files"][0]["target"] == "ab" and look["proofs"] == {"ab": {"why": "c"}}


def test_clean():
    """Whatever is not text stays what it is; what is too long or too deep is cut."""
    assert clean([1, None, True, 2.5, "é 漢 🙂"]) == [1, None, True, 2.5, "é 漢 🙂"]
    assert clean("\ud800x" + "y" * LONGEST) == "x" + "y" * (LONGEST - 1)
    deep = value = []
    for _level in range(10000):
        value.append([])
        value = value[0]
    levels, found = 0, clean(deep)
    while found:
        levels, found = levels + 1, found[0]
    assert levels == DEEPEST
