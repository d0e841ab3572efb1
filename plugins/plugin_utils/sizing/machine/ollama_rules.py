# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Ollama itself believes about memory. It is often wrong, but it decides placement and micro-batch, so the plan has to know it.

Before 0.30.0 a function called GraphSize decided how many layers go to a GPU; since then a one-line prediction decides
between one GPU and all of them, and the micro-batch. Sources: docs/sizing.md.
"""

from __future__ import annotations

import functools

from ansible_collections.llmfleet.ollama.plugins.module_utils.bytes import GIB, MIB

from .. import versions

FILL = 0.8  # the share of what is free that Ollama is ready to fill by its own prediction
MINIMUM_MEMORY = {"metal": 512 * MIB}  # 457 MiB elsewhere
_MINIMUM_MEMORY = 457 * MIB
_LEGACY_BYTES = {"f16": 2.0, "bf16": 2.0, "f32": 2.0, "q8_0": 1.0, "q4_0": 0.5}


def minimum_memory(backend):
    return MINIMUM_MEMORY.get(backend, _MINIMUM_MEMORY)


@functools.lru_cache(maxsize=16384)
def legacy_graph(shape, context, parallel, cache_type):
    """(KV bytes of one layer at most, full graph, partial graph) of GraphSize in 0.9.3."""
    ctx, batch = context * parallel, min(512, context)
    embd, vocab, heads = shape.embd, shape.vocab, shape.heads
    kv_heads, dk, dv = max(shape.kv_heads) or 1, shape.dk, shape.dv
    layer_kv = ctx * (dk + dv) * kv_heads * _LEGACY_BYTES.get(cache_type, 2.0)
    arch = shape.architecture
    if arch in ("llama", "llama4"):
        full = max(4 * batch * (1 + 4 * embd + ctx * (1 + heads)), 4 * batch * (embd + vocab))
        partial = 4 * batch * embd + max(
            4 * batch * (1 + embd + max(ctx, embd)) + embd * embd * 9 / 16 + 4 * ctx * (batch * heads + dk * kv_heads),
            4 * batch * (embd + vocab) + embd * vocab * 105 / 128,
        )
    elif arch == "qwen2":
        full = max(4 * batch * (embd + vocab), 4 * batch * (1 + 2 * embd + ctx + ctx * heads))
        partial = max(
            4 * batch * (embd + vocab) + embd * vocab * 105 / 128, 4 * (batch * (1 + 2 * embd + ctx * (1 + heads)) + embd * (1 + ctx))
        )
    elif arch.startswith("gemma"):
        full = max(4 * batch * (embd + vocab), 4 * batch * (2 + ctx + ctx * heads + 2 * embd + 2 * dk * heads))
        partial = max(
            4 * embd * batch + embd * vocab * 105 / 128 + 4 * vocab * batch,
            4 * batch * (2 * embd + 1 + 2 * dk * heads + ctx + ctx * heads) + 4 * dk * ctx * 8 + embd * dk * heads * 9 / 16,
        )
        if arch == "gemma3n":
            full, partial = 4 * full, 4 * partial
    elif arch == "deepseek2":
        full = max(4 * batch * (3 * embd + vocab), 4 * batch * (3 * embd + 2 + ctx * (1 + kv_heads) + 2 * dk * kv_heads))
        partial = max(
            4 * batch * (3 * embd + vocab) + embd * vocab * 105 / 128,
            4 * batch * (2 * embd + 1 + 2 * dk * kv_heads + ctx + ctx * kv_heads) + 4 * dk * ctx * kv_heads + embd * dk * kv_heads * 9 / 16,
        )
    else:
        full = partial = (heads / kv_heads) * layer_kv * shape.layers / 6
    return int(layer_kv), int(full), int(partial)


def legacy_total(shape, context, parallel, cache_type, backend):
    """Free bytes that 0.9.3 wants before it puts a whole model on one GPU (PredictServerFit: the larger of estimate and entry test)."""
    layer_kv, full, partial = legacy_graph(shape, context, parallel, cache_type)
    minimum = minimum_memory(backend)
    layers = shape.blocks_bytes + layer_kv * shape.layers
    entry = max(full, partial) + minimum + 2 * (shape.layer_bytes[0] + layer_kv) + shape.vision_bytes
    return max(entry, layers + shape.output_bytes + full + minimum + shape.vision_bytes)


@functools.lru_cache(maxsize=16384)
def predicted(shape, context, parallel):
    """PredictServerVRAM since 0.30.0: no key length, no sliding window, no latent attention, no cache type, no projector."""
    kv_heads = max(1, min(shape.kv_heads) if shape.kv_heads else 1)
    return shape.file_bytes + 2 * shape.layers * kv_heads * (shape.embd // max(1, shape.heads)) * context * parallel * 2


def ubatch(shape, context, parallel, flash_attention, version, available, smallest_gpu, backend):
    """The micro-batch that Ollama takes with so many bytes free on the GPUs that it means to use."""
    if version < versions.FIRST_FIT:
        return context if shape.encoder else min(context, 512)
    if shape.encoder:
        return min(2048, context)
    effective = context * parallel
    if backend == "cuda" and not flash_attention:
        return 256 if effective > 4096 and smallest_gpu <= 8 * GIB else 512
    wanted = 512 if effective <= 4096 else 1024 if effective <= 32768 else 2048
    need = predicted(shape, context, parallel)
    for size, share, surcharge in ((2048, 0.60, 2 * GIB), (1024, 0.75, 768 * MIB)):
        if wanted >= size and need <= share * available and surcharge <= FILL * available - need:
            return size
    return 512


# Families that Ollama runs with one sequence, whatever OLLAMA_NUM_PARALLEL says (server/sched.go).
_ONE_SEQUENCE = ("mllama", "qwen3vl", "qwen3vlmoe", "qwen35", "qwen35moe", "qwen3next", "lfm2", "lfm2moe")


def parallel(shape, wanted):
    if shape.encoder or shape.architecture in _ONE_SEQUENCE or shape.architecture.startswith("nemotron_h"):
        return 1
    return wanted
