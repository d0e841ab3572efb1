# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which cuts are made, and when: dealt evenly over commands and kinds by a seed, each at a moment of the command's own measured run.

Nothing here starts or asks anything.
"""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, field

COMMANDS = ("site", "upgrade", "uninstall", "mirror fill", "web UI upgrade")
KINDS = ("SIGKILL", "SIGINT", "power", "network")


@dataclass(frozen=True)
class Cut:
    """command, kind, and how far in the command's window, from 0 to 1."""

    command: str
    kind: str
    where: float


@dataclass(frozen=True)
class Moment:
    """So many seconds after the task of this number has begun, which was at `began`. Another run of the command is slower or faster; its tasks are the
    same.
    """

    task: int
    name: str
    began: float
    after: float

    def wait(self, began: float) -> float:
        """How long to wait in a run in which the task has begun then: less in a faster one."""
        return self.after * min(1.0, began / self.began)


@dataclass
class Timeline:
    """When each task of a whole run began, in seconds since its start, which one changed something first, and when the run was over."""

    tasks: list[tuple[float, str]] = field(default_factory=list)
    first_change: int = 0
    over: float = 0.0

    def moment(self, where: float) -> Moment:
        """Uniform in time between a little before the first change and the end."""
        first = max(self.first_change - 3, 0)
        begin = self.tasks[first][0]
        at = begin + where * (self.over - begin)
        number = max(index for index, (began, _name) in enumerate(self.tasks) if began <= at)
        began, name = self.tasks[number]
        return Moment(number, name, began, at - began)


def deal(count: int, seed: int) -> list[Cut]:
    """`count` cuts; of each command, of each kind, and of each pair as many as of any other, give or take one. The moments of one command are
    spread over its window, one in each of as many equal parts.
    """
    chance = random.Random(seed)
    of_command = {command: [] for command in COMMANDS}
    # A kind meets each command before it meets one a second time.
    for number in range(count):
        turn, place = divmod(number, len(COMMANDS))
        of_command[COMMANDS[place]].append(KINDS[(turn + place) % len(KINDS)])
    dealt = []
    for command, kinds in of_command.items():
        parts = list(range(len(kinds)))
        chance.shuffle(parts)
        dealt.append([Cut(command, kind, (part + chance.random()) / len(kinds)) for kind, part in zip(kinds, parts, strict=True)])
    return [cut for cuts in itertools.zip_longest(*dealt) for cut in cuts if cut]


class Ledger:
    """What came of the cuts."""

    WORDS = ("cuts", "held", "late")

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], dict[str, int]] = {}
        self.failures: list[str] = []

    def _row(self, cut: Cut) -> dict[str, int]:
        return self.rows.setdefault((cut.command, cut.kind), dict.fromkeys(self.WORDS, 0))

    def late(self, cut: Cut) -> None:
        self._row(cut)["late"] += 1

    def judged(self, cut: Cut, reasons: list[str], where: str) -> None:
        self._row(cut)["cuts"] += 1
        if reasons:
            self.failures.append("%s, %s, %s: %s" % (cut.command, cut.kind, where, "; ".join(reasons)))
        else:
            self._row(cut)["held"] += 1

    def sums(self) -> dict[str, int]:
        return {word: sum(row[word] for row in self.rows.values()) for word in self.WORDS}

    def table(self) -> str:
        lines = ["%-16s%-10s%6s%6s%6s" % ("command", "kind", *self.WORDS)]
        for command, kind in itertools.product(COMMANDS, KINDS):
            row = self.rows.get((command, kind))
            if row:
                lines.append("%-16s%-10s%6d%6d%6d" % (command, kind, *(row[word] for word in self.WORDS)))
        lines.append("%-26s%6d%6d%6d" % ("all", *self.sums().values()))
        return "\n".join(lines)
