# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of one host: which tag, where, with which settings, and why not a better one. Pure: no connection, no clock, no chance."""

from __future__ import annotations

import functools
import gc

from . import data, kinds, result, versions, words
from .choice import wants, weak_cards
from .choice.case import Case
from .choice.residence import evictions
from .choice.search import Search
from .choice.spills import Spills, card_set
from .errors import BadInput
from .machine import budget, described, prompt_cache, speed
from .machine.placement import Rules

SOURCES = ("header", "catalogue", "estimate")
_MUCH_MORE = 2  # times as much system memory as there is on the cards
_HINTS = 6  # wants up to which other choices are told of; each costs another search


def _uncollected(function):
    """Without Python's search for cycles meanwhile: a plan makes a million small tuples and no cycle, and looking for one took a fifth of the time."""

    @functools.wraps(function)
    def inner(*args, **kwargs):
        if not gc.isenabled():
            return function(*args, **kwargs)
        gc.disable()
        try:
            return function(*args, **kwargs)
        finally:
            gc.enable()

    return inner


@_uncollected
def make_plan(models, policy, vram, ollama_version, sources=SOURCES, header=None, proofs=None, filesystem=None, families=None, placed=None):
    """The model_plan of one host (design.md, 4). Always returns; `ok` is false and `errors` say why where nothing can be planned.

    placed: what was decided for the fleet, see case_of.
    """
    try:
        vram = described.checked(vram or {})
        case, problems = case_of(models, policy, vram, ollama_version, sources, header, proofs, families, placed)
        if problems:
            return result.empty(problems, list(case.host.warnings))
        made = kinds.once(case, _planned)
    except (BadInput, ValueError) as problem:
        return result.empty([str(problem)], [])
    made["warnings"] = [*case.host.warnings, *made["warnings"]]
    if made["ok"]:
        download, disk = made["download_bytes"], result.disk_of(vram, filesystem) or {}
        made["disk_free_bytes"] = disk.get("free_bytes")
        if disk.get("total_bytes") and download > disk["total_bytes"]:
            made.update(ok=False, errors=[words.disk_too_small(download, disk, filesystem)])
    return made


def _planned(case):
    """The plan of every host of the case's kind, without its disk."""
    search = Search(case)
    outcome = search.run()
    every_card = case.host
    case, search, outcome, left_out = weak_cards.leave_out(case, search, outcome)
    warnings = [words.fallback(why) for why in search.fallbacks] + [words.cut(found) for found in search.cuts]
    warnings += [words.spoils(card) for card in weak_cards.spoiling(case, search, outcome)]
    if outcome.problems:
        return result.empty(outcome.problems, warnings)
    if outcome.failure:
        return result.empty([words.failure(case, outcome.failure)], warnings)
    chosen, load = outcome.chosen, outcome.load
    cache = prompt_cache_of(case, chosen)
    entries = [result.entry(case, item, cache) for item in chosen]
    if chosen and "OLLAMA_CONTEXT_LENGTH" not in versions.known_variables(case.version):
        warnings.append(words.clients_must_ask(load))
    warnings += [words.unknown_speed(card) for card in _of_unknown_speed(chosen)]
    warnings += [words.left_out(card) for card in left_out]
    warnings += [words.eviction(found) for found in evictions(search, chosen)]
    if len(chosen) <= _HINTS:
        _add_turns_hint(case, chosen, entries)
        _add_context_hint(case, chosen, entries)
        _add_processor_hint(case, chosen, entries)
    warnings += [words.estimated(item.candidate) for item in chosen if item.candidate.source == "estimate"]
    warm = [item for item in chosen if item.want.keep_warm]
    errors = [words.warm_in_turns(case, warm)] if len(warm) > 1 and case.policy.resident != "all" else []
    return {
        "models": entries,
        "rejected": result.rejected(case, chosen),
        "environment": result.environment(case, chosen, load, cache, left_out),
        "download_bytes": sum({entry.get("from") or entry["name"]: entry["download_bytes"] for entry in entries}.values()),
        "disk_free_bytes": None,
        # As a proof must name them, so that the next plan knows it again.
        "cards": card_set(every_card),
        "ok": not errors,
        "errors": errors,
        "warnings": warnings,
        "summary": words.summary(entries),
    }


def case_of(models, policy, vram, ollama_version, sources=SOURCES, header=None, proofs=None, families=None, placed=None):
    """(the case, sentences about wants that cannot be read). Raises BadInput and ValueError for what spoils the whole.

    placed: {position of a want: the one tag that it may be here, empty where its copies are on other hosts}.
    """
    for source in sources:
        if source not in SOURCES:
            raise BadInput("llm_metadata_sources names '%s': write some of %s" % (source, ", ".join(SOURCES)))
    if not sources:
        raise BadInput("llm_metadata_sources is empty: write some of %s" % ", ".join(SOURCES))
    version = versions.parse(ollama_version)
    wanted, problems = wants.wants(models)
    if placed:
        wanted = [want._replace(only=placed.get(want.position)) for want in wanted if placed.get(want.position) != ""]
    policy = wants.policy(policy)
    host = budget.host(vram, policy.reserve_bytes)
    rules = Rules(version, versions.era_of_ollama(version), policy.fit_margin_bytes)
    case = Case(
        wanted, policy, host, version, rules, Spills(proofs, version, host), _flash_attention(host, version),
        tuple(sources), header or _ask_nobody, getattr(header, "place", "the registry"), wants.families(families),
    )
    return case, problems


def _ask_nobody(_name):
    return None, None, False


def prompt_cache_of(case, chosen):
    """What the servers of these models may keep in system memory while they work; None before 0.30.0, whose runner keeps nothing there."""
    if case.version < versions.FIRST_FIT:
        return None
    residents = [prompt_cache.Resident(item.candidate.shape, item.placed, item.candidate.embedding) for item in chosen]
    return prompt_cache.plan(residents, case.host.ram_total, case.policy.resident == "one")


def _flash_attention(host, version):
    if not host.cards:
        return version >= versions.FIRST_FIT  # older releases have none on the CPU
    if version >= versions.FIRST_FIT:
        return True
    return all(card.compute_capability is None or card.compute_capability >= 7.0 for card in host.cards)


def _of_unknown_speed(chosen):
    """Cards with chosen tags on them for which no floor can be held; each once."""
    held = [item for item in chosen if item.want.kind == "family" and not item.candidate.embedding]
    cards = [share.card for item in held for share in item.placed.shares if share.card and share.card.pace is None]
    return list({card.name: card for card in cards}.values())


def _add_turns_hint(case, chosen, entries):
    """The first of two families takes most of a small card and the second gets crumbs: whoever is left with less is told what there would be
    if the models took turns."""
    if case.policy.resident != "all" or sum(1 for item in chosen if not item.candidate.embedding) < 2:
        return
    names = [item.name for item in Search(case._replace(policy=case.policy._replace(resident="one"))).run().chosen]
    if len(names) != len(entries):
        return
    for entry, name in zip(entries, names):
        if entry["name"] != name:
            entry["reason"] += words.in_turns(names)


def _add_context_hint(case, chosen, entries):
    """Whoever got less context than was wanted is told of the tag that holds all of it."""
    short = {item.want.position: item.aim.context for item in chosen if item.has_less}
    if not short:
        return
    longer = [want._replace(min_context=short.get(want.position, want.min_context)) for want in case.wanted]
    found = Search(case._replace(wanted=longer)).run().chosen
    labels = {item.want.position: item.candidate.label for item in found}
    for entry, item in zip(entries, chosen):
        label = labels.get(item.want.position)
        # The same tag may hold it where another model of the list pays for it.
        if item.has_less and label not in (None, item.candidate.label):
            entry["reason"] += words.whole_context(item, label)


def _add_processor_hint(case, chosen, entries):
    """What fits a small or nearly full card whole, or is laid as the last resort, may be much less than the processor beside it would carry; whoever would
    rather have that is told the tag and its speed."""
    small = case.host.ram_budget >= _MUCH_MORE * sum(card.budget for card in case.host.cards)
    talking = [(entry, item) for entry, item in zip(entries, chosen) if not item.candidate.embedding]
    if not (case.host.cards and small and case.policy.allow_cpu and case.policy.allow_partial_offload is not False and len(talking) == 1):
        return
    entry, item = talking[0]
    if item.want.kind != "family" or item.want.require_gpu or not item.rejected:
        return
    alone = Search(case._replace(host=case.host._replace(cards=()))).run().chosen
    other = next((found.candidate for found in alone if found.want.position == item.want.position), item.candidate)
    if other.worth <= item.candidate.worth:
        return
    fixed = [want._replace(kind="model", target=other.name) if want.position == item.want.position else want for want in case.wanted]
    for found in Search(case._replace(wanted=fixed)).run().chosen:
        if found.want.position == item.want.position:
            entry["reason"] += words.by_the_processor(other.name, found.placed, speed.predicted(found.candidate.shape, found.placed, case.host))


@functools.lru_cache(maxsize=1)
def warm():
    """Read the whole catalogue once, before Ansible forks a process for each host."""
    from .source import catalogue

    data.load_all()
    return sum(len(catalogue.family_tags(family)) for family in data.families())
