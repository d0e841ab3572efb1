# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

KIB = 1024
MIB = 1024**2
GIB = 1024**3


def pad(value, multiple):
    """The next multiple, as llama.cpp's GGML_PAD."""
    return -(-value // multiple) * multiple


def gib(size):
    """Bytes as people read them: GiB with one decimal; a remainder too small for that in MiB, so that no shortage is shown as 0.0."""
    if size and abs(size) < GIB // 20:
        return "%d MiB" % max(1, round(abs(size) / MIB)) if size > 0 else "-%d MiB" % max(1, round(abs(size) / MIB))
    return "%.1f GiB" % (size / GIB)
