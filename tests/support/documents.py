# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fenced blocks of README.md and docs/*.md, and what the tests do with each.

    ```console                    commands, run by bash as they stand, one block after the other
    ```yaml, first line # path    a file, written to that path (of the user's own inventory: below inventories/mine/)
    ```yaml otherwise             a part of a file: it must be YAML, and its variables must be ones that something reads
    ```powershell                 commands of a Windows host, which carry a "not run"
    ```ini, ```nginx, ```text     shown, not typed

A comment just above a console block, which a reader of the page does not see, says where it cannot be run as the others are:

    <!-- not run: REASON -->            nowhere; the reason names what shows the same
    <!-- run on a machine of its own -->    the block installs things on the machine at which it is typed
    <!-- run in make test-long: REASON -->  it takes too long for every run
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from support import ROOT

KINDS = {"console", "powershell", "yaml", "ini", "nginx", "text"}
FENCE = re.compile(r"(?:^<!-- (?P<marker>[^\n]*) -->\n)?^```(?P<kind>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"\A# (\S+/\S+\.ya?ml)\b")
# Where a document's command is run, by the words of its marker.
NOT_RUN, ON_A_MACHINE, LONG = "not run: ", "run on a machine of its own", "run in make test-long: "


@dataclass(frozen=True)
class Block:
    """One fenced block."""

    document: str
    line: int
    kind: str
    text: str
    marker: str = ""

    @property
    def place(self) -> str:
        return f"{self.document}:{self.line}"

    @property
    def file(self) -> str:
        """The path that the block is the content of; empty for a part of a file."""
        found = FILE.match(self.text) if self.kind == "yaml" else None
        return found[1] if found else ""

    @property
    def commands(self) -> list[str]:
        """The lines of a console block that a person types, without the comments behind them."""
        lines = self.text.replace("\\\n", "").splitlines() if self.kind == "console" else []
        return [words for words in (re.sub(r"(^|\s)#\s.*", "", line).strip() for line in lines) if words]


def documents() -> list[Path]:
    """In the order in which somebody reads them."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(path: Path) -> list[Block]:
    text = path.read_text(encoding="utf-8")
    name = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name
    return [
        Block(name, text[: found.start("kind")].count("\n") + 1, found["kind"], found["text"], found["marker"] or "")
        for found in FENCE.finditer(text)
    ]
