# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the web UI's host sees around itself: who listens on a port, which Ollama servers answer."""

from __future__ import annotations

import glob
import json
import os
import shlex
import socket
import sys
import threading
import urllib.request
from urllib.parse import urlsplit, urlunsplit

# What the host is called inside a container that is not on the host's network.
GATEWAY_NAMES = ("host.docker.internal", "host.containers.internal")
_LISTEN = "0A"
# An answer of /api/version has some twenty bytes; a host that goes on and on fills nobody's memory.
LONGEST_ANSWER = 1 << 16
# Where distributions keep the Python that their own packages (python3-requests, python3-apt) are for.
SYSTEM_PYTHONS = ("/usr/bin/python3", "/usr/libexec/platform-python")
# Ansible's modules want 3.9.
_HAS_REQUESTS = "import sys, requests; sys.exit(sys.version_info < (3, 9))"


def listener(port: int, proc: str = "/proc") -> str | None:
    """The name of the process that listens on a TCP port, "another process" when it cannot be named, None when nobody does."""
    inodes = set()
    for table in ("tcp", "tcp6"):
        try:
            with open(os.path.join(proc, "net", table), encoding="ascii") as source:
                rows = source.read().splitlines()[1:]
        except OSError:
            continue
        for fields in (row.split() for row in rows):
            if fields[3] == _LISTEN and int(fields[1].rsplit(":", 1)[1], 16) == port:
                inodes.add(f"socket:[{fields[9]}]")
    if not inodes:
        return None
    for descriptor in glob.iglob(os.path.join(proc, "[0-9]*", "fd", "*")):
        try:
            if os.readlink(descriptor) in inodes:
                with open(os.path.join(os.path.dirname(os.path.dirname(descriptor)), "comm"), encoding="utf-8") as source:
                    return source.read().strip()
        except OSError:
            # A process that has ended meanwhile, or one that is not ours to read.
            continue
    return "another process"


def was_given(variable: str, pid: int | None, proc: str = "/proc") -> bool:
    """Whether a process was started with a variable in its environment."""
    if not pid:
        return False
    try:
        with open(os.path.join(proc, str(pid), "environ"), "rb") as source:
            return any(entry.startswith(variable.encode() + b"=") for entry in source.read().split(b"\0"))
    except OSError:
        return False


def ask_versions(urls: list, timeout: float) -> list:
    """Ask all Ollama servers at once, so that dead ones cost one timeout in all."""
    answers: list = [None] * len(urls)

    def ask(index: int, url: str) -> None:
        answers[index] = ask_version(url, timeout)

    threads = [threading.Thread(target=ask, args=pair, daemon=True) for pair in enumerate(urls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout * 2)
    return [answer or {"url": url, "version": None, "error": "no answer in time"} for url, answer in zip(urls, answers)]


def ask_version(url: str, timeout: float) -> dict:
    try:
        with opener().open(from_host(url).rstrip("/") + "/api/version", timeout=timeout) as response:
            version = json.loads(response.read(LONGEST_ANSWER))["version"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = getattr(error, "reason", error)
        return {"url": url, "version": None, "error": str(reason) or type(error).__name__}
    return {"url": url, "version": str(version), "error": None}


def unreachable(host: str, port: int, timeout: float) -> str | None:
    """Why nobody can be spoken to at this address; None when somebody can."""
    try:
        with socket.create_connection(("127.0.0.1" if host in GATEWAY_NAMES else host, port), timeout=timeout):
            return None
    except OSError as error:
        return str(error) or type(error).__name__


def python_with_requests(run_command, running: str = sys.executable, others=SYSTEM_PYTHONS) -> str | None:
    """The Python that can run community.docker's modules: the running one, else the system's.

    One in a virtual environment, such as the one that runs Ansible itself, does not see what the distribution installs.
    """
    for python in (running, *(other for other in others if other != running)):
        if os.access(python, os.X_OK) and run_command([python, "-c", _HAS_REQUESTS])[0] == 0:
            return python
    return None


def missing_programs(commands: list, run_command) -> list:
    """The programs that shell commands begin with and that a shell of this host does not find. run_command: the module's."""
    missing = []
    for command in commands:
        try:
            words = shlex.split(command)
        except ValueError:
            continue
        # PGOPTIONS=… before it is not the program.
        program = next((word for word in words if "=" not in word), None)
        if program and program not in missing and not _found(program, run_command):
            missing.append(program)
    return missing


def _found(program: str, run_command) -> bool:
    """Ask the shell that will run it: it knows its own words too."""
    return run_command(["/bin/sh", "-c", 'command -v -- "$1"', "sh", program])[0] == 0


def from_host(url: str) -> str:
    """The same server as the host itself would call it."""
    parts = urlsplit(url)
    if parts.hostname in GATEWAY_NAMES:
        parts = parts._replace(netloc=f"127.0.0.1:{parts.port}" if parts.port else "127.0.0.1")
    return urlunsplit(parts)


def opener() -> urllib.request.OpenerDirector:
    """Ollama servers are neighbours: a proxy in the environment is for the way out."""
    return urllib.request.build_opener(urllib.request.ProxyHandler({}))
