# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`site.yml` on the lab, as a user runs it: systemd hosts over SSH, a real Ollama, real pulls; cards and model weights are stand-ins.

The tests build on each other in file order, like a working day: first deployment, second run, questions, a reboot, a dead host.
Deleted, nothing would show that the parts work together.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OUTPUT = ROOT / "tests" / "output" / "site"
HOSTS = {"lab-3060": "172.30.77.11", "lab-3090x2": "172.30.77.12", "lab-cpu": "172.30.77.13"}
RECAP = re.compile(r"^(\S+)\s+: (.*unreachable=.*)$", re.MULTILINE)


class Run:
    """One ansible-playbook, its text, its recap by host, and the fleet document that it wrote."""

    def __init__(self, name: str, playbook: str, *arguments: str):
        OUTPUT.mkdir(parents=True, exist_ok=True)
        self.log = OUTPUT / (name + ".log")
        environment = dict(os.environ, ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"), ANSIBLE_NOCOLOR="1", LLMFLEET_REPORT_DIR=str(OUTPUT / name))
        self.done = subprocess.run(
            ["ansible-playbook", "-i", "inventories/lab", playbook, *arguments],
            cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )
        self.text = self.done.stdout
        self.log.write_text(self.text, encoding="utf-8")
        self.recap = {
            host: {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", counts)} for host, counts in RECAP.findall(self.text)
        }
        report = OUTPUT / name / "fleet.json"
        self.fleet = json.loads(report.read_text(encoding="utf-8")) if report.exists() else None

    def assert_good(self) -> Run:
        assert self.done.returncode == 0, self.text[-6000:]
        return self

    def changed(self) -> dict:
        return {host: counts["changed"] for host, counts in self.recap.items() if counts["changed"]}


def ask(host: str, path: str, body: dict | None = None) -> dict:
    request = urllib.request.Request(
        "http://%s:11434%s" % (HOSTS[host], path),
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)


@pytest.fixture(scope="module")
def lab():
    # From nothing: a host that an earlier run left would make the first deployment look easy.
    for command in ("down", "up"):
        subprocess.run([sys.executable, "lab/lab.py", command], cwd=ROOT, check=True)


@pytest.fixture(scope="module")
def first(lab):
    return Run("first", "site.yml")


def test_first_run(first):
    """The mission: one command, every host ends with a service and models."""
    first.assert_good()
    assert set(HOSTS) | {"lab-hub"} <= set(first.recap)
    assert not any(counts["failed"] or counts["unreachable"] for counts in first.recap.values())


def test_cards_decide_the_tags(first):
    """Sizing would not be driven by the inventory if two hosts with the same variables got the same tag."""
    models = {host: [model["name"] for model in ask(host, "/api/tags")["models"]] for host in HOSTS}
    assert models["lab-3060"] == ["deepseek-r1:14b"]
    assert models["lab-3090x2"] == ["deepseek-r1:70b"]
    assert len(models["lab-cpu"]) == 1 and models["lab-cpu"][0] in ("deepseek-r1:1.5b", "deepseek-r1:7b")


def test_report_says_what_runs_where_and_why(first):
    """The table is what a person looks at after a run; it must name host, tag, context and reason."""
    table = first.text[first.text.index("PLAY RECAP"):] + first.text
    for word in (*HOSTS, "deepseek-r1:14b", "deepseek-r1:70b", "8192", "RTX 3060", "RTX 3090"):
        assert word in table, word
    assert first.fleet is not None


def test_upstream_sent_each_model_once(first):
    """A fleet that pulls over the WAN for each host wastes hours."""
    counted = json.loads(
        subprocess.run([sys.executable, "lab/lab.py", "traffic", "--json"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    )
    # Making a new fleet resets the count, so all of this is what the first run and its mirror asked for.
    assert set(counted["models"]) == {"deepseek-r1:14b", "deepseek-r1:70b", ask("lab-cpu", "/api/tags")["models"][0]["name"]}
    for model, row in counted["models"].items():
        assert (row["clients"], row["times"]) == (["172.30.77.10"], 1.0), (model, row)


def test_verify(first):
    """A service that is up but cannot chat would pass every other check."""
    done = Run("verify", "playbooks/verify.yml").assert_good()
    assert not done.changed()


def test_second_run_changes_nothing(first):
    """A role that always changes something restarts services and hides real changes."""
    second = Run("second", "site.yml").assert_good()
    assert second.changed() == {}


def test_check_and_diff_are_quiet_on_a_converged_fleet(first):
    """People run --check --diff to see drift; noise there makes it useless."""
    quiet = Run("check", "site.yml", "--check", "--diff").assert_good()
    assert quiet.changed() == {}
    assert not re.search(r"^(---|\+\+\+) (before|after)", quiet.text, re.MULTILINE)


def test_plan_changes_nothing_and_explains(first):
    plan = Run("plan", "playbooks/plan.yml").assert_good()
    assert plan.changed() == {}
    for word in ("deepseek-r1:14b", "deepseek-r1:70b", "RTX 3060", "GiB"):
        assert word in plan.text, word


def test_reboot(first):
    """A service that does not come back by itself is not installed."""
    subprocess.run(["docker", "restart", "--time", "20", "lab-3060"], check=True, capture_output=True)
    deadline = time.monotonic() + 60
    while True:
        try:
            version = ask("lab-3060", "/api/version")["version"]
            break
        except OSError:
            assert time.monotonic() < deadline, "lab-3060 does not serve after a reboot"
            time.sleep(1)
    assert version == "0.9.3"
    assert [model["name"] for model in ask("lab-3060", "/api/tags")["models"]] == ["deepseek-r1:14b"]


def test_a_dead_host_does_not_stop_the_others(first):
    """One machine that is off must not keep a fleet from being configured, and the report must say which one."""
    subprocess.run(["docker", "stop", "--time", "5", "lab-cpu"], check=True, capture_output=True)
    try:
        run = Run("dead", "site.yml", "-e", "ansible_ssh_timeout=5")
        assert run.recap["lab-cpu"]["unreachable"] == 1
        assert not any(counts["failed"] for counts in run.recap.values()), run.text[-4000:]
        assert run.recap["lab-3060"]["ok"] > 5 and run.recap["lab-3090x2"]["ok"] > 5
        assert run.recap["lab-3060"]["changed"] == 0
    finally:
        subprocess.run(["docker", "start", "lab-cpu"], check=True, capture_output=True)


def test_a_host_that_comes_back_is_taken_in_again(first):
    """Open WebUI leaves an offline host out; it would stay out if the backends were only written once."""
    deadline = time.monotonic() + 60
    while True:
        try:
            ask("lab-cpu", "/api/version")
            break
        except OSError:
            assert time.monotonic() < deadline, "lab-cpu does not serve after it was switched on again"
            time.sleep(1)
    back = Run("back", "site.yml").assert_good()
    assert set(back.changed()) == {"lab-hub"}


BAD_INPUT = {
    "unknown family": ({"llm_models": [{"family": "deepsek-r1"}]}, ("llm_models", "deepsek-r1", "deepseek-r1")),
    "impossible tag": ({"llm_models": [{"model": "deepseek-r1:14 b"}]}, ("llm_models", "14 b")),
    "context beyond training": ({"llm_models": [{"family": "deepseek-r1", "context": 1000000}]}, ("llm_models[0].context", "163840")),
    "nothing fits": ({"llm_models": [{"model": "deepseek-r1:671b"}]}, ("deepseek-r1:671b", "short")),
    "two wants, one card": (
        {"llm_models": [{"model": "deepseek-r1:14b", "context": 8192}, {"model": "deepseek-r1:8b", "context": 8192}]},
        ("llm_models", "together"),
    ),
    "no door": ({"ollama_firewall": "none"}, ("ollama_firewall", "ollama_accept_open_port")),
    "below the floor": ({"ollama_accept_vulnerable_version": False}, ("ollama_version", "0.23.3", "ollama_accept_vulnerable_version")),
    "dead mirror": ({"llm_registry": "http://172.30.77.99"}, ("llm_registry", "172.30.77.99")),
}


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_stops_before_the_first_change(case, first):
    """Each fault must be told before anything is touched, with the variable that holds it."""
    variables, words = BAD_INPUT[case]
    run = Run("bad-" + case.replace(" ", "-").replace(",", ""), "site.yml", "--limit", "lab-3060", "-e", json.dumps(variables))
    assert run.done.returncode != 0, run.text[-3000:]
    assert run.changed() == {}, run.text[-3000:]
    for word in words:
        assert word in run.text, "%r is not in:\n%s" % (word, run.text[-3000:])
