# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's fleet as the end-to-end tests use it: run a playbook, ask a server, look into a host."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request

from support import ROOT, plays

OUTPUT = ROOT / "tests" / "output" / "site"
HOSTS = {"lab-3060": "172.30.77.11", "lab-3090x2": "172.30.77.12", "lab-cpu": "172.30.77.13"}
NEW, OLD = "0.9.3", "0.5.4-ipexllm-20250407"


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
        self.recap = plays.recap(self.text)
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


def traffic() -> dict:
    """What left the upstream. Making a new fleet resets the count, so all of it is what the tests' runs and their mirror asked for."""
    done = subprocess.run([sys.executable, "lab/lab.py", "traffic", "--json"], cwd=ROOT, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def enter(host: str, *command: str, given: str = "") -> subprocess.CompletedProcess:
    """Run a command on a host without Ansible. Once in some thousand times runc fails before the command has begun; then it is tried again."""
    for _attempt in range(3):
        done = subprocess.run(["docker", "exec", "-i", host, *command], input=given, capture_output=True, text=True, check=False)
        if done.returncode != 126 or "OCI runtime exec failed" not in done.stdout + done.stderr:
            break
    return done


def inside(host: str, script: str, check: bool = True) -> str:
    """What a host's own shell says, not Ansible."""
    done = enter(host, "sh", "-c", script)
    if check:
        done.check_returncode()
    return done.stdout


def versions() -> dict:
    return {host: ask(host, "/api/version")["version"] for host in HOSTS}


def sent_to(host: str) -> int:
    """Bytes of models that the mirror has sent to this host since it was made."""
    lines = inside("lab-hub", "cat /var/log/nginx/model-mirror.log").splitlines()
    return sum(int(line.split('" ')[1].split()[1]) for line in lines if line.startswith(HOSTS[host] + " ") and "/blobs/" in line)
