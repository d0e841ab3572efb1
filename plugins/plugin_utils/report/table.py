# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fleet document in a terminal: one table, then a line for each host that says why."""

from __future__ import annotations

import textwrap
import unicodedata

from .text import clean, count, gib, seconds

GAP = 2
# title, least width, aligned right
COLUMNS = (
    ("HOST", 8, False),
    ("CARDS, GiB", 10, False),
    ("MODEL", 8, False),
    ("TOKENS", 6, True),
    ("WHERE", 5, False),
    ("NEED/HAVE GiB", 13, True),
    ("OLLAMA", 7, False),
    ("STATE", 11, False),
)
# What may be cut when the terminal is narrow: names, never figures. A model's name is cut in front, since its tag is what was chosen.
CUTTABLE = (0, 1, 2, 6, 7)
CUT_IN_FRONT = (2,)
COLOURS = {"unreachable": "bright red", "failed": "red", "changed": "yellow", "would_change": "yellow", "ok": "green"}
WHERE = {"gpu": "gpu", "multi_gpu": "gpus", "partial": "gpu+cpu", "cpu": "cpu"}


def render(document: dict, width: int, paths=(), colour=None) -> str:
    """The table as text that is never wider than `width`. colour: function(text, colour name), None for plain text."""
    paint = colour or (lambda text, name: text)
    hosts = document["hosts"]
    lines = [(state, cells) for row in hosts for state, cells in _lines(row)]
    widths, gap = _fit([cells for state, cells in lines], width)
    out = ["", _cut(_headline(document), width), "", _line([title for title, least, right in COLUMNS], widths, gap)]
    for state, cells in lines:
        text = _line(cells, widths, gap)
        if state:
            last = sum(widths[:-1]) + gap * (len(widths) - 1)
            text = text[: _index(text, last)] + paint(text[_index(text, last) :], COLOURS[state])
        out.append(text)
    out.append("")
    label = min(max((_width(row["name"]) for row in hosts), default=0), max(12, width // 4))
    for row in (row for row in hosts if row["current"]):
        out += _why(row, label, width)
    for path in paths:
        out.append(f"report: {path}")
    return "\n".join(line.rstrip() for line in out)


def _headline(document: dict) -> str:
    run, totals = document["run"], document["totals"]
    words = [
        f"{totals['states_of_run'][state]} {state.replace('_', ' ')}"
        for state in ("ok", "changed", "would_change", "failed", "unreachable")
        if totals["states_of_run"][state]
    ]
    kept = totals["hosts"] - run["hosts"]
    told = ["FLEET", clean(run.get("playbook")) + (" (check mode)" if run["check_mode"] else ""), count(totals["hosts"], "host")]
    told += [", ".join(words)] + ([f"{kept} from earlier runs"] if kept else []) + [seconds(run["seconds"])]
    return " · ".join(part for part in told if part)


def _lines(row: dict) -> list[tuple[str, list[str]]]:
    """The host's line and one more for each further model or kind of card."""
    cards, models = _cards(row), _models(row)
    height = max(1, len(cards), len(models))
    version = ((row.get("software") or {}).get("ollama") or {}).get("version") or ""
    lines = []
    for number in range(height):
        first = number == 0
        model = models[number] if number < len(models) else [""] * 4
        lines.append(
            (
                row["state"] if first else "",
                [
                    clean(row["name"]) if first else "",
                    cards[number] if number < len(cards) else "",
                    *model,
                    version if first else "",
                    _state(row) if first else "",
                ],
            )
        )
    return lines


def _cards(row: dict) -> list[str]:
    groups = {}
    for gauge in row["bars"]:
        if gauge["kind"] == "accelerator":
            key = (gauge["short_name"], gauge["total_bytes"])
            groups[key] = groups.get(key, 0) + 1
    if groups:
        return [(f"{amount}x " if amount > 1 else "") + f"{name} {gib(total, unit=False)}" for (name, total), amount in groups.items()]
    memory = next((gauge["total_bytes"] for gauge in row["bars"] if gauge["kind"] == "memory"), None)
    return [f"RAM {gib(memory, unit=False)}"] if memory else ["-"] if row.get("machine") else [""]


def _models(row: dict) -> list[list[str]]:
    return [
        [
            model["name"],
            str(model["context"] or ""),
            WHERE.get(model["placement"], model["placement"] or ""),
            f"{gib(model['predicted_bytes'], unit=False)}/{gib(model['budget_bytes'], unit=False)}",
        ]
        for model in row["models"]
    ]


def _state(row: dict) -> str:
    """In a kept row, the state of its last run with the month and day of it."""
    changes = len(row["changes"])
    words = {"changed": f"changed {changes}", "would_change": f"would change {changes}"}
    text = words.get(row["state"], row["state"])
    return text if row["current"] else f"{row['state'].replace('_', ' ')} {row['seen'][5:10]}"


def _why(row: dict, label: int, width: int) -> list[str]:
    told = []
    if row["problem"]:
        told.append(f"{row['state']} in '{row['problem']['task']}': {row['reason']}")
    elif row["reason"]:
        told.append(row["reason"])
    disk = row["disk"]
    if disk and disk["to_download_bytes"]:
        told.append(f"{gib(disk['to_download_bytes'])} to download, {gib(disk['free_bytes'])} free on disk.")
    if row["changes"]:
        names = list(dict.fromkeys(change["task"] for change in row["changes"]))
        verb = "would change" if row["check_mode"] else "changed"
        told.append(f"{verb}: {'; '.join(names[:6])}{f'; {len(names) - 6} more' if len(names) > 6 else ''}")
    if row["drift"]:
        told.append("drift: " + "; ".join(item["text"] for item in row["drift"]))
    if not told:
        return []
    indent = " " * (label + GAP)
    lines = []
    for number, text in enumerate(told):
        head = _pad(_cut(clean(row["name"]), label), label) + " " * GAP if number == 0 else indent
        lines += textwrap.wrap(clean(text), width, initial_indent=head, subsequent_indent=indent, break_on_hyphens=False) or [head]
    return lines


def _fit(lines: list[list[str]], width: int) -> tuple[list[int], int]:
    """Widths of the columns and the gap between them."""
    widths = [max([_width(title), *(_width(cells[column]) for cells in lines)]) for column, (title, least, right) in enumerate(COLUMNS)]
    gap = GAP if sum(max(least, min(size, least + 4)) for size, (title, least, right) in zip(widths, COLUMNS)) + GAP * (len(widths) - 1) <= width else 1
    while sum(widths) + gap * (len(widths) - 1) > width:
        column = max(CUTTABLE, key=lambda column: widths[column] - COLUMNS[column][1])
        if widths[column] <= COLUMNS[column][1]:
            break
        widths[column] -= 1
    return widths, gap


def _line(cells: list[str], widths: list[int], gap: int) -> str:
    shown = [_cut(cell, size, column in CUT_IN_FRONT) for column, (cell, size) in enumerate(zip(cells, widths))]
    return (" " * gap).join(_pad(cell, size, right) for cell, size, (title, least, right) in zip(shown, widths, COLUMNS))


def _width(text: str) -> int:
    return sum(0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def _index(text: str, column: int) -> int:
    """Where in the text a column of the terminal begins."""
    position = 0
    while position < len(text) and column > 0:
        column -= _width(text[position])
        position += 1
    return position


def _cut(text: str, size: int, in_front: bool = False) -> str:
    if _width(text) <= size:
        return text
    while text and _width(text) > size - 1:
        text = text[1:] if in_front else text[:-1]
    return "…" + text if in_front else text + "…"


def _pad(text: str, size: int, right: bool = False) -> str:
    space = " " * (size - _width(text))
    return space + text if right else text + space
