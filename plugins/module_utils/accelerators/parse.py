# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take what a machine said for what it may be: anything. Every reader here answers with a value of its kind or None."""

from __future__ import annotations

import json
import re

from ansible_collections.llmfleet.ollama.plugins.module_utils.bytes import MIB

LARGEST = 1 << 60
ADDRESS = re.compile(r"^([0-9a-f]{4,8}):([0-9a-f]{1,2}):([0-9a-f]{1,2})(?:\.([0-7]))?$", re.IGNORECASE)


def whole(value):
    """A size or count: a whole number of at least 0, given as such or as text."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        return int(value) if 0 <= value <= LARGEST else None
    if isinstance(value, str):
        try:
            value = int(value.strip(), 10) if len(value) < 40 else None
        except ValueError:
            return None
    return value if isinstance(value, int) and 0 <= value <= LARGEST else None


def positive(value):
    """The same for sizes that can't be 0: some drivers say 0 for "don't know"."""
    return whole(value) or None


def text(value, limit=200):
    if not isinstance(value, str):
        return None
    return " ".join(value.split())[:limit] or None


def number(value):
    """A decimal figure in a tool's output; every other spelling ("[N/A]", "N/A", "[GPU is lost]") is None."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        found = float(value)
    else:
        try:
            found = float(value.strip()) if isinstance(value, str) and len(value) < 40 else None
        except ValueError:
            return None
    return found if found is not None and 0 <= found <= LARGEST else None


def mib(value):
    found = number(value)
    return None if found is None else whole(round(found * MIB))


def rows(value):
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def table(value):
    return value if isinstance(value, dict) else {}


def texts(value):
    return [entry for entry in value if isinstance(entry, str)] if isinstance(value, list) else []


def lines(value):
    return value.splitlines() if isinstance(value, str) else []


def json_in(value):
    """The JSON document in a tool's output, which may print warnings in front of it."""
    if not isinstance(value, str):
        return None
    for opening in re.finditer(r"[\[{]", value[:65536]):
        try:
            return json.JSONDecoder().raw_decode(value, opening.start())[0]
        except (ValueError, RecursionError):
            continue
    return None


def address(value):
    """A PCI address as sysfs writes it: "0000:01:00.0". NVML writes the domain with eight digits and in upper case."""
    match = ADDRESS.match(value.strip()) if isinstance(value, str) else None
    if match is None:
        return None
    domain, bus, device, function = match.groups()
    return "%04x:%02x:%02x.%s" % (int(domain, 16), int(bus, 16), int(device, 16), function or "0")


def pci_id(vendor, device):
    """ "10de:2204" from the two files of sysfs."""
    if isinstance(vendor, str) and isinstance(device, str):
        found = "%s:%s" % (vendor.strip().lower()[-4:], device.strip().lower()[-4:])
        if re.match(r"^[0-9a-f]{4}:[0-9a-f]{4}$", found):
            return found
    return None


def meminfo(value, key):
    """Bytes of one line of /proc/meminfo or of a node's meminfo."""
    for line in lines(value):
        match = re.search(r"\b%s:\s+(\d{1,15}) kB" % key, line)
        if match:
            return int(match.group(1)) * 1024
    return None


def total(values):
    """Sum of what is known; None when nothing is."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None
