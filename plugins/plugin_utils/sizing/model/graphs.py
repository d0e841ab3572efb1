# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operations of one micro-batch through a model, as far as the allocator cares: sizes, order, what may be overwritten.

Read off llama.cpp's own listing of its graphs (GGML_SCHED_DEBUG=2), and compared with its dry run by tests/sizing_oracle.
"""

from __future__ import annotations

import collections
import functools

from .allocator import Graph, Tensor, peak

# What sets an architecture apart from a plain llama.
Traits = collections.namedtuple(
    "Traits",
    "bias norms order scaled post_norms fused parallel out_bias expert_bias gated_query flat_norms unturned_full unturned sections embd_scaled",
)
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
    unturned_full=False,  # layers without a window leave Q and K where they are
    unturned=False,  # no layer turns them
    sections=False,  # four positions for each token
    embd_scaled=False,  # the embedding alone
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
    "cohere2": _PLAIN._replace(order="qkv", parallel=True, unturned_full=True),
    "olmo2": _PLAIN._replace(flat_norms=True, post_norms=True),
    "deepseek2": _PLAIN,
    "qwen35": _PLAIN._replace(norms=True, gated_query=True, sections=True),
    "qwen35moe": _PLAIN._replace(norms=True, gated_query=True, sections=True),
    "qwen3next": _PLAIN._replace(norms=True, gated_query=True),
    "nemotron_h": _PLAIN._replace(unturned=True),
    "nemotron_h_moe": _PLAIN._replace(unturned=True),
    "granite": _PLAIN._replace(embd_scaled=True),
    "mistral3": _PLAIN,
    "qwen2vl": _PLAIN._replace(bias=True, sections=True),
    "qwen25vl": _PLAIN._replace(bias=True, sections=True),  # as Ollama's own converter calls it
    "qwen3vl": _PLAIN._replace(norms=True, sections=True),
    "qwen3vlmoe": _PLAIN._replace(norms=True, sections=True),
    "gemma4": _PLAIN._replace(order="qkv", norms=True, post_norms=True, embd_scaled=True),
}


# So many layers of a model show the peak of all: with a window or states there is a whole period among them, and with experts the allocator's holes
# have come to rest.
_LAYERS, _LAYERS_UNEVEN, _LAYERS_OF_KINDS = 4, 8, 27
_PLAIN_TYPES = ("f32", "f16", "bf16")


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
        self.v_rows = None if shape.mla else graph.input(8 * ub * (1 if flash else shape.widest_value))
        self.mask = graph.input((2 if flash else 4) * ub * cells)
        turn_k = settings.k_type not in _PLAIN_TYPES and not shape.mla and dk % 64 == 0
        turn_v = settings.v_type not in _PLAIN_TYPES and not shape.mla and dv % 64 == 0
        self.rot_k = graph.input(4 * _rotation(dk) ** 2) if turn_k else None
        self.rot_v = graph.input(4 * 64 * 64) if turn_v else None


class _Builder:
    def __init__(self, shape, settings, sequence, window_cells):
        self.g = g = Graph()
        self.shape, self.traits = shape, TRAITS[shape.architecture]
        self.embd, self.ub, self.flash = shape.embd, settings.ubatch, settings.flash_attention
        self.parallel, self.whole_rope = settings.parallel, settings.era.whole_rope
        ub = self.ub
        self.tokens = g.input(4 * ub)
        wide = self.embd * (1 + shape.deepstack)
        g.input(4 * ub * wide)  # the place of ready-made embeddings, which a text model leaves empty
        self.mixed = mixed = settings.era.mixed_input
        if mixed:
            # Tokens and embeddings may come in one batch: one more place, and a copy into which the rows of tokens are set.
            mixed_tokens, mixed_embd, slots = g.input(4 * ub), g.input(4 * ub * wide), g.input(8 * ub)
        self.positions = g.input(4 * ub * (4 if self.traits.sections else 1))
        self.temperature = g.input(4 * ub) if shape.temperature else None
        if self.traits.gated_query:
            g.input(4 * settings.parallel)
        self.full = _Cache(g, shape, settings, sequence, shape.dk, shape.dv)
        self.window = _Cache(g, shape, settings, window_cells, shape.dk_swa, shape.dv_swa) if any(shape.swa) else None
        g.input(4)  # which rows are put out
        if mixed and shape.per_layer_embd:
            self.per_layer = self.per_layer_rows()
        self.x = g.node((self.embd, ub), self.tokens)
        rows = g.node((self.embd, ub), mixed_tokens) if mixed else None
        self.deep = None
        if shape.deepstack:
            # Zeros beside the embedding of a token, where an image has what it adds to the first layers.
            self.deep = g.node((wide, ub), self.x)
            self.x = g.view(self.deep, (self.embd, ub))
            rows = g.node((wide, ub), rows) if mixed else None
        if mixed:
            place = g.node((wide, ub), mixed_embd)
            g.nodes.append(Tensor(0, ("set",), (rows, slots, place), view=place))
        elif shape.per_layer_embd:
            self.per_layer = self.scaled_rows(self.per_layer_rows())
        if self.traits.embd_scaled or (self.traits.scaled and not self.traits.fused):
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
        unturned = self.traits.unturned or self.traits.unturned_full and not shape.swa[layer]
        rope = (lambda part: part) if unturned else self.rope
        if self.traits.fused:
            whole = self.matrix(x, heads * dk + 2 * kv_heads * dk)
            # Cut out of one matrix, so that their rows do not follow each other: nothing can overwrite them.
            turned = self.rope_new(g.view(whole, ("q",)), (dk, heads, ub))
            made["q"] = self.turn(self.same(turned), cache.rot_k)
            made["v"] = self.turn(g.view(whole, (dv, kv_heads, ub)), cache.rot_v)
            made["k"] = self.turn(self.rope_new(g.view(whole, ("k",)), (dk, kv_heads, ub)), cache.rot_k)
        else:
            for which in self.traits.order:
                if which == "q" and self.traits.gated_query:
                    both = self.matrix(x, 2 * heads * dk)
                    made["q"] = self.rope(self.same(g.node((dk, heads, ub), g.view(both, ("q",)))))
                    gate = both
                elif which == "q":
                    made["q"] = rope(self.head(x, heads, dk, True))
                    if self.traits.scaled:
                        made["q"] = self.same(made["q"])
                    if self.temperature is not None:
                        made["q"] = self.same(made["q"], self.temperature)
                elif which == "k":
                    made["k"] = rope(self.head(x, kv_heads, dk, True))
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
        if self.traits.parallel:
            return out
        out = self.matrix(out, self.embd)
        return self.same(out) if self.traits.out_bias else out

    def attend(self, q, k, v, cache, heads, dv):
        self.sink(self.g.view(k, ("row",)), cache.k_rows)
        if v is not None:
            self.sink(self.g.view(v, ("row",)), cache.v_rows)
        return self.read(q, cache, heads, dv)

    def read(self, q, cache, heads, dv):
        g, ub = self.g, self.ub
        q = g.view(q, ("permuted", *q.shape))
        if self.flash:
            out = g.node((dv, heads, ub), q, cache.mask)
            out = g.view(out, (dv * heads, ub))
        else:
            # The values of latent attention are rows of the keys' cache, which have to be turned first: a copy in f16 of every sequence's.
            turned = [g.node((dv, cache.cells, self.parallel), item=2)] if self.shape.mla else []
            scores = g.node((cache.cells, ub, heads), q)
            scores = self.same(scores, cache.mask)
            out = g.node((dv, ub, heads), *turned, scores)
            if self.shape.mla:
                return out
            out = g.node((dv * heads, ub), g.view(out, ("permuted", *out.shape)))
        return self.turn(out, cache.rot_v)

    def recurrent_layer(self, x):
        """The gated delta net of qwen3.5: a convolution and a state in place of a cache."""
        g, ub, shape, sequences = self.g, self.ub, self.shape, self.parallel
        conv, state, group, inner, heads = shape.ssm
        keys = group * state
        channels = 2 * keys + inner
        tail = g.view(g.node(((conv - 1) * channels, sequences)), ("tail",))
        mixed = g.view(self.matrix(x, channels), ("transposed",))
        joined = g.node((channels, ub + (conv - 1) * sequences), tail, mixed)
        self.sink(g.view(joined, ("last",)))
        before = g.view(g.node((state * inner, sequences)), ("state",))
        mixed = self.same(g.node((channels, ub), joined))
        q, k = g.node((keys, ub), g.view(mixed, ("q",))), g.node((keys, ub), g.view(mixed, ("k",)))
        decay = g.node((heads, ub), g.view(self.matrix(x, heads), ("alpha",)))
        decay = g.view(self.same(self.same(decay)), ("decay",))
        beta = g.node((heads, ub), g.view(self.matrix(x, heads), ("beta",)))
        both = g.node((inner * ub + state * inner * sequences,), q, k, g.view(mixed, ("v",)), decay, beta, before)
        self.sink(g.view(both, ("new state",)))
        out = self.same(g.node((inner, ub), g.view(both, ("out",))))
        gate = g.node((inner, ub), g.view(self.matrix(x, inner), ("z",)))
        out = g.view(self.same(out, gate), ("flat",))
        return g.view(self.matrix(out, self.embd), (self.embd, ub))

    def latent_attention(self, x):
        """DeepSeek's: full heads in files from before MLA, one latent head in newer ones."""
        shape, g, ub = self.shape, self.g, self.ub
        heads, rope = shape.heads, shape.rope_dim
        width, value = (shape.dk_mla, shape.dv_mla) if shape.mla else (shape.dk, shape.dv)
        q = x
        if shape.q_lora:
            q = self.norm(self.matrix(x, shape.q_lora))
        q = self.matrix(q, heads * width)
        if shape.mla:
            plain, turned = g.view(q, ("plain",)), g.view(q, ("turned",))
            absorbed = g.node((shape.kv_lora, ub, heads), g.view(plain, ("permuted",)))
            turned = self.rope_new(turned, (rope, heads, ub))
            q = g.node((shape.kv_lora + rope, heads, ub), g.view(absorbed, ("permuted", 1)), turned)
        elif self.whole_rope:
            q = self.turn(self.rope_new(g.view(q, ("heads",)), (width, heads, ub)), self.full.rot_k)
        else:
            plain, turned = g.view(q, ("plain",)), g.view(q, ("turned",))
            turned = self.rope_new(turned, (rope, heads, ub))
            q = self.turn(g.node((width, heads, ub), plain, turned), self.full.rot_k)
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
            k_plain, v = g.view(kv, ("k plain",)), self.turn(g.node((value, heads, ub), g.view(kv, ("v",))), self.full.rot_v)
            k_turned = self.rope_new(k_turned, (rope, 1, ub))
            k = g.node((width, heads, ub), k_plain, g.node((rope, heads, ub), k_turned))
            out = self.attend(q, self.turn(k, self.full.rot_k), v, self.full, heads, value)
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
        if self.traits.expert_bias:
            weights = g.view(g.node((used, ub), g.view(weights, (used, ub))), (1, used, ub))
        elif shape.experts_normed:
            flat = g.view(weights, (used, ub))
            total = self.same(g.node((1, ub), flat))
            weights = g.view(g.node((used, ub), flat, total), (1, used, ub))
        if shape.experts_scaled:
            weights = self.same(weights)
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
            if shape.architecture == "deepseek2":
                out = self.latent_attention(start)
            elif shape.recurrent[layer]:
                out = self.recurrent_layer(start)
            else:
                out = self.attention(start, layer)
            if traits.parallel:
                # The feed-forward part comes before attention's own output matrix.
                x = self.same(self.feed_forward(start, shape.ff), residual)
                x = self.same(x, self.matrix(out, self.embd))
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
                    shared = self.feed_forward(start, shape.shared_ff)
                    if traits.gated_query:
                        shared = self.same(shared, self.same(self.matrix(start, 1)))
                    out = self.same(out, shared)
            if traits.post_norms:
                out = self.norm(out)
            x = self.same(out, middle)
            if layer < shape.deepstack:
                x = self.same(x, self.g.view(self.deep, ("deep", layer)))
        self.g.node((1,), x)

    # -- nemotron-h

    def last_rows(self):
        """What the convolution of a layer still knows of the tokens before."""
        conv, state, group, inner, _heads = self.shape.ssm
        return self.g.node(((conv - 1) * (inner + 2 * group * state), self.parallel))

    def mamba_layer(self, x):
        """Mamba 2: one matrix for gate, convolution and step, a convolution, a scan of states."""
        g, ub, shape, sequences = self.g, self.ub, self.shape, self.parallel
        conv, state, group, inner, heads = shape.ssm
        channels = inner + 2 * group * state
        tail, self.tail = g.view(self.tail or self.last_rows(), ("tail",)), None
        whole = self.matrix(x, 2 * inner + 2 * group * state + heads)
        joined = g.node((channels, ub + (conv - 1) * sequences), tail, g.view(whole, ("mixed",)))
        self.sink(g.view(joined, ("last",)))
        mixed = self.same(self.same(g.node((channels, ub), joined)))
        step = self.same(g.node((heads, ub), g.view(whole, ("step",))))
        scan = g.node((inner * ub + state * inner * sequences,), g.view(mixed, ("x",)), step, g.view(mixed, ("b",)), g.view(mixed, ("c",)))
        self.sink(g.view(scan, ("new state",)))
        gate = g.node((inner, ub), g.view(whole, ("z",)))
        out = g.node((inner, ub), gate, self.same(g.node((inner, ub), g.view(mixed, ("x",))), g.view(scan, ("out",))))
        out = self.norm(g.view(out, (inner // group, group, ub)))
        return g.view(self.matrix(g.view(out, ("flat",)), self.embd), (self.embd, ub))

    def squared(self, x):
        return self.same(self.same(x))

    def nemotron_experts(self, x):
        shape, g, ub = self.shape, self.g, self.ub
        used, ff = shape.experts_used, shape.expert_ff
        scores = self.same(self.matrix(x, shape.experts))
        rows = g.view(scores, ("scores",))
        top = g.view(g.node((shape.experts, ub), self.same(scores)), ("top",))
        weights = g.node((1, used, ub), rows, top)
        if shape.experts_normed:
            flat = g.view(weights, (used, ub))
            weights = g.view(g.node((used, ub), flat, self.same(g.node((1, ub), flat))), (1, used, ub))
        if shape.experts_scaled:
            weights = self.same(weights)
        out = self.squared(g.node((ff, used, ub), g.view(x, ("x",)), top))
        out = self.same(g.node((self.embd, used, ub), out, top), weights)
        views = [g.view(out, ("expert", i)) for i in range(used)]
        total = views[0]
        for view in views[1:]:
            total = g.node((self.embd, ub), total, view, in_place=True)
        self.tail = self.last_rows()  # of the state that follows: it is read before the shared experts' turn
        return self.same(total, self.matrix(self.squared(self.matrix(x, shape.shared_ff)), self.embd)) if shape.shared_ff else total

    def nemotron_blocks(self, count):
        shape, x = self.shape, self.x
        self.tail = self.last_rows() if shape.recurrent[0] else None
        for layer in range(count):
            start = self.norm(x)
            if shape.recurrent[layer]:
                out = self.mamba_layer(start)
            elif not shape.ffs[layer]:
                out = self.attention(start, layer)
            elif shape.experts:
                out = self.nemotron_experts(start)
            else:
                out = self.matrix(self.squared(self.matrix(start, shape.ffs[layer])), self.embd)
            x = self.same(out, x)
        self.g.node((1,), x)

    # -- gemma 4

    def per_layer_rows(self):
        return self.g.node((self.shape.per_layer_embd * self.shape.layers, self.ub), self.g.input(4 * self.ub))

    def scaled_rows(self, rows):
        return self.same(self.g.view(rows, (self.shape.per_layer_embd, self.shape.layers, self.ub)))

    def gemma4_attention(self, x, layer):
        """Q of every layer; K and V of those that own a cache, V made of K where it has no matrix of its own."""
        shape, g, ub = self.shape, self.g, self.ub
        swa = shape.swa[layer]
        cache = self.window if swa else self.full
        dk = shape.dk_swa if swa else shape.dk
        heads, kv_heads = shape.heads_per_layer[layer], shape.kv_heads[layer]
        q = self.turn(self.rope(self.head(x, heads, dk, True)), cache.rot_k)
        if layer < shape.layers - shape.shared_kv_layers:
            k = g.view(self.matrix(x, kv_heads * dk), (dk, kv_heads, ub))
            shared = not swa and len(set(shape.kv_heads)) > 1
            made = k if shared else None
            k = self.rope(self.norm(k))
            v = self.same(made if shared else g.view(self.matrix(x, kv_heads * dk), (dk, kv_heads, ub)))
            out = self.attend(q, self.turn(k, cache.rot_k), self.turn(v, cache.rot_v), cache, heads, dk)
        else:
            out = self.read(q, cache, heads, dk)
        return self.matrix(out, self.embd)

    def gemma4_experts(self, middle):
        shape, g, ub = self.shape, self.g, self.ub
        used, ff = shape.experts_used, shape.expert_ff
        scores = self.same(self.matrix(self.same(self.norm(middle)), shape.experts))
        rows = g.view(scores, ("scores",))
        top = g.view(g.node((shape.experts, ub), scores), ("top",))
        weights = g.node((1, used, ub), rows, top)
        flat = g.view(weights, (used, ub))
        weights = g.view(g.node((used, ub), flat, self.same(g.node((1, ub), flat))), (1, used, ub))
        x = g.view(self.norm(middle), ("x",))
        both = g.node((2 * ff, used, ub), x, top)
        out = g.node((ff, used, ub), g.view(both, ("gate",)), g.view(both, ("up",)))
        out = g.node((self.embd, used, ub), out, top)
        out = self.same(out, g.node((1, used, ub), g.view(g.node((shape.experts, ub)), ("scales",)), top))
        out = self.same(out, weights)
        views = [g.view(out, ("expert", i)) for i in range(used)]
        total = views[0]
        for view in views[1:]:
            total = g.node((self.embd, ub), total, view, in_place=True)
        return total

    def gemma4_blocks(self, layers):
        g, shape, ub, wide = self.g, self.shape, self.ub, self.shape.per_layer_embd
        x = first = self.x
        for layer in layers:
            out = self.norm(self.gemma4_attention(self.norm(x), layer))
            middle = self.same(out, x)
            if shape.experts:
                routed = self.gemma4_experts(middle)
                dense = self.norm(self.feed_forward(self.norm(middle), shape.ffs[layer]))
                out = self.same(dense, self.norm(routed))
            else:
                out = self.feed_forward(self.norm(middle), shape.ffs[layer])
            x = self.same(self.norm(out), middle)
            if wide:
                gate = self.same(self.matrix(x, wide))
                if layer == layers[0]:
                    projected = self.same(self.matrix(first, wide * shape.layers))
                    projected = self.norm(g.view(projected, (wide, shape.layers, ub)))
                    rows = g.view(self.same(self.per_layer), (wide, shape.layers, ub)) if self.mixed else self.per_layer
                    projected = self.same(self.same(projected, rows))
                    self.rows = g.node((wide, ub, shape.layers), g.view(projected, ("permuted",)))
                out = self.norm(self.matrix(self.same(gate, g.view(self.rows, ("row", layer))), self.embd))
                x = self.same(x, out)
            x = self.same(x)
        g.node((1,), x)


# What a graph depends on; files of one model that differ only in the types of their weights share it.
_DIMENSIONS = (
    "architecture deepstack temperature per_layer_embd shared_kv_layers ffs layers embd ff dk dv dk_swa dv_swa heads heads_per_layer kv_heads swa"
    " recurrent ssm experts experts_used expert_ff experts_normed experts_scaled shared_ff dense_layers mla q_lora kv_lora rope_dim dk_mla dv_mla"
).split()
_peaks = {}


@functools.lru_cache(maxsize=65536)
def _dimensions(shape):
    return tuple(getattr(shape, name) for name in _DIMENSIONS)


def _gemma4_layers(shape):
    """The first ones, and of those that read the cache of others one of each kind."""
    own = shape.layers - shape.shared_kv_layers
    first = list(range(min(own, 3 * shape.period)))
    shared = range(own, shape.layers)
    return first + [next(i for i in shared if shape.swa[i] == kind) for kind in (True, False) if any(shape.swa[i] == kind for i in shared)]


def compute_bytes(shape, settings, sequence, window_cells):
    """Bytes of the compute buffer of a whole micro-batch on one device."""
    # How many sequences there are is seen by the states of recurrent layers and by the copy of a latent cache only.
    parallel = settings.parallel if any(shape.recurrent) or shape.mla else 1
    quantized = tuple(kind not in _PLAIN_TYPES for kind in (settings.k_type, settings.v_type))
    key = (_dimensions(shape), settings.ubatch, settings.flash_attention, quantized, parallel, settings.era, sequence, window_cells)
    if key not in _peaks:
        builder = _Builder(shape, settings._replace(parallel=parallel), sequence, window_cells)
        if shape.architecture == "gemma4":
            builder.gemma4_blocks(_gemma4_layers(shape))
        elif shape.architecture.startswith("nemotron_h"):
            builder.nemotron_blocks(min(shape.layers, _LAYERS_OF_KINDS))
        else:
            period = any(shape.swa) or any(shape.recurrent) or shape.experts or shape.deepstack
            builder.blocks(min(shape.layers, _LAYERS_UNEVEN if period else _LAYERS))
        _peaks[key] = peak(builder.g)
    return _peaks[key]
