# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reader of GGUF heads. Without these tests a hostile file could stall the controller, fill its memory or be sized wrongly."""

from __future__ import annotations

import struct
import tracemalloc

import pytest
from ansible_collections.llmfleet.ollama.plugins.module_utils.model_header import gguf
from hypothesis import given, settings
from hypothesis import strategies as st
from support import gguf_bytes


def read(data, size=None, step=1 << 30):
    asked = []

    def fetch(offset, length):
        asked.append((offset, length))
        return data[offset : offset + min(length, step)]

    return gguf.read_header(fetch, len(data) if size is None else size), asked


def test_keys_arrays_and_tensors_come_out():
    keys, tensors = gguf_bytes.small_model()
    (found, table, length), _asked = read(gguf_bytes.whole_file(keys, tensors))
    assert found["general.architecture"] == "qwen2"
    assert found["qwen2.attention.head_count_kv"] == [2, 2]
    assert found["tokenizer.ggml.tokens.count"] == 300 and "tokenizer.ggml.tokens" not in found
    assert found["tokenizer.ggml.scores.count"] == 5000 and "tokenizer.ggml.scores" not in found
    assert table[0] == {"name": "token_embd.weight", "type": "F16", "shape": [64, 300], "bytes": 64 * 300 * 2}
    assert length == len(gguf_bytes.head(keys, tensors))


def test_it_agrees_with_the_reference_reader(tmp_path):
    """The package `gguf` of llama.cpp itself reads the same file."""
    from gguf import GGUFReader

    keys, tensors = gguf_bytes.small_model()
    path = tmp_path / "m.gguf"
    path.write_bytes(gguf_bytes.whole_file(keys, tensors))
    reference = GGUFReader(str(path))
    _keys, table, _length, _size = gguf.read_file(str(path))
    assert [(t.name, t.tensor_type.name, int(t.n_bytes)) for t in reference.tensors] == [(t["name"], t["type"], t["bytes"]) for t in table]


@pytest.mark.parametrize("step", [1, 7, 64, 4096])
def test_pieces_of_any_size_give_the_same(step):
    data = gguf_bytes.whole_file(*gguf_bytes.small_model(tokens=40))
    assert read(data, step=step)[0] == read(data)[0]


def test_no_more_is_asked_than_the_file_has():
    data = gguf_bytes.whole_file(*gguf_bytes.small_model())
    _found, asked = read(data)
    assert asked == [(0, len(data))]


HOSTILE = {
    "wrong magic": gguf_bytes.head([], magic=b"GGML"),
    "version 1": gguf_bytes.head([], version=1),
    "big endian": b"GGUF" + struct.pack(">IQQ", 3, 0, 0),
    "huge key count": gguf_bytes.head([], key_count=1 << 60),
    "huge tensor count": gguf_bytes.head([], tensor_count=1 << 60),
    "negative key count": gguf_bytes.head([], key_count=(1 << 64) - 1),
    "huge key name": b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 1 << 40),
    "huge string": b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + gguf_bytes.string("a") + struct.pack("<IQ", 8, 1 << 62),
    "huge array": b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + gguf_bytes.string("a") + struct.pack("<IIQ", 9, 4, 1 << 50),
    "string array of huge strings": b"GGUF"
    + struct.pack("<IQQ", 3, 0, 1)
    + gguf_bytes.string("a")
    + struct.pack("<IIQ", 9, 8, 5)
    + struct.pack("<Q", (1 << 64) - 8),
    "array of arrays": b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + gguf_bytes.string("a") + struct.pack("<IIQ", 9, 9, 1),
    "unknown value type": b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + gguf_bytes.string("a") + struct.pack("<I", 99),
    "too many dimensions": gguf_bytes.head([], [("t", (1, 1, 1, 1, 1), 0)]),
    "empty dimension": gguf_bytes.head([], [("t", (4, 0), 0)]),
    "impossible shape": gguf_bytes.head([], [("t", (1 << 62, 1 << 62), 0)]),
    "unknown tensor type": gguf_bytes.head([], [("t", (4,), 77)]),
    "tensor behind the end": gguf_bytes.head([], [("t", (1 << 20,), 0)]),
    "odd alignment": gguf_bytes.head([("general.alignment", "u32", 33)]),
    "cut off": gguf_bytes.head(*gguf_bytes.small_model())[:300],
    "empty": b"",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_heads_are_refused_in_little_memory(name):
    tracemalloc.start()
    with pytest.raises(gguf.BadHeader):
        read(HOSTILE[name])
    assert tracemalloc.get_traced_memory()[1] < 32 * 1024**2
    tracemalloc.stop()


def test_an_endless_head_stops_at_the_cap():
    """A server that never ends its strings costs at most the hard cap."""
    start = b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + gguf_bytes.string("a") + struct.pack("<IIQ", 9, 8, 16 * 1024**2)
    piece = struct.pack("<Q", 1 << 20) + b"x" * (1 << 20)
    sent = []

    def fetch(offset, length):
        data = (start + piece * (length // len(piece) + 2))[:length] if offset == 0 else (piece * (length // len(piece) + 2))[:length]
        sent.append(len(data))
        return data

    with pytest.raises(gguf.BadHeader):
        gguf.read_header(fetch)
    assert sum(sent) <= gguf.HARD_CAP


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_damage_raises_anything_but_a_clear_refusal(data):
    """Any byte of a good head may be changed, or any part cut: it is read or refused, nothing else."""
    good = bytearray(gguf_bytes.whole_file(*gguf_bytes.small_model(tokens=20)))
    for _number in range(data.draw(st.integers(1, 4))):
        good[data.draw(st.integers(0, 900))] = data.draw(st.integers(0, 255))
    broken = bytes(good[: data.draw(st.integers(0, len(good)))])
    try:
        read(broken)
    except gguf.BadHeader:
        pass
