# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Metadata of one model (GGUF keys, tensors or their sums) as the numbers that the memory formulas need.

The names E, F, H … are those of the formulas in docs/sizing.md.
"""

from __future__ import annotations

import re

from ansible_collections.llmfleet.ollama.plugins.module_utils.bytes import pad
from ansible_collections.llmfleet.ollama.plugins.module_utils.model_header import ggml

from .. import data
from ..errors import MetadataError

# The layer i slides over its window iff rule(i); used where the file has no explicit pattern (llama.cpp, llama-model.cpp).
_SWA_RULES = {
    "gemma2": (4096, lambda i: i % 2 == 0),
    "gemma3": (0, lambda i: i % 6 < 5),
    "gemma3n": (0, lambda i: i % 5 < 4),
    "gemma-embedding": (0, lambda i: i % 6 < 5),
    "gpt-oss": (0, lambda i: i % 2 == 0),
    "cohere2": (4096, lambda i: i % 4 < 3),
    "llama4": (8192, lambda i: i % 4 < 3),
    "exaone4": (4096, lambda i: i % 4 < 3),
    "olmo3": (0, lambda i: i % 4 < 3),
    "smallthinker": (0, lambda i: i % 4 < 3),
}
_ENCODERS = (
    "bert",
    "nomic-bert",
    "nomic-bert-moe",
    "jina-bert-v2",
    "jina-bert-v3",
    "modern-bert",
    "neo-bert",
    "gemma-embedding",
    "t5encoder",
    "eurobert",
)
_GATED_ENCODERS = ("nomic-bert", "jina-bert-v2", "gemma-embedding", "modern-bert", "neo-bert", "eurobert")
_HYBRIDS = ("qwen3next", "qwen35", "qwen35moe")
_TWICE_ON_CPU = ("gemma4",)
_INPUT_TENSORS = ("token_embd", "position_embd", "token_types", "per_layer_token_embd", "token_embd_norm")
_VISION_TENSORS = ("v.", "mm.", "a.", "mmproj.")
_BLOCK = re.compile(r"^blk\.(\d+)\.")


def _per_layer(value, layers, default):
    if value is None:
        value = default
    if isinstance(value, (list, tuple)):
        filled = [int(item) for item in value][:layers]
        return tuple(filled + [filled[-1] if filled else 0] * (layers - len(filled)))
    return (int(value),) * layers


def _largest(value):
    return max(value) if isinstance(value, (list, tuple)) and value else (value or 0)


class Shape:
    """One model. Immutable after __init__, so that results can be remembered by its identity."""

    def __init__(self, metadata):
        arch = metadata.get("general.architecture")
        if not arch:
            raise MetadataError("the metadata have no 'general.architecture'")
        self.architecture = arch
        prefix = arch + "."

        def get(key, default=None):
            value = metadata.get(prefix + key)
            return default if value is None else value

        def need(key):
            value = get(key)
            if value is None:
                raise MetadataError("the metadata have no '%s%s'" % (prefix, key))
            return value

        blocks = int(need("block_count"))
        self.blocks = blocks
        self.layers = max(1, blocks - int(get("nextn_predict_layers", 0)))  # layers that hold a cache while no draft runs
        self.embd = int(need("embedding_length"))
        self.ff = int(_largest(get("feed_forward_length", 0)))
        widths = get("feed_forward_length")
        self.ffs = _per_layer(widths, blocks, 0)
        # A zero among several widths: a layer without a feed-forward part (nemotron-h: one kind of work for each layer).
        self.ff_per_layer = _per_layer(widths, blocks, 0) if isinstance(widths, (list, tuple)) and 0 in widths else None
        self.per_layer_embd = int(get("embedding_length_per_layer_input", 0))
        self.deepstack = int(get("n_deepstack_layers", 3 if arch in ("qwen3vl", "qwen3vlmoe") else 0))  # images are added once more in so many layers
        self.temperature = bool(get("attention.temperature_scale", arch == "llama4"))  # Q is scaled by where its token stands
        self.expert_ff = int(_largest(get("expert_feed_forward_length", 0)) or (self.ff if get("expert_count") else 0))
        self.experts = int(get("expert_count", 0))
        self.experts_used = int(get("expert_used_count", 0))
        # DeepSeek's files say whether the experts' weights are normalized; the graphs of other families do it always.
        self.experts_normed = bool(get("expert_weights_norm", arch != "deepseek2"))
        self.experts_scaled = get("expert_weights_scale", 0.0) not in (0.0, 1.0)
        heads = get("attention.head_count", 1)
        self.heads_per_layer = _per_layer(heads, self.layers, 1)
        self.heads = max(self.heads_per_layer)
        self.kv_heads = _per_layer(get("attention.head_count_kv"), self.layers, heads)
        head_dim = self.embd // self.heads if self.heads else self.embd
        self.dk = int(get("attention.key_length", head_dim))
        self.dv = int(get("attention.value_length", head_dim))
        self.dk_swa = int(get("attention.key_length_swa", self.dk))
        self.dv_swa = int(get("attention.value_length_swa", self.dv))
        self.vocab = int(
            metadata.get("tokenizer.ggml.tokens.count") or len(metadata.get("tokenizer.ggml.tokens") or ()) or get("vocab_size", 0)
        )
        self.context_train = int(get("context_length", 0))
        self.dense_layers = int(get("leading_dense_block_count", 0))
        self.shared_ff = int(get("expert_shared_feed_forward_length", 0) or self.expert_ff * int(get("expert_shared_count", 0) or 0))
        self.q_lora = int(get("attention.q_lora_rank", 0))
        self.encoder = arch in _ENCODERS or get("attention.causal") is False
        self.gated_encoder = arch in _GATED_ENCODERS
        self._attention(get)
        self._weights(metadata, get)
        self.quantized = not str(metadata.get("quantization") or "Q4").upper().startswith(("F16", "BF16", "F32"))
        self.draft_tokens = 0
        parameters = metadata.get("parameters") or {}
        if isinstance(parameters, dict) and parameters.get("draft_num_predict"):
            self.draft_tokens = int(parameters["draft_num_predict"])
            self.layers = blocks
            self.kv_heads = _per_layer(get("attention.head_count_kv"), self.layers, heads)

    def _attention(self, get):
        arch = self.architecture
        rule_window, rule = _SWA_RULES.get(arch, (0, None))
        self.window = int(get("attention.sliding_window", rule_window) or 0)
        pattern = get("attention.sliding_window_pattern")
        if not self.window:
            self.swa = (False,) * self.layers
        elif isinstance(pattern, (list, tuple)):
            flags = [bool(item) for item in pattern][: self.layers]
            self.swa = tuple(flags + [False] * (self.layers - len(flags)))
        elif isinstance(pattern, int) and not isinstance(pattern, bool) and pattern > 1:
            self.swa = tuple(i % pattern < pattern - 1 for i in range(self.layers))
        elif rule:
            self.swa = tuple(bool(rule(i)) for i in range(self.layers))
        else:
            self.swa = (False,) * self.layers
        # Layers until one without a window comes again.
        self.period = next((i + 1 for i, slides in enumerate(self.swa) if not slides), self.layers) if any(self.swa) else 1
        # Values of one token in the layer that keeps most of them: without flash attention every layer's are as wide (llama.cpp turns them).
        self.widest_value = max(self.kv_heads[i] * (self.dv_swa if self.swa[i] else self.dv) for i in range(self.layers))
        # Multi-head latent attention: decided by the key that new files carry, never by the architecture's name.
        self.mla = get("attention.key_length_mla") is not None and get("attention.kv_lora_rank") is not None
        self.kv_lora, self.rope_dim = int(get("attention.kv_lora_rank", 0)), int(get("rope.dimension_count", 0))
        self.dk_mla, self.dv_mla = int(get("attention.key_length_mla", 0)), int(get("attention.value_length_mla", 0))
        self.mla_row = self.kv_lora + self.rope_dim if self.mla else 0
        self.shared_kv_layers = int(get("attention.shared_kv_layers", 0))
        interval = int(get("full_attention_interval", 4 if arch in _HYBRIDS else 0) or 0)
        conv, state = int(get("ssm.conv_kernel", 0)), int(get("ssm.state_size", 0))
        group, inner = int(get("ssm.group_count", 0)), int(get("ssm.inner_size", 0))
        if not (conv and inner):
            recurrent = (False,) * self.layers
        elif arch in _HYBRIDS:
            recurrent = tuple(interval > 0 and (i + 1) % interval != 0 for i in range(self.layers))
        elif len(set(self.kv_heads)) > 1:
            # jamba, granite-hybrid, nemotron-h: no KV heads, so a state; nemotron-h has layers that only feed forward
            widths = self.ff_per_layer or (0,) * self.layers
            recurrent = tuple(not heads and not widths[i] for i, heads in enumerate(self.kv_heads))
        else:
            recurrent = (arch in ("mamba", "mamba2") or arch in ("falcon-h1",),) * self.layers
        self.recurrent = recurrent
        # One sequence's f32 state of a recurrent layer: the convolution's tail and the state itself.
        self.state_bytes = 4 * ((max(conv - 1, 0)) * (2 * group * state + inner) + state * inner) if conv and inner else 0
        # Convolution, state, groups, inner width and heads of a recurrent layer.
        self.ssm = (conv, state, group, inner, int(get("ssm.time_step_rank", 0) or inner // max(1, state)))
        # CUDA's flash attention kernels want equal key and value heads; pre-MLA files of DeepSeek have 192 and 128.
        self.flash_attention = not (arch == "deepseek2" and not self.mla and self.dk != self.dv)

    def _weights(self, metadata, get):
        self.layer_bytes = [0] * self.blocks
        self.input_bytes = self.output_bytes = self.vision_bytes = self.expert_bytes = 0
        tensors, sums = metadata.get("tensors"), metadata.get("tensor_bytes")
        self.file_bytes = int(metadata.get("blob_bytes") or metadata.get("download_bytes") or 0)
        if tensors:
            self._from_tensors(tensors)
        elif sums:
            self._from_sums(sums)
        elif self.file_bytes:
            self._from_file_size(metadata)
        else:
            raise MetadataError("the metadata have neither 'tensors', 'tensor_bytes' nor 'blob_bytes'")
        self.layer_bytes = tuple(self.layer_bytes)
        self.blocks_bytes = sum(self.layer_bytes)
        self.vision_bytes += int(metadata.get("projector_bytes") or 0)
        self.tensor_total = self.blocks_bytes + self.output_bytes + (0 if self.tied else self.input_bytes)
        if not self.file_bytes:
            self.file_bytes = self.tensor_total + (self.input_bytes if self.tied and not self.output_bytes else 0) + self.vision_bytes

    def _from_tensors(self, tensors):
        names, token_embd = set(), 0
        for tensor in tensors:
            name, size = tensor["name"], pad(tensor_bytes(tensor), 32)
            names.add(name)
            block = _BLOCK.match(name)
            if block and int(block.group(1)) < self.blocks:
                self.layer_bytes[int(block.group(1))] += size
                if "_exps" in name:
                    self.expert_bytes += size
            elif name.startswith(_VISION_TENSORS):
                self.vision_bytes += size
            elif name.split(".", 1)[0] in _INPUT_TENSORS:
                self.input_bytes += size
                if name == "token_embd.weight":
                    token_embd = size
                    if not self.vocab:
                        self.vocab = int(tensor["shape"][-1])
            else:
                self.output_bytes += size
        self.tied = not self.encoder and "output.weight" not in names
        if self.tied:
            self.output_bytes += token_embd  # loaded a second time on the GPU, as the output matrix

    def _from_sums(self, sums):
        self.tied = bool(sums.get("tied"))
        self.input_bytes, self.output_bytes = int(sums.get("input", 0)), int(sums.get("output", 0))
        self.vision_bytes, self.expert_bytes = int(sums.get("vision", 0)), int(sums.get("experts", 0))
        layers = sums.get("layers")
        if isinstance(layers, (list, tuple)):
            self.layer_bytes = [int(size) for size in layers]
        else:
            each, rest = divmod(int(sums.get("blocks", layers or 0)), self.blocks)
            self.layer_bytes = [each] * self.blocks
            self.layer_bytes[-1] += rest

    def _from_file_size(self, metadata):
        """Only the file's size is known: take the embedding and the header off (docs/sizing.md, weights)."""
        file_types = data.load("quality")["file_types"]
        quant = str(metadata.get("quantization") or "Q4_K_M").upper()
        types = file_types.get(quant) or file_types["Q4_K_M"]
        if metadata.get("embedding_type"):
            types = dict(types, embedding=metadata["embedding_type"], output=metadata["embedding_type"])
        self.tied = bool(metadata.get("tied"))
        elements = self.vocab * self.embd
        self.output_bytes = 0 if self.encoder else ggml.row_bytes(types["output"], elements)
        # Tied: the one matrix of the file is the GPU's output and the CPU's input at once.
        self.input_bytes = self.output_bytes if self.tied else ggml.row_bytes(types["embedding"], elements)
        if self.per_layer_embd:
            # One row of embeddings for each layer, looked up in host memory.
            self.input_bytes += ggml.row_bytes(metadata.get("per_layer_embedding") or types["embedding"], self.vocab * self.per_layer_embd * self.blocks)
        self.vision_bytes = int(metadata.get("vision_bytes") or 0)
        header = int(metadata.get("header_bytes") or 500000 + self.vocab * 40)
        rest = self.file_bytes - header - self.vision_bytes - self.input_bytes - (0 if self.tied else self.output_bytes)
        each, left = divmod(max(0, rest), self.blocks)
        self.layer_bytes = [each] * self.blocks
        self.layer_bytes[-1] += left
        if self.experts:
            experts, dense = self._elements()
            self.expert_bytes = max(0, rest) * experts // max(1, experts + dense)

    def _elements(self):
        """(weights of the experts, all others) of the layers, by the dimensions alone: norms, biases and the like are left out."""
        embd, arch = self.embd, self.architecture
        attending = [i for i in range(self.layers) if not self.recurrent[i] and not (self.ff_per_layer and self.ff_per_layer[i])]
        if self.kv_lora:
            key, value = (self.dk_mla, self.dv_mla) if self.mla else (self.dk, self.dv)
            query = embd * self.q_lora + self.q_lora * self.heads * key if self.q_lora else embd * self.heads * key
            both = embd * (self.kv_lora + self.rope_dim) + self.kv_lora * self.heads * (key - self.rope_dim + value)
            dense = (query + both + self.heads * value * embd) * len(attending)
        else:
            dense = sum(embd * (self.dk_swa if self.swa[i] else self.dk) * 2 * (self.heads_per_layer[i] + self.kv_heads[i]) for i in attending)
        _conv, state, group, inner, _heads = self.ssm
        recurrent = embd * (2 * group * state + 3 * inner)
        matrices = 2 if arch.startswith("nemotron_h") else 3  # without a gate
        if self.ff_per_layer:
            with_experts = sum(1 for width in self.ff_per_layer[: self.layers] if width)
            without = 0
        else:
            with_experts = max(0, self.layers - self.dense_layers)
            # Gemma 4 has a dense part beside the experts of each layer.
            without = self.layers if arch == "gemma4" else self.dense_layers
        dense += recurrent * sum(self.recurrent) + 3 * embd * self.ff * without + matrices * embd * self.shared_ff * with_experts
        return with_experts * matrices * embd * self.expert_ff * self.experts, dense

    @property
    def gpu_weights(self):
        """Bytes of a fully offloaded model: the input layer stays on the CPU, the output matrix does not."""
        return self.blocks_bytes + self.output_bytes

    @property
    def cpu_weights(self):
        """Bytes of a model without a GPU: a tied matrix is there once (gemma4's twice: dry runs of b10566 and b11549, all five sizes), and so are the
        embeddings of each layer that gemma4's small ones have."""
        twice = self.architecture in _TWICE_ON_CPU or not self.tied
        return self.gpu_weights + self.input_bytes - (0 if twice else min(self.input_bytes, self.output_bytes))

    @property
    def active_bytes(self):
        """Bytes read for one token."""
        bulk = self.blocks_bytes + self.output_bytes
        if self.experts and self.experts_used:
            return bulk - self.expert_bytes + self.expert_bytes * self.experts_used // self.experts
        return bulk


def tensor_bytes(tensor):
    if tensor.get("bytes") is not None:
        return int(tensor["bytes"])
    elements = 1
    for dimension in tensor["shape"]:
        elements *= int(dimension)
    return ggml.row_bytes(tensor["type"], elements)
