# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fleet document in a terminal: one table, then a line for each host that says why, and last where a person goes."""

from __future__ import annotations

import textwrap
import unicodedata

from ansible_collections.llmfleet.ollama.plugins.module_utils.bytes import tokens

from .collect import NO_REASON
from .text import clean, count, day_or_hour, gib, seconds, speech

GAP = 2
HOST, CARDS, MODEL, TOKENS, WHERE, SPEED, MEMORY, OLLAMA, BEHIND, STATE = range(10)
# title, least width, aligned right
COLUMNS = (
    ("HOST", 10, False),
    ("CARDS, GiB", 10, False),
    ("MODEL", 17, False),
    ("TOKENS", 6, True),
    ("WHERE", 5, False),
    ("TOKENS/s", 0, True),
    ("NEED/HAVE GiB", 0, True),
    ("OLLAMA", 7, False),
    # Only where something is.
    ("BEHIND", 0, True),
    ("STATE", 11, False),
)
SHORT_MEMORY = "GiB"
# On a narrow terminal: what gives way in which order. A model's name is wrapped and never cut, since its family and tag are what was chosen.
NARROWER = (
    ("drop", SPEED), ("drop", BEHIND), ("narrow", CARDS), ("narrow", MODEL), ("drop", MEMORY), ("narrow", OLLAMA), ("narrow", HOST), ("drop", OLLAMA),
    ("narrow", STATE),
)  # fmt: skip
COLOURS = {"unreachable": "bright red", "failed": "red", "changed": "yellow", "would_change": "yellow", "ok": "green"}
PLACES = {"gpu": "gpu", "multi_gpu": "gpus", "experts": "gpu+ram", "partial": "gpu+cpu", "cpu": "cpu"}


def render(document: dict, width: int, paths=(), colour=None, spared="") -> str:
    """The table as text that is never wider than `width`, but for addresses. colour: function(text, colour name), None for plain text;
    spared: the report that was left as it is, since this run was of machines that nobody owns."""
    paint = colour or (lambda text, name: text)
    hosts = document["hosts"]
    lines = [line for row in hosts for line in _lines(row, document["run"]["finished"])]
    titles, widths, gap = _fit([cells for state, cells in lines], width)
    out = ["", _cut(_headline(document), width), "", _line(titles, widths, gap)]
    for state, cells in lines:
        for number, part in enumerate(_wrapped(cells, widths)):
            text = _line(part, widths, gap)
            if state and number == 0:
                last = sum(size + gap for size in widths[:STATE] if size)
                text = text[: _index(text, last)] + paint(text[_index(text, last) :], COLOURS[state])
            out.append(text)
    out.append("")
    out += _reasons(document, width)
    if spared:
        out.append(f"report: none, since llm_vram_override describes each of these machines; {spared} is of real ones and stays as it is")
    out += [f"report: {path}" for path in paths]
    out += _entrances(hosts)
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


def _lines(row: dict, now: str) -> list[tuple[str, list[str]]]:
    """The host's line and one more for each further model or kind of card."""
    cards, models = _cards(row), _models(row)
    height = max(1, len(cards), len(models))
    version = ((row.get("software") or {}).get("ollama") or {}).get("version") or ""
    lines = []
    for number in range(height):
        first = number == 0
        model = models[number] if number < len(models) else [""] * 5
        lines.append(
            (
                row["state"] if first else "",
                [
                    clean(row["name"]) if first else "",
                    cards[number] if number < len(cards) else "",
                    *model,
                    version if first else "",
                    str(len(row["behind"]) or "") if first else "",
                    _state(row, now) if first else "",
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
            PLACES.get(model["placement"], model["placement"] or ""),
            _speed(model["tokens_per_second"]),
            f"{gib(model['predicted_bytes'], unit=False)}/{gib(model['budget_bytes'], unit=False)}",
        ]
        for model in row["models"]
    ]


def _speed(known: dict) -> str:
    """The estimate, and behind it what was measured."""
    told = [f"~{tokens(known['predicted'])}"] if known["predicted"] is not None else []
    return ", ".join(told + ([tokens(known["measured"])] if known["measured"] is not None else []))


def _state(row: dict, now: str) -> str:
    """In a kept row, the state of its last run with the time of it, or the day where that was not today."""
    changes = len(row["changes"])
    words = {"changed": f"changed {changes}", "would_change": f"would change {changes}"}
    text = words.get(row["state"], row["state"])
    return text if row["current"] else f"{row['state'].replace('_', ' ')} {day_or_hour(row['seen'], now)}"


def _reasons(document: dict, width: int) -> list[str]:
    """What there is to say of each host; the same sentences of several hosts are said once."""
    said = {}
    for row in document["hosts"]:
        told = _why(row, document["run"]) if row["current"] else []
        if told:
            said.setdefault(tuple(told), []).append(clean(row["name"]))
    for entry in document["gone"]:
        told = f"{entry['text']} (last seen {day_or_hour(entry['seen'], document['run']['finished'])})"
        said.setdefault((told,), []).append(clean(entry["name"]))
    label = min(max((_width(name) for names in said.values() for name in names), default=0), max(12, width // 4))
    indent = " " * (label + GAP)
    lines = []
    for told, names in said.items():
        head = _pad(_cut(names[0], label), label) + " " * GAP
        if len(names) > 1:
            lines += textwrap.wrap(", ".join(names), width, subsequent_indent=indent, break_on_hyphens=False)
            head = indent
        for text in told:
            lines += textwrap.wrap(clean(text), width, initial_indent=head, subsequent_indent=indent, break_on_hyphens=False) or [head]
            head = indent
    return lines


def _why(row: dict, run: dict) -> list[str]:
    answers = [_answer(model) for model in row["models"] if model["chat"] and row["dates"].get("chats") == run["finished"]]
    told = []
    if row["problem"]:
        told.append(f"{row['state']}{_where(row['problem'])}: {row['reason']}")
    elif row["reason"] and not answers:
        told.append(row["reason"])
    told += answers
    disk = row["disk"]
    if disk and disk["to_download_bytes"]:
        told.append(f"{gib(disk['to_download_bytes'])} to download, {gib(disk['free_bytes'])} free on disk.")
    if row["changes"]:
        names = list(dict.fromkeys(change["task"] for change in row["changes"]))
        verb = "would change" if row["check_mode"] else "changed"
        told.append(f"{verb}: {'; '.join(names[:6])}{f'; {len(names) - 6} more' if len(names) > 6 else ''}")
    if row["traffic"]:
        told.append("gateway: " + traffic(row["traffic"], run["finished"]))
    if row["behind"] and (row["problem"] or {}).get("message", "").partition(":")[0] != "behind":
        told.append("behind: " + "; ".join(row["behind"]))
    if row["drift"]:
        told.append("drift: " + "; ".join(item["text"] for item in row["drift"]))
    return told


def traffic(told: dict, now: str) -> str:
    """What a gateway has counted, in words."""
    until = "" if told["until"] == now else f" before {day_or_hour(told['until'], now)}"
    asked = f"{count(told['requests'], 'request')}, {told['refused']} refused (4xx), {told['failed']} failed (5xx)"
    said = f"{asked} in the {seconds(told['seconds'])}{until} since its last reload"
    if told["tokens_per_second"] is None:
        return said
    share = "" if told["measured"] == told["models"] else f" ({told['measured']} of {told['models']} were measured)"
    return f"{said}; its models' proofs had {tokens(told['tokens_per_second'])} tokens/s together, one stream each{share}"


def _where(problem: dict) -> str:
    """The role, which the message is of. A task's name tells people who know the role's files, and those who got no message at all."""
    role = problem["role"].rpartition(".")[2]
    if problem["message"] == NO_REASON:
        return f" in '{problem['task']}'" + (f" of role {role}" if role else "")
    return f" in role {role}" if role else ""


def _answer(model: dict) -> str:
    chat, measured = model["chat"], model["measured"] or {}
    if chat["dimensions"]:
        told = f"{model['name']} answered with an embedding of {chat['dimensions']} numbers"
    else:
        told = f'{model["name"]} {"thought" if chat["only_thoughts"] else "answered"} "{speech(chat["answer"])}"'
    parts = [told, *speeds(chat)]
    if measured.get("bytes") and not measured["stand_in"]:
        error = f" ({measured['error_percent']:+.1f} %)" if measured["error_percent"] is not None else ""
        parts.append(f"{gib(measured['bytes'])} measured, {gib(measured['predicted_bytes'])} predicted{error}")
    elif measured.get("bytes"):
        parts.append(f"{gib(measured['bytes'])} measured, a stand-in")
    return ", ".join(parts)


def speeds(chat: dict) -> list[str]:
    """How fast an answer came, in words."""
    told = []
    if chat["first_token_seconds"] is not None:
        first = "" if chat["dimensions"] else "first token "
        told.append(f"{first}after {seconds(chat['first_token_seconds'])}{'' if chat['loaded_before'] else ' with loading'}")
    if chat["tokens_per_second"] is not None:
        told.append(f"{chat['tokens_per_second']:.1f} tokens/s")
    return told


def _entrances(hosts: list[dict]) -> list[str]:
    """The last thing that a person reads of a run: where to go. A web UI that is down, or failed in this run, is none."""
    lines = []
    for row in hosts:
        entrance = row["entrance"]
        if entrance and row["state"] not in ("failed", "unreachable"):
            who = f" as {entrance['email']}" if entrance["email"] else ""
            where = f" (password in {entrance['password_file']})" if entrance["password_file"] else ""
            lines.append(f"Open {entrance['url']}{who}{where}")
    return lines


def _fit(lines: list[list[str]], width: int) -> tuple[list[str], list[int], int]:
    """Titles, widths of the columns (0 for one that is dropped) and the gap between them."""
    titles = [title for title, least, right in COLUMNS]
    widths = _widths(titles, lines)
    gap = GAP
    if _whole(widths, gap) > width:
        gap, titles[MEMORY] = 1, SHORT_MEMORY
        widths = _widths(titles, lines)
    for way, column in NARROWER:
        excess = _whole(widths, gap) - width
        if excess <= 0:
            break
        widths[column] = 0 if way == "drop" else min(widths[column], max(COLUMNS[column][1], widths[column] - excess))
    return titles, widths, gap


def _widths(titles: list[str], lines: list[list[str]]) -> list[int]:
    widths = [max([_width(title), *(_width(cells[column]) for cells in lines)]) for column, title in enumerate(titles)]
    if not any(cells[BEHIND] for cells in lines):
        widths[BEHIND] = 0
    return widths


def _whole(widths: list[int], gap: int) -> int:
    shown = [size for size in widths if size]
    return sum(shown) + gap * (len(shown) - 1)


def _wrapped(cells: list[str], widths: list[int]) -> list[list[str]]:
    """A row's lines: more than one where the model's name is too long for its column, broken behind a slash or the colon if it can be."""
    name, size, parts = cells[MODEL], widths[MODEL], []
    while _width(name) > size:
        room = _index(name, size + 1) - 1
        at = max(name.rfind(mark, 0, room) for mark in "/:") + 1 or room
        parts.append(name[:at])
        name = name[at:]
    parts.append(name)
    rest = [[part if column == MODEL else "" for column in range(len(COLUMNS))] for part in parts[1:]]
    return [[*cells[:MODEL], parts[0], *cells[MODEL + 1 :]], *rest]


def _line(cells: list[str], widths: list[int], gap: int) -> str:
    shown = [(_cut(cell, size), size, right) for cell, size, (title, least, right) in zip(cells, widths, COLUMNS) if size]
    return (" " * gap).join(_pad(cell, size, right) for cell, size, right in shown)


def _width(text: str) -> int:
    return sum(0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def _index(text: str, column: int) -> int:
    """Where in the text a column of the terminal begins."""
    position = 0
    while position < len(text) and column > 0:
        column -= _width(text[position])
        position += 1
    return position


def _cut(text: str, size: int) -> str:
    if _width(text) <= size:
        return text
    while text and _width(text) > size - 1:
        text = text[:-1]
    return text + "…"


def _pad(text: str, size: int, right: bool = False) -> str:
    space = " " * (size - _width(text))
    return space + text if right else text + space
