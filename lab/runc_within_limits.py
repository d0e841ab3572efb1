#!/usr/bin/env python3
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""runc for an old Docker on a machine without all capabilities: `--privileged` then gives those that the machine has.

Docker 20.10 (Debian 12) asks for every capability that the kernel knows, and runc refuses what the machine itself was not given.
Newer releases ask for the daemon's own.
"""

import json
import os
import sys
from pathlib import Path

# In the order of their numbers, from CAP_CHOWN = 0 on (linux/capability.h).
NAMES = (
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW "
    "IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD "
    "LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE"
).split()


def missing() -> set[str]:
    """The capabilities that no process of this machine can have."""
    status = Path("/proc/self/status").read_text()
    bounding = int(status.partition("CapBnd:")[2].split()[0], 16)
    return {f"CAP_{name}" for number, name in enumerate(NAMES) if not bounding >> number & 1}


def narrow(path: Path, inside: str) -> None:
    """Take the missing capabilities out of a bundle's config.json ("process") or an exec's process file ("")."""
    document = json.loads(path.read_text())
    process = document[inside] if inside else document
    gone = missing()
    for kind, names in (process.get("capabilities") or {}).items():
        process["capabilities"][kind] = [name for name in names if name not in gone]
    path.write_text(json.dumps(document))


def main(arguments: list[str]) -> None:
    """Narrow what this call of runc reads, then become runc."""
    for option, name, inside in (("--bundle", "config.json", "process"), ("--process", "", "")):
        if option in arguments:
            narrow(Path(arguments[arguments.index(option) + 1], name), inside)
    os.execvp("runc", ["runc", *arguments])


if __name__ == "__main__":
    main(sys.argv[1:])
