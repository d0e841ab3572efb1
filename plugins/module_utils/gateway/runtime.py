# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Talk to a gateway that runs, over HAProxy's own socket: which servers get requests, and how many requests each has."""

from __future__ import annotations

import csv
import io
import os
import re
import socket
import time

SOCKET = "/run/llmfleet-gateway/admin.sock"
# HAProxy's own rule for the names of proxies and servers.
ODD = re.compile(r"[^A-Za-z0-9_.:-]")
# Of srv_admin_state: drained by somebody, not by the configuration.
FORCED_DRAIN = 0x08
READY, DRAIN = "ready", "drain"
# Where clients come in.
FRONTEND = "gateway"


def server_name(host):
    """A host of the inventory as a server of the configuration."""
    return ODD.sub("_", host)


def say(command, path=SOCKET, timeout=20):
    """HAProxy's answer. Raises OSError where nobody listens."""
    told = b""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
        link.settimeout(timeout)
        link.connect(path)
        link.sendall(command.encode("ascii") + b"\n")
        while True:
            part = link.recv(65536)
            if not part:
                return told.decode("ascii", "replace")
            told += part


def servers(path=SOCKET):
    """[(backend, server, whether it is drained)]."""
    found = []
    for line in say("show servers state", path).splitlines():
        words = line.split()
        if len(words) > 6 and not line.startswith("#"):
            found.append((words[1], words[3], bool(int(words[6]) & FORCED_DRAIN)))
    return found


def drained(path=SOCKET):
    """Names of servers that are drained in some backend; none where no gateway runs."""
    if not os.path.exists(path):
        return []
    try:
        return sorted({server for _backend, server, is_drained in servers(path) if is_drained})
    except (OSError, ValueError):
        return []


def running(server, path=SOCKET):
    """How many requests this server has, and has waiting, in all backends."""
    return sum(int(row["scur"] or 0) + int(row["qcur"] or 0) for row in _counted(4, path) if row["svname"] == server)


def traffic(path=SOCKET):
    """What came in since the last reload, which is when HAProxy began to count: seconds, requests, and of these the refused (4xx) and the failed ones
    (5xx); {} where no gateway runs."""
    if not os.path.exists(path):
        return {}
    try:
        seconds = next(int(line.partition(":")[2]) for line in say("show info", path).splitlines() if line.startswith("Uptime_sec:"))
        row = next(row for row in _counted(1, path) if row["pxname"] == FRONTEND)
        return {"seconds": seconds, "requests": int(row["req_tot"]), "refused": int(row["hrsp_4xx"]), "failed": int(row["hrsp_5xx"])}
    except (OSError, ValueError, KeyError, StopIteration):
        return {}


def _counted(kind, path):
    """HAProxy's counters of its frontends (1) or servers (4), by their column's names."""
    return csv.DictReader(io.StringIO(say("show stat -1 %d -1" % kind, path).lstrip("# ")))


def change(server, state, path=SOCKET):
    """Set the state in every backend that has the server; returns the names that were in another one."""
    changed = set()
    for backend, name, is_drained in servers(path):
        if server == name and is_drained != (state == DRAIN):
            refused = say("set server %s/%s state %s" % (backend, name, state), path).strip()
            if refused:
                raise OSError("HAProxy refuses %s of %s/%s: %s" % (state, backend, name, refused))
            changed.add(name)
    return sorted(changed)


def wait_until_idle(server, seconds, path=SOCKET, pause=0.2):
    """Requests that still run when the patience is over."""
    end = time.monotonic() + seconds
    left = running(server, path)
    while left and time.monotonic() < end:
        time.sleep(pause)
        left = running(server, path)
    return left
