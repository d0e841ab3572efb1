# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where one model goes on one machine (one GPU, several, a part of it, the CPU) and by how much it fits or misses."""

from __future__ import annotations

import bisect
import collections
import functools
import itertools

from ansible_collections.llmfleet.ollama.plugins.module_utils.bytes import MIB

from .. import versions
from ..model.memory import OVERHEAD, PROCESS_RAM, Settings, memory
from . import ollama_rules

Load = collections.namedtuple("Load", "context parallel k_type v_type flash_attention")  # what the service will be told
Rules = collections.namedtuple("Rules", "version era fit_margin")
Share = collections.namedtuple("Share", "card weights kv compute overhead margin")  # one card's part; bytes
Placement = collections.namedtuple("Placement", "kind shares short need settings num_gpu")

# Before 0.30.0 llama.cpp's CPU backend kept a repacked copy of quantized layers beside the mapped file (1299 of 1918 MiB measured). Since then
# Ollama maps no file on a CPU (`--load-mode none`, 0.32.15), and the repacked layers are the only ones.
_REPACK = 0.7
_LEAST_MARGIN = 512 * MIB  # what a card has to keep free whatever the fit has overlooked
NO_LIMIT = 1 << 62  # bytes of system memory, to ask how much of it something takes


class Left(tuple):
    """Bytes that are left on each card of a host, and what follows from them whatever is to be placed: worked out once, since hundreds of tags are
    asked for the same room."""

    def __new__(cls, host, amounts):
        self = super().__new__(cls, amounts)
        self.host, self._known = host, {}
        return self

    @classmethod
    def of(cls, host, amounts):
        return amounts if isinstance(amounts, cls) and amounts.host is host else cls(host, amounts)

    @functools.cached_property
    def preferred(self):
        """(position, whether Ollama has no other card to spread over) of the cards, best first: the first of each kind, since one with less left holds
        nothing that it does not."""
        cards, found, tried = self.host.cards, [], set()
        for position in _by_preference(self.host, self):
            card = cards[position]
            kind = (card.usable, card.group, card.unified, card.discrete)
            if kind not in tried:
                tried.add(kind)
                found.append((position, sum(other.group == card.group for other in cards) < 2))
        return found

    @functools.cached_property
    def groups(self):
        """Positions of the cards of each vendor, that of the most memory first."""
        return [[i for i, card in enumerate(self.host.cards) if card.group == group] for group in _groups(self.host)]

    def orders(self, positions):
        """The cards at these positions with what is left on them, in each order that the driver may number them: [(cards, amounts)]."""
        key = tuple(positions)
        if key not in self._known:
            orders = _orders([self.host.cards[i] for i in key], [self[i] for i in key])
            self._known[key] = [([pair[0] for pair in order], [pair[1] for pair in order]) for order in orders]
        return self._known[key]


def share_total(share):
    return share.weights + share.kv + share.compute + share.overhead + share.margin


@functools.lru_cache(maxsize=65536)
def _settings(shape, load, rules, available, smallest, backend):
    flash = load.flash_attention and shape.flash_attention
    context = min(load.context, shape.context_train) if shape.context_train else load.context
    parallel = ollama_rules.parallel(shape, load.parallel)
    batch = ollama_rules.ubatch(shape, context, parallel, flash, rules.version, available, smallest, backend)
    return Settings(context, parallel, load.k_type, load.v_type, flash, batch, rules.era)


def _legacy(rules):
    return rules.version < versions.FIRST_FIT


@functools.lru_cache(maxsize=65536)
def single_need(shape, load, rules, usable, backend, unified):
    """(bytes beside the margin, margin, settings) of a whole model on one card with so many usable bytes."""
    settings = _settings(shape, load, rules, usable, usable, backend)
    found = memory(shape, settings)
    need = found.weights + found.kv + found.recurrent + found.compute + found.mask + found.projector + OVERHEAD[backend] + found.dequantized
    if unified:
        need += found.host  # the same pool holds the host's buffers
    if _legacy(rules):
        k_type = load.k_type if settings.flash_attention else "f16"
        need = max(need, ollama_rules.legacy_total(shape, settings.context, settings.parallel, k_type, backend))
        return need, 0, settings
    return need, rules.fit_margin, settings


def _single(shape, load, rules, card, left):
    need, margin, settings = single_need(shape, load, rules, card.usable, card.backend, card.unified)
    short = need + margin - left
    if short > 0:
        return Placement(None, (), short, need + margin, settings, None)
    found = memory(shape, settings)
    overhead = OVERHEAD[card.backend] + found.dequantized + found.projector + (found.host if card.unified else 0)
    share = Share(card, found.weights, found.kv + found.recurrent, found.compute + found.mask, overhead, margin)
    return Placement("gpu", (share,), 0, need + margin, settings, None)


@functools.lru_cache(maxsize=16384)
def _layer_sizes(shape, settings):
    found = memory(shape, settings)
    recurrent = sum(shape.recurrent)
    state = found.recurrent // recurrent if recurrent else 0
    sizes = []
    for i in range(shape.blocks):
        cached = found.kv_layers[i] if i < len(found.kv_layers) else 0
        if i < len(shape.recurrent) and shape.recurrent[i]:
            cached += state
        sizes.append((shape.layer_bytes[i], cached))
    return tuple(sizes)


@functools.lru_cache(maxsize=16384)
def _sums(shape, settings):
    """Sums of the layers' weights, of their caches and of both, up to each layer."""
    sizes = _layer_sizes(shape, settings)
    return tuple((0, *itertools.accumulate(parts)) for parts in (*zip(*sizes), map(sum, sizes)))


def _split_by_free(count, free):
    """llama.cpp's default: layer i goes to the first device whose share of all free memory, summed up, exceeds i/count."""
    total, ends = sum(free), 0
    counts, taken = [], 0
    for part in free[:-1]:
        ends += part
        # Layers i with i/count below this device's end that no device before it took.
        upto = max(taken, -(-ends * count // total))
        counts.append(upto - taken)
        taken = upto
    return counts + [count - taken]


def _shares_by_free(shape, settings, rules, cards, left):
    """The split of llama-server (>= 0.30.0) with cards in this order."""
    found = memory(shape, settings)
    weight_sums, cache_sums, _both = _sums(shape, settings)
    counts = _split_by_free(shape.blocks + 1, left)
    shares, start = [], 0
    for position, card in enumerate(cards):
        end = start + counts[position]
        first, last = min(start, shape.blocks), min(end, shape.blocks)
        weights = weight_sums[last] - weight_sums[first]
        cached = cache_sums[last] - cache_sums[first]
        if start <= shape.blocks < end:
            weights += shape.output_bytes
        overhead = OVERHEAD[card.backend] + found.dequantized
        if position == 0:
            overhead += found.projector
        shares.append(Share(card, weights, cached, found.pipeline, overhead, rules.fit_margin))
        start = end
    return shares


def _holds_by_free(shape, settings, rules, cards, left):
    """Whether no card is overfilled by that split: its sums alone, since many orders of the cards are asked and only one is told."""
    found, sums, blocks = memory(shape, settings), _sums(shape, settings)[2], shape.blocks
    fixed = found.pipeline + OVERHEAD[cards[0].backend] + found.dequantized + rules.fit_margin
    start, first = 0, found.projector
    for count, amount in zip(_split_by_free(blocks + 1, left), left):
        end = start + count
        taken = fixed + first + sums[min(end, blocks)] - sums[min(start, blocks)]
        if start <= blocks < end:
            taken += shape.output_bytes
        if taken > amount:
            return False
        start, first = end, 0
    return True


def _shares_by_fit(shape, settings, rules, cards, left):
    """The split of llama-server where its default does not hold: whole layers, last card first, each up to its target. None: a layer is left over."""
    found = memory(shape, settings)
    if shape.experts:
        laid = _experts_laid(shape, settings, rules, cards, left)
        if laid is None or laid[1]:
            return None
        return laid[0]
    weight_sums, cache_sums, sums = _sums(shape, settings)
    plain, shares, remaining = found.compute + found.mask, [], shape.blocks
    for position in range(len(cards) - 1, -1, -1):
        card, output = cards[position], shape.output_bytes if position == len(cards) - 1 else 0
        overhead = OVERHEAD[card.backend] + found.dequantized + (found.projector if position == 0 else 0)
        room = left[position] - overhead - rules.fit_margin - output
        if not remaining:
            shares.append(Share(card, 0, 0, 0, overhead, rules.fit_margin))  # it holds nothing but the driver's context
            continue
        if sums[remaining] + found.pipeline <= room:  # all layers are on cards now, so they work as a pipeline
            shares.append(Share(card, weight_sums[remaining] + output, cache_sums[remaining], found.pipeline, overhead, rules.fit_margin))
            remaining = 0
            continue
        room -= plain
        if room < 0:
            return None
        first = bisect.bisect_left(sums, sums[remaining] - room, 1, remaining)
        weights, cached = output + weight_sums[remaining] - weight_sums[first], cache_sums[remaining] - cache_sums[first]
        remaining = first
        # The copies of the pipeline come when the first card is filled, and nobody asks this one again: they go off its margin.
        margin = rules.fit_margin - (found.pipeline - plain)
        if margin < min(rules.fit_margin, _LEAST_MARGIN):
            return None
        shares.append(Share(card, weights, cached, found.pipeline, overhead, margin))
    return None if remaining else shares[::-1]


@functools.lru_cache(maxsize=1024)
def layer_experts(shape):
    """Bytes of the experts in each layer, by what its layer takes beside an equal dense part. They sum up to all of them."""
    first = min(shape.dense_layers, shape.blocks - 1)
    count = shape.blocks - first
    dense = (sum(shape.layer_bytes[first:]) - shape.expert_bytes) // count
    found = [0] * first + [min(size, max(0, size - dense)) for size in shape.layer_bytes[first:]]
    found[-1] += shape.expert_bytes - sum(found)
    return tuple(found)


def _experts_laid(shape, settings, rules, cards, left):
    """The steps of llama.cpp's fit for a mixture of experts: (shares of the cards, bytes of experts in system memory); None: not even the dense parts
    fit. Dense parts, cache and output matrix first, last card first; then whole layers with their experts, first layer on the first card. The part of
    one more layer that the fit may add is not counted. Source: llama.cpp, common/fit.cpp, steps 3 and 4.
    """
    found, sizes, experts = memory(shape, settings), _layer_sizes(shape, settings), layer_experts(shape)
    # Prompts are computed on the first card, so the experts of a layer are copied to it (seen: up to 0.87 of a layer's, llama.cpp#25487).
    compute = found.compute + found.mask + max(experts)
    count, last = shape.blocks, len(cards) - 1
    overheads = [OVERHEAD[card.backend] + found.dequantized + (found.projector if i == 0 else 0) for i, card in enumerate(cards)]
    rooms = [amount - overhead - rules.fit_margin - compute for amount, overhead in zip(left, overheads)]
    rooms[last] -= shape.output_bytes
    # A card between them that has no room for buffers gets no layer, and then it needs none.
    if min(rooms[0], rooms[last]) < 0 or any(room + compute < 0 for room in rooms):
        return None
    dense = [size + cached - extra for (size, cached), extra in zip(sizes, experts)]
    owner, position = [0] * count, last
    for i in range(count - 1, -1, -1):
        while position >= 0 and rooms[position] < dense[i]:
            position -= 1
        if position < 0:
            return None
        rooms[position] -= dense[i]
        owner[i] = position
    front = 0
    for position in range(last + 1):
        while front < count and position <= owner[front]:
            moved = dense[front] if position < owner[front] else 0
            if rooms[position] < experts[front] + moved:
                break
            rooms[position] -= experts[front] + moved
            rooms[owner[front]] += moved
            owner[front] = position
            front += 1
    shares = []
    for position, card in enumerate(cards):
        own = [i for i in range(count) if owner[i] == position]
        weights = sum(sizes[i][0] - (experts[i] if i >= front else 0) for i in own) + (shape.output_bytes if position == last else 0)
        used = compute if own or position in (0, last) else 0
        shares.append(Share(card, weights, sum(sizes[i][1] for i in own), used, overheads[position], rules.fit_margin))
    return shares, sum(experts[front:])


def _shares_in_turn(shape, load, settings, rules, cards, left):
    """The layout of Ollama before 0.30.0: last layer first, one card after the other while it has room. None: a layer is left over."""
    sizes, found = _layer_sizes(shape, settings), memory(shape, settings)
    k_type = load.k_type if settings.flash_attention else "f16"
    layer_kv, full, partial = ollama_rules.legacy_graph(shape, settings.context, settings.parallel, k_type)
    graph = max(full, partial)
    weights, cached, used, active = {}, {}, {}, []
    for position, card in enumerate(cards):
        minimum = ollama_rules.minimum_memory(card.backend)
        first = minimum + graph + (shape.vision_bytes if position == 0 else 0)
        used[position], weights[position], cached[position] = first, 0, 0
        if left[position] >= first + 2 * (sizes[0][0] + layer_kv):
            active.append(position)

    def put(number, size, cache, believed):
        while active:
            position = active[number % len(active)]
            if left[position] > used[position] + believed:
                used[position] += believed
                weights[position] += size
                cached[position] += cache
                return True
            active.remove(position)
        return False

    for i in range(shape.blocks - 1, -1, -1):
        size, cache = sizes[i]
        if not put(i, size, cache, size + max(cache, layer_kv)):
            return None
    if not put(shape.blocks, shape.output_bytes, 0, shape.output_bytes):
        return None
    shares = []
    for position, card in enumerate(cards):
        if not weights[position]:
            continue
        compute = max(found.pipeline, partial)
        overhead = OVERHEAD[card.backend] + found.dequantized + (found.projector if position == 0 else 0)
        shares.append(Share(card, weights[position], cached[position], compute, overhead, 0))
    return shares


def _orders(cards, left):
    """Orders in which the driver may number the cards; equal cards need not be exchanged."""
    pairs = sorted(zip(cards, left), key=lambda pair: (-pair[1], pair[0].key))
    kinds = len({amount for _card, amount in pairs})
    if len(pairs) > 4 or kinds == 1:
        return [pairs] if kinds == 1 else [pairs, pairs[::-1]]
    seen, found = set(), []
    for order in itertools.permutations(pairs):
        signature = tuple(amount for _card, amount in order)
        if signature not in seen:
            seen.add(signature)
            found.append(order)
    return found


@functools.lru_cache(maxsize=16384)
def _spread_need(shape, settings, rules, backend, count):
    """Bytes of a model on so many cards together, margins included."""
    found = memory(shape, settings)
    each = found.pipeline + OVERHEAD[backend] + found.dequantized + rules.fit_margin
    return found.weights + found.kv + found.recurrent + found.projector + each * count


def _settings_on(shape, load, rules, cards):
    """Of a model that lies on all of these cards."""
    usable = [card.usable for card in cards]
    return _settings(shape, load, rules, sum(usable), min(usable), cards[0].backend)


def _multi(shape, load, rules, left, positions):
    """All cards of one library. Every order of them has to hold, since the order that CUDA takes is not in the facts."""
    cards, amounts = [left.host.cards[i] for i in positions], [left[i] for i in positions]
    backend, settings = cards[0].backend, _settings_on(shape, load, rules, cards)
    least, amounts = min(amounts), sum(amounts)
    if least <= 0:
        return Placement(None, (), -least + 1, 0, settings, None)
    chosen, need, worst = None, 0, 0
    if not _legacy(rules):
        need = _spread_need(shape, settings, rules, backend, len(cards))  # whatever the order
        worst = max(0, need - amounts)
    for ordered, free in left.orders(positions) if not worst else ():
        if _legacy(rules):
            shares = _shares_in_turn(shape, load, settings, rules, ordered, free)
        else:
            holds = _holds_by_free(shape, settings, rules, ordered, free)
            if holds and chosen is not None:
                continue
            shares = _shares_by_free(shape, settings, rules, ordered, free)
            if not holds:
                shares = _shares_by_fit(shape, settings, rules, ordered, free) or shares
        if shares is None:
            worst = 1
            break
        room = dict(zip((card.key for card in ordered), free))
        worst = max(0, *(share_total(share) - room[share.card.key] for share in shares))
        if chosen is None:
            chosen = shares
            need = sum(share_total(share) for share in shares)
        if worst:
            break
    if worst > 0 or chosen is None:
        if _legacy(rules) and (chosen is None or need > amounts):
            found = memory(shape, settings)
            graph = ollama_rules.legacy_graph(shape, settings.context, settings.parallel, load.k_type)
            each = max(found.pipeline + OVERHEAD[backend], max(graph[1:]) + ollama_rules.minimum_memory(backend))
            need = max(need, found.weights + found.kv + found.recurrent + found.projector + each * len(cards))
        return Placement(None, (), max(worst, need - amounts, 1), need, settings, None)
    return Placement("multi_gpu", tuple(shares_sorted(chosen)), 0, need, settings, None)


def shares_sorted(shares):
    return sorted(shares, key=lambda share: share.card.index)


def on_gpu(shape, load, rules, host, left):
    """The placement that Ollama itself would take, if every byte of it fits; else the nearest miss."""
    if len(host.cards) == 1:
        return _single(shape, load, rules, host.cards[0], left[0])
    best, left = None, Left.of(host, left)
    legacy = _legacy(rules)
    for position, alone in left.preferred:
        whole = _single(shape, load, rules, host.cards[position], left[position])
        if best is None or whole.short < best.short:
            best = whole
        if not whole.kind:
            continue
        if legacy or alone:
            return whole
        context, parallel = whole.settings.context, whole.settings.parallel
        if ollama_rules.predicted(shape, context, parallel) <= ollama_rules.FILL * left[position]:
            return whole
        break  # it would fit, but Ollama believes otherwise and spreads it over all cards
    for members in left.groups:
        if len(members) > 1:
            spread = _multi(shape, load, rules, left, members)
            if spread.kind:
                return spread
            if best is None or best.kind or spread.short < best.short:
                best = spread
    if best.kind:  # one card holds it, all cards together do not, and Ollama would take all
        best = best._replace(kind=None, short=1)
    return best


def least_on_gpu(shape, load, rules, empty):
    """The fewest bytes that a whole model takes of all cards together, wherever on them it lies and whatever is beside it: what is not left on all of
    them together needs no attempt. empty: Left of the host without a model. 0 before 0.30.0, which believes other sums than it takes."""
    if _legacy(rules):
        return 0
    cards = [empty.host.cards[position] for position, _alone in empty.preferred]
    # On several cards it takes more: one buffer and one driver's context each, and no smaller micro-batch. What the host holds is left out.
    return min(single_need(shape, load, rules, card.usable, card.backend, False)[0] for card in cards)


def on_cpu(shape, load, rules, left):
    """A model in system memory: the weights (before 0.30.0 twice), the cache, the buffers and the process."""
    flash = load.flash_attention and not _legacy(rules)  # Ollama before 0.30.0 has no flash attention on the CPU
    if not flash:
        load = load._replace(flash_attention=False, k_type="f16", v_type="f16")
    settings = _settings(shape, load, rules, left, left, "cpu")
    found = memory(shape, settings)
    repack = int(_REPACK * shape.blocks_bytes) if shape.quantized and _legacy(rules) else 0
    weights = shape.cpu_weights
    overhead = PROCESS_RAM + repack + found.projector
    share = Share(None, weights, found.kv + found.recurrent, found.compute + found.mask, overhead, 0)
    need = share_total(share)
    if need > left:
        return Placement(None, (), need - left, need, settings, None)
    return Placement("cpu", (share,), 0, need, settings, None)


def experts(shape, load, rules, host, left, ram_left):
    """A mixture of experts whose experts lie in system memory as far as the cards do not hold them; None if that cannot be."""
    if not shape.experts or not shape.expert_bytes or shape.encoder or _legacy(rules) or not host.cards:
        return None
    worst, left = None, Left.of(host, left)
    taken = _cards_taken(shape, load, rules, left)
    if any(host.cards[i].unified for i in taken) or min(left[i] for i in taken) <= 0:
        return None  # one pool: what leaves the card stays in it
    settings = _settings_on(shape, load, rules, [host.cards[i] for i in taken])
    found = memory(shape, settings)
    for cards, amounts in left.orders(taken):
        laid = _experts_laid(shape, settings, rules, cards, amounts)
        if laid is None:
            return None
        if worst is None or laid[1] > worst[1]:
            worst = laid
    shares, in_ram = worst
    on_host = Share(None, in_ram + shape.input_bytes, 0, found.host - shape.input_bytes, PROCESS_RAM, 0)
    if not in_ram or share_total(on_host) > ram_left:
        return None
    need = sum(share_total(share) for share in shares)
    return Placement("experts", (*shares_sorted(shares), on_host), 0, need, settings, None)


def _cards_taken(shape, load, rules, left):
    """Positions of the cards that Ollama hands to llama-server: one for which its own prediction is small enough, else all of the best kind."""
    for position, alone in left.preferred:
        settings = _settings_on(shape, load, rules, [left.host.cards[position]])
        if alone or ollama_rules.predicted(shape, settings.context, settings.parallel) <= ollama_rules.FILL * left[position]:
            return [position]
    return left.groups[0]


def _by_preference(host, left):
    if len(host.cards) == 1:
        return [0]
    return [row[-1] for row in sorted((not card.discrete, -amount, card.key, i) for i, (card, amount) in enumerate(zip(host.cards, left)))]


def _groups(host):
    """Vendors of the cards, that of the most memory first."""
    groups = {card.group for card in host.cards}
    return groups if len(groups) < 2 else sorted(groups, key=lambda name: -sum(c.budget for c in host.cards if c.group == name))


def _layers_laid(shape, settings, rules, cards, left):
    """(shares, layers) of a dense model that the fit lays over the cards as far as they reach: the output matrix and the last layers on the last card.

    Never all of them: the whole model was tried before, and has copies of its buffers on several cards that one without its first layer has not.
    """
    found, remaining = memory(shape, settings), shape.blocks
    weight_sums, cache_sums, sums = _sums(shape, settings)
    compute, output, shares = found.compute + found.mask, shape.output_bytes, []
    for position in range(len(cards) - 1, -1, -1):
        overhead = OVERHEAD[cards[position].backend] + found.dequantized + (found.projector if position == 0 else 0)
        room, weights, cached = left[position] - overhead - rules.fit_margin - compute, 0, 0
        if output <= room:
            room -= output
            first = bisect.bisect_left(sums, sums[remaining] - room, 1, remaining)
            weights, cached = output + weight_sums[remaining] - weight_sums[first], cache_sums[remaining] - cache_sums[first]
            output, remaining = 0, first
        shares.append(Share(cards[position], weights, cached, compute if weights else 0, overhead, rules.fit_margin))
    return shares[::-1], shape.blocks - remaining


def _partly_fitted(shape, load, rules, host, left, ram_left, minimum_share):
    """What llama.cpp's fit makes of a dense model that no cards hold."""
    left = Left.of(host, left)
    taken = [i for i in _cards_taken(shape, load, rules, left) if left[i] > 0]
    if not taken:
        return None
    settings = _settings_on(shape, load, rules, [host.cards[i] for i in taken])
    worst = None
    for cards, amounts in left.orders(taken):
        laid = _layers_laid(shape, settings, rules, cards, amounts)
        if worst is None or laid[1] < worst[1]:
            worst = laid
    shares, layers = worst
    found = memory(shape, settings)
    weights, cached = sum(share.weights for share in shares), sum(share.kv for share in shares)
    on_host = Share(
        None, found.weights - weights + shape.input_bytes, found.kv + found.recurrent - cached, found.host - shape.input_bytes, PROCESS_RAM, 0
    )
    # On unified memory both parts come from one pool.
    host_need = share_total(on_host) + sum(share_total(share) for share in shares if share.card.unified)
    if not layers or layers < minimum_share * shape.blocks or host_need > ram_left:
        return None
    if any(share_total(share) > amount for share, amount in zip(shares, (left[host.cards.index(share.card)] for share in shares))):
        return None  # a card without room for the driver's context
    need = sum(share_total(share) for share in (*shares, on_host))
    return Placement("partial", (*shares_sorted(shares), on_host), 0, need, settings, layers)


def partly(shape, load, rules, host, left, ram_left, minimum_share, exactly=None):
    """As many layers as fit on the cards, the others in system memory; before 0.30.0, and where exactly so many are wanted, on the best card.
    None if that cannot be."""
    if exactly is None and not _legacy(rules):
        if shape.experts:
            return experts(shape, load, rules, host, left, ram_left)  # nothing else is what llama.cpp makes of it
        return _partly_fitted(shape, load, rules, host, left, ram_left, minimum_share)
    position = max(range(len(host.cards)), key=lambda i: left[i])
    card = host.cards[position]
    need, margin, settings = single_need(shape, load, rules, card.usable, card.backend, card.unified)
    found = memory(shape, settings)
    compute = found.compute + found.mask
    fixed = compute + OVERHEAD[card.backend] + found.dequantized + found.projector + margin + (found.host if card.unified else 0)
    if _legacy(rules):
        graph = ollama_rules.legacy_graph(shape, settings.context, settings.parallel, load.k_type)
        compute = max(compute, *graph[1:])
        fixed = compute + ollama_rules.minimum_memory(card.backend) + found.projector
    room, layers, weights, cached = left[position] - fixed, 0, 0, 0
    for size, cache in reversed(_layer_sizes(shape, settings)):
        if size + cache > room or layers == exactly:
            break
        room -= size + cache
        weights, cached, layers = weights + size, cached + cache, layers + 1
    host_need = found.weights + found.kv + found.recurrent - weights - cached + found.host + PROCESS_RAM
    if not layers or layers < (exactly or minimum_share * shape.blocks) or host_need > ram_left:
        return None
    share = Share(card, weights, cached, compute, fixed - compute - margin, margin)
    if card.unified and share_total(share) + host_need > ram_left:
        return None  # both parts come from one pool
    on_host = Share(None, found.weights - weights + shape.input_bytes, found.kv + found.recurrent - cached, 0, PROCESS_RAM, 0)
    return Placement("partial", (share, on_host), 0, need + margin, settings, layers)


def usable_left(host):
    return Left(host, [card.budget for card in host.cards])


def spend(left, host, placement):
    """What is left on each card (and of the RAM) once the model is resident; the margin is no one's."""
    remaining, ram = list(left), 0
    position = {card.key: i for i, card in enumerate(host.cards)}
    for share in placement.shares:
        taken = share_total(share) - share.margin
        if share.card is None:
            ram += taken
        else:
            remaining[position[share.card.key]] -= taken
            if share.card.unified:
                ram += taken
    on_host = sum(share_total(share) for share in placement.shares if share.card is None)
    if on_host and host.unified:  # one pool
        remaining = [amount - on_host for amount in remaining]
    return Left(host, remaining), ram
