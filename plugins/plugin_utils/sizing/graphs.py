# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operations of one micro-batch through a model, as far as the allocator cares: sizes, order, what may be overwritten.

Read off llama.cpp's own listing of its graphs (GGML_SCHED_DEBUG=2), and compared with its dry run by tests/sizing_oracle.
"""

from __future__ import annotations

import collections

from .allocator import Graph, Tensor, peak

# What sets an architecture apart from a plain llama.
Traits = collections.namedtuple("Traits", "bias norms order scaled post_norms fused parallel out_bias expert_bias gated_query flat_norms")
_PLAIN = Traits(
    bias=False,  # biases of Q, K, V
    norms=False,  # Q and K are normalized
    order="qvk",  # in which the three are computed
    scaled=False,  # the embedding and Q are scaled
    post_norms=False,  # a norm behind attention and behind the feed-forward part
    fused=False,  # one matrix for Q, K, V and one for gate and up
    parallel=False,  # attention and feed-forward read the same input
    out_bias=False,
    expert_bias=False,
    gated_query=False,  # a gate as large as Q beside it
    flat_norms=False,  # Q and K are normalized before they are cut into heads
)
TRAITS = {
    "llama": _PLAIN,
    "qwen2": _PLAIN._replace(bias=True),
    "qwen3": _PLAIN._replace(norms=True),
    "qwen3moe": _PLAIN._replace(norms=True),
    "gemma2": _PLAIN._replace(order="qkv", scaled=True, post_norms=True),
    "gemma3": _PLAIN._replace(order="qkv", scaled=True, post_norms=True, norms=True),
    "gpt-oss": _PLAIN._replace(order="qkv", bias=True, out_bias=True, expert_bias=True),
    "phi3": _PLAIN._replace(fused=True, scaled=True),
    "cohere2": _PLAIN._replace(order="qkv", parallel=True),
    "olmo2": _PLAIN._replace(flat_norms=True, post_norms=True),
    "deepseek2": _PLAIN,
    "qwen35": _PLAIN._replace(norms=True, gated_query=True),
    "qwen35moe": _PLAIN._replace(norms=True, gated_query=True),
}


def _safety(shape, settings):
    """Where the dry run showed more than this description.

    Latent attention without a rank for Q 9.5 %, a quantized cache of a file from before it 5.3 %, hybrid experts 3.9 %.
    """
    if shape.mla and not shape.q_lora:
        return 1.12
    if shape.architecture == "deepseek2" and not shape.mla and settings.k_type not in ("f32", "f16", "bf16"):
        return 1.06
    return 1.06 if shape.architecture == "qwen35moe" else 1.0


_LAYERS = 4  # of a repeating model these show the peak of all; models with a window need one whole period
_LAYERS_WINDOW = 8


def known(shape):
    """Whether the graph of this architecture is described here."""
    return shape.architecture in TRAITS and not shape.encoder


def _rotation(width):
    """Side of the rotation matrix for a head of this width: the largest power of two that divides it, at least 64."""
    side = 64
    while width % (2 * side) == 0:
        side *= 2
    return side


class _Cache:
    """Inputs that belong to one kind of cache: rows to write, mask, rotations of a quantized cache."""

    def __init__(self, graph, shape, settings, cells, dk, dv):
        ub, flash = settings.ubatch, settings.flash_attention
        self.cells = cells
        self.k_rows = graph.input(8 * ub)
        self.v_rows = None if shape.mla else graph.input(8 * ub * (1 if flash else max(shape.kv_heads) * dv))
        self.mask = graph.input((2 if flash else 4) * ub * cells)
        quantized = {settings.k_type, settings.v_type} - {"f32", "f16", "bf16"} and not shape.mla
        turn_k = quantized and settings.k_type not in ("f32", "f16", "bf16") and dk % 64 == 0
        turn_v = quantized and settings.v_type not in ("f32", "f16", "bf16") and dv % 64 == 0
        self.rot_k = graph.input(4 * _rotation(dk) ** 2) if turn_k else None
        self.rot_v = graph.input(4 * 64 * 64) if turn_v else None


class _Builder:
    def __init__(self, shape, settings, sequence, window_cells):
        self.g = g = Graph()
        self.shape, self.traits = shape, TRAITS[shape.architecture]
        self.embd, self.ub, self.flash = shape.embd, settings.ubatch, settings.flash_attention
        ub = self.ub
        self.tokens = g.input(4 * ub)
        g.input(4 * ub * self.embd)  # the place of ready-made embeddings, which a text model leaves empty
        mixed = settings.era.mixed_input
        if mixed:
            # Tokens and embeddings may come in one batch: one more place, and a copy into which the rows of tokens are set.
            mixed_tokens, mixed_embd, slots = g.input(4 * ub), g.input(4 * ub * self.embd), g.input(8 * ub)
        self.positions = g.input(4 * ub * (4 if self.traits.gated_query else 1))
        if self.traits.gated_query:
            g.input(4 * settings.parallel)
        self.full = _Cache(g, shape, settings, sequence, shape.dk, shape.dv)
        self.window = _Cache(g, shape, settings, window_cells, shape.dk_swa, shape.dv_swa) if any(shape.swa) else None
        g.input(4)  # which rows are put out
        self.x = g.node((self.embd, ub), self.tokens)
        if mixed:
            rows, place = g.node((self.embd, ub), mixed_tokens), g.node((self.embd, ub), mixed_embd)
            g.nodes.append(Tensor(0, ("set",), (rows, slots, place), view=place))
        if self.traits.scaled and not self.traits.fused:
            self.x = self.same(self.x)

    # -- single operations

    def same(self, x, *others):
        """An operation that may overwrite its source."""
        return self.g.node(x.shape, x, *others, in_place=True)

    def norm(self, x):
        return self.same(self.same(x))

    def matrix(self, x, rows):
        return self.g.node((rows, self.ub), x)

    def turn(self, x, rot):
        """x times a rotation matrix, through a flat view."""
        if rot is None:
            return x
        turned = self.g.node(x.shape, self.g.view(x, ("flat", *x.shape)), rot)
        return self.g.view(turned, x.shape)

    def sink(self, *sources):
        """A write into the cache, which lives elsewhere."""
        self.g.nodes.append(Tensor(0, ("sink",), sources))

    # -- attention

    def head(self, x, heads, width, norm):
        x = self.matrix(x, heads * width)
        if self.traits.bias:
            x = self.same(x)
        if norm and self.traits.flat_norms:
            x = self.norm(x)
        x = self.g.view(x, (width, heads, self.ub))
        return self.norm(x) if norm and self.traits.norms else x

    def rope(self, x):
        return self.same(x, self.positions)

    def attention(self, x, layer):
        shape, g, ub = self.shape, self.g, self.ub
        cache = self.window if shape.swa[layer] else self.full
        dk, dv = (shape.dk_swa, shape.dv_swa) if shape.swa[layer] else (shape.dk, shape.dv)
        heads, kv_heads = shape.heads_per_layer[layer], shape.kv_heads[layer] or max(shape.kv_heads)
        gate = None
        made = {}
        if self.traits.fused:
            whole = self.matrix(x, heads * dk + 2 * kv_heads * dk)
            made["q"] = self.same(self.rope(g.view(whole, (dk, heads, ub))))
            made["v"] = g.view(whole, (dv, kv_heads, ub))
            made["k"] = self.rope(g.view(whole, (dk, kv_heads, ub)))
        else:
            for which in self.traits.order:
                if which == "q" and self.traits.gated_query:
                    both = self.matrix(x, 2 * heads * dk)
                    made["q"] = self.rope(self.norm(g.view(both, (dk, heads, ub))))
                    gate = both
                elif which == "q":
                    made["q"] = self.rope(self.head(x, heads, dk, True))
                    if self.traits.scaled:
                        made["q"] = self.same(made["q"])
                elif which == "k":
                    made["k"] = self.rope(self.head(x, kv_heads, dk, True))
                else:
                    made["v"] = self.head(x, kv_heads, dv, False)
                if which == "q":
                    made["q"] = self.turn(made["q"], cache.rot_k)
                elif which == "k":
                    made["k"] = self.turn(made["k"], cache.rot_k)
                else:
                    made["v"] = self.turn(made["v"], cache.rot_v)
        out = self.attend(made["q"], made["k"], made["v"], cache, heads, dv)
        if gate is not None:
            out = self.same(out, self.same(g.node(out.shape, g.view(gate, ("gate",)))))
        out = self.matrix(out, self.embd)
        return self.same(out) if self.traits.out_bias else out

    def attend(self, q, k, v, cache, heads, dv):
        g, ub = self.g, self.ub
        self.sink(g.view(k, ("row",)), cache.k_rows)
        if v is not None:
            self.sink(g.view(v, ("row",)), cache.v_rows)
        q = g.view(q, ("permuted", *q.shape))
        if self.flash:
            out = g.node((dv, heads, ub), q, cache.mask)
            out = g.view(out, (dv * heads, ub))
        else:
            scores = g.node((cache.cells, ub, heads), q)
            scores = self.same(scores, cache.mask)
            out = g.node((dv, ub, heads), scores)
            if self.shape.mla:
                return out
            out = g.node((dv * heads, ub), g.view(out, ("permuted", *out.shape)))
        return self.turn(out, cache.rot_v)

    def latent_attention(self, x):
        """DeepSeek's: full heads in files from before MLA, one latent head in newer ones."""
        shape, g, ub = self.shape, self.g, self.ub
        heads, rope = shape.heads, shape.rope_dim
        width, value = (shape.dk_mla, shape.dv_mla) if shape.mla else (shape.dk, shape.dv)
        q = x
        if shape.q_lora:
            q = self.norm(self.matrix(x, shape.q_lora))
        q = self.matrix(q, heads * width)
        plain = g.view(q, ("plain",))
        if shape.mla:
            turned = g.view(q, ("turned",))
            absorbed = g.node((shape.kv_lora, ub, heads), g.view(plain, ("permuted",)))
            turned = self.rope_new(turned, (rope, heads, ub))
            q = g.node((shape.kv_lora + rope, heads, ub), g.view(absorbed, ("permuted", 1)), turned)
        else:
            turned = self.rope_new(g.view(q, ("turned",)), (rope, heads, ub))
            q = g.node((width, heads, ub), plain, turned)
        both = self.matrix(x, shape.kv_lora + rope)
        compressed, k_turned = g.view(both, ("compressed",)), g.view(both, ("k turned",))
        if shape.mla:
            compressed = self.same(g.node((shape.kv_lora, ub), compressed))
            v = g.view(compressed, ("v",))
            k_turned = self.rope_new(k_turned, (rope, 1, ub))
            k = g.node((shape.kv_lora + rope, 1, ub), v, k_turned)
            out = self.attend(q, k, None, self.full, heads, shape.kv_lora)
            out = g.node((value, ub, heads), g.view(out, ("permuted", 2)))
            out = g.node((value * heads, ub), g.view(out, ("permuted", 3)))
        else:
            compressed = self.same(g.node((shape.kv_lora, ub), compressed))
            kv = self.matrix(compressed, heads * (width - rope + value))
            k_plain, v = g.view(kv, ("k plain",)), g.node((value, heads, ub), g.view(kv, ("v",)))
            k_turned = self.rope_new(k_turned, (rope, 1, ub))
            k = g.node((width, heads, ub), k_plain, g.node((rope, heads, ub), k_turned))
            q, k, v = self.turn(q, self.full.rot_k), self.turn(k, self.full.rot_k), self.turn(v, self.full.rot_v)
            out = self.attend(q, k, v, self.full, heads, value)
        return self.matrix(out, self.embd)

    def rope_new(self, x, shape):
        return self.g.node(shape, x, self.positions)

    # -- feed-forward

    def feed_forward(self, x, ff):
        g, ub = self.g, self.ub
        if self.traits.fused:
            return self.matrix(g.node((ff, ub), self.matrix(x, 2 * ff)), self.embd)
        gate, up = self.matrix(x, ff), self.matrix(x, ff)
        return self.matrix(g.node((ff, ub), gate, up), self.embd)

    def experts(self, x):
        shape, g, ub = self.shape, self.g, self.ub
        used, ff = shape.experts_used, shape.expert_ff
        logits = self.matrix(x, shape.experts)
        scores = self.same(logits)
        rows = g.view(scores, ("scores",))
        order = g.node((shape.experts, ub), scores)
        top = g.view(order, ("top",))
        weights = g.node((1, used, ub), rows, top)
        flat = g.view(weights, (used, ub))
        if self.traits.expert_bias:
            weights = g.node((used, ub), flat)
        else:
            total = self.same(g.node((1, ub), flat))
            weights = g.node((used, ub), flat, total)
        weights = g.view(weights, ("weights",))
        x = g.view(x, ("x",))
        gate = self.biased(g.node((ff, used, ub), x, top), top)
        up = self.biased(g.node((ff, used, ub), x, top), top)
        out = g.node((ff, used, ub), gate, up)
        out = self.biased(g.node((self.embd, used, ub), out, top), top)
        out = self.same(out, weights)
        views = [g.view(out, ("expert", i)) for i in range(used)]
        total = views[0]
        for view in views[1:]:
            total = self.g.node((self.embd, ub), total, view, in_place=True)
        return total

    def biased(self, x, top):
        return self.same(x, top) if self.traits.expert_bias else x

    def blocks(self, count):
        shape, traits = self.shape, self.traits
        x = self.x
        for layer in range(count):
            residual = x
            start = x if traits.flat_norms else self.norm(x)
            out = self.latent_attention(start) if shape.architecture == "deepseek2" else self.attention(start, layer)
            if traits.parallel:
                out, other = self.feed_forward(start, shape.ff), out
                x = self.same(self.same(out, residual), other)
                continue
            if traits.post_norms:
                out = self.norm(out)
            middle = self.same(out, residual)
            start = middle if traits.flat_norms else self.norm(middle)
            dense = not shape.experts or (shape.architecture == "deepseek2" and layer < min(shape.dense_layers, count - 2))
            if dense:
                out = self.feed_forward(start, shape.ff)
            else:
                out = self.experts(start)
                if shape.shared_ff:
                    out = self.same(out, self.feed_forward(start, shape.shared_ff))
            if traits.post_norms:
                out = self.norm(out)
            x = self.same(out, middle)
        self.g.node((1,), x)


def compute_bytes(shape, settings, sequence, window_cells):
    """Bytes of the compute buffer of a whole micro-batch on one device."""
    builder = _Builder(shape, settings, sequence, window_cells)
    builder.blocks(min(shape.layers, _LAYERS_WINDOW if any(shape.swa) else _LAYERS))
    return int(peak(builder.g) * _safety(shape, settings))
