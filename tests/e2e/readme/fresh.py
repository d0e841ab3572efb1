# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The README's fleet: hosts that have never seen us, and a person at a bash in an empty home who does what the README says."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import yaml
from llmfleet_lab import engine, hosts, images
from support import plays
from support.documents import ROOT, Block, blocks

LAB = {host.name: host for host in hosts.HOSTS}
# The README's host names, and the machines that its comments speak of. Half of them ask for a password where sudo is used.
MACHINES = {
    "hub": ("172.30.77.170", images.HUB_IMAGE, "lab-hub"),
    "gpu-01": ("172.30.77.171", "llmfleet/debian12", "lab-3060"),
    "gpu-02": ("172.30.77.172", "llmfleet/debian13", "lab-3090x2"),
    "old-server": ("172.30.77.173", "llmfleet/debian12", "lab-cpu"),
}
WITH_SUDO_PASSWORD = ("hub", "gpu-02")
# The README's network, and the lab's.
ADDRESSES = {
    "10.20.0.0/16": "172.30.77.0/24", "10.20.0.10": "172.30.77.170", "10.20.0.11": "172.30.77.171", "10.20.0.12": "172.30.77.172",
    "10.20.0.13": "172.30.77.173",
}  # fmt: skip
SOURCE = "https://github.com/llmfleet/llmfleet"
README = blocks(ROOT / "README.md")


def readme_command(word: str) -> str:
    """The README's only command with this word."""
    found = [line for block in README if not block.marker for line in block.commands if word in line]
    assert len(found) == 1, (word, found)
    return found[0]


def at_home(text: str) -> str:
    """The text with the lab's addresses, and nothing else changed."""
    return re.sub(r"10\.20\.0\.(?:0/16|\d+)", lambda found: ADDRESSES[found[0]], text)


def _host(name: str) -> hosts.Host:
    address, image, like = MACHINES[name]
    disks = tuple(replace(disk, name=f"readme-{name}") for disk in LAB[like].volumes if disk.place == "/var/lib/docker")
    return replace(LAB[like], name=f"readme-{name}", address=address, image=image, volumes=disks)


class Fleet:
    """The fresh hosts. `loading` ends when the hub's engine holds the images that it cannot download."""

    def __init__(self, client):
        self.client = client
        self.hosts = {name: _host(name) for name in MACHINES}
        self.loading: Future | None = None

    def start(self, known_hosts: Path, sudo_password: str) -> None:
        self.remove()
        with ThreadPoolExecutor() as pool:
            boxes = dict(zip(self.hosts, pool.map(lambda host: hosts.start_one(self.client, host), self.hosts.values()), strict=True))
        known_hosts.write_text("".join(f"{self.hosts[name].address} {hosts.host_key(box)}\n" for name, box in boxes.items()))
        for name in WITH_SUDO_PASSWORD:
            engine.execute(boxes[name], "sh", "-c", f"echo ansible:{shlex.quote(sudo_password)} | chpasswd")
            engine.execute(boxes[name], "sh", "-c", "echo 'ansible ALL=(ALL) ALL' > /etc/sudoers.d/ansible")
        self.loading = ThreadPoolExecutor().submit(
            engine.execute, boxes["hub"], "docker", "load", "--quiet", "--input", "/srv/lab-images/images.tar"
        )

    def inside(self, name: str, script: str) -> str:
        """What a host's own shell says, not Ansible."""
        return engine.execute(engine.container(self.client, f"readme-{name}"), "sh", "-c", script)

    def remove(self) -> None:
        for host in self.hosts.values():
            box = engine.container(self.client, host.name)
            if box:
                box.remove(force=True)
            for disk in host.volumes:
                subprocess.run(["docker", "volume", "rm", "--force", disk.name], capture_output=True, check=False)


@dataclass
class Said:
    """What a command printed, how it ended, and what Ansible counted."""

    text: str
    code: int

    @property
    def recap(self) -> dict[str, dict[str, int]]:
        return plays.recap(self.text)

    @property
    def changed(self) -> dict[str, int]:
        return {host: counts["changed"] for host, counts in self.recap.items() if counts["changed"]}

    def good(self) -> Said:
        assert self.code == 0, self.text[-6000:]
        return self


class Person:
    """Somebody with an empty home, an SSH key and the environment that the README's pip line makes. Nothing answers a prompt."""

    def __init__(self, home: Path, log: Path, programs: Path):
        self.home, self.log, self.state, self.drafts = home, log, home / ".state", home / ".drafts"
        self.drafts.mkdir(parents=True)
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("")
        self.known_hosts = home / "known_hosts"
        # An editor that writes what the document shows as the file's content.
        editor = home / "editor"
        editor.write_text(f'#!/bin/sh\ncat {shlex.quote(str(self.drafts))}/current > "$1"\n')
        editor.chmod(0o755)
        options = f"-F none -i {hosts.KEY} -o IdentitiesOnly=yes -o UserKnownHostsFile={self.known_hosts} -o StrictHostKeyChecking=yes"
        git = {f"url.file://{self._snapshot()}.insteadOf": SOURCE, "advice.detachedHead": "false"}
        self.environment = {
            "HOME": str(home), "PATH": f"{programs}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "LANG": "C.UTF-8", "EDITOR": str(editor),
            "ANSIBLE_NOCOLOR": "1", "COLUMNS": "160",
            # As ~/.ssh/config would say it; ssh asks the password database where that is, not HOME.
            "ANSIBLE_SSH_COMMON_ARGS": options,
            "GIT_CONFIG_COUNT": str(len(git)),
            **{f"GIT_CONFIG_KEY_{number}": key for number, key in enumerate(git)},
            **{f"GIT_CONFIG_VALUE_{number}": value for number, value in enumerate(git.values())},
        }  # fmt: skip

    def _snapshot(self) -> Path:
        """The tree as it is now as a repository to clone: also what is not committed yet."""
        copy = self.home / ".snapshot"
        copy.mkdir()
        listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True)
        there = b"\0".join(name for name in listed.stdout.split(b"\0") if name and os.path.lexists(ROOT / os.fsdecode(name)))
        packed = subprocess.run(["tar", "-c", "--null", "--no-recursion", "-T", "-"], cwd=ROOT, input=there, check=True, capture_output=True).stdout
        subprocess.run(["tar", "-x", "-C", copy], input=packed, check=True)
        for words in (["init", "--quiet"], ["add", "--all"], ["-c", "user.name=x", "-c", "user.email=x@y", "commit", "--quiet", "-m", "as it is"]):
            subprocess.run(["git", *words], cwd=copy, check=True)
        return copy

    def type(self, script: str, timeout: int = 3600) -> Said:
        """Run lines in one bash after the other: folder and exported variables stay, as in a terminal."""
        resume = f"source {self.state}" if self.state.exists() else f"cd {self.home}"
        save = f"{{ export -p; echo cd \"$(printf %q \"$PWD\")\"; }} > {self.state}"
        (self.home / ".typed").write_text(f"{resume}\nset -e -o pipefail\ntrap '{save}' EXIT\n{script}")
        # ansible-vault opens no editor without a terminal. Whoever asks this one a question meets its end.
        done = subprocess.run(
            ["script", "--quiet", "--return", "--command", f"stty cols 160; exec bash {self.home}/.typed", "/dev/null"],
            env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=timeout,
        )  # fmt: skip
        text = done.stdout.replace("\r\n", "\n")
        with open(self.log, "a", encoding="utf-8") as log:
            log.write(f"$ {script}\n{text}\n")
        return Said(text, done.returncode)

    def run(self, block: Block) -> Said:
        """A console block, with the lab's addresses."""
        return self.type(at_home(block.text))

    def write(self, block: Block) -> None:
        """A file of the document, in the checkout. One that ansible-vault shall create waits for the editor."""
        if Path(block.file).name == "vault.yml":
            (self.drafts / "current").write_text(block.text)
            return
        path = self.checkout / block.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(at_home(block.text), encoding="utf-8")

    def forget(self, *forgotten: str) -> str:
        """A copy of the README's inventory without these variables, and its path. What the vault holds lies there in the open."""
        source, name = self.checkout / "inventories/mine", f"inventories/without-{'-'.join(forgotten).replace('_', '-')}"
        copy = self.checkout / name
        shutil.copytree(source, copy, dirs_exist_ok=True)
        vault = copy / "group_vars/all/vault.yml"
        vault.write_text((self.drafts / "current").read_text())
        found = []
        for path in sorted(copy.rglob("*.yml")):
            content = yaml.safe_load(path.read_text())
            for variables in (content, content.get("all", {}).get("vars", {})):
                found += [variable for variable in forgotten if variables.pop(variable, None) is not None]
            path.write_text(yaml.safe_dump(content))
        assert sorted(found) == sorted(forgotten), f"the README sets {found} of {forgotten}"
        return name

    @property
    def checkout(self) -> Path:
        return self.home / "llmfleet"

    def plans(self, output: str) -> dict[str, dict]:
        """What -e llm_plan_output wrote."""
        return yaml.safe_load((self.checkout / output).read_text(encoding="utf-8"))
