# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take out of an observation what names one machine, so that a user can show it to others. What it says of memory stays."""

from __future__ import annotations

import re

HEX = r"[0-9a-fA-F]"
UUID = re.compile(r"\b(?:(?:GPU|MIG)-)*%s{8}-%s{4}-%s{4}-%s{4}-%s{12}\b|\bGPU-%s{16}\b" % ((HEX,) * 6))
# "serial": "123", "_spdisplays_display-serial-number": "…", "unique_id": "0x…" inside a tool's JSON.
TELLTALE = r"serial|unique.?id|uuid|host_?name|hwid"
IN_JSON = re.compile(r'("[^"]*(?:%s)[^"]*"\s*:\s*)("(?:[^"\\]|\\.)*"|\d+)' % TELLTALE, re.IGNORECASE)
IN_LINES = re.compile(r"^(\s*(?:[\w ]*(?:serial|uuid)[\w ]*:|unique_id )\s*).*$", re.IGNORECASE | re.MULTILINE)
TELLTALE_KEY = re.compile(TELLTALE, re.IGNORECASE)


def redact(observation):
    """A copy. Equal UUIDs stay equal, as numbered ones: which card is which matters, not who made it."""
    numbers = {}

    def uuid(match):
        number = numbers.setdefault(match.group(0), len(numbers))
        prefix = "MIG" if match.group(0).startswith("MIG") else "GPU"
        return "%s-00000000-0000-0000-0000-%012d" % (prefix, number)

    def walk(value, key=""):
        if isinstance(value, dict):
            return {name: walk(entry, str(name)) for name, entry in value.items()}
        if isinstance(value, list):
            return [walk(entry, key) for entry in value]
        if isinstance(value, str):
            value = UUID.sub(uuid, value)
            value = IN_JSON.sub(lambda match: match.group(1) + '"removed"', value)
            value = IN_LINES.sub(lambda match: match.group(1) + "removed" if "GPU-0000" not in match.group(0) else match.group(0), value)
            if TELLTALE_KEY.search(key) and not value.startswith(("GPU-0000", "MIG-0000")):
                return "removed"
        return value

    return walk(observation)
