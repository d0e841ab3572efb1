# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The head of a GGUF file: keys, values and the tensor table. It may come from anybody, so every count is checked before it is believed."""

from __future__ import annotations

import struct

from ansible_collections.llmfleet.ollama.plugins.module_utils.model_header import ggml

HARD_CAP = 64 * 1024**2  # no real head is near it: 5 to 12 MiB
STEP = 8 * 1024**2  # bytes of one request
_MAX_KEYS = 16384
_MAX_TENSORS = 131072
_MAX_NAME = 4096
_MAX_STRING = 1024**2  # of a value that is kept
_KEPT_ITEMS = 4096  # arrays of numbers up to this length are kept (one value for each layer); of others only the count
_MAX_DIMENSIONS = 4
_MAX_BYTES = 1 << 50

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9


class BadHeader(ValueError):
    """The bytes are no head of a GGUF file that could be sized."""


class _Window:
    """The bytes so far, and a way to get more."""

    def __init__(self, fetch, size):
        self.fetch, self.size = fetch, size
        self.data = bytearray()
        self.at = 0

    def need(self, count):
        """Make sure that so many bytes lie ahead."""
        end = self.at + count
        if end <= len(self.data):
            return
        if end > HARD_CAP:
            raise BadHeader("its head is larger than %d MiB" % (HARD_CAP // 1024**2))
        if self.size is not None and end > self.size:
            raise BadHeader("it is cut off: the head goes on behind the end of the file, byte %d" % self.size)
        while len(self.data) < end:
            wanted = max(STEP, end - len(self.data))
            wanted = min(wanted, HARD_CAP - len(self.data), self.size - len(self.data) if self.size is not None else wanted)
            more = self.fetch(len(self.data), wanted)
            if not more:
                raise BadHeader("it is cut off at byte %d, within its head" % len(self.data))
            self.data += more

    def unpack(self, code):
        size = struct.calcsize("<" + code)
        self.need(size)
        value = struct.unpack_from("<" + code, self.data, self.at)[0]
        self.at += size
        return value

    def string(self, most, what):
        length = self.unpack("Q")
        if length > most:
            raise BadHeader("%s has %d bytes, which cannot be" % (what, length))
        self.need(length)
        raw = bytes(self.data[self.at : self.at + length])
        self.at += length
        return raw.decode("utf-8", "replace")

    def skip_strings(self, count, what):
        """Walk over an array of strings without reading them."""
        at, data = self.at, self.data
        unpack = struct.Struct("<Q").unpack_from
        for _item in range(count):
            if at + 8 > len(data):
                self.at = at
                self.need(8)
            (length,) = unpack(data, at)
            if length > HARD_CAP:
                raise BadHeader("a string of %s has %d bytes, which cannot be" % (what, length))
            at += 8 + length
            if at > len(data):
                self.at = at
                self.need(0)
        self.at = at

    def skip(self, count):
        self.need(count)
        self.at += count


def read_header(fetch, size=None):
    """(keys, tensors, length of the head) of a file whose bytes fetch(offset, length) gives; it may give fewer, but some."""
    window = _Window(fetch, size)
    window.need(24)
    magic = bytes(window.data[:4])
    window.at = 4
    if magic != b"GGUF":
        raise BadHeader("it does not begin with 'GGUF' but with %r" % magic)
    version = window.unpack("I")
    if version not in (2, 3):
        big = struct.unpack(">I", struct.pack("<I", version))[0]
        raise BadHeader("it is written for big-endian machines" if big in (2, 3) else "its GGUF version is %d, not 2 or 3" % version)
    tensor_count, key_count = window.unpack("Q"), window.unpack("Q")
    if tensor_count > _MAX_TENSORS:
        raise BadHeader("it announces %d tensors, which cannot be" % tensor_count)
    if key_count > _MAX_KEYS:
        raise BadHeader("it announces %d keys, which cannot be" % key_count)
    keys = {}
    for _number in range(key_count):
        name = window.string(_MAX_NAME, "a key's name")
        _value(window, name, keys)
    alignment = keys.get("general.alignment", 32)
    if not isinstance(alignment, int) or alignment < 1 or alignment > 65536 or alignment & (alignment - 1):
        raise BadHeader("its alignment is %r" % (alignment,))
    tensors = [_tensor(window, number) for number in range(tensor_count)]
    length = -(-window.at // alignment) * alignment
    _check_extent(tensors, length, size)
    for tensor in tensors:
        del tensor["offset"]
    return keys, tensors, length


def _value(window, name, keys):
    kind = window.unpack("I")
    if kind in _SCALARS:
        keys[name] = window.unpack(_SCALARS[kind])
    elif kind == _STRING:
        keys[name] = window.string(_MAX_STRING, "the value of %s" % name)
    elif kind == _ARRAY:
        item, count = window.unpack("I"), window.unpack("Q")
        if item == _STRING:
            window.skip_strings(count, name)
            keys[name + ".count"] = count
        elif item in _SCALARS:
            size = struct.calcsize("<" + _SCALARS[item])
            if count <= _KEPT_ITEMS:
                window.need(count * size)
                keys[name] = list(struct.unpack_from("<%d%s" % (count, _SCALARS[item]), window.data, window.at))
                window.at += count * size
            else:
                window.skip(count * size)
                keys[name + ".count"] = count
        else:
            raise BadHeader("the array %s holds items of the unknown type %d" % (name, item))
    else:
        raise BadHeader("the value of %s has the unknown type %d" % (name, kind))


def _tensor(window, number):
    name = window.string(_MAX_NAME, "the name of tensor %d" % number)
    dimensions = window.unpack("I")
    if dimensions > _MAX_DIMENSIONS:
        raise BadHeader("tensor %s has %d dimensions" % (name, dimensions))
    shape = [window.unpack("Q") for _dimension in range(dimensions)]
    kind, offset = window.unpack("I"), window.unpack("Q")
    if kind not in ggml.TYPES:
        raise BadHeader("tensor %s has the unknown type %d" % (name, kind))
    elements = 1
    for size in shape:
        elements *= size
        if size == 0 or elements > _MAX_BYTES:
            raise BadHeader("tensor %s has the impossible shape %s" % (name, "x".join(map(str, shape))))
    kind = ggml.TYPES[kind][0]
    return {"name": name, "type": kind, "shape": shape, "bytes": ggml.row_bytes(kind, elements), "offset": offset}


def _check_extent(tensors, length, size):
    """No tensor may lie behind the end of the file."""
    if size is None:
        return
    for tensor in tensors:
        if length + tensor["offset"] + tensor["bytes"] > size:
            raise BadHeader("tensor %s lies behind the end of the file, byte %d" % (tensor["name"], size))


def read_file(path):
    """The head of a local file."""
    with open(path, "rb") as stream:
        stream.seek(0, 2)
        size = stream.tell()

        def fetch(offset, length):
            stream.seek(offset)
            return stream.read(length)

        keys, tensors, length = read_header(fetch, size)
    return keys, tensors, length, size
