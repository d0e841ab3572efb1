# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts that somebody on a host may have written, made harmless: the one place where it is done, for every system."""

from __future__ import annotations

import re

# C0, DEL, C1; line and paragraph separator; marks that turn the direction of writing; halves of surrogate pairs.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
# The longest text: PATH_MAX of Linux. The deepest nesting: that of a NVML observation is 7.
LONGEST = 4096
DEEPEST = 24


def clean(value, depth=0):
    """The same value without control characters in any text or key, each cut at LONGEST. What is nested too deep becomes None."""
    if isinstance(value, str):
        return _CONTROL.sub("", value)[:LONGEST]
    if depth >= DEEPEST:
        return None
    if isinstance(value, dict):
        return {clean(str(key)): clean(entry, depth + 1) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [clean(entry, depth + 1) for entry in value]
    return value
