# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One bar for each pool of memory: what the plan puts there, model by model, what others use, what is left. Its parts add up to the pool, always.

Budgets and others' use are those of the plan itself (sizing.machine.budget), so that the bar shows the arithmetic that chose the model.
"""

from __future__ import annotations

from ..sizing.machine import budget
from .text import clean, number, short_card_name

# Drawn in this order. The first four are the model itself.
PLANNED = ("weights", "kv_cache", "compute", "overhead")
KINDS = (*PLANNED, "margin", "other", "reserved", "free")
LABELS = {
    "weights": "Weights",
    "kv_cache": "KV cache",
    "compute": "Compute",
    "overhead": "Overhead",
    "margin": "Safety margin",
    "other": "Other use",
    "reserved": "Reserved",
    "free": "Free",
}


def bars(machine: dict, plan: dict | None) -> list[dict]:
    """The bars of one host, accelerators first; system memory where a model (or nothing else) uses it."""
    models = _resident(plan or {})
    spendable = budget.host(machine)
    pools = _pools(machine, spendable, _kept_free(machine, spendable, models))
    shares = [(key, {**parts, "model": clean(model.get("name"))}) for model in models for key, parts in _shares(model, pools)]
    drawn = [_bar(pool, [parts for key, parts in shares if key == pool["key"]]) for pool in pools]
    in_memory = [parts for key, parts in shares if key == "ram"]
    if spendable.ram_total and (in_memory or not pools):
        drawn.append(_bar(_system_memory(spendable), in_memory))
    return drawn


def _resident(plan: dict) -> list[dict]:
    """The models that are in memory at the same time; of those that are loaded in turns, the one that needs most."""
    models = plan.get("models") or []
    if len(models) > 1 and (plan.get("environment") or {}).get("OLLAMA_MAX_LOADED_MODELS") == "1":
        return [max(models, key=lambda model: number((model.get("memory") or {}).get("total_bytes")) or 0)]
    return models


def _kept_free(machine: dict, spendable, models: list[dict]) -> int:
    """llm_policy.reserve_bytes, read from the budgets of the plan: what they lack of the facts' own budget."""
    whole = {card.index: card.budget for card in spendable.cards}
    shares = [share for model in models for share in model.get("devices") or []]
    lacking = [whole[share["index"]] - (number(share.get("budget_bytes")) or 0) for share in shares if share.get("index") in whole]
    return max([0, *lacking])


def _pools(machine: dict, spendable, kept_free: int) -> list[dict]:
    cards = {card.index: card for card in spendable.cards}
    pools = []
    for position, device in enumerate(machine.get("devices") or []):
        index = device.get("index") if device.get("index") is not None else position
        card = cards.get(index)
        common = {
            "kind": "accelerator",
            "vendor": device.get("vendor") or "other",
            "unified": bool(device.get("unified")),
            "index": index,
            "used_by_plan": card is not None,
        }
        instances = (device.get("mig") or {}).get("instances") or []
        if not instances:
            total = number(device.get("memory_total_bytes"))
            usable = card.usable if card else number(device.get("memory_usable_bytes"))
            reserved = max(0, total - usable) if total is not None and usable is not None else 0
            others = budget.held_by_others(device, [])
            sizes = {"total": total, "reserved": reserved + (kept_free if card else 0), "others": others}
            pools.append({**common, **sizes, "key": str(index), "name": device.get("name") or "unnamed"})
            continue
        # One process sees one instance: the plan counts with the largest.
        ordered = sorted(enumerate(instances), key=lambda entry: -(number(entry[1].get("memory_total_bytes")) or 0))
        for order, instance in ordered:
            total, usable = number(instance.get("memory_total_bytes")), number(instance.get("memory_usable_bytes"))
            reserved = max(0, total - usable) if total is not None and usable is not None else 0
            key = str(index) if order == ordered[0][0] else f"{index}/{order}"
            name = instance.get("name") or f"{device.get('name')} MIG {order}"
            pools.append({**common, "total": total, "reserved": reserved, "others": 0, "key": key, "name": name})
    return pools


def _system_memory(spendable) -> dict:
    return {
        "kind": "memory",
        "key": "ram",
        "vendor": "system",
        "unified": False,
        "index": None,
        "used_by_plan": True,
        "name": "System memory",
        "total": spendable.ram_total,
        "reserved": max(0, spendable.ram_total - spendable.ram_budget),
        "others": 0,
    }


def _shares(model: dict, pools: list[dict]) -> list[tuple[str, dict]]:
    """What one model puts into which pool, as [(pool key, parts)]."""
    known = {pool["key"] for pool in pools}
    memory = model.get("memory") or {}
    shares = [(str(device.get("index")), _parts(device)) for device in model.get("devices") or [] if str(device.get("index")) in known]
    if not shares:
        shares.append(("ram", _parts(memory)))
    elif model.get("placement") in ("partial", "experts"):
        shares.append(("ram", {**_parts({}), "weights": number(memory.get("host_bytes")) or 0}))
    return shares


def _parts(source: dict) -> dict:
    parts = {kind: number(source.get(f"{kind}_bytes")) or 0 for kind in (*PLANNED, "margin")}
    # The state of recurrent layers is kept for each sequence as the KV cache is; projectors are weights.
    parts["kv_cache"] += number(source.get("recurrent_bytes")) or 0
    parts["weights"] += number(source.get("projector_bytes")) or 0
    return parts


def _bar(pool: dict, shares: list[dict]) -> dict:
    total = pool["total"]
    # Every model asks for a margin of its own, a card needs one.
    margin = max((parts["margin"] for parts in shares), default=0)
    planned = sum(parts[kind] for parts in shares for kind in PLANNED)
    gauge = {
        "kind": pool["kind"],
        "index": pool["index"],
        "vendor": pool["vendor"],
        "unified": pool["unified"],
        "used_by_plan": pool["used_by_plan"],
        "name": pool["name"],
        "short_name": short_card_name(pool["name"]),
        "total_bytes": total,
        "planned_bytes": planned,
        "over_bytes": 0,
        "segments": [],
    }
    if not total:
        return gauge
    left, segments = total, []
    # What is certain first. If the pool is too small for all of it, the last ones show less and the excess is told.
    for parts in shares:
        for kind in PLANNED:
            segments.append({"kind": kind, "bytes": min(parts[kind], left), "model": parts["model"]})
            left -= segments[-1]["bytes"]
    gauge["over_bytes"] = planned - (total - left)
    taken = {"reserved": min(pool["reserved"], left)}
    left -= taken["reserved"]
    taken["other"] = min(pool["others"], left)
    left -= taken["other"]
    taken["margin"] = min(margin, left)
    taken["free"] = left - taken["margin"]
    segments += [{"kind": kind, "bytes": taken[kind], "model": None} for kind in KINDS if kind not in PLANNED]
    gauge["segments"] = [segment for segment in segments if segment["bytes"] > 0]
    return gauge
