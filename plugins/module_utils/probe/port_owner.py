# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which program of this Linux host listens on a TCP port, from /proc alone."""

from __future__ import annotations

import os

_LISTEN = "0A"


def _sockets(port, proc):
    """Inodes of the sockets that listen on the port, whatever the address."""
    found = set()
    for table in ("tcp", "tcp6"):
        try:
            with open(os.path.join(proc, "net", table), encoding="ascii", errors="replace") as stream:
                rows = [line.split() for line in stream][1:]
        except OSError:
            continue
        for row in rows:
            if len(row) > 9 and row[3] == _LISTEN and int(row[1].rpartition(":")[2], 16) == port:
                found.add("socket:[%s]" % row[9])
    return found


def _holds(folder, sockets):
    try:
        names = os.listdir(folder)
    except OSError:
        return False
    for name in names:
        try:
            if os.readlink(os.path.join(folder, name)) in sockets:
                return True
        except OSError:
            continue
    return False


def port_owner(port, proc="/proc"):
    """(name, pid) of a program that listens on the port; ("", None) where it cannot be told; None where nobody does."""
    sockets = _sockets(port, proc)
    if not sockets:
        return None
    for pid in sorted((entry for entry in os.listdir(proc) if entry.isdigit()), key=int):
        if _holds(os.path.join(proc, pid, "fd"), sockets):
            try:
                with open(os.path.join(proc, pid, "comm"), encoding="utf-8", errors="replace") as stream:
                    return stream.read().strip(), int(pid)
            except OSError:
                continue
    return "", None
