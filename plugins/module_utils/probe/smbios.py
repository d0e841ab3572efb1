# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The memory modules of a machine as its firmware describes them (SMBIOS type 17, DSP0134). Serial numbers are not read."""

from __future__ import annotations

import struct

TABLE = "/sys/firmware/dmi/tables/DMI"  # root only
LARGEST = 1 << 20
_MEMORY_DEVICE, _END = 17, 127


def structures(table):
    """(type, formatted bytes, texts) of each structure; a table that is cut or lies about lengths ends where it does."""
    at = 0
    while at + 4 <= len(table):
        kind, length = table[at], table[at + 1]
        end = at + length
        if length < 4 or end + 2 > len(table):
            return
        stop = table.find(b"\0\0", end)
        if stop < 0:
            return
        yield kind, table[at:end], table[end:stop].split(b"\0")
        if kind == _END:
            return
        at = stop + 2


def _number(formatted, offset, form):
    size = struct.calcsize(form)
    return struct.unpack_from(form, formatted, offset)[0] if offset + size <= len(formatted) else None


def _text(formatted, offset, texts):
    number = _number(formatted, offset, "<B")
    return texts[number - 1].decode("ascii", "replace").strip()[:64] if number and number <= len(texts) else None


def memory_devices(table):
    """One row for each slot of the board, with the numbers as they stand there; 0 and 0xFFFF are judged by whoever reads them."""
    found = []
    for kind, formatted, texts in structures(table):
        if kind == _MEMORY_DEVICE:
            found.append(
                {
                    "data_width": _number(formatted, 0x0A, "<H"),
                    "size": _number(formatted, 0x0C, "<H"),
                    "form_factor": _number(formatted, 0x0E, "<B"),
                    "locator": _text(formatted, 0x10, texts),
                    "bank_locator": _text(formatted, 0x11, texts),
                    "type": _number(formatted, 0x12, "<B"),
                    "speed": _number(formatted, 0x15, "<H"),
                    "configured_speed": _number(formatted, 0x20, "<H"),
                    "extended_speed": _number(formatted, 0x54, "<I"),
                    "extended_configured_speed": _number(formatted, 0x58, "<I"),
                }
            )
    return found


def read(root=""):
    """The rows of this machine; None where its table cannot be read (no root, a container, a board without SMBIOS)."""
    try:
        with open(root + TABLE, "rb") as file:
            return memory_devices(file.read(LARGEST))
    except OSError:
        return None
