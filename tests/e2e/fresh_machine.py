# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines that have never seen us: a fresh Debian that boots systemd, with the checkout as a clone leaves it and Ansible from PyPI.

    with fresh_machine.fresh("one-machine", "172.30.77.90", "llmfleet/debian12") as machine:
        machine.install("git", "python3-venv")
        machine.clone()
        machine.make_venv()
        machine.play("ansible-playbook -i inventories/local site.yml")

The network `llmfleet`, its upstream (registry.lab, releases.lab) and the images are the lab's (`lab/lab.py base`).
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from support import ROOT

PROGRAMS = ROOT / "tests" / "e2e" / "programs"
WEBUI = ROOT / ".cache" / "lab" / "webui"  # the archive of Open WebUI's images
USER = "ansible"  # an ordinary user who may use sudo, as the lab's images have one
HOME = f"/home/{USER}"
CHECKOUT = f"{HOME}/llmfleet"
REGISTRY = "127.0.0.1:5000"  # engines trust a registry on their own loopback without a certificate
# Of the package ansible a run imports a hundredth, so the rest is not compiled.
# pip carries authorities of its own; where a company's proxy signs, the system's are the right ones.
PIP = "PIP_CERT=/etc/ssl/certs/ca-certificates.crt PIP_DISABLE_PIP_VERSION_CHECK=1 ~/venv/bin/pip install --quiet --no-compile"


class Machine:
    """One fresh host: `root` and `user` run what a person would type there."""

    def __init__(self, name: str, sudo_password: str) -> None:
        self.name, self.sudo_password = name, sudo_password

    def exec(self, *command: str, user: str = "root", given: str | None = None, env: dict | None = None) -> subprocess.CompletedProcess:
        words = [word for pair in (env or {}).items() for word in ("--env", "=".join(pair))]
        return subprocess.run(
            ["docker", "exec", "--interactive", "--user", user, *words, self.name, *command],
            input=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip

    def root(self, script: str) -> str:
        """What root's shell says; a failure is an error with its words."""
        done = self.exec("sh", "-ec", script)
        assert done.returncode == 0, f"{self.name}: `{script[:120]}` ended with {done.returncode}: {done.stdout[-1500:]}"
        return done.stdout

    def user(self, script: str, given: str | None = None) -> subprocess.CompletedProcess:
        """The ordinary user's login shell, in the checkout when there is one; the caller judges the result."""
        # Output into a pipe is buffered in blocks; a run that hangs would have said nothing.
        return self.exec("bash", "-lc", f"cd {CHECKOUT} 2>/dev/null; {script}", user=USER, given=given, env={"PYTHONUNBUFFERED": "1", "HOME": HOME})

    def install(self, *packages: str) -> None:
        self.root(
            "apt-get update -qq -o Acquire::Retries=3 && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y -o Acquire::Retries=3 --no-install-recommends "
            f"{' '.join(packages)} >/dev/null 2>/tmp/apt.log || {{ cat /tmp/apt.log; exit 1; }}"
        )

    def clone(self) -> None:
        """The files of the checkout that git knows or would take, as they are now, in the user's home."""
        names = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True).stdout
        # A file that was removed and not yet committed is still in git's list.
        there = b"\0".join(name for name in names.split(b"\0") if name and os.path.lexists(ROOT / os.fsdecode(name)))
        with subprocess.Popen(["tar", "-c", "--null", "-T", "-"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as pack:
            unpack = subprocess.Popen(
                ["docker", "exec", "-i", "-u", USER, self.name, "sh", "-c", f"mkdir -p {CHECKOUT} && tar -x -C {CHECKOUT}"], stdin=pack.stdout
            )
            pack.stdin.write(there)
            pack.stdin.close()
            assert unpack.wait() == 0 and pack.wait() == 0, f"{self.name}: the checkout could not be copied"

    def make_venv(self, *packages: str) -> None:
        """Ansible as a person gets it without root: from PyPI, into ~/venv, which is on the user's PATH from then on."""
        done = self.user(f"python3 -m venv ~/venv && {PIP} {' '.join(packages or ('ansible',))} && echo 'PATH=~/venv/bin:$PATH' >> ~/.profile")
        assert done.returncode == 0, done.stdout[-1500:]

    def play(self, command: str, *more: str) -> subprocess.CompletedProcess:
        """A command of the README, typed in the checkout; `more` is what a closed network needs. A sudo password is asked for and given."""
        ask = " --ask-become-pass" if self.sudo_password else ""
        given = self.sudo_password + "\n" if self.sudo_password else None
        return self.user(f"ANSIBLE_NOCOLOR=1 {command}{ask} {' '.join(more)}", given=given)

    def serve_image(self) -> str:
        """Play ghcr.io on the machine itself, for an engine that is yet to be installed; returns the repository to name in open_webui_image."""
        with open(PROGRAMS / "image_registry.py", "rb") as program:
            subprocess.run(["docker", "exec", "-i", self.name, "sh", "-c", "cat > /opt/image_registry.py"], stdin=program, check=True)
        port = REGISTRY.rpartition(":")[2]
        self.root(f"systemd-run --quiet --unit=image-registry python3 /opt/image_registry.py /srv/lab-images/images.tar {port}")
        return f"{REGISTRY}/open-webui/open-webui"


@contextmanager
def bare(name: str, image: str) -> Iterator[Machine]:
    """A machine on which nothing runs and nothing may: no systemd, no privileges, no container engine. It is gone afterwards."""
    remove = ["docker", "rm", "--force", "--volumes", name]
    subprocess.run(remove, capture_output=True, check=False)
    subprocess.run(
        ["docker", "run", "--detach", "--name", name, "--network=llmfleet", "--label=llmfleet.lab=host", f"{image}:latest", "sleep", "infinity"],
        check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield Machine(name, "")
    finally:
        subprocess.run(remove, capture_output=True, check=False)


@contextmanager
def fresh(name: str, address: str, image: str, sudo_password: str = "") -> Iterator[Machine]:
    """A machine that is gone afterwards, with the volume of its container engine. With a password its user needs it for sudo."""
    remove = ["docker", "rm", "--force", "--volumes", name]
    subprocess.run(remove, capture_output=True, check=False)
    subprocess.run(
        ["docker", "run", "--detach", "--name", name, "--hostname", name, "--privileged", "--cgroupns=private", "--network=llmfleet",
         f"--ip={address}", "--tmpfs=/run", "--tmpfs=/tmp:exec", "--volume=/var/lib/docker", f"--volume={WEBUI.resolve()}:/srv/lab-images:ro",
         "--label=llmfleet.lab=host", f"{image}:latest", "/lib/systemd/systemd"],
        check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        machine = Machine(name, sudo_password)
        _wait_booted(machine)
        if sudo_password:
            machine.exec("chpasswd", given=f"{USER}:{sudo_password}\n")
            machine.root(f"echo '{USER} ALL=(ALL) ALL' > /etc/sudoers.d/{USER}")
        yield machine
    finally:
        subprocess.run(remove, capture_output=True, check=False)


def _wait_booted(machine: Machine) -> None:
    """Before the end of the boot /tmp and the network are not what they will be."""
    said = ""
    for _attempt in range(240):
        said = machine.exec("systemctl", "is-system-running").stdout.strip()
        if said in ("running", "degraded"):
            return
        time.sleep(0.25)
    raise AssertionError(f"{machine.name} did not boot within a minute: systemd says {said!r}")
