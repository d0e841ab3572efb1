# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The container engine: find it, start it where nothing else does, and run containers in it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import docker
import runc_within_limits
from docker.errors import DockerException, NotFound
from docker.types import IPAMConfig, IPAMPool

from . import checkout
from .common import CACHE, GATEWAY, GUESTS, LABEL, NETWORK, RECIPE_LABEL, SUBNET, LabError, run, say

PID_FILE = CACHE / "dockerd.pid"
LOG_FILE = CACHE / "dockerd.log"
# What an engine of ours runs at each start of a container, so it may not lie in a checkout: those come and go while the engine serves all of them.
RUNTIME = Path("/usr/local/lib/llmfleet-lab/runc_within_limits.py")


def _connect() -> docker.DockerClient | None:
    try:
        client = docker.from_env(timeout=120)
        client.ping()
    except DockerException:
        return None
    return client


def find() -> docker.DockerClient | None:
    """The engine if one answers; used by what must not start one (status, down, clean)."""
    return _connect()


def start() -> docker.DockerClient:
    """The engine, started by us when none answers."""
    client = _connect()
    if client:
        return client
    if os.geteuid() != 0:
        raise LabError("no container engine answers and only root can start one: run this as root, or start Docker first.")
    if Path("/run/systemd/system").is_dir():
        say("engine", "starting docker.service")
        run(["systemctl", "start", "docker.service"])
    else:
        say("engine", f"starting dockerd (its log: {LOG_FILE.relative_to(CACHE.parents[1])})")
        CACHE.mkdir(parents=True, exist_ok=True)
        with open(LOG_FILE, "ab") as log:
            process = subprocess.Popen(["dockerd", *_runtime()], stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
        PID_FILE.write_text(str(process.pid))
    for _attempt in range(120):
        client = _connect()
        if client:
            return client
        time.sleep(0.5)
    raise LabError(f"the container engine did not answer within 60 seconds; {LOG_FILE} says why.")


def _runtime() -> list[str]:
    """Options for an engine that would ask for capabilities which this machine does not have."""
    release = re.search(r"version (\d+)", subprocess.run(["dockerd", "--version"], capture_output=True, text=True, check=True).stdout)
    if not release or int(release[1]) >= 23 or not runc_within_limits.missing():
        return []
    RUNTIME.parent.mkdir(parents=True, exist_ok=True)
    # Put in place in one step: an engine that was started before may be about to run the one that is there.
    fresh = RUNTIME.with_suffix(".new")
    fresh.write_bytes(Path(runc_within_limits.__file__).read_bytes())
    fresh.chmod(0o755)
    fresh.replace(RUNTIME)
    return ["--add-runtime", f"within-limits={RUNTIME}", "--default-runtime", "within-limits"]


def stop_if_ours() -> bool:
    """Stop the dockerd that start() began, and remove what it ran; one that was there before stays."""
    try:
        pid = int(PID_FILE.read_text())
    except (OSError, ValueError):
        return False
    if not _is_dockerd(pid):
        return False
    os.kill(pid, signal.SIGTERM)
    for _attempt in range(60):
        if not _is_dockerd(pid):
            PID_FILE.unlink()
            RUNTIME.unlink(missing_ok=True)
            if RUNTIME.parent.is_dir():
                RUNTIME.parent.rmdir()
            return True
        time.sleep(0.5)
    raise LabError(f"dockerd (process {pid}) does not stop within 30 seconds; {LOG_FILE} may say why.")


def _is_dockerd(pid: int) -> bool:
    """Whether this process is a living dockerd: the number may be another process's by now, or a dead one's that nobody buried."""
    try:
        name, _bracket, state = Path(f"/proc/{pid}/stat").read_text().partition("(")[2].rpartition(")")
    except OSError:
        return False
    return name == "dockerd" and state.split()[0] != "Z"


def network(client: docker.DockerClient) -> None:
    """The lab's own network; a subnet of ours, so that addresses in inventories never move."""
    if client.networks.list(names=[f"^{NETWORK}$"]):
        return
    pool = IPAMPool(subnet=SUBNET, gateway=GATEWAY, iprange=GUESTS)
    client.networks.create(NETWORK, driver="bridge", ipam=IPAMConfig(pool_configs=[pool]), labels={LABEL: "network"})
    say("engine", f"network {NETWORK} {SUBNET} made")


def remove_network(client: docker.DockerClient) -> None:
    """Remove the lab's network, unless somebody else's container still uses it."""
    for found in client.networks.list(names=[f"^{NETWORK}$"]):
        found.reload()
        guests = [guest["Name"] for guest in found.attrs["Containers"].values()]
        if guests:
            raise LabError(f"the network {NETWORK} is still used by {', '.join(guests)}: remove them first (`molecule destroy --all`).")
        found.remove()


def container(client: docker.DockerClient, name: str):
    """The container of this name, or None."""
    try:
        return client.containers.get(name)
    except NotFound:
        return None


def create(client: docker.DockerClient, name: str, image: str, address: str, aliases: list[str], wanted: str = "", **options):
    """Run a container at a fixed address of the lab's network."""
    endpoint = client.api.create_endpoint_config(ipv4_address=address, aliases=aliases)
    return client.containers.run(
        image,
        name=name,
        hostname=name,
        detach=True,
        network=NETWORK,
        networking_config={NETWORK: endpoint},
        labels={LABEL: "host", RECIPE_LABEL: wanted, **checkout.labels()},
        **options,
    )


def execute(box, *command: str) -> str:
    """Run a command in a container as root; a failure is an error with its output."""
    code, output = box.exec_run(list(command))
    text = output.decode(errors="replace")
    if code:
        raise LabError(f"`{' '.join(command)[:120]}` in {box.name} ended with code {code}: {text.strip()[-400:]}")
    return text
