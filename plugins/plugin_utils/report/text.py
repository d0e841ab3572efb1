# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Words and numbers as people read them, and values as plain Python."""

from __future__ import annotations

import calendar
import re
import time

from ansible_collections.llmfleet.ollama.plugins.module_utils import bytes

# A message of a host may hold anything: escape sequences would repaint the terminal, user:password@ in an address would be kept for ever.
# Marks of direction would turn a line around.
_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]"
)
# A password may hold a slash or an at sign that nobody encoded; a port before a path is none.
_CREDENTIALS = re.compile(r"(?<=://)(?:[^/@:\s]+:(?!\d{1,5}/)\S*@|[^/@\s]+@)")

# What a value of another kind than the expected one ends in.
ODD = (AttributeError, IndexError, KeyError, TypeError, ValueError, RecursionError)

_VENDOR_WORDS = re.compile(
    r"\b(nvidia|geforce|amd|ati|advanced micro devices|radeon|intel|apple|qualcomm|corporation|graphics)\b"
    r"|\((?:r|tm)\)|\b\d+ ?gi?b\b|\bhbm\w*",
    re.IGNORECASE,
)


def plain(value):
    """The value in exact builtin types: results of ansible-core 2.19+ hold tagged subclasses that must not reach json or a template."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return "".join(str.__str__(value))
    if isinstance(value, int):
        return int.__int__(value)
    if isinstance(value, float):
        return float.__float__(value)
    if isinstance(value, dict):
        return {plain(key) if isinstance(key, str) else str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    return str(value)


def clean(value) -> str:
    """Text on one line, without control characters and without credentials in addresses."""
    if value is None:
        return ""
    return " ".join(_CREDENTIALS.sub("…@", _ESCAPES.sub(" ", str(value))).split())


def number(value) -> int | None:
    """A count of bytes, or None where the sender did not know it (or sent something else)."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return int(value) if value >= 0 else None


def gib(value, unit: bool = True) -> str:
    """Bytes as everywhere, or the number of GiB alone; "?" for what nobody knows."""
    if value is None:
        return "?"
    return bytes.gib(value) if unit else f"{value / bytes.GIB:.1f}"


def seconds(value) -> str:
    if value is None:
        return ""
    if value < 10:
        return f"{value:.1f} s"
    if value < 60:
        return f"{value:.0f} s"
    minutes, rest = divmod(int(round(value)), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"


def day_or_hour(stamp, now) -> str:
    """A moment as short as it can be told, in the reader's own time: the hour on the same day, else the day."""
    try:
        told, present = (time.localtime(calendar.timegm(time.strptime(moment, "%Y-%m-%dT%H:%M:%SZ"))) for moment in (stamp, now))
    except (TypeError, ValueError):
        return clean(stamp)
    if told[:3] == present[:3]:
        return time.strftime("%H:%M", told)
    return time.strftime("%m-%d" if told.tm_year == present.tm_year else "%Y-%m-%d", told)


def count(amount: int, noun: str, plural: str | None = None) -> str:
    return f"{amount} {noun if amount == 1 else plural or noun + 's'}"


def speech(answer, length: int = 160) -> str:
    """What a model said, as far as a line has room, without the empty thoughts that some templates put in front."""
    told = re.sub(r"^<think>\s*</think>\s*", "", clean(answer))
    return told if len(told) <= length else told[: length - 1].rstrip() + "…"


def short_card_name(name) -> str:
    """'NVIDIA GeForce RTX 3060' is 'RTX 3060' to everyone who owns one; sizes are told beside it, from the facts."""
    shortened = " ".join(_VENDOR_WORDS.sub(" ", clean(name)).split())
    return shortened or clean(name) or "unnamed"


def short_digest(digest) -> str:
    text = clean(digest)
    return text.split(":", 1)[-1][:12]
