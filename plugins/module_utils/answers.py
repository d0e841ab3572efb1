# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bytes of an answer that may be longer than anybody wants."""

from __future__ import annotations

PIECE = 1 << 16


def up_to(answer, limit):
    """At most so many bytes of an HTTP answer. In pieces, since Python 3.9 makes room for all that is asked for, and fills it, before the first one comes."""
    parts = []
    while limit > 0:
        part = answer.read(min(limit, PIECE))
        if not part:
            break
        parts.append(part)
        limit -= len(part)
    return b"".join(parts)
