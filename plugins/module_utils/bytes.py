# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Amounts of bytes and rates: the units, and the one way in which people read them."""

from __future__ import annotations

KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30


def pad(value, multiple):
    """The next multiple, as llama.cpp's GGML_PAD."""
    return -(-value // multiple) * multiple


def gib(count):
    """GiB with one decimal. Below 0.1 GiB, where that would soon say 0.0, in the unit that fits."""
    return "%.1f GiB" % (count / GIB) if not count or abs(count) >= GIB // 10 else _fitting(count)


def speed(rate):
    """Bytes a second, in the unit that fits: most are below 0.1 GiB, and 0.1 GiB/s may be twice 0.1 GiB/s."""
    return _fitting(rate) + "/s"


def tokens(rate):
    """Tokens a second, as exact as an estimate is."""
    return "%.1f" % rate if rate < 20 else "%.0f" % rate


def _fitting(count):
    for unit, size in (("GiB", GIB), ("MiB", MIB), ("KiB", KIB)):
        if abs(count) >= size:
            return "%.1f %s" % (count / size, unit)
    return "%d bytes" % count
