# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who this run of Ansible is to the hosts that it changes, and whether another one of this machine still runs."""

from __future__ import annotations

import getpass
import hashlib
import os
import pathlib
import socket
import subprocess
import uuid


def me() -> dict[str, str]:
    """The same in every task of one run. An action runs in a child of ansible-playbook."""
    process = os.getppid()
    said = {"controller": _machine(), "process": str(process), "started": _started(process)}
    token = hashlib.sha256("\n".join(said.values()).encode("utf-8")).hexdigest()[:16]
    return {"token": token, "who": f"{_user()}@{socket.gethostname()}", **said}


def is_gone(holder) -> bool:
    """Whether a holder ran on this machine and has ended. Of another machine's nobody here can know."""
    process = str(holder.get("process") or "")
    return holder.get("controller") == _machine() and process.isdigit() and _started(int(process)) != holder.get("started")


def asked(ask, arguments):
    """What ask(arguments) returns of a module that changes a host in the name of this run; from a run of this machine that was killed it takes over at
    once."""
    arguments = dict(arguments, holder=me())
    result = ask(arguments)
    held = result.get("held")
    return ask(dict(arguments, over=held["token"])) if held and is_gone(held) else result


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _machine() -> str:
    """Two machines may have one name, and copies of one image the same id."""
    try:
        number = pathlib.Path("/etc/machine-id").read_text(encoding="ascii").strip()
    except OSError:
        number = ""
    return f"{socket.gethostname()} {number or uuid.getnode()}"


def _started(process: int) -> str:
    """When a process was started, '' where it does not run: a number alone is given again."""
    if os.path.isdir("/proc/self"):
        try:
            fields = pathlib.Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            return ""
        # Counted from the machine's start, so that one belongs to it.
        return fields[19] + " " + pathlib.Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    told = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(process)], capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C", "TZ": "UTC"},
    )
    return " ".join(told.stdout.split())
