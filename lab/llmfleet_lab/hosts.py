# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's four hosts: real systemd machines in containers, reached over SSH, with the cards that their configuration claims."""

from __future__ import annotations

import io
import os
import tarfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from docker.errors import NotFound

from . import checkout, engine, images, upstream
from .common import CACHE, LABEL, RECIPE_LABEL, SOURCE, LabError, recipe, run, say

SSH = CACHE / "ssh"
KEY = SSH / "id_ed25519"
KNOWN_HOSTS = SSH / "known_hosts"
FAKE_NVML = SOURCE / "fake_nvml" / "fake_nvml.c"
WEBUI = CACHE / "webui"  # lab/webui/build.py fills it
LIBRARY = CACHE / "fake_nvml" / "libnvidia-ml.so.1"

# Keeps the volumes of all hosts in use, so that those in memory outlive a restart of the host.
DISKS = "lab-disks"

DRIVER = "driver=570.124.04\ncuda=12080\n"


def _card(index: int, name: str, pci_id: str, total: int, reserved: int) -> str:
    return "".join(
        f"gpu{index}.{key}={value}\n"
        for key, value in (
            ("name", name),
            ("uuid", f"GPU-00000000-0000-4000-8000-{total:08d}{index:04d}"),
            ("pci", f"00000000:{index + 1:02X}:00.0"),
            ("pci_id", pci_id),
            ("total", f"{total}M"),
            ("reserved", f"{reserved}M"),
            ("used", "1M"),
            ("cc", "8.6"),
            ("persistence", "1"),
            ("minor", index),
        )
    )


@dataclass(frozen=True)
class Volume:
    """A disk of a host."""

    name: str
    place: str
    options: dict[str, str] = field(default_factory=dict)


def _models(name: str) -> tuple[Volume, ...]:
    """Models claim tens of gigabytes in the catalogue and take kilobytes here. A tmpfs may claim more than there is, so the
    disk checks of a plan see the disk that such a machine would have, whatever machine the lab runs on.
    """
    return (Volume(f"{name}-models", "/srv/models", {"type": "tmpfs", "device": "tmpfs", "o": "size=512g"}),)


@dataclass(frozen=True)
class Host:
    """One machine of the lab."""

    name: str
    address: str
    image: str
    memory_gib: int
    what: str
    volumes: tuple[Volume, ...]
    nvml: str = ""  # configuration of the fake NVML library; empty: the host has no such library
    limit: str | None = None  # memory that the engine lets it use
    cores: int | None = None  # of those that the lab's machine has


HOSTS = [
    Host(
        "lab-hub", "172.30.77.10", images.HUB_IMAGE, 16, "model mirror and Open WebUI",
        (Volume("lab-hub-docker", "/var/lib/docker"),),
    ),
    Host(
        "lab-3060", "172.30.77.11", "llmfleet/debian12", 32, "RTX 3060 12 GB (fake)", _models("lab-3060"),
        nvml=DRIVER + _card(0, "NVIDIA GeForce RTX 3060", "0x250310DE", 12288, 368),
    ),
    Host(
        "lab-3090x2", "172.30.77.12", "llmfleet/debian13", 64, "2 x RTX 3090 24 GB (fake)", _models("lab-3090x2"),
        nvml=DRIVER
        + _card(0, "NVIDIA GeForce RTX 3090", "0x220410DE", 24576, 316)
        + _card(1, "NVIDIA GeForce RTX 3090", "0x220410DE", 24576, 316),
    ),
    Host("lab-cpu", "172.30.77.13", "llmfleet/debian12", 8, "no GPU", _models("lab-cpu"), limit="8g", cores=2),
]  # fmt: skip


def start(client) -> None:
    """Bring up every host and wait until each answers over SSH."""
    _make_key()
    _make_library()
    _hold_disks(client)
    with ThreadPoolExecutor() as pool:
        boxes = list(pool.map(lambda host: start_one(client, host), HOSTS))
    # Whole, not appended to: addresses are used again by hosts with new keys.
    KNOWN_HOSTS.write_text("".join(f"{host.address} {host_key(box)}\n" for host, box in zip(HOSTS, boxes, strict=True)))
    for host in HOSTS:
        _sign_in(host)


def load_images(client) -> None:
    """Give the hub's engine the Open WebUI images that it could not download, unless it has them."""
    box = engine.container(client, "lab-hub")
    mark = "/var/lib/docker/lab-images"
    wanted = (WEBUI / "images.recipe").read_text()
    if box.exec_run(["grep", "-qxF", wanted, mark]).exit_code == 0:
        return
    say("hosts", "loading the Open WebUI images into lab-hub")
    engine.execute(box, "docker", "load", "--quiet", "--input", "/srv/lab-images/images.tar")
    engine.execute(box, "sh", "-c", f"echo {wanted} > {mark}")


def remove(client) -> int:
    """Remove the hosts and what they stored; returns how many there were."""
    boxes = [box for box in (engine.container(client, host.name) for host in HOSTS) if box]
    disks = engine.container(client, DISKS)
    with ThreadPoolExecutor() as pool:
        for _done in pool.map(lambda box: box.remove(force=True), boxes + ([disks] if disks else [])):
            pass
    for volume in _volumes():
        try:
            client.volumes.get(volume.name).remove(force=True)
        except NotFound:
            continue
    return len(boxes)


def status(client) -> str:
    """One line for each part of the lab."""
    rows = [(upstream.NAME, upstream.ADDRESS, "releases and registry"), *((host.name, host.address, host.what) for host in HOSTS)]
    lines = [f"{'host':14} {'address':15} {'state':10} what"]
    for name, address, what in rows:
        box = engine.container(client, name)
        lines.append(f"{name:14} {address:15} {box.status if box else 'absent':10} {what}")
    return "\n".join(lines)


def meminfo(gib: int) -> str:
    """What /proc/meminfo would say on an idle machine with this much memory."""
    total = gib << 20
    parts = {
        "MemTotal": total, "MemFree": total - (768 << 10), "MemAvailable": total - (512 << 10), "Buffers": 32 << 10, "Cached": 224 << 10,
        "SReclaimable": 32 << 10, "Shmem": 1 << 10, "SwapTotal": 0, "SwapFree": 0,
    }  # fmt: skip
    return "".join(f"{key + ':':15} {value:>9} kB\n" for key, value in parts.items())


def _make_key() -> None:
    if not KEY.exists():
        SSH.mkdir(parents=True, exist_ok=True)
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "llmfleet lab", "-f", KEY])


def _make_library() -> None:
    if LIBRARY.exists() and LIBRARY.stat().st_mtime >= FAKE_NVML.stat().st_mtime:
        return
    say("hosts", "compiling the library that plays the NVIDIA driver")
    LIBRARY.parent.mkdir(parents=True, exist_ok=True)
    # c11 with no GNU extras: newer C libraries otherwise bind to functions that Debian 12 lacks.
    run(["gcc", "-std=c11", "-D_DEFAULT_SOURCE", "-shared", "-fPIC", "-O1", "-Wl,-soname,libnvidia-ml.so.1", "-o", LIBRARY, FAKE_NVML])


def _volumes() -> list[Volume]:
    return [volume for host in HOSTS for volume in host.volumes]


def _hold_disks(client) -> None:
    for volume in _volumes():
        client.volumes.create(volume.name, driver="local", driver_opts=volume.options, labels={LABEL: "volume"})
    box = engine.container(client, DISKS)
    if box is None:
        client.containers.run(
            "llmfleet/debian13:latest",
            name=DISKS,
            command=["sleep", "infinity"],
            detach=True,
            init=True,
            network_mode="none",
            labels={LABEL: "disks", **checkout.labels()},
            volumes={volume.name: {"bind": f"/srv/{volume.name}", "mode": "rw"} for volume in _volumes()},
        )
    elif box.status != "running":
        box.start()


def _recipe(host: Host) -> str:
    return recipe(repr(host), Path(__file__), *([FAKE_NVML] if host.nvml else []))


def start_one(client, host: Host):
    """Bring up one host; tests do so with hosts of their own."""
    box = engine.container(client, host.name)
    if box is None:
        say("hosts", f"starting {host.name} ({host.what}) at {host.address}")
        box = _create(client, host)
    elif box.labels.get(RECIPE_LABEL) != _recipe(host):
        say("hosts", f"{host.name} was made by an older lab and stays as it is; `lab.py down` and `lab.py up` renew it")
    if box.status not in ("running", "created"):
        box.start()
    _wait_booted(box)
    return box


def _create(client, host: Host):
    memory = CACHE / "hosts" / host.name / "meminfo"
    memory.parent.mkdir(parents=True, exist_ok=True)
    memory.write_text(meminfo(host.memory_gib))
    WEBUI.mkdir(parents=True, exist_ok=True)
    box = engine.create(
        client,
        host.name,
        f"{host.image}:latest",
        host.address,
        [],
        _recipe(host),
        command=["/lib/systemd/systemd"],
        privileged=True,
        cgroupns="private",
        mem_limit=host.limit,
        cpuset_cpus=_cpus(host),
        tmpfs={"/run": "", "/tmp": "exec"},
        volumes={
            # The engine limits memory without showing it; this is how a machine of that size would look.
            str(memory): {"bind": "/proc/meminfo", "mode": "ro"},
            **({str(WEBUI): {"bind": "/srv/lab-images", "mode": "ro"}} if host.image == images.HUB_IMAGE else {}),
            **{volume.name: {"bind": volume.place, "mode": "rw"} for volume in host.volumes},
        },
    )
    _put(box, "/home/ansible/.ssh/authorized_keys", KEY.with_suffix(".pub").read_bytes(), 0o600)
    engine.execute(box, "chown", "-R", "ansible:ansible", "/home/ansible/.ssh")
    if host.nvml:
        _put(box, "/etc/fake_nvml.conf", host.nvml.encode(), 0o644)
        _put(box, "/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1", LIBRARY.read_bytes(), 0o644)
        engine.execute(box, "ldconfig")
    return box


def _cpus(host: Host) -> str | None:
    """Without a GPU the cores decide which model is fast enough; a larger machine below the lab must not change the tag."""
    mine = sorted(os.sched_getaffinity(0))
    return ",".join(map(str, mine[: host.cores])) if host.cores and len(mine) > host.cores else None


def _put(box, path: str, content: bytes, mode: int) -> None:
    packed = io.BytesIO()
    folder, name = path.rsplit("/", 1)
    with tarfile.open(fileobj=packed, mode="w") as archive:
        member = tarfile.TarInfo(name)
        member.size, member.mode = len(content), mode
        archive.addfile(member, io.BytesIO(content))
    engine.execute(box, "mkdir", "-p", folder)
    box.put_archive(folder, packed.getvalue())


def _wait_booted(box) -> None:
    """Before the end of the boot, sshd answers and turns ordinary users away."""
    said = ""
    for _attempt in range(240):
        _code, output = box.exec_run(["systemctl", "is-system-running"])
        said = output.decode(errors="replace").strip()
        if said in ("running", "degraded"):
            return
        time.sleep(0.25)
    raise LabError(f"{box.name} did not boot within a minute: systemd says {said!r}; `docker logs {box.name}` may say why.")


def host_key(box) -> str:
    """The public key that ssh finds there, as known_hosts has it."""
    return " ".join(engine.execute(box, "cat", "/etc/ssh/ssh_host_ed25519_key.pub").split()[:2])


def _sign_in(host: Host) -> None:
    """Prove the way that Ansible takes."""
    options = [f"UserKnownHostsFile={KNOWN_HOSTS}", "StrictHostKeyChecking=yes", "IdentitiesOnly=yes", "ConnectTimeout=10", "BatchMode=yes"]
    run(
        [
            "ssh",
            "-F",
            "none",
            "-i",
            KEY,
            *(word for option in options for word in ("-o", option)),
            f"ansible@{host.address}",
            "sudo",
            "true",
        ]
    )
