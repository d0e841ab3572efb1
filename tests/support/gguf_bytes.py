# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes heads of GGUF files, well formed and not."""

from __future__ import annotations

import struct

KINDS = {"u32": (4, "I"), "f32": (6, "f"), "bool": (7, "?"), "u64": (10, "Q"), "i32": (5, "i")}


def string(text):
    raw = text.encode() if isinstance(text, str) else text
    return struct.pack("<Q", len(raw)) + raw


def value(kind, given):
    if kind == "str":
        return struct.pack("<I", 8) + string(given)
    if kind == "strs":
        return struct.pack("<IIQ", 9, 8, len(given)) + b"".join(string(item) for item in given)
    if kind.startswith("["):
        number, code = KINDS[kind[1:-1]]
        return struct.pack("<IIQ", 9, number, len(given)) + struct.pack("<%d%s" % (len(given), code), *given)
    number, code = KINDS[kind]
    return struct.pack("<I" + code, number, given)


def head(keys, tensors=(), version=3, tensor_count=None, key_count=None, magic=b"GGUF"):
    """keys: [(name, kind, value)]; tensors: [(name, shape, type number)]."""
    counts = (len(tensors) if tensor_count is None else tensor_count, len(keys) if key_count is None else key_count)
    out = magic + struct.pack("<IQQ", version, *counts)
    for name, kind, given in keys:
        out += string(name) + value(kind, given)
    offset = 0
    for name, shape, kind in tensors:
        out += string(name) + struct.pack("<I", len(shape)) + struct.pack("<%dQ" % len(shape), *shape) + struct.pack("<IQ", kind, offset)
        size = 4 if kind == 0 else 2
        for part in shape:
            size *= part
        offset += -(-size // 32) * 32
    return out + b"\0" * (-len(out) % 32)


def small_model(tokens=300, layers=2, arch="qwen2"):
    """A head with everything that sizing reads; its tensors take 4 bytes (F32) or 2 (F16) an element."""
    keys = [
        ("general.architecture", "str", arch),
        ("%s.block_count" % arch, "u32", layers),
        ("%s.context_length" % arch, "u32", 4096),
        ("%s.embedding_length" % arch, "u32", 64),
        ("%s.feed_forward_length" % arch, "u32", 128),
        ("%s.attention.head_count" % arch, "u32", 4),
        ("%s.attention.head_count_kv" % arch, "[i32]", [2] * layers),
        ("tokenizer.ggml.tokens", "strs", ["t%d" % i for i in range(tokens)]),
        ("tokenizer.ggml.scores", "[f32]", [0.0] * 5000),
    ]
    tensors = [("token_embd.weight", (64, tokens), 1), ("output.weight", (64, tokens), 1), ("output_norm.weight", (64,), 0)]
    for i in range(layers):
        tensors += [("blk.%d.attn_q.weight" % i, (64, 64), 1), ("blk.%d.ffn_up.weight" % i, (64, 128), 1)]
    return keys, tensors


def whole_file(keys, tensors):
    """The head and as many zero bytes as its tensors take."""
    size = 0
    for _name, shape, kind in tensors:
        each = 4 if kind == 0 else 2
        for part in shape:
            each *= part
        size += -(-each // 32) * 32
    return head(keys, tensors) + b"\0" * size
