# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images of Debian hosts that boot systemd, made with debootstrap: no container registry is needed."""

from __future__ import annotations

import io
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from docker.errors import BuildError, ImageNotFound

from .common import CACHE, LABEL, RECIPE_LABEL, LabError, recipe, run, say

MIRROR = "http://deb.debian.org/debian"
RELEASES = {"llmfleet/debian13": "trixie", "llmfleet/debian12": "bookworm"}
HUB_IMAGE = "llmfleet/debian13-docker"

# What a role's hosts need at once. Installing while a play runs works too (apt reaches Debian's mirror), it only costs time.
PACKAGES = [
    "systemd", "systemd-sysv", "dbus", "python3", "python3-apt", "sudo", "ca-certificates", "iproute2", "procps",
    "openssh-server", "curl", "zstd", "nftables", "nginx-light",
]  # fmt: skip

# Not read by anybody in a lab; a third of the image.
LEFT_OUT = ["./var/cache/apt/*", "./var/lib/apt/lists/*", "./usr/share/doc/*", "./usr/share/man/*", "./usr/share/locale/*"]

# Every host makes its own SSH keys at first start, before Debian's own check that there are some.
SSH_DROP_IN = """[Service]
ExecStartPre=
ExecStartPre=/usr/bin/ssh-keygen -A
ExecStartPre=/usr/sbin/sshd -t
"""

SUDO = "ansible ALL=(ALL) NOPASSWD: ALL\n"

FINISH = """FROM {name}-files
ENV container=docker
STOPSIGNAL SIGRTMIN+3
CMD ["/lib/systemd/systemd"]
"""

DOCKERFILE = """FROM llmfleet/debian13
RUN apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends docker.io docker-cli \
 haproxy python3-cryptography >/dev/null && systemctl --quiet disable haproxy && rm -rf /var/lib/apt/lists/* /var/cache/apt/*
"""


def build(client) -> None:
    """Make the images that are missing or older than this file."""
    wanted = recipe(Path(__file__), *_private_authorities())
    missing = [name for name in RELEASES if not _is_current(client, name, wanted)]
    with ThreadPoolExecutor() as pool:
        for _done in pool.map(lambda name: _build_one(client, name, wanted), missing):
            pass


def build_hub(client) -> None:
    """Make the hub's image: a Debian 13 host with a container engine of its own, and what the gateway is made of."""
    base = client.images.get("llmfleet/debian13:latest").id
    wanted = recipe(DOCKERFILE, base)
    if _is_current(client, HUB_IMAGE, wanted):
        return
    say("images", f"adding a container engine and HAProxy to make {HUB_IMAGE}")
    try:
        client.images.build(
            fileobj=io.BytesIO(DOCKERFILE.encode()), tag=HUB_IMAGE, rm=True, forcerm=True, labels={LABEL: "image", RECIPE_LABEL: wanted}
        )
    except BuildError as error:
        lines = "".join(part.get("stream", part.get("error", "")) for part in error.build_log)
        raise LabError(f"the image {HUB_IMAGE} could not be made:\n{lines[-600:]}") from None
    say("images", f"{HUB_IMAGE} is ready")


def remove(client) -> None:
    """Remove every image that the lab made."""
    for image in sorted(client.images.list(filters={"label": LABEL}), key=lambda one: HUB_IMAGE + ":latest" not in one.tags):
        client.images.remove(image.id, force=True)


def _is_current(client, name: str, wanted: str) -> bool:
    try:
        return client.images.get(f"{name}:latest").labels.get(RECIPE_LABEL) == wanted
    except ImageNotFound:
        return False


def _private_authorities() -> list[Path]:
    """Certificates that this machine trusts besides the public ones: where a company's proxy signs, the hosts must trust it too."""
    return sorted(Path("/usr/local/share/ca-certificates").glob("**/*.crt"))


def _build_one(client, name: str, wanted: str) -> None:
    suite = RELEASES[name]
    root = CACHE / "images" / suite
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    say("images", f"installing Debian {suite} for {name} (about a minute)")
    try:
        run(
            ["debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", suite, root, MIRROR],
            log=CACHE / "images" / f"{suite}.log",
        )
        _adjust(root, suite)
        _import(client, name, root, wanted)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    say("images", f"{name} is ready")


def _adjust(root: Path, suite: str) -> None:
    (root / "etc/apt/sources.list").write_text(
        f"deb {MIRROR} {suite} main\ndeb {MIRROR} {suite}-updates main\ndeb {MIRROR}-security {suite}-security main\n"
    )
    # An empty file makes systemd write a new identity at first boot, so hosts of one image differ.
    (root / "etc/machine-id").write_text("")
    for key in (root / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
    drop_in = root / "etc/systemd/system/ssh.service.d/host-keys.conf"
    drop_in.parent.mkdir(parents=True)
    drop_in.write_text(SSH_DROP_IN)
    # nginx waits for the role that wants it.
    run(["chroot", root, "systemctl", "--quiet", "disable", "nginx.service"])
    # A container has no modules to load and no console; units that fail for that would hide real failures.
    run(["chroot", root, "systemctl", "--quiet", "mask", "systemd-modules-load.service", "getty@tty1.service", "console-getty.service"])
    # The lab signs in as an ordinary user, so that plays prove that they escalate where they must.
    run(["chroot", root, "useradd", "--create-home", "--shell", "/bin/bash", "ansible"])
    sudoers = root / "etc/sudoers.d/ansible"
    sudoers.write_text(SUDO)
    sudoers.chmod(0o440)
    authorities = _private_authorities()
    for certificate in authorities:
        shutil.copy(certificate, root / "usr/local/share/ca-certificates")
    if authorities:
        run(["chroot", root, "update-ca-certificates"])


def _import(client, name: str, root: Path, wanted: str) -> None:
    pack = ["tar", "-C", str(root), *(f"--exclude={pattern}" for pattern in LEFT_OUT), "-c", "."]
    with subprocess.Popen(pack, stdout=subprocess.PIPE) as process:
        client.api.import_image_from_stream(process.stdout, repository=f"{name}-files", tag="latest", changes=[f"LABEL {LABEL}=image"])
    if process.returncode:
        raise LabError(f"packing {name} failed: tar ended with code {process.returncode}; is the disk full?")
    # The engine of Debian 12 takes no STOPSIGNAL with an import, and nothing else stops systemd cleanly.
    # A container that a step of the build left would keep the files' name from going.
    client.images.build(
        fileobj=io.BytesIO(FINISH.format(name=name).encode()), tag=name, rm=True, forcerm=True, labels={LABEL: "image", RECIPE_LABEL: wanted}
    )
    client.images.remove(f"{name}-files")
