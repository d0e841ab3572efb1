# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One bar for each pool of memory: what the plan puts there, what others use, what is left. Its parts add up to the pool, always."""

from __future__ import annotations

import re

from .text import number, short_card_name

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

# Memory that a loaded model of this fleet holds is the plan's own, not somebody else's.
_OWN_PROCESS = re.compile(r"^(ollama|llama-server|llama_server)", re.IGNORECASE)


def bars(machine: dict, plan: dict | None) -> list[dict]:
    """The bars of one host, accelerators first, system memory where a model (or nothing else) uses it."""
    pools = _pools(machine)
    models = (plan or {}).get("models") or []
    shares = [share for model in models for share in _shares(model, pools)]
    memory = _system_memory(machine)
    drawn = [_bar(pool, [parts for key, parts in shares if key == pool["key"]]) for pool in pools]
    in_memory = [parts for key, parts in shares if key == "ram"]
    if memory and (in_memory or not pools):
        drawn.append(_bar(memory, in_memory))
    return drawn


def _pools(machine: dict) -> list[dict]:
    pools = []
    for position, device in enumerate(machine.get("devices") or []):
        index = device.get("index") if device.get("index") is not None else position
        instances = (device.get("mig") or {}).get("instances") or []
        common = {"kind": "accelerator", "vendor": device.get("vendor") or "other", "unified": bool(device.get("unified")), "index": index}
        if not instances:
            pools.append({**common, "key": str(index), "name": device.get("name") or "unnamed", **_sizes(device)})
        for order, instance in enumerate(instances):
            name = instance.get("name") or f"{device.get('name')} MIG {order}"
            pools.append({**common, "key": str(index) if order == 0 else f"{index}/{order}", "name": name, **_sizes(instance)})
    return pools


def _sizes(device: dict) -> dict:
    total = number(device.get("memory_total_bytes"))
    usable = number(device.get("memory_usable_bytes"))
    reserved = number(device.get("memory_reserved_bytes")) or 0
    if total is not None and usable is not None and usable < total:
        reserved = max(reserved, total - usable)
    used = number(device.get("memory_used_bytes"))
    processes = device.get("memory_used_by") or []
    own = sum(number(process.get("memory_bytes")) or 0 for process in processes if _OWN_PROCESS.match(str(process.get("name") or "")))
    return {"total": total, "reserved": reserved, "used": used, "own": own, "others_known": bool(processes)}


def _system_memory(machine: dict) -> dict | None:
    memory = machine.get("system_memory") or {}
    limits = [size for size in (number(memory.get("total_bytes")), number(machine.get("cgroup_memory_limit_bytes"))) if size]
    if not limits:
        return None
    total = min(limits)
    available = number(memory.get("available_bytes"))
    used = None if available is None else max(0, (number(memory.get("total_bytes")) or total) - available)
    return {
        "kind": "memory",
        "key": "ram",
        "vendor": "system",
        "unified": False,
        "index": None,
        "name": "System memory",
        "total": total,
        "reserved": 0,
        "used": used,
        "own": 0,
        "others_known": False,
    }


def _shares(model: dict, pools: list[dict]) -> list[tuple[str, dict]]:
    """What one model puts into which pool, as [(pool key, parts)]."""
    known = {pool["key"] for pool in pools}
    memory = model.get("memory") or {}
    placement = model.get("placement")
    shares = []
    for device in model.get("devices") or []:
        key = str(device.get("index")) if str(device.get("index")) in known else "ram"
        shares.append((key, _parts(device)))
    if not shares and memory:
        if placement == "cpu" or not pools:
            shares.append(("ram", _parts(memory)))
        else:
            shares.append((pools[0]["key"], _parts(memory)))
    elif placement == "partial" and all(key != "ram" for key, parts in shares):
        # A plan names what lands on cards; the rest of the weights stays in system memory.
        on_cards = sum(parts["weights"] for key, parts in shares)
        left = max(0, (number(memory.get("weights_bytes")) or 0) - on_cards) or (number(memory.get("host_bytes")) or 0)
        shares.append(("ram", {**dict.fromkeys((*PLANNED, "margin"), 0), "weights": left}))
    return shares


def _parts(source: dict) -> dict:
    parts = {kind: number(source.get(f"{kind}_bytes")) or 0 for kind in (*PLANNED, "margin")}
    # The state of recurrent layers is kept for each sequence as the KV cache is; projectors are weights.
    parts["kv_cache"] += number(source.get("recurrent_bytes")) or 0
    parts["weights"] += number(source.get("projector_bytes")) or 0
    return parts


def _bar(pool: dict, shares: list[dict]) -> dict:
    total = pool["total"]
    wanted = {kind: sum(parts[kind] for parts in shares) for kind in PLANNED}
    # Every model asks for a margin of its own, a card needs one.
    wanted["margin"] = max((parts["margin"] for parts in shares), default=0)
    planned = sum(wanted[kind] for kind in PLANNED)
    bar = {
        "kind": pool["kind"],
        "index": pool["index"],
        "vendor": pool["vendor"],
        "unified": pool["unified"],
        "name": pool["name"],
        "short_name": short_card_name(pool["name"]),
        "total_bytes": total,
        "planned_bytes": planned,
        "over_bytes": 0,
        "segments": [],
    }
    if not total:
        return bar
    left = total
    taken = {}
    # What is certain first. If the pool is too small for all of it, the last ones show less and the excess is told.
    for kind in PLANNED:
        taken[kind] = min(wanted[kind], left)
        left -= taken[kind]
    bar["over_bytes"] = planned - sum(taken.values())
    taken["reserved"] = min(pool["reserved"], left)
    left -= taken["reserved"]
    taken["other"] = min(_others(pool, planned), left)
    left -= taken["other"]
    taken["margin"] = min(wanted["margin"], left)
    taken["free"] = left - taken["margin"]
    bar["segments"] = [{"kind": kind, "bytes": taken[kind]} for kind in KINDS if taken[kind] > 0]
    return bar


def _others(pool: dict, planned: int) -> int:
    used = pool["used"] or 0
    if pool["own"]:
        return max(0, used - pool["own"])
    if pool["kind"] == "accelerator" and not pool["others_known"] and used > planned > 0:
        # Nobody says whose it is. A card that holds as much as the plan puts there most likely holds just that.
        return used - planned
    return used
