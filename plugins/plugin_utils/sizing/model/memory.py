# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes that one loaded model takes: weights, KV cache, recurrent state, compute buffer. Formulas and sources: docs/sizing.md."""

from __future__ import annotations

import collections
import functools

from ansible_collections.llmfleet.ollama.plugins.module_utils.bytes import MIB, pad
from ansible_collections.llmfleet.ollama.plugins.module_utils.defaults import FIT_MARGIN_BYTES
from ansible_collections.llmfleet.ollama.plugins.module_utils.model_header import ggml

from .. import versions
from . import graphs

# Device memory that no buffer shows: CUDA's context 305 MiB (RTX 16 GB) to 456 MiB (RTX 4090) measured; Metal's minimum is Ollama's own.
OVERHEAD = {"cuda": 460 * MIB, "rocm": 460 * MIB, "vulkan": 460 * MIB, "metal": 512 * MIB, "cpu": 0}
# The projector's own compute buffer, made when it warms up on the largest image. Measured: 248.10 MiB (Qwen 3.6, 1472 x 1472 pixels), 704.79
# (Qwen2.5-VL 7b, 1288 x 1288; 1,290 MiB of weights) and 427 (gemma4 31b; 857 MiB). What grows with the image grows with the projector's width, so of
# those that nobody measured the share of their weights is taken that covers the measured ones.
PROJECTOR_COMPUTE = 256 * MIB
_PROJECTOR_PERCENT = 55
_PROJECTOR_MEASURED = {"qwen35": PROJECTOR_COMPUTE, "qwen35moe": PROJECTOR_COMPUTE, "gemma4": 432 * MIB}
PROCESS_RAM = 512 * MIB  # the server process itself, outside every buffer (CPU only)
PIPELINE_COPIES = 4  # GGML_SCHED_MAX_COPIES: inputs and masks when several GPUs work as a pipeline
# Rows as wide as the embedding that a card of such a pipeline holds beside the buffer of a single GPU: copies of what it is given by the host
# or by the card before it. Largest count seen in llama.cpp's dry run on two and three devices: (mixed input, flash attention) -> rows.
_PIPELINE_ROWS = {(0, True): 8, (0, False): 10, (1, True): 12, (1, False): 18}

Settings = collections.namedtuple("Settings", "context parallel k_type v_type flash_attention ubatch era")

# pipeline: the compute buffer of each card, masks included, when several work together.
Memory = collections.namedtuple(
    "Memory",
    "weights kv recurrent compute mask projector dequantized host kv_layers pipeline",
)


def split_cache_type(text):
    """'q8_0' or 'q8_0/q4_0' (keys/values) -> two types."""
    parts = str(text).lower().split("/")
    if len(parts) == 1:
        parts *= 2
    for part in parts:
        if part not in ggml.CACHE_TYPES:
            raise ValueError("kv_cache_type is '%s': write one of %s, or two of them as keys/values" % (text, ", ".join(ggml.CACHE_TYPES)))
    if len(parts) != 2:
        raise ValueError("kv_cache_type is '%s': write one type, or two as keys/values" % text)
    return tuple(parts)


def default_ubatch(shape, context, parallel, version):
    """Ollama's micro-batch where the memory of the host is not known (policy.ubatch knows it): the largest that its rule may take."""
    if version < versions.FIRST_FIT:
        return min(context, 512) if not shape.encoder else context
    if shape.encoder:
        return min(2048, context)
    effective = context * parallel
    return 512 if effective <= 4096 else 1024 if effective <= 32768 else 2048


def _cells(shape, settings, sequence):
    """(cells of a full layer, cells of a sliding layer) for one sequence."""
    sliding = pad(min(sequence, shape.window + settings.ubatch), 256) if shape.window else sequence
    return sequence, min(sequence, sliding)


def _kv_layers(shape, settings, sequence):
    if shape.encoder:
        return (0,) * shape.layers
    full, sliding = _cells(shape, settings, sequence)
    own = shape.layers - shape.shared_kv_layers
    rows = {}
    sizes = []
    for i in range(shape.layers):
        heads = shape.kv_heads[i]
        if i >= own or not heads or (shape.recurrent[i] and shape.architecture != "falcon-h1"):
            sizes.append(0)
            continue
        key = (heads, shape.swa[i])
        if key not in rows:
            if shape.mla:
                row = ggml.cache_row_bytes(settings.k_type, shape.mla_row)
            else:
                dk, dv = (shape.dk_swa, shape.dv_swa) if shape.swa[i] else (shape.dk, shape.dv)
                values = heads * dv if settings.flash_attention else max(heads * dv, shape.widest_value)
                row = ggml.cache_row_bytes(settings.k_type, heads * dk) + ggml.cache_row_bytes(settings.v_type, values)
            rows[key] = settings.parallel * (sliding if shape.swa[i] else full) * row
        sizes.append(rows[key])
    return tuple(sizes)


def _widest_layer(shape, settings, sequence):
    """Elements of K and V in the layer that holds most of them for one sequence: of gemma4's the wide heads are not in the long layers."""
    full, sliding = _cells(shape, settings, sequence)
    layers = {(heads, shape.swa[i]) for i, heads in enumerate(shape.kv_heads)}
    return max(heads * ((shape.dk_swa + shape.dv_swa) * sliding if slides else (shape.dk + shape.dv) * full) for heads, slides in layers)


def projector_compute(shape):
    if not shape.vision_bytes:
        return 0
    share = max(PROJECTOR_COMPUTE, shape.vision_bytes * _PROJECTOR_PERCENT // 100)
    return min(share, _PROJECTOR_MEASURED.get(shape.architecture, share))


def _compute(shape, settings, sequence):
    """(working buffer, masks): masks exist once more for each copy of a pipeline."""
    era, ub = settings.era, settings.ubatch
    unit = 4 * ub
    logits = unit * (shape.vocab + shape.embd) if era.vocab_outputs else 0
    if shape.encoder:
        inputs = (28 if era.mixed_input else 16) * ub
        if settings.flash_attention:
            wide = shape.ff * (3 if shape.gated_encoder else 1) + (5 if era.mixed_input else 3) * shape.embd
            return unit * wide + inputs, 2 * ub * ub
        wide = (8 if shape.gated_encoder else 6) + (1 if era.mixed_input else 0)
        return unit * (ub * (shape.heads + 1) + wide * shape.embd) + inputs, 0
    if era.vocab_outputs:
        sequence *= settings.parallel  # one cache for all sequences, so each token's mask spans it (8B, 4 x 2048 tokens: 560 MiB measured)
    full, sliding = _cells(shape, settings, sequence)
    element = era.mask_bytes if settings.flash_attention else 4
    mask = element * ub * (full + (sliding if any(shape.swa) else 0))
    if graphs.known(shape):
        body = graphs.compute_bytes(shape, settings, full, sliding)
        if settings.flash_attention:
            body += (era.mask_bytes - 2) * mask // element  # what an older era holds beside the F16 mask
    else:
        body = _formula(shape, settings, sequence) + mask
    # Where the logits of a whole micro-batch are kept, they are made after the last use of the masks: the larger of the two stays.
    return max(body, logits) - mask, mask


def _pipeline(shape, settings, body, mask):
    """The compute buffer of one card of several: the masks in four copies (of an older F32 mask only that, not its F16 cast), and the rows."""
    era = settings.era
    copies = PIPELINE_COPIES * mask
    if settings.flash_attention and not shape.encoder:
        copies -= (PIPELINE_COPIES - 1) * mask * 2 // era.mask_bytes if era.mask_bytes > 2 else 0
    rows = _PIPELINE_ROWS[era.mixed_input, settings.flash_attention]
    return body + copies + rows * 4 * settings.ubatch * shape.embd


def _formula(shape, settings, sequence):
    """An architecture whose graph is not described: the plain transformer's terms and a quarter more, without masks.

    By the bare terms gemma4's small ones, qwen3vl and others were up to 20 % short of what llama.cpp took.
    """
    return _plain_terms(shape, settings, sequence) * 5 // 4


def _plain_terms(shape, settings, sequence):
    unit, wide = 4 * settings.ubatch, max(shape.heads * shape.dk, shape.embd)
    if not settings.flash_attention:
        return unit * (sequence * shape.heads + 6 * shape.embd + 2 * wide + 2 * max(shape.kv_heads) * shape.dv)
    if shape.experts:
        return unit * (shape.experts_used * max(2 * shape.embd, 3 * shape.expert_ff) + 6 * shape.embd + wide)
    return unit * (3 * shape.ff + 5 * shape.embd + wide)


@functools.lru_cache(maxsize=65536)
def memory(shape, settings):
    """Everything that full offload needs, on one device."""
    sequence = pad(settings.context, 256)
    kv_layers = _kv_layers(shape, settings, sequence)
    body, mask = _compute(shape, settings, sequence)
    state = 0
    if shape.state_bytes and any(shape.recurrent):
        state = settings.parallel * shape.state_bytes * sum(shape.recurrent) * (1 + shape.draft_tokens)
    dequantized = 0
    if settings.flash_attention and not shape.encoder and not shape.mla and {settings.k_type, settings.v_type} - {"f32", "f16", "bf16"}:
        # Some CUDA kernels turn one quantized layer into f16 outside of every buffer (1060 MiB measured at 200,704 tokens).
        dequantized = 2 * _widest_layer(shape, settings, sequence)
    return Memory(
        weights=shape.gpu_weights,
        kv=sum(kv_layers),
        recurrent=state,
        compute=body,
        mask=mask,
        projector=shape.vision_bytes + projector_compute(shape),
        dequantized=dequantized,
        host=shape.input_bytes + 2 * settings.ubatch * sequence + 4 * settings.ubatch * shape.embd,
        kv_layers=kv_layers,
        pipeline=_pipeline(shape, settings, body, mask),
    )


def settings_for(shape, context, parallel=1, kv_cache_type="f16", flash_attention=True, ollama_version=versions.DEFAULT, ubatch=None, era=None):
    """Settings as the filter's caller states them. A quantized cache without flash attention is refused: llama.cpp fails to load it."""
    if context < 1 or parallel < 1:
        raise ValueError("context and parallel must be at least 1")
    if shape.context_train:
        context = min(context, shape.context_train)  # Ollama clamps num_ctx to the training length
    k_type, v_type = split_cache_type(kv_cache_type)
    if flash_attention and not shape.flash_attention:
        flash_attention = False
    if not flash_attention and v_type not in ("f32", "f16", "bf16"):
        raise ValueError(
            "kv_cache_type is '%s', which needs flash attention: write f16, or set flash_attention to true for a model that supports it"
            % kv_cache_type
        )
    return Settings(
        context=context,
        parallel=1 if shape.encoder else parallel,
        k_type=k_type,
        v_type=v_type,
        flash_attention=bool(flash_attention),
        ubatch=int(ubatch or default_ubatch(shape, context, parallel, ollama_version)),
        era=era or versions.era_of_ollama(ollama_version),
    )


def describe(shape, settings, ollama_version=versions.DEFAULT, backend="cuda"):
    """The `memory` dict of a plan for one device; all integers."""
    found = memory(shape, settings)
    overhead = OVERHEAD[backend] + found.dequantized
    margin = FIT_MARGIN_BYTES if ollama_version >= versions.FIRST_FIT and backend != "cpu" else 0
    parts = {
        "weights_bytes": found.weights,
        "kv_cache_bytes": found.kv,
        "recurrent_bytes": found.recurrent,
        "compute_bytes": found.compute + found.mask,
        "projector_bytes": found.projector,
        "overhead_bytes": overhead,
        "margin_bytes": margin,
    }
    parts["total_bytes"] = sum(parts.values())
    parts["host_bytes"] = found.host
    return parts
