# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Models of full size that take no disk: the head of the published file, with its tokenizer and tensor types, and a hole for the weights."""

from __future__ import annotations

import functools
import hashlib
import json
import struct
from pathlib import Path

from ansible_collections.llmfleet.ollama.plugins.module_utils.model_header import ggml

from support import headers

_NUMBERS = {name: number for number, (name, _block, _size) in ggml.TYPES.items()}
# Merges of the tokenizer: what makes a head megabytes.
_MERGES = {"qwen2": 151387, "qwen3": 151387, "llama": 280147}
_ZEROS = bytes(1 << 20)


@functools.cache
def _strings(count: int, form: str) -> bytes:
    return struct.pack("<IIQ", 9, 8, count) + b"".join(struct.pack("<Q", len(text)) + text for text in ((form % i).encode() for i in range(count)))


def _type(model, name: str, shape: tuple, quantization: str) -> str:
    """llama.cpp's choice for each tensor (llama-quant.cpp): Q4_K_M gives more bits to the output and to a part of two kinds of layers."""
    if len(shape) == 1:
        return "F32"
    if quantization != "Q4_K_M":
        return quantization
    if name == "output.weight":
        return "Q6_K"
    if ".ffn_down." in name or ".attn_v." in name:
        layer, layers = int(name.split(".")[1]), model.d["layers"]
        if layer < layers // 8 or layer >= 7 * layers // 8 or (layer - layers // 8) % 3 == 2:
            return "Q6_K"
        if ".attn_v." in name and layers == 80:
            return "Q5_K"
    return "Q4_K"


def head(model, quantization: str, one_hole: bool = False) -> tuple[bytes, int]:
    """The head, and the bytes of the tensors behind it. In one hole they all lie at the same place: their sizes stand in the table, and a
    file of zeros need not be longer than its largest tensor.
    """
    keys = {"general.architecture": model.arch, "general.alignment": 32, "tokenizer.ggml.model": "gpt2"}
    keys.update({f"{model.arch}.{key}": value for key, value in model.keys.items() if key != "vocab_size"})
    vocabulary = model.d["vocab"]
    arrays = {
        "tokenizer.ggml.tokens": _strings(vocabulary, "tok%06d"),
        "tokenizer.ggml.token_type": struct.pack("<IIQ", 9, 5, vocabulary) + struct.pack("<i", 1) * vocabulary,
        "tokenizer.ggml.merges": _strings(_MERGES[model.arch], "ab%04d cd"),
    }
    out = b"GGUF" + struct.pack("<IQQ", 3, len(model.tensors), len(keys) + len(arrays))
    out += b"".join(headers._string(key) + headers._value(value) for key, value in keys.items())
    out += b"".join(headers._string(key) + packed for key, packed in arrays.items())
    offset = longest = 0
    for name, shape, _kind in model.tensors:
        kind = _type(model, name, shape, quantization)
        out += headers._string(name) + struct.pack("<I%dQIQ" % len(shape), len(shape), *shape, _NUMBERS[kind], offset)
        elements = 1
        for part in shape:
            elements *= part
        size = -(-ggml.row_bytes(kind, elements) // 32) * 32
        longest = max(longest, size)
        offset += 0 if one_hole else size
    return out + b"\0" * (-len(out) % 32), offset or longest


def publish(store: Path, family: str, tag: str, model, quantization: str, pulled: bool = False) -> int:
    """Lay a model into a mirror's store as Ollama does; gives the bytes of its head. A hole of 40 GB is not hashed: its name is made up.
    What will be pulled, and so hashed, is in one hole and has its true name.
    """
    blobs, manifests = store / "blobs", store / "manifests/registry.ollama.ai/library" / family
    for folder in (blobs, manifests):
        folder.mkdir(parents=True, exist_ok=True)
    begin, size = head(model, quantization, one_hole=pulled)
    config = json.dumps({"model_format": "gguf", "model_family": model.arch, "file_type": quantization, "model_type": tag}).encode()
    weights = hashlib.sha256(f"{family}:{tag}".encode())
    if pulled:
        weights = hashlib.sha256(begin)
        for _piece in range(size >> 20):
            weights.update(_ZEROS)
        weights.update(_ZEROS[: size & 0xFFFFF])
    names = [weights.hexdigest(), hashlib.sha256(config).hexdigest()]
    with open(blobs / f"sha256-{names[0]}", "wb") as file:
        file.write(begin)
        file.truncate(len(begin) + size)
    (blobs / f"sha256-{names[1]}").write_bytes(config)
    layer = {"mediaType": "application/vnd.ollama.image.model", "digest": f"sha256:{names[0]}", "size": len(begin) + size}
    manifest = {"schemaVersion": 2, "config": {"digest": f"sha256:{names[1]}", "size": len(config)}, "layers": [layer]}
    (manifests / tag).write_text(json.dumps(manifest), encoding="utf-8")
    return len(begin)
