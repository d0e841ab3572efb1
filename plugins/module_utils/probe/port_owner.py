# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which program of this Linux host listens on a TCP port, from /proc alone."""

from __future__ import annotations

import os
import socket
import struct
from collections import namedtuple

_LISTEN = "0A"

Listener = namedtuple("Listener", "address port inode")


def listening(proc="/proc"):
    """Every TCP socket of this host that waits for connections; `inode` is the name that /proc/<pid>/fd has for it."""
    found = []
    for table in ("tcp", "tcp6"):
        try:
            with open(os.path.join(proc, "net", table), encoding="ascii", errors="replace") as stream:
                rows = [line.split() for line in stream][1:]
        except OSError:
            continue
        for row in rows:
            if len(row) > 9 and row[3] == _LISTEN:
                address, _colon, port = row[1].rpartition(":")
                found.append(Listener(_address(address), int(port, 16), "socket:[%s]" % row[9]))
    return found


def _address(digits):
    """The kernel writes an address as numbers of 32 bits, each in the machine's own order."""
    words = [int(digits[start : start + 8], 16) for start in range(0, len(digits), 8)]
    packed = struct.pack("=%dI" % len(words), *words)
    return socket.inet_ntop(socket.AF_INET if len(words) == 1 else socket.AF_INET6, packed)


def holds(folder, sockets):
    """Those of the sockets that a process has open; `folder` is its /proc/<pid>/fd."""
    found = set()
    try:
        names = os.listdir(folder)
    except OSError:
        return found
    for name in names:
        try:
            found.add(os.readlink(os.path.join(folder, name)))
        except OSError:
            continue
    return found & sockets


def holder(sockets, proc="/proc"):
    """(name, pid) of a program that has one of the sockets open, None where it cannot be told."""
    for pid in sorted((entry for entry in os.listdir(proc) if entry.isdigit()), key=int):
        if holds(os.path.join(proc, pid, "fd"), sockets):
            try:
                with open(os.path.join(proc, pid, "comm"), encoding="utf-8", errors="replace") as stream:
                    return stream.read().strip(), int(pid)
            except OSError:
                continue
    return None


def port_owner(port, proc="/proc"):
    """(name, pid) of a program that listens on the port; ("", None) where it cannot be told; None where nobody does."""
    sockets = {row.inode for row in listening(proc) if row.port == port}
    if not sockets:
        return None
    return holder(sockets, proc) or ("", None)
