# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A door before a server's port on Linux: a table of nftables, and what keeps it loaded. The same for every server that has one."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import os

from .render import render

_SYSTEMD = "/etc/systemd/system"
# It lies where all programs of the role lie.
_PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), *[os.pardir] * 3, "roles", "ollama", "files", "linux", "door.sh")


@functools.cache
def _program():
    with open(_PROGRAM, encoding="utf-8") as program:
        return program.read()


@dataclasses.dataclass(frozen=True)
class Door:
    """name: of files and units; server: for people; before: units that wait for the rules; drop_in: in the folder of nftables.service; runtime: below
    /run; bridges: whether containers' bridges are admitted."""

    role: str
    name: str
    server: str
    before: str
    drop_in: str
    runtime: str
    bridges: bool = False

    @property
    def table(self):
        return "llmfleet_" + self.name.replace("-", "_")

    @property
    def rules(self):
        return "/etc/llmfleet/%s.nft" % self.name

    @property
    def program(self):
        return "/etc/llmfleet/%s-door.sh" % self.name

    @property
    def unit(self):
        return "%s/llmfleet-%s-door.service" % (_SYSTEMD, self.name)

    @property
    def enabled(self):
        return "%s/multi-user.target.wants/llmfleet-%s-door.service" % (_SYSTEMD, self.name)

    @property
    def watch(self):
        return "%s/llmfleet-%s-door-watch.service" % (_SYSTEMD, self.name)

    @property
    def nftables(self):
        return "%s/nftables.service.d/%s" % (_SYSTEMD, self.drop_in)

    @property
    def gone(self):
        """When somebody had removed the rules; it ends with the host's next start."""
        return "/run/%s/door-gone" % self.runtime

    def files(self, rules):
        """(path, content) of all that the door consists of."""
        load = "/bin/sh %s load %s %s /sys/class/net" % (self.program, self.rules, self.gone)
        common = {"role": self.role, "server": self.server}
        return [
            (self.rules, rules),
            (self.program, _program()),
            (self.unit, render("linux/door.service.j2", load=load, watch=os.path.basename(self.watch), before=self.before, table=self.table, **common)),
            (self.watch, render(
                "linux/door-watch.service.j2", program=self.program, rules_path=self.rules, gone=self.gone, door=os.path.basename(self.unit),
                folder=self.runtime, bridges=self.bridges, **common,
            )),
            (self.nftables, render("linux/nftables-drop-in.conf.j2", load=load, **common)),
        ]


def identity(*parts):
    """The kernel shows it in a comment, so that rules that somebody flushed or that are older than the file are noticed."""
    return hashlib.sha1(json.dumps(parts).encode("utf-8"), usedforsecurity=False).hexdigest()[:12]
