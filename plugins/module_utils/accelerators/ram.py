# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast system memory can be read, from what the firmware says of the modules (SMBIOS type 17)."""

from __future__ import annotations

import re

from ansible_collections.llmfleet.ollama.plugins.module_utils.accelerators import parse

# SMBIOS's numbers of memory types, and the least transfers a second (MT/s) that such memory has: firmware that says less means MHz.
_LEAST = {24: 800, 26: 1600, 34: 3200}  # DDR3, DDR4, DDR5
_MOST_CHANNELS = {24: 4, 26: 8, 34: 12}  # of a socket with such memory; more modules share channels
_LOW_POWER = (29, 30, 35)  # LPDDR3, LPDDR4, LPDDR5: soldered, each row has channels of its own
_EMPTY, _UNKNOWN, _UNKNOWN_WIDE = 0, 0xFFFF, 0x7FFFFFFF
_SERVER_SLOTS = 5  # from so many slots on, a board whose texts name no channel is taken for a server's, with one module on each channel
_LARGEST = 2 * 10**12
# Boards without such a table, by their device tree: memory that is soldered, always the same, and too narrow for a default.
_BOARDS = {"brcm,bcm2712": 17100000000}  # Raspberry Pi 5: 32 bits of LPDDR4X-4267
_CHANNEL = re.compile(r"channel[ _-]?([a-z0-9])", re.IGNORECASE)
_CONTROLLER = re.compile(r"controller[ _-]?(\d)", re.IGNORECASE)
_SOCKET = re.compile(r"(?:^|[ _-])(?:p|cpu|proc|processor|socket)[ _-]?(\d)(?=[ _-]|$)", re.IGNORECASE)


def bandwidth(rows):
    """Bytes a second at the peak of the best filled socket, since one process reads little of another's memory. None where the firmware says too little."""
    rows = parse.rows(rows)
    filled = [row for row in rows if parse.whole(row.get("size")) not in (None, _EMPTY)]
    speeds = [_transfers(row) for row in filled]
    if not filled or None in speeds:
        return None
    slowest = min(speeds)
    if all(parse.whole(row.get("type")) in _LOW_POWER for row in filled):
        found = sum(_width(row) for row in filled) // 8 * slowest * 10**6
    else:
        found = int(8 * max(_channels(filled, len(rows)).values()) * slowest * 10**6)
    return found if found <= _LARGEST else None


def of_board(compatible):
    """The same of a board that the device tree's list of compatible chips names; None for all others."""
    return next((_BOARDS[name] for name in parse.lines(compatible) if name in _BOARDS), None)


def _transfers(row):
    """Millions of transfers a second: as they are configured, else as the module is rated."""
    kind = parse.whole(row.get("type"))
    if kind not in _LEAST and kind not in _LOW_POWER:
        return None  # a virtual machine's memory, or something newer than this table
    for name in ("configured_speed", "speed"):
        value = parse.whole(row.get(name))
        if value == _UNKNOWN:
            value = parse.whole(row.get("extended_" + name))
        if value and value != _UNKNOWN_WIDE:
            return value * 2 if value < _LEAST.get(kind, 0) else value
    return None


def _width(row):
    width = parse.whole(row.get("data_width"))
    return width if width in (16, 32, 64, 128) else 64


def _channels(filled, slots):
    """{socket: channels with a module}."""
    found, named = {}, 0
    for row in filled:
        text = " ".join(parse.text(row.get(name)) or "" for name in ("bank_locator", "locator"))
        channel, controller, socket = _CHANNEL.search(text), _CONTROLLER.search(text), _SOCKET.search(text)
        named += channel is not None
        place = (controller.group(1) if controller else None, channel.group(1).lower() if channel else None)
        places = found.setdefault(socket.group(1) if socket else None, {})
        places[place] = places.get(place, 0) + 1
    if named == len(filled):
        # Half channels of DDR5 that are told one by one have half the width.
        half = all(_width(row) == 32 for row in filled)
        return {socket: len(places) / 2 if half else len(places) for socket, places in found.items()}
    if slots < _SERVER_SLOTS:
        return {None: min(len(filled), 2)}
    most = min(_MOST_CHANNELS.get(parse.whole(row.get("type")), 4) for row in filled)
    return {socket: min(sum(places.values()), most) for socket, places in found.items()}
