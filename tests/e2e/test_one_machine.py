# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine one sits at: a fresh Debian, Ansible from PyPI in the user's own venv, one command, and a chat in the browser on http://localhost:3000.

Deleted, nothing would show that inventories/local works: on a machine without a container engine, under a Python that sees nothing of what the
distribution installs, by a user whose sudo asks for a password. The pictures lie in tests/output/one-machine/.
Debian 12 is tried each time; with LLMFLEET_ALL_MACHINES=1 Debian 13 too, by a user whose sudo asks for nothing.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys

import fresh_machine
import pytest
from support import ROOT

PICTURES = ROOT / "tests/output/one-machine"
COMMAND = "ansible-playbook -i inventories/local site.yml"
PASSWORD_FILE = f"{fresh_machine.HOME}/.config/llmfleet/open-webui-password"
# What a closed network needs: the lab's release and registry in place of GitHub's and Ollama's, and headers of the real models from the catalogue.
CLOSED = {
    "ollama_version": "0.9.3",
    "ollama_accept_vulnerable_version": True,
    "ollama_download_base_url": "http://releases.lab",
    "ollama_accept_plain_http": True,
    "ollama_service_options": {"MemoryDenyWriteExecute": False},
    "llm_registry": "http://registry.lab",
    "llm_metadata_sources": ["catalogue"],
}
MACHINES = [("debian12", "172.30.77.90", "a secret of one's own")]
if os.environ.get("LLMFLEET_ALL_MACHINES"):
    MACHINES.append(("debian13", "172.30.77.91", ""))


def changed(said: str) -> int:
    return int(re.search(r"^localhost\s+: .*changed=(\d+)", said, re.MULTILINE)[1])


@pytest.fixture(scope="module", params=MACHINES, ids=lambda one: one[0])
def machine(request):
    system, address, password = request.param
    # registry.lab and releases.lab, which nothing before this may have started.
    subprocess.run([sys.executable, "lab/lab.py", "base"], cwd=ROOT, check=True)
    with fresh_machine.fresh(f"one-{system}", address, f"llmfleet/{system}", password) as machine:
        machine.install("python3-venv")
        machine.clone()
        machine.make_venv()
        machine.closed = json.dumps({**CLOSED, "open_webui_image": machine.serve_image()})
        yield machine


@pytest.fixture(scope="module")
def first(machine) -> str:
    done = machine.play(COMMAND, f"-e '{machine.closed}'")
    assert done.returncode == 0, done.stdout[-6000:]
    return done.stdout


def test_a_disk_that_is_too_small_is_refused_before_the_first_change(machine):
    """Ahead of everything else on a machine on which nothing is yet."""
    machine.root("mkdir /srv/small && mount -t tmpfs -o size=30m none /srv/small")
    done = machine.play(COMMAND, f"-e '{machine.closed}' -e ollama_install_dir=/srv/small/ollama")
    assert done.returncode != 0 and changed(done.stdout) == 0, done.stdout[-3000:]
    said = " ".join(done.stdout.split())
    assert "/srv/small (ollama_install_dir /srv/small/ollama) has only 30.0 MiB free, and Ollama 0.9.3 takes" in said, said[-3000:]
    assert "set ollama_install_dir to a larger disk; nothing was changed" in said
    assert machine.root("ls /srv/small; command -v dockerd || true") == ""


def test_one_command_and_it_says_where_to_go(machine, first):
    assert changed(first) > 0
    assert f"Open http://localhost:3000 as admin@localhost (password in {PASSWORD_FILE})" in " ".join(first.splitlines()[-4:])


def test_what_will_be_downloaded_is_told_before_the_first_change(first):
    before = first[: first.index("\nchanged: [localhost]")]
    told = [line for line in before.splitlines() if "To download" in line]
    assert len(told) == 1 and "Ollama 0.9.3" in told[0] and "Open WebUI" in told[0] and "deepseek-r1" in told[0], told


def test_nobody_else_can_reach_it_or_read_the_password(machine, first):
    listening = machine.root("ss -Hltn | awk '{print $4}'").split()
    assert {"127.0.0.1:3000", "127.0.0.1:11434"} <= set(listening) and not {
        f"{any_}:{port}" for any_ in ("0.0.0.0", "*", "[::]") for port in (3000, 11434)
    } & set(listening)
    assert machine.root(f"stat -c '%U %a' {PASSWORD_FILE}").split() == [fresh_machine.USER, "600"]
    assert machine.root("docker inspect -f '{{.HostConfig.CapDrop}}' open-webui").strip() == "[ALL]"


def test_a_chat_in_the_browser_of_this_machine(machine, first, tmp_path):
    """From inside the machine's own network, since its page is for nobody else. A new chat begins with the planned model."""
    assert shutil.which("chromium") and shutil.which("chromedriver"), "needs them: apt-get install chromium chromium-driver"
    password = tmp_path / "password"
    password.write_text(machine.root(f"cat {PASSWORD_FILE}"))
    planned = machine.root("ollama ls | awk 'NR == 2 {print $1}'").strip()
    process = subprocess.run(["docker", "inspect", "-f", "{{.State.Pid}}", machine.name], check=True, capture_output=True, text=True).stdout.strip()
    done = subprocess.run(
        ["nsenter", f"--net=/proc/{process}/ns/net", sys.executable, str(ROOT / "tests/e2e/browser/chat.py"), "--url", "http://localhost:3000",
         "--email", "admin@localhost", "--password-file", str(password), "--pictures", str(PICTURES / machine.name)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    seen = json.loads(done.stdout)
    assert seen["chosen"] == planned and seen["models"] == [planned] and planned in seen["answer"] and seen["errors"] == []


def test_the_second_run_from_another_checkout_changes_nothing(machine, first):
    machine.root(f"mv {fresh_machine.CHECKOUT} {fresh_machine.HOME}/elsewhere && ln -s elsewhere {fresh_machine.CHECKOUT}")
    done = machine.play(COMMAND, f"-e '{machine.closed}'")
    assert done.returncode == 0, done.stdout[-6000:]
    assert changed(done.stdout) == 0 and "To download" not in done.stdout
