# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of one host: which tag, where, with which settings, and why not a better one. Pure: no connection, no clock, no chance."""

from __future__ import annotations

import functools
import itertools

from ansible_collections.llmfleet.ollama.plugins.module_utils.bytes import MIB, gib, pad
from ansible_collections.llmfleet.ollama.plugins.module_utils.defaults import FIT_MARGIN_BYTES

from . import data, versions
from .choice import candidates, wants
from .choice.spills import Spills, card_set
from .errors import BadInput
from .machine import budget, ollama_rules, placement
from .machine.placement import Load, Rules
from .model.memory import PROCESS_RAM

CPU_BANDWIDTH = 20 * 10**9  # bytes a second that two channels of DDR4 give to one token in practice
_NEAR_MISS = 0.06  # a tag that misses by so little by the catalogue is worth its header
SOURCES = ("header", "catalogue", "estimate")
_GONE = "not to be had: "


class _Chosen:
    __slots__ = ("want", "candidate", "rejected", "placed", "load", "before")

    def __init__(self, want, candidate, rejected):
        self.want, self.candidate, self.rejected = want, candidate, rejected
        self.placed = self.load = self.before = None


class _NothingFits(Exception):
    def __init__(self, want, rejected):
        super().__init__(want.where)
        self.want, self.rejected = want, rejected


class Planner:
    """One host and one list of wants."""

    def __init__(self, models, policy, vram, ollama_version, sources=SOURCES, header=None, proofs=None):
        self.errors, self.warnings = [], []
        self.version = versions.parse(ollama_version)
        self.sources = tuple(sources)
        self.header = header or (lambda name: (None, None, False))
        self.place = getattr(header, "place", "the registry")
        self.wanted, problems = wants.wants(models)
        self.errors += problems
        self.policy = wants.policy(policy)
        self.host = budget.host(vram, self.policy.reserve_bytes)
        self.warnings += self.host.warnings
        self.rules = Rules(self.version, versions.era_of_ollama(self.version), self.policy.fit_margin_bytes)
        self.proofs = Spills(proofs, self.version, self.host)
        self.flash = self._flash_attention()
        self.options = {}
        self.lightest = {}
        self.pool = {}
        self._exact = {}

    def _flash_attention(self):
        if not self.host.cards:
            return self.version >= versions.FIRST_FIT  # older releases have none on the CPU
        if self.version >= versions.FIRST_FIT:
            return True
        return all(card.compute_capability is None or card.compute_capability >= 7.0 for card in self.host.cards)

    # -- candidates and settings

    def _prepare(self):
        for want in self.wanted:
            try:
                if want.kind == "family":
                    found = candidates.for_family(want, self.policy)
                else:
                    found = [candidates.for_model(want, self.sources, self._read)]
                found = self._gates(want, found)
                self._check_context(want, found)
                self.options[want.position] = found
            except BadInput as problem:
                self.errors.append(str(problem))

    def _gates(self, want, found):
        kept, newest = [], None
        for candidate in found:
            requires = candidate.metadata.get("requires")
            if requires and versions.parse(requires) > self.version:
                newest = requires
                continue
            kept.append(candidate)
        if not kept:
            raise BadInput("%s: %s needs Ollama %s or later: raise ollama_version" % (want.where, want.target, newest))
        return kept

    def _check_context(self, want, found):
        longest = max(candidate.shape.context_train or 1 << 62 for candidate in found)
        own = want.own_context
        asked, variable = (own, ".parameters.num_ctx") if own else (want.context, ".context")
        if want.kind == "model" and found[0].embedding and not own and "context" not in want.item:
            return
        if asked and asked > longest:
            raise BadInput(
                "%s%s is %d, but %s was trained for %d tokens: write %d or less"
                % (want.where, variable, asked, want.target, longest, longest)
            )

    def _loads(self):
        """Settings of the service from what is wanted to the last concession: first extra context goes, then the cache's precision."""
        shared = [want for want in self.wanted if not want.own_context]
        stated = [want.context for want in shared if want.context]
        most = max(stated) if stated else wants.DEFAULT_CONTEXT
        least = max([want.min_context for want in shared if want.context] or [min(most, wants.DEFAULT_MIN_CONTEXT)])
        kinds = [kind for kind in self.policy.kv_cache_types if kind == "f16" or self.flash] or ["f16"]
        return [
            Load(context, self.policy.parallel, kind, kind, self.flash)
            for kind in kinds
            for context in wants.ladder(most, min(least, most))
        ]

    @staticmethod
    def _allowed(load, candidate):
        return load.k_type == "f16" or candidate.shape.flash_attention or candidate.shape.encoder

    def _last(self, loads, candidate):
        for load in reversed(loads):
            if self._allowed(load, candidate):
                return load
        return loads[-1]._replace(k_type="f16", v_type="f16")

    # -- one candidate

    def _place(self, want, candidate, load, left, ram):
        if want.own_context:
            load = load._replace(context=want.own_context)
        if not self.host.cards:
            return placement.on_cpu(candidate.shape, load, self.rules, ram)
        layers = want.parameters.get("num_gpu")
        if layers is not None and 0 <= layers < candidate.shape.blocks:
            return self._by_hand(candidate, load, left, ram, layers)
        placed = placement.on_gpu(candidate.shape, load, self.rules, self.host, left)
        if placed.kind:
            limit = self.proofs.limit(candidate, load, placed, self._need)
            if limit is not None and placed.need > limit:
                return placed._replace(kind=None, shares=(), short=placed.need - limit)
            return placed
        if self.policy.allow_partial_offload and not want.require_gpu and layers in (None, -1):
            share = self.policy.min_offload_share if want.kind == "family" else 0.0
            part = placement.partly(candidate.shape, load, self.rules, self.host, left, ram, share)
            if part:
                return part
        return placed

    def _by_hand(self, candidate, load, left, ram, layers):
        """num_gpu of a managed model: llama.cpp takes exactly so many layers, whatever would fit."""
        if layers == 0:
            return placement.on_cpu(candidate.shape, load, self.rules, ram)
        part = placement.partly(candidate.shape, load, self.rules, self.host, left, ram, 0.0, layers)
        return part or placement.on_gpu(candidate.shape, load, self.rules, self.host, left)._replace(kind=None)

    def _need(self, candidate, load):
        return placement.on_gpu(candidate.shape, load, self.rules, self.host, placement.usable_left(self.host)).need

    def _header_of(self, want, candidate, placed):
        """The candidate by its own header, where that source comes first and the answer may depend on it; text where there is no such model."""
        if self.sources[0] != "header" or candidate.source == "header":
            return candidate
        if not placed.kind and placed.short > _NEAR_MISS * placed.need:
            return candidate
        if candidate.name not in self._exact:
            metadata, why, final = self._read(candidate.name)
            self._exact[candidate.name] = candidate.with_header(metadata) if metadata else why if final else candidate
        return self._exact[candidate.name]

    def _read(self, name):
        """The header, with a warning where there is none; once for all models that share the reason."""
        metadata, why, final = self.header(name)
        if why and not final:
            told = "planned by the catalogue, since %s" % why
            self.warnings += [] if told in self.warnings else [told]
        return metadata, why, final

    def _slow(self, want, candidate):
        """True where a token would take longer than the policy bears, on a host without a GPU."""
        return not self.host.cards and candidate.shape.active_bytes > CPU_BANDWIDTH / self.policy.cpu_min_tokens_per_second

    def _pick(self, want, loads, left, ram):
        rejected = []
        slow = self._slow
        for candidate in self._ordered(want):
            load = self._last(loads, candidate)
            needed = want.own_context or (want.min_context if want.context else 0)
            if candidate.shape.context_train and candidate.shape.context_train < needed and not candidate.embedding:
                rejected.append((candidate, None, "it was trained for %d tokens" % candidate.shape.context_train))
                continue
            placed = self._place(want, candidate, load, left, ram)
            exact = self._header_of(want, candidate, placed)
            if isinstance(exact, str):
                rejected.append((candidate, None, _GONE + exact))
                continue
            if exact is not candidate:
                candidate, load = exact, self._last(loads, exact)
                placed = self._place(want, candidate, load, left, ram)
            if not placed.kind:
                rejected.append((candidate, placed, None))
                continue
            if want.kind == "family" and slow(want, candidate) and not candidate.embedding:
                rejected.append((candidate, None, "slower than %g tokens a second on a CPU" % self.policy.cpu_min_tokens_per_second))
                continue
            return candidate, placed, rejected
        raise _NothingFits(want, rejected)

    def _ordered(self, want):
        options = self.options[want.position]
        if self.host.cards or want.kind != "family":
            return options
        # On a CPU the bytes of a token are its time: of one size the smallest file that loses little comes first.
        order = data.families()[want.target]["order"]
        return sorted(options, key=lambda c: (order.index(c.row.size), c.download_bytes))

    # -- all of them

    def _sequence(self, by_size=False):
        """Models that are given come first, the largest before all, since it is the hardest to place; families get what is left, in their order.

        by_size: families too by the size of their lightest tag, for lists that can be placed in no other way.
        """

        def rank(want):
            family = want.kind == "family" and not by_size
            return family, 0 if family else -min(c.shape.file_bytes for c in self.options[want.position]), want.position

        return sorted(self.wanted, key=rank)

    def _place_lightest(self, want, loads, left, ram):
        """Where the lightest tag of a want that fits would go; None where none does."""
        if want.position not in self.lightest:
            self.lightest[want.position] = sorted(self.options[want.position], key=lambda c: c.shape.gpu_weights)
        for candidate in self.lightest[want.position]:
            placed = self._place(want, candidate, self._last(loads, candidate), left, ram)
            if placed.kind:
                return placed
        return None

    def _too_many(self, loads):
        """The first want of which not even the lightest tag fits beside the lightest of those before it; None if all do."""
        leeway = 1 + _NEAR_MISS if self.sources[0] == "header" else 1  # by their headers they may be smaller
        left, ram = [int(size * leeway) for size in placement.usable_left(self.host)], self.host.ram_budget * leeway
        for want in self._sequence(by_size=True):
            placed = self._place_lightest(want, loads, left, ram)
            if not placed:
                return want
            if self.policy.resident == "all":
                left, spent = placement.spend(left, self.host, placed)
                ram -= spent
        return None

    def _choose(self, loads, look_ahead, by_size):
        left, ram, chosen = placement.usable_left(self.host), self.host.ram_budget, []
        sequence = self._sequence(by_size)
        for number, want in enumerate(sequence):
            kept_left, kept_ram = left, ram
            if look_ahead:
                for later in sequence[number + 1 :]:
                    placed = self._place_lightest(later, loads, kept_left, kept_ram)
                    if placed:
                        kept_left, spent = placement.spend(kept_left, self.host, placed)
                        kept_ram -= spent
            candidate, placed, rejected = self._pick(want, loads, kept_left, kept_ram)
            chosen.append(_Chosen(want, candidate, rejected))
            if self.policy.resident == "all":
                placed = self._place(want, candidate, self._last(loads, candidate), left, ram)
                left, spent = placement.spend(left, self.host, placed)
                ram -= spent
        return chosen

    def _settle(self, chosen, loads):
        """The first settings, in the order of concessions, with which all the chosen models fit."""
        for load in loads:
            if not all(self._allowed(load, item.candidate) for item in chosen):
                continue
            left, ram = placement.usable_left(self.host), self.host.ram_budget
            for item in chosen:
                item.before = (left, ram)
                item.load = load
                item.placed = self._place(item.want, item.candidate, load, left, ram)
                if not item.placed.kind:
                    break
                if self.policy.resident == "all":
                    left, spent = placement.spend(left, self.host, item.placed)
                    ram -= spent
            else:
                return load
        return None

    def solve(self):
        """(chosen, load) or errors."""
        if not self.errors:
            self._prepare()
        if self.errors:
            return [], None
        if not self.host.cards and not self.policy.allow_cpu:
            self.errors.append(
                "no usable GPU and llm_policy.allow_cpu is false: set it to true or leave this host out of the group 'ollama'"
            )
            return [], None
        if not self.host.cards and not self.host.ram_total:
            self.errors.append(
                "neither a GPU nor the system's memory is known: gather facts with llmfleet.ollama.vram_facts or set llm_vram_override"
            )
            return [], None
        loads = self._loads()
        too_many = self._too_many(loads) if len(self.wanted) > 1 and self.policy.resident == "all" else None
        if too_many:
            self._explain(_NothingFits(too_many, []), loads)
            return [], None
        for tried in (loads, [load for load in loads if load.k_type == "f16"]):
            if not tried:
                continue
            for by_size, look_ahead in itertools.product((False, True) if len(self.host.cards) > 1 else (False,), (False, True)):
                try:
                    chosen = self._choose(tried, look_ahead, by_size)
                except _NothingFits as problem:
                    failure = problem
                    continue
                load = self._settle(chosen, tried)
                if load:
                    return chosen, load
                failure = None
        self._explain(failure, loads)
        return [], None

    def turns(self, chosen):
        """Models that fit together, but of which Ollama believes otherwise, so that it unloads one to load the other."""
        if self.policy.resident == "one" or len(chosen) < 2 or self.version < versions.FIRST_FIT or not self.host.cards:
            return
        left = placement.usable_left(self.host)
        largest_first = sorted(chosen, key=lambda item: -item.placed.need)
        for number, item in enumerate(largest_first):
            free = sum(left) if item.placed.kind == "multi_gpu" else max(left)
            settings = item.placed.settings
            believed = ollama_rules.predicted(item.candidate.shape, settings.context, settings.parallel)
            if number and believed > ollama_rules.FILL * free:
                self.warnings.append(
                    "%s fits beside %s, but Ollama predicts %s for it, more than four fifths of the %s that are then free, and may load them in turns"
                    % (item.candidate.name, largest_first[0].candidate.name, gib(believed), gib(free))
                )
            left, _ram = placement.spend(left, self.host, item.placed)
        self._load_order(largest_first)

    def _load_order(self, largest_first):
        """On several cards it depends on the order of the requests where each model lands, and so whether the last one finds room."""
        if len(self.host.cards) < 2:
            return
        orders = itertools.permutations(largest_first) if len(largest_first) < 5 else [largest_first[::-1]]
        for order in orders:
            left, ram = placement.usable_left(self.host), self.host.ram_budget
            for item in order:
                placed = self._place(item.want, item.candidate, item.load, left, ram)
                if not placed.kind:
                    self.warnings.append(
                        "%s finds no room if it is loaded after %s, and Ollama then unloads one of them: load it first"
                        % (item.candidate.name, ", ".join(other.candidate.name for other in order[: order.index(item)]))
                    )
                    return
                left, spent = placement.spend(left, self.host, placed)
                ram -= spent

    # -- words

    def _explain(self, failure, loads):
        if failure is None:
            self.errors.append(
                "llm_models: the models fit one by one, but not with one setting of the service for all of them: "
                "write fewer, or set llm_policy.resident to one"
            )
            return
        want = failure.want
        alone_left, alone_ram = placement.usable_left(self.host), self.host.ram_budget
        if len(self.wanted) > 1 and self.policy.resident == "all":
            try:
                candidate, placed, _rejected = self._pick(want, loads, alone_left, alone_ram)
            except _NothingFits as alone:
                failure = alone
            else:
                places = [other.where for other in self.wanted]
                self.errors.append(
                    "%s and %s cannot live in memory together: %s alone needs %s of %s; take one out, ask for less context, "
                    "or set llm_policy.resident to one, so that they are loaded in turns"
                    % (", ".join(places[:-1]), places[-1], candidate.name, gib(placed.need), gib(self._room()))
                )
                return
        self.errors.append(self._why_nothing(want, failure.rejected, loads))

    def _why_nothing(self, want, rejected, loads):
        kind = "%s.%s" % (want.where, "family" if want.kind == "family" else "from" if want.managed else "model")
        gone = [candidate.label for candidate, _placed, why in rejected if why and why.startswith(_GONE)]
        if gone and not any(candidate.source == "header" for candidate, _placed, _why in rejected):
            return (
                "%s: %s answers, but is no registry, or holds none of %s's tags that fit %s: correct that variable, or leave it out to ask "
                "registry.ollama.ai" % (kind, self.place, want.target, gib(self._room()))
            )
        parts = [
            "%s %s" % (candidate.label, why or "is short of %s" % gib(placed.short))
            for candidate, placed, why in rejected
            if not why or not why.startswith(_GONE)
        ]
        way = "ask for less context"
        if self.host.cards and not self.policy.allow_partial_offload:
            way += ", set llm_policy.allow_partial_offload to true for a slow split"
        way = way[0].upper() + way[1:] + " or choose a smaller model"
        if gone:
            parts.append("%s does not have %s" % (self.place, ", ".join(gone)))
            way = "Bring one of these there, or name another registry"
        return "%s: nothing of %s fits %s at %d tokens: %s. %s" % (
            kind,
            want.target,
            gib(self._room()),
            want.own_context or min(loads[-1].context, want.context or loads[-1].context),
            ", ".join(parts),
            way,
        )

    def _room(self):
        if not self.host.cards:
            return self.host.ram_budget
        return sum(card.budget for card in self.host.cards)

    def _reason(self, item, entry):
        context, label = item.placed.settings.context, item.candidate.label
        where = {"gpu": gib(entry["budget_bytes"]), "cpu": "%s of system memory" % gib(entry["budget_bytes"])}.get(
            item.placed.kind
        )
        if item.placed.kind == "multi_gpu":
            where = "%s on %d cards" % (gib(entry["budget_bytes"]), len(item.placed.shares))
        if item.placed.kind == "partial":
            text = "%s does not fit %s: %d of %d layers go to the GPU, which is slow" % (
                label,
                gib(entry["budget_bytes"]),
                item.placed.num_gpu,
                item.candidate.shape.blocks,
            )
        else:
            text = "%s fits %s at %d tokens with %s to spare" % (label, where, context, gib(entry["headroom_bytes"]))
        wanted = item.want.own_context or item.want.context
        if wanted and context < wanted and not item.candidate.embedding:
            text += " (%d were wanted)" % wanted
        if entry["kv_cache_type"] != "f16":
            text += ", with the cache in %s" % entry["kv_cache_type"]
        missed = self._next_better(item)
        if missed:
            candidate, placed, why = missed
            text += "; %s %s" % (candidate.label, "is out: %s" % why if why else self._miss(candidate, placed))
        return text

    @staticmethod
    def _next_better(item):
        """The rejected tag that a person asks about: the lightest of the next larger size, else the next better file of this size."""
        others = [row for row in item.rejected if row[0].row and item.candidate.row and row[0].row.size != item.candidate.row.size]
        if not others:
            return item.rejected[-1] if item.rejected else None
        nearest = others[-1][0].row.size
        return min((row for row in others if row[0].row.size == nearest), key=lambda row: row[1].need if row[1] else 0)

    def _miss(self, candidate, placed):
        spilled = self.proofs.spilled(candidate)
        if spilled and not spilled.loaded:
            return "was refused for lack of memory on this host at %d tokens" % spilled.context
        if spilled:
            return "spilled %s to the CPU on this host at %d tokens" % (gib(spilled.missing), spilled.context)
        return "would need %s" % gib(placed.need)

    def entry(self, item):
        placed, candidate, want = item.placed, item.candidate, item.want
        shares = placed.shares
        on_card = [share for share in shares if share.card is not None]
        memory = _memory(item)
        if on_card:
            used = {share.card.key for share in on_card}
            room = sum(left for card, left in zip(self.host.cards, item.before[0]) if card.key in used)
            taken = sum(placement.share_total(share) for share in on_card)
        else:
            room, taken = item.before[1], placement.share_total(shares[0])
        settings = placed.settings
        found = {
            "name": want.managed or candidate.name,
            "digest": want.item.get("digest") or candidate.metadata.get("digest"),
            "family": candidate.family,
            "tag": candidate.tag,
            "embedding": bool(candidate.embedding),
            "parameter_size": candidate.row.parameter_size if candidate.row else candidate.metadata.get("parameter_size"),
            "quantization": candidate.quantization,
            "context": settings.context,
            "parallel": settings.parallel,
            "ubatch": settings.ubatch,
            "flash_attention": settings.flash_attention,
            "kv_cache_type": settings.k_type,
            "placement": placed.kind,
            "memory": memory,
            "devices": [_device(share) for share in on_card],
            "budget_bytes": room,
            "headroom_bytes": room - taken,
            "download_bytes": candidate.download_bytes,
            "source": candidate.source,
            # Where the header was read; null for the catalogue and an estimate.
            "asked": candidate.metadata.get("asked"),
            "verified": bool(candidate.metadata.get("verified", candidate.source == "header")),
            "blob": _blob(candidate.metadata),
            "num_gpu": placed.num_gpu,
            "requires": candidate.metadata.get("requires"),
            "requested": want.item,
        }
        if want.managed:
            parameters = dict(want.parameters)
            if placed.num_gpu is not None:
                parameters.setdefault("num_gpu", placed.num_gpu)
            found.update({"from": candidate.name, "parameters": parameters})
        found["reason"] = self._reason(item, found)
        return found

    def rejected(self, chosen):
        rows = []
        for item in chosen:
            for candidate, placed, why in item.rejected:
                if why is None:
                    why = "%s of %s" % (self._miss(candidate, placed), gib(self._room()))
                rows.append({"name": candidate.name, "why": why, "short_by_bytes": placed.short if placed else None})
        return rows

    def environment(self, chosen, load):
        """What the service must be told for the numbers of the plan to be true; only variables that this version reads."""
        if not chosen:
            return {}
        told = {
            "OLLAMA_CONTEXT_LENGTH": load.context,
            "OLLAMA_NUM_PARALLEL": load.parallel,
            "OLLAMA_KV_CACHE_TYPE": load.k_type,
            "OLLAMA_MAX_LOADED_MODELS": len(chosen) if self.policy.resident == "all" else 1,
        }
        capable = [item.candidate.shape.flash_attention for item in chosen]
        if all(capable) or (any(capable) and self.version < versions.FIRST_FIT):
            told["OLLAMA_FLASH_ATTENTION"] = 1 if load.flash_attention else 0
        elif not any(capable):
            told["OLLAMA_FLASH_ATTENTION"] = 0
        if self.policy.fit_margin_bytes != FIT_MARGIN_BYTES and self.host.cards:
            projector = max(item.candidate.shape.vision_bytes for item in chosen)
            told["LLAMA_ARG_FIT_TARGET"] = pad(self.policy.fit_margin_bytes + projector, MIB) // MIB
        if self.policy.reserve_bytes and self.version < versions.FIRST_FIT and self.host.cards:
            told["OLLAMA_GPU_OVERHEAD"] = self.policy.reserve_bytes
        known = versions.known_variables(self.version)
        if "OLLAMA_CONTEXT_LENGTH" not in known:
            self.warnings.append(
                "this version has no OLLAMA_CONTEXT_LENGTH: its clients must send num_ctx, and the plan holds up to %d tokens"
                % load.context
            )
        return {name: str(value) for name, value in sorted(told.items()) if name in known}


def _memory(item):
    shares = item.placed.shares
    found = placement.memory(item.candidate.shape, item.placed.settings)
    cards = [share for share in shares if share.card is not None] or list(shares)
    recurrent = found.recurrent if len(shares) else 0
    parts = {
        "weights_bytes": sum(share.weights for share in cards),
        "kv_cache_bytes": sum(share.kv for share in cards) - recurrent,
        "recurrent_bytes": recurrent,
        "compute_bytes": sum(share.compute for share in cards),
        "projector_bytes": found.projector,
        "overhead_bytes": sum(share.overhead for share in cards) - found.projector,
        "margin_bytes": sum(share.margin for share in cards),
    }
    parts["total_bytes"] = sum(parts.values())
    on_host = [share for share in shares if share.card is None]
    if item.placed.kind == "cpu":
        parts["host_bytes"] = parts["total_bytes"]
    elif on_host:
        parts["host_bytes"] = sum(placement.share_total(share) for share in on_host)
    else:
        parts["host_bytes"] = found.host + PROCESS_RAM
    return parts


def _device(share):
    return {
        "index": share.card.index,
        "name": share.card.name,
        "budget_bytes": share.card.budget,
        "weights_bytes": share.weights,
        "kv_cache_bytes": share.kv,
        "compute_bytes": share.compute,
        "overhead_bytes": share.overhead,
        "margin_bytes": share.margin,
        "total_bytes": placement.share_total(share),
    }


def _blob(metadata):
    """Where the head of the file can be read, for the oracle on the host; null unless it was read there."""
    if not metadata.get("blob_url"):
        return None
    return {"url": metadata["blob_url"], "bytes": metadata["blob_bytes"], "header_bytes": metadata["header_bytes"]}


def _disk(vram, path):
    """The file system of the model store, from the facts: the row for this path, else the longest mount point above it."""
    best = None
    for row in vram.get("filesystems") or []:
        if path and row.get("path") == path:
            return row
        mount = (row.get("mount_point") or "").rstrip("/") + "/"
        if (
            path
            and (path + "/").startswith(mount)
            and (best is None or len(mount) > len((best.get("mount_point") or "").rstrip("/") + "/"))
        ):
            best = row
    return best


def make_plan(models, policy, vram, ollama_version, sources=SOURCES, header=None, proofs=None, filesystem=None):
    """The model_plan of one host (design.md, 4). Always returns; `ok` is false and `errors` say why where nothing can be planned."""
    try:
        for source in sources:
            if source not in SOURCES:
                raise BadInput("llm_metadata_sources names '%s': write some of %s" % (source, ", ".join(SOURCES)))
        if not sources:
            raise BadInput("llm_metadata_sources is empty: write some of %s" % ", ".join(SOURCES))
        planner = Planner(models, policy, vram or {}, ollama_version, sources, header, proofs)
        chosen, load = planner.solve()
        errors, warnings = planner.errors, planner.warnings
    except (BadInput, ValueError) as problem:
        return _empty([str(problem)], [])
    if errors or load is None:
        return _empty(errors, warnings)
    chosen.sort(key=lambda item: item.want.position)
    entries = [planner.entry(item) for item in chosen]
    environment = planner.environment(chosen, load)
    planner.turns(chosen)
    if planner.policy.resident == "all" and sum(1 for item in chosen if not item.candidate.embedding) > 1:
        other = Planner(models, dict(policy or {}, resident="one"), vram or {}, ollama_version, sources, header, proofs)
        add_turns_hint(entries, _names(other.solve()[0]))
    short = {item.want.position: item.want.context for item in chosen if _has_less(item)}
    if short:
        longer = [dict(model, min_context=short.get(position, model.get("min_context"))) for position, model in enumerate(models)]
        longer = [{key: value for key, value in model.items() if value is not None} for model in longer]
        other = Planner(longer, policy, vram or {}, ollama_version, sources, header, proofs)
        add_context_hint(entries, chosen, {item.want.position: item.candidate.label for item in other.solve()[0]})
    downloads = {entry.get("from") or entry["name"]: entry["download_bytes"] for entry in entries}
    disk = _disk(vram, filesystem)
    download = sum(downloads.values())
    if disk and disk.get("total_bytes") and download > disk["total_bytes"]:
        errors.append(
            "llm_models need %s on disk, but %s has only %s: put ollama_models_dir on a larger file system or choose smaller models"
            % (gib(download), disk.get("mount_point") or filesystem, gib(disk["total_bytes"]))
        )
    for item in chosen:
        if item.candidate.source == "estimate":
            warnings.append("%s: its size is estimated, 10 %% is added" % item.candidate.name)
    return {
        "models": entries,
        "rejected": planner.rejected(chosen),
        "environment": environment,
        "download_bytes": download,
        "disk_free_bytes": disk.get("free_bytes") if disk else None,
        # As a proof must name them, so that the next plan knows it again.
        "cards": card_set(planner.host),
        "ok": not errors,
        "errors": errors,
        "warnings": warnings,
        "summary": "; ".join(_told(entry) for entry in entries) or "no model is wanted",
    }


def _told(entry):
    """Which model a reason speaks of; that of a fixed tag begins with its name."""
    reason = entry["reason"]
    return reason if reason.startswith(entry["name"] + " ") else "%s: %s" % (entry["name"], reason)


def _names(chosen):
    return [item.want.managed or item.candidate.name for item in sorted(chosen, key=lambda item: item.want.position)]


def add_turns_hint(entries, in_turns):
    """The first of two families takes most of a small card and the second gets crumbs: whoever is left with less is told what there would be
    if the models took turns. `in_turns` are the names of that plan, in the same order; empty where there is none."""
    if len(in_turns) != len(entries):
        return
    hint = "; loaded in turns (llm_policy.resident: one) this host holds %s and %s" % (", ".join(in_turns[:-1]), in_turns[-1])
    for entry, name in zip(entries, in_turns):
        if entry["name"] != name:
            entry["reason"] += hint


def _has_less(item):
    """True where a chosen tag got less context than was wanted; a fixed one has no smaller sister."""
    return item.want.kind == "family" and not item.candidate.embedding and item.placed.settings.context < (item.want.context or 0)


def add_context_hint(entries, chosen, at_wanted):
    """Less context is the first concession, which not everybody would make: whoever got less is told of the tag that holds all of it, and the
    variable. `at_wanted` are the labels of that plan by the position of the want; empty where there is none."""
    for entry, item in zip(entries, chosen):
        label = at_wanted.get(item.want.position)
        if _has_less(item) and label:
            entry["reason"] += "; %s holds all %d (min_context: %d)" % (label, item.want.context, item.want.context)


def _empty(errors, warnings):
    return {
        "models": [],
        "rejected": [],
        "environment": {},
        "download_bytes": 0,
        "disk_free_bytes": None,
        "cards": [],
        "ok": not errors,
        "errors": errors,
        "warnings": warnings,
        "summary": "no plan: " + "; ".join(errors) if errors else "no model is wanted",
    }


@functools.lru_cache(maxsize=1)
def warm():
    """Read the whole catalogue once, before Ansible forks a process for each host."""
    from .source import catalogue

    return sum(len(catalogue.family_tags(family)) for family in data.families())
