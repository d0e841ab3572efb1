# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sentences about what a search found. Nothing is searched here."""

from __future__ import annotations

import math

from ansible_collections.llmfleet.ollama.plugins.module_utils.bytes import MIB, gib, tokens

from .choice import floor, wants, ways
from .choice.case import Crowded, Nothing
from .choice.residence import Late
from .machine.prompt_cache import DEFAULT_LIMIT as PROMPTS

_TOLD = 8  # sizes of a family that a refusal names
_REFUSED = {
    "no_gpu": "no usable GPU and llm_policy.allow_cpu is false: set it to true or leave this host out of the group 'ollama'",
    "no_memory": "neither a GPU nor the system's memory is known: gather facts with llmfleet.ollama.vram_facts or set llm_vram_override",
    "no_setting": "llm_models: the models fit one by one, but not with one setting of the service for all of them: "
    "write fewer, or set llm_policy.resident to one",
}


def failure(case, found):
    """Why nothing is planned, and the way out."""
    if isinstance(found, Nothing):
        return _nothing(case, found)
    if isinstance(found, Crowded):
        return _crowded(case, found)
    return _REFUSED[found.kind]


def short(case, found):
    """Bytes that are missing where nothing is planned; None where it is something else."""
    if isinstance(found, Crowded):
        return max(0, found.need - room(case.host)) or None
    if isinstance(found, Nothing):
        return min((row.placed.short for row in found.rejected if row.kind == "short"), default=None)
    return None


def _crowded(case, found):
    places, has = [want.where for want in case.wanted], room(case.host)
    if found.need > has:
        much = "need %s of %s, %s too much" % (gib(found.need), gib(has), gib(found.need - has))
    else:
        much = "need %s of %s, which no order of loading finds on its cards" % (gib(found.need), gib(has))
    less = ", write a lower min_context (they fit at %d tokens)" % found.shorter if found.shorter else ""
    return (
        "%s and %s cannot live in memory together: the lightest of each (%s) %s at %d tokens; take one out%s, "
        "or set llm_policy.resident to one, so that they are loaded in turns"
        % (", ".join(places[:-1]), places[-1], ", ".join(tag.name for tag in found.lightest), much, found.tokens, less)
    )


def _nothing(case, found):
    want = found.want
    kind = "%s.%s" % (want.where, "family" if want.kind == "family" else "from" if want.managed else "model")
    gone = [row.candidate.label for row in found.rejected if row.kind == "gone"]
    if gone and not any(row.candidate.source == "header" for row in found.rejected):
        return (
            "%s: %s answers, but is no registry, or holds none of %s's tags that fit %s: correct that variable, or leave it out to ask "
            "registry.ollama.ai" % (kind, case.place, want.target, gib(room(case.host)))
        )
    parts = ["%s %s" % (row.candidate.label, (_passed_over(row) or _short(row)).removeprefix("it ")) for row in _nearest(found.rejected)]
    more = sum(row.kind != "gone" for row in found.rejected) - len(parts)
    if more:
        parts.append("and %d more" % more)
    if not gone:
        way = _way_out(case, found)
    else:
        parts.append("%s does not have %s" % (case.place, ", ".join(gone)))
        way = "Bring one of these there, or name another registry"
    return "%s: nothing of %s fits %s at %d tokens: %s. %s" % (kind, want.target, gib(room(case.host)), found.tokens, ", ".join(parts), way)


def _short(row):
    """By how much a tag does not fit; also by what system memory lacks for the experts of a mixture, or for a part of another model."""
    text = "is short of %s" % gib(row.placed.short)
    what = "its experts" if row.candidate.shape.experts else "a part of it"
    return text + (", or of %s of RAM with %s there" % (gib(row.detail), what) if row.detail else "")


def _nearest(rejected):
    """Of each size the tag that misses by the least, and of these the nearest ones. One that was trained for too little misses by no amount: it comes last."""
    sizes = {}
    for row in rejected:
        if row.kind != "gone":
            miss = (row.placed.short, 0) if row.kind == "short" else (0, -row.detail.rate if row.kind == "slow" else 0)
            sizes.setdefault(row.candidate.size, []).append((row.kind == "trained", *miss, len(sizes), row))
    nearest = sorted((min(rows, key=lambda found: found[:-1]) for rows in sizes.values()), key=lambda found: found[:-1])
    return [found[-1] for found in nearest[:_TOLD]]


_WAYS = {
    "speed": "lower llm_policy.min_tokens_per_second",
    "experts": "set llm_policy.allow_experts_in_ram to true",
    "partial": "set llm_policy.allow_partial_offload to true for a slow split",
    "gpu": "take require_gpu out, so that a part of it may lie in system memory",
    "memory": "tell how fast its system memory is, assumed as MEMORY (llm_vram_override.system_memory.bandwidth_bytes_per_second)",
    "parallel": "set llm_policy.parallel to 1",
    "cache": "add q8_0 to llm_policy.kv_cache_types",
    "reserve": "lower llm_policy.reserve_bytes",
    "limit": "let macOS lend its GPU more (sysctl iogpu.wired_limit_mb)",
}


def _way_out(case, found):
    """The variables that would change a refusal."""
    helpful, shorter = ways.out_of(case, found)
    told = [" and ".join(_WAYS[name] for name in reversed(names)) for names in helpful]
    told = [text.replace("MEMORY", "%g GB/s" % ((case.host.ram_bandwidth or 0) / 1e9)) for text in told]
    if ["speed"] in helpful:
        told.append("name a tag with 'model:', which has no such bound")
    if shorter:
        told.append("write a lower min_context (%s fits at %d tokens)" % (shorter[1].label, shorter[0]))
    if found.in_turns:
        told.append("set llm_policy.resident to one, so that the models are loaded in turns")
    told.append("choose a smaller model")
    way = ", ".join(told[:-1]) + " or " + told[-1] if len(told) > 1 else told[0]
    return way[0].upper() + way[1:]


def room(host):
    """Bytes that the models of a host may take."""
    return sum(card.budget for card in host.cards) if host.cards else host.ram_budget


def _passed_over(row):
    """Why a tag is out whatever room there is; None where it is the room."""
    if row.kind == "trained":
        return "it was trained for %d tokens" % row.detail
    if row.kind == "slow":
        return "about %s tokens a second, below the %g of llm_policy.min_tokens_per_second" % (_below(*row.detail), row.detail.floor)
    return "not to be had: " + row.detail if row.kind == "gone" else None


def _below(rate, least):
    """A rate that misses the least, which it must not read like: 9.97 is no 10.0."""
    return tokens(rate) if float(tokens(rate)) < least else "%.1f" % (math.floor(10 * rate) / 10)


def _miss(case, row):
    spilled = case.spills.spilled(row.candidate)
    if spilled and not spilled.loaded:
        return "was refused for lack of memory on this host at %d tokens" % spilled.context
    if spilled:
        return "spilled %s to the CPU on this host at %d tokens" % (gib(spilled.missing), spilled.context)
    if gib(row.placed.need) == gib(_room_for(row)):
        return "would need %d MiB more" % -(-row.placed.short // MIB)
    return "would need %s" % gib(row.placed.need)


def _room_for(row):
    return row.placed.need - row.placed.short


def rejected(case, row):
    """Why a tag was passed over, for the list of those."""
    if _passed_over(row):
        return _passed_over(row)
    miss = _miss(case, row)
    return "%s %s %s" % (miss, "than" if miss.endswith("more") else "of", gib(_room_for(row)))


def reason(case, item, entry):
    """Why this tag, how it lies, and what became of the next better one. entry: the numbers of the plan for it."""
    context, label = item.placed.settings.context, item.candidate.label
    budget = gib(entry["budget_bytes"])
    if item.placed.kind == "experts":
        text = "%s fits %s at %d tokens with %s in system memory for its experts" % (label, budget, context, gib(entry["memory"]["host_bytes"]))
    elif item.placed.kind == "cpu" and case.host.cards and item.want.parameters.get("num_gpu") != 0:
        text = "%s does not fit the cards: at %d tokens the processor computes it, which is slow" % (label, context)
    elif item.placed.kind == "partial":
        text = "%s does not fit %s: %d of %d layers go to the GPU, which is slow" % (label, budget, item.placed.num_gpu, item.candidate.shape.blocks)
    else:
        where = {"gpu": budget, "cpu": "%s of system memory" % budget, "multi_gpu": "%s on %d cards" % (budget, len(item.placed.shares))}
        text = "%s fits %s at %d tokens with %s to spare" % (label, where[item.placed.kind], context, gib(entry["headroom_bytes"]))
    wanted = item.want.own_context or item.aim.context
    if wanted and context < wanted and not item.candidate.embedding:
        trained = context == item.candidate.shape.context_train
        text += " (%d were wanted%s)" % (wanted, ", it was trained for no more" if trained else "")
    missed = case.spills.short.get(item.candidate.name, 0)
    if context < missed <= (wanted or wants.DEFAULT_CONTEXT):
        text += ", since at %d tokens less of it was on the cards than planned" % missed
    if entry["kv_cache_type"] != "f16":
        text += ", with the cache in %s" % entry["kv_cache_type"]
    if entry["tokens_per_second"]["predicted"] is not None:
        text += ", at about %s tokens a second" % tokens(entry["tokens_per_second"]["predicted"])
        if _slower_than_wished(case, item, entry["tokens_per_second"]["predicted"]):
            text += " (nothing of %s reaches the %g of llm_policy.min_tokens_per_second here)" % (item.want.target, floor.DEFAULT)
    row = _next_better(item)
    if row:
        out = _passed_over(row)
        text += "; %s %s" % (row.candidate.label, "is out: %s" % out if out else _miss(case, row))
    return text


def _slower_than_wished(case, item, rate):
    """A tag of a family that was taken although it is slower than a host with a GPU should be."""
    chosen = item.want.kind == "family" and not item.candidate.embedding and case.policy.min_tokens_per_second is None
    return chosen and bool(case.host.cards) and rate < floor.DEFAULT


def _next_better(item):
    """The rejected tag that a person asks about: the lightest of the next larger size, else the next better file of this size."""
    others = [row for row in item.rejected if item.want.kind == "family" and row.candidate.size not in (None, item.candidate.size)]
    if not others:
        return item.rejected[-1] if item.rejected else None
    nearest = others[-1].candidate.size
    return min((row for row in others if row.candidate.size == nearest), key=lambda row: row.placed.need if row.placed else 0)


def prompt_cache(entry, cache):
    """What the model may keep of earlier prompts, where that is less than its server would take; nothing where there is room for all."""
    if cache is None or entry["embedding"] or cache.limit >= PROMPTS:
        return ""
    if cache.limit:
        return "; earlier prompts may take %s of the RAM that is left" % gib(cache.limit)
    return "; it keeps no earlier prompts, of which one takes up to %s of the %s of RAM that are left" % (gib(cache.state), gib(cache.room))


def in_turns(names):
    """What a host would hold if the models took turns, for whoever is left with less now."""
    return "; loaded in turns (llm_policy.resident: one) this host holds %s and %s" % (", ".join(names[:-1]), names[-1])


def whole_context(item, label):
    """Less context is the first concession, which not everybody would make: the tag that holds all of it, and the variable."""
    return "; %s holds all %d (min_context: %d)" % (label, item.aim.context, item.aim.context)


def by_the_processor(name, placed, rate):
    """A larger size that lies at least partly in system memory, and how to get it. rate: tokens a second, None where that of a card is not known."""
    where = "on the processor" if placed.kind == "cpu" else "with a part of it in system memory"
    return "; %s would answer%s %s (model: %s)" % (name, " at about %s tokens a second" % tokens(rate) if rate else "", where, name)


def left_out(card):
    return "%s is left out (CUDA_VISIBLE_DEVICES): Ollama spreads models over all cards that it sees, and the plan is better without this one" % card.name


def spoils(card):
    hide = {"amd": "ROCR_VISIBLE_DEVICES, and OLLAMA_VULKAN=0 where ROCm drives the others", "nvidia": "CUDA_VISIBLE_DEVICES and OLLAMA_VULKAN=0"}
    return (
        "%s spoils the plan, which would be better without it: take it out of the machine, or hide it from Ollama (%s, in ollama_environment) and describe the "
        "others in llm_vram_override" % (card.name, hide.get(card.group, "GGML_VK_VISIBLE_DEVICES"))
    )


def eviction(found):
    """What Ollama may unload, and what to do."""
    if isinstance(found, Late):
        after = ", ".join(item.candidate.name for item in found.after)
        return "%s finds no room if it is loaded after %s, and Ollama then unloads one of them: load it first" % (found.item.candidate.name, after)
    return "%s fits beside %s, but Ollama predicts %s for it, more than four fifths of the %s that are then free, and may load them in turns" % (
        found.item.candidate.name, found.largest.candidate.name, gib(found.believed), gib(found.free),
    )


def fallback(why):
    return "planned by the catalogue, since %s" % why


def unknown_speed(card):
    return (
        "how fast %s reads its memory is not known, so llm_policy.min_tokens_per_second is not held against what it gets: "
        "write memory_bandwidth_bytes_per_second for it in llm_vram_override" % card.name
    )


def cut(found):
    want = found.want
    variable, asked = ("parameters.num_ctx", want.own_context) if want.own_context else ("context", want.context)
    return "%s.%s is %d, but %s was trained for %d tokens: more than that is not planned" % (want.where, variable, asked, want.target, found.longest)


def clients_must_ask(load):
    return "this version has no OLLAMA_CONTEXT_LENGTH: its clients must send num_ctx, and the plan holds up to %d tokens" % load.context


def estimated(candidate):
    return "%s: its size is estimated, 10 %% is added" % candidate.name


def disk_too_small(download, disk, path):
    return "llm_models need %s on disk, but %s has only %s: put ollama_models_dir on a larger file system or choose smaller models" % (
        gib(download), disk.get("mount_point") or path, gib(disk["total_bytes"]),
    )


def warm_in_turns(case, warm):
    """Several models shall stay loaded where the policy has them loaded in turns."""
    need = sum(item.placed.need for item in warm)
    return (
        "%s have keep_warm, but llm_policy.resident is one, so that one model is loaded at a time: together they take %s of %s; take keep_warm from all but "
        "one, or set llm_policy.resident to all, with which the plan chooses models that fit together"
        % (" and ".join(item.want.where for item in warm), gib(need), gib(room(case.host)))
    )


def summary(entries):
    return "; ".join(_told(entry) for entry in entries) or "no model is wanted"


def _told(entry):
    """Which model a reason speaks of; that of a fixed tag begins with its name."""
    text = entry["reason"]
    return text if text.startswith(entry["name"] + " ") else "%s: %s" % (entry["name"], text)
