# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fleet document as one HTML page that needs nothing else, and as JSON.

Everything that a host said is escaped by the template; the page's own policy then forbids any script and style but ours, and any request.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import time

import jinja2
from ansible_collections.llmfleet.ollama.plugins.module_utils.bytes import tokens
from ansible_collections.llmfleet.ollama.plugins.module_utils.vendors import LABELS

from . import bars
from .table import speeds, traffic
from .text import clean, count, gib, seconds, short_digest, speech

_HERE = os.path.dirname(__file__)
_COMPACT = 2  # from this many bars on, cards are drawn small, side by side
_NUMBER_FITS, _WORDS_FIT = 0.18, 0.38  # share of a bar that has room for a number, for words
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

STATES = {
    "ok": "ok",
    "changed": "changed",
    "would_change": "would change",
    "failed": "failed",
    "unreachable": "unreachable",
}
_STATE_ORDER = ("unreachable", "failed", "would_change", "changed", "ok")
_PLACEMENT = {
    "gpu": "on one card",
    "multi_gpu": "split over {cards} cards",
    "unified": "in unified memory",
    "experts": "on the card, experts in system memory",
    "partial": "partly on the card, rest on the CPU",
    "cpu": "on the CPU",
}
# The fleet may have machines without any.
_VENDORS = {**LABELS, "system": "CPU only"}
_PRODUCTS = {"ollama": "Ollama", "open_webui": "Open WebUI", "model_mirror": "Model mirror", "gateway": "Gateway"}
_SOURCES = {
    "header": "the model's own header",
    "catalogue": "the shipped catalogue",
    "estimate": "an estimate",
}


def as_json(document: dict) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def render(document: dict) -> str:
    style, script = _read("page.css"), _read("page.js")
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    template = environment.from_string(_read("page.html.j2"))
    ours = f"style-src {_allowed(style)}; script-src {_allowed(script)}; img-src data:"
    policy = f"default-src 'none'; {ours}; base-uri 'none'; form-action 'none'"
    return template.render(style=style, script=script, policy=policy, **_view(document))


def _read(name: str) -> str:
    with open(os.path.join(_HERE, name), encoding="utf-8") as handle:
        return handle.read()


def _allowed(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _view(document: dict) -> dict:
    hosts = [_host(row, order) for order, row in enumerate(document["hosts"])]
    vendors = sorted({vendor for host in hosts for vendor in host["vendors"]}, key=lambda name: _VENDORS.get(name, name))
    states = [(state, STATES[state], document["totals"]["states"][state]) for state in _STATE_ORDER if document["totals"]["states"][state]]
    run = document["run"]
    return {
        "hosts": hosts,
        "vendors": [(vendor, _VENDORS.get(vendor, vendor)) for vendor in vendors],
        "states": states,
        "legend": [(kind, bars.LABELS[kind]) for kind in bars.KINDS],
        "tiles": _tiles(document, states),
        "entrances": [_entrance(row["entrance"]) for row in document["hosts"] if row["entrance"]],
        "gone": [{**entry, "seen": _moment(entry["seen"])} for entry in document["gone"]],
        "run": {
            "playbook": clean(run["playbook"]),
            "check_mode": run["check_mode"],
            "when": _moment(run["finished"]),
            "took": seconds(run["seconds"]),
            "kept": count(document["totals"]["hosts"] - run["hosts"], "host") if document["totals"]["hosts"] > run["hosts"] else "",
        },
    }


def _tiles(document: dict, states) -> list[dict]:
    totals, rows = document["totals"], document["hosts"]
    measured = [model["measured"] for row in rows for model in row["models"] if model["measured"]]
    proved = sum(entry["ok"] and not entry["stand_in"] and not entry["off_card"] for entry in measured)
    stand_ins = sum(entry["stand_in"] for entry in measured)
    answered = sum(bool(model["chat"] and model["chat"]["ok"]) for row in rows for model in row["models"])
    told = [f"{proved} proved where planned"] if proved or not stand_ins else []
    told += [f"{answered} answered"] if answered else []
    told += [count(stand_ins, "stand-in")] if stand_ins else []
    changed = sum(bool(row["changes"]) for row in rows if row["current"])
    downloaded = totals["downloaded_bytes"]
    return [
        {
            "title": "Hosts",
            "value": str(totals["hosts"]),
            "note": ", ".join(f"{amount} {word}" for state, word, amount in states),
            "states": states,
        },
        *_memory_tiles(totals),
        {
            "title": "Models",
            "value": str(totals["models"]),
            "note": ", ".join(told),
        },
        {
            "title": "Would change" if document["run"]["check_mode"] else "Changes",
            "value": str(totals["changes"]),
            "note": ("on " + count(changed, "host") if changed else "nothing to do") + (f", {gib(downloaded)} downloaded" if downloaded else ""),
        },
        {
            "title": "Drift",
            "value": str(totals["drift"]),
            "note": "differences from the plan" if totals["drift"] else "every host as planned",
        },
    ]


def _memory_tiles(totals: dict) -> list[dict]:
    """Of the cards; of system memory in a fleet that has none."""
    cards, memory = totals["accelerators"], totals["memory_bytes"]
    aside = f"{gib(totals['memory_planned_bytes'])} in system memory"
    if not cards and memory:
        share = totals["memory_planned_bytes"] / memory
        return [
            {"title": "System memory", "value": gib(memory), "note": f"on {count(totals['memory_hosts'], 'host')} without accelerator"},
            {"title": "Planned", "value": gib(totals["memory_planned_bytes"]), "note": f"{share:.0%} of the system memory", "share": share},
        ]
    share = totals["vram_planned_bytes"] / totals["vram_bytes"] if totals["vram_bytes"] else None
    told = [f"{share:.0%} of the card memory" if share is not None else "no accelerator", *([aside] if totals["memory_planned_bytes"] else [])]
    return [
        {"title": "Card memory", "value": gib(totals["vram_bytes"]), "note": "on " + count(cards, "accelerator")},
        {"title": "Planned", "value": gib(totals["vram_planned_bytes"]), "note": ", ".join(told), "share": share},
    ]


def _entrance(entrance: dict) -> dict:
    return {**entrance, "link": _link(entrance["url"])}


def _link(url: str) -> str:
    """An address that a browser may open. What a host calls its address may be of any scheme."""
    return url if re.match(r"https?://[^\s/]", url) else ""


def _host(row: dict, order: int) -> dict:
    system = row.get("system") or {}
    machine = row.get("machine") or {}
    architecture = (machine.get("cpu") or {}).get("architecture") or system.get("architecture")
    distribution = " ".join(part for part in (system.get("distribution"), system.get("distribution_version")) if part)
    letters = {model["name"]: _LETTERS[number % 26] for number, model in enumerate(row["models"])} if len(row["models"]) > 1 else {}
    drawn = [_bar(gauge, letters) for gauge in row["bars"]]
    cards = [gauge for gauge in row["bars"] if gauge["kind"] == "accelerator"]
    vendors = sorted({gauge["vendor"] for gauge in cards}) or (["system"] if row["bars"] else [])
    products = [
        {"name": _PRODUCTS.get(name, name), "version": product["version"], "url": product["url"], "link": _link(product["url"]) if name == "open_webui" else ""}
        for name, product in (row.get("software") or {}).items()
        if product.get("version")
    ]
    total = sum(gauge["total_bytes"] or 0 for gauge in cards)
    unified = bool(cards) and all(gauge["unified"] for gauge in cards)
    plans = (row.get("plan") or {}).get("models") or []
    models = [_model(model, plan, len(plan.get("devices") or []), unified, letters) for model, plan in zip(row["models"], plans)]
    shown = [
        row["name"],
        distribution,
        architecture or "",
        *row["groups"],
        *(gauge["name"] for gauge in cards),
        *(model["name"] for model in row["models"]),
    ]
    return {
        "id": f"host-{order}",
        "name": row["name"],
        "state": row["state"],
        "state_text": _state_text(row),
        "current": row["current"],
        "seen": _moment(row["seen"]),
        "stale": _stale(row),
        "meta": [part for part in (distribution, clean(architecture)) if part],
        "products": products,
        "roles": [name for group, name in (("model_mirror", "Model mirror"), ("gateway", "Gateway"), ("open_webui", "Open WebUI")) if group in row["groups"]],
        "bars": drawn,
        "compact": len(drawn) > _COMPACT,
        "sums": _sums(row["bars"]),
        "models": models,
        "problem": row["problem"] and {**row["problem"], "role": row["problem"]["role"].rpartition(".")[2]},
        "reason": row["reason"] if not row["models"] and not row["problem"] else "",
        "drift": [item["text"] for item in row["drift"]],
        "behind": row["behind"],
        "traffic": traffic(row["traffic"], row["seen"]) if row["traffic"] else "",
        "warnings": (row.get("plan") or {}).get("warnings", []) + machine.get("warnings", []) + [
            text for product in (row.get("software") or {}).values() for text in product.get("warnings", [])
        ],
        "rejected": _rejected(row.get("plan") or {}),
        "changes": _changes(row["changes"]),
        "change_title": count(len(row["changes"]), "change") + (" to make" if row["check_mode"] else ""),
        "took": seconds(row["seconds"]),
        "slowest": [(entry["task"], seconds(entry["seconds"])) for entry in row["slowest"] if entry["seconds"] >= 0.05],
        "disk": _disk(row["disk"]),
        "environment": sorted(((row.get("plan") or {}).get("environment") or {}).items()),
        "files": [
            (clean(model["name"]), short_digest(model["digest"]), gib(model["size_bytes"]) if model["size_bytes"] is not None else "")
            for part in ("store", "mirror")
            for model in (row.get(part) or {}).get("models") or []
        ],
        "backends": (row.get("web") or {}).get("backends") or [],
        "default_model": (row["entrance"] or {}).get("default_model", ""),
        "vendors": vendors,
        "sort": {
            "order": order,
            "trouble": _STATE_ORDER.index(row["state"]) * 2 + (not row["drift"]),
            "memory": total,
            "full": round(sum(gauge["planned_bytes"] for gauge in cards) / total, 4) if total else 0,
            "seconds": row["seconds"] or 0,
        },
        "text": " ".join(shown).lower(),
    }


def _state_text(row: dict) -> str:
    text = STATES[row["state"]]
    return f"{text} {len(row['changes'])}" if row["state"] in ("changed", "would_change") else text


def _stale(row: dict) -> str:
    """When the cards or the plan that are shown are older than the row: the run did not ask, or the host could not answer."""
    dates = {row["dates"][part] for part in ("machine", "plan") if part in row["dates"] and row["dates"][part] != row["seen"]}
    return _moment(min(dates)) if dates else ""


def _bar(gauge: dict, letters: dict) -> dict:
    total, start, segments = gauge["total_bytes"], 0, []
    for segment in gauge["segments"]:
        share = segment["bytes"] / total
        label = bars.LABELS[segment["kind"]]
        text = f"{label} {gib(segment['bytes'], unit=False)}" if share >= _WORDS_FIT else gib(segment["bytes"], unit=False) if share >= _NUMBER_FITS else ""
        segments.append(
            {
                "kind": segment["kind"],
                "bytes": segment["bytes"],
                "x": f"{100 * start / total:.4f}%",
                "width": f"{100 * share:.4f}%",
                "text": text,
                "title": (f"{segment['model']}: " if letters and segment["model"] else "") + f"{label} {gib(segment['bytes'])}",
            }
        )
        start += segment["bytes"]
    free = next((segment["bytes"] for segment in gauge["segments"] if segment["kind"] == "free"), 0)
    if not total:
        told = "size unknown"
    elif not gauge["used_by_plan"]:
        told = f"{gib(total)}, not used by Ollama"
    elif gauge["planned_bytes"]:
        told = f"{gib(gauge['planned_bytes'], unit=False)} of {gib(total)} planned, {gib(free)} free"
    else:
        told = f"{gib(total)}, nothing planned"
    return {
        "name": gauge["name"],
        "index": gauge["index"],
        "kind": "Unified memory" if gauge["unified"] else "",
        "total": total,
        "told": told,
        "segments": segments,
        "strip": _strip(gauge, letters) if total else [],
        "over": gib(gauge["over_bytes"]) if gauge["over_bytes"] else "",
        "label": f"{gauge['name']}: " + (", ".join(segment["title"] for segment in segments) or told),
    }


def _strip(gauge: dict, letters: dict) -> list[dict]:
    """Whose the segments are, where a card holds more than one model: each model's part of the bar, drawn under it."""
    parts, start = {}, 0
    for segment in gauge["segments"]:
        if segment["model"] in letters:
            part = parts.setdefault(segment["model"], {"start": start, "bytes": 0})
            part["bytes"] += segment["bytes"]
        start += segment["bytes"]
    total = gauge["total_bytes"]
    return [
        {
            "letter": letters[name],
            "tint": list(letters).index(name) % 4,
            "name": name,
            "x": f"{100 * part['start'] / total:.4f}%",
            "width": f"{100 * part['bytes'] / total:.4f}%",
            "size": gib(part["bytes"]),
            "share": part["bytes"] / total,
        }
        for name, part in parts.items()
    ]


def _sums(drawn: list[dict]) -> list[tuple[str, str, str]]:
    totals = {}
    for gauge in drawn:
        for segment in gauge["segments"]:
            totals[segment["kind"]] = totals.get(segment["kind"], 0) + segment["bytes"]
    return [(kind, bars.LABELS[kind], gib(totals[kind])) for kind in bars.KINDS if totals.get(kind)]


def _model(model: dict, plan: dict, cards: int, unified: bool, letters: dict) -> dict:
    family, _colon, tag = model["name"].rpartition(":")
    cache = f"{model['kv_cache_type']} cache" if model["kv_cache_type"] else ""
    where = "unified" if unified and model["placement"] == "gpu" else model["placement"]
    placement = _PLACEMENT.get(where, clean(where)).format(cards=cards)
    memory = plan.get("memory") or {}
    filled = (("earlier prompts", memory.get("prompt_cache_bytes")), ("context checkpoints", memory.get("checkpoints_bytes")))
    kept = [f"{gib(size)} of RAM for {what}" for what, size in filled if size]
    facts = [f"{model['context']:,} tokens" if model["context"] else "", cache, placement, clean(plan.get("quantization")), *kept, *_speed(model)]
    return {
        "letter": letters.get(model["name"], ""),
        "tint": list(letters).index(model["name"]) % 4 if letters else 0,
        "family": family,
        "tag": tag,
        "facts": [fact for fact in facts if fact],
        "reason": model["reason"],
        "need": gib(model["predicted_bytes"]),
        "budget": gib(model["budget_bytes"]),
        "headroom": gib(model["headroom_bytes"]) if model["headroom_bytes"] is not None else "",
        "measured": _measured(model["measured"]),
        "chat": _chat(model["chat"]),
        "source": _SOURCES.get(model["source"], "") + (f" ({model['asked']})" if model["asked"] else ""),
        "planned_digest": short_digest(model["planned_digest"]),
        "installed_digest": short_digest(model["installed_digest"]),
    }


def _speed(model: dict) -> list[str]:
    known = model["tokens_per_second"]
    told = [f"about {tokens(known['predicted'])} tokens/s, {tokens(known['at_full_context'])} with the context full"] if known["predicted"] is not None else []
    return told + ([f"{tokens(known['measured'])} tokens/s measured"] if known["measured"] is not None else [])


def _chat(chat: dict | None) -> dict | None:
    if not chat:
        return None
    clock = {"ollama": "by Ollama's own clock", "stream": "timed in the stream"}.get(chat["speed_source"], "") if chat["tokens_per_second"] is not None else ""
    if chat["dimensions"]:
        answer, title = f"an embedding of {chat['dimensions']} numbers", "Answered with"
    else:
        answer, title = f"\u201c{speech(chat['answer'], 400)}\u201d", "Thought" if chat["only_thoughts"] else "Answered"
    return {"title": title, "answer": answer, "facts": [fact for fact in (*speeds(chat), clock, _moment(chat["asked_at"])) if fact]}


def _measured(measured: dict | None) -> dict | None:
    if not measured:
        return None
    error = measured["error_percent"]
    told = f"{gib(measured['predicted_bytes'])} predicted, {gib(measured['bytes'])} measured"
    title, tone = ("Proved", "good") if measured["ok"] else ("Not as planned", "poor")
    if measured["stand_in"]:
        title = "Loaded" if measured["ok"] else title
        sizes = f"{gib(measured['file_bytes'])} (the model has {gib(measured['expected_file_bytes'])})"
        told = f"a stand-in of {sizes}, so its memory says nothing"
    elif measured["ok"] and measured["off_card"]:
        title, told = (
            "Loaded",
            f"{gib(measured['size_vram_bytes'])} of {gib(measured['size_bytes'])} are on an accelerator, which was not required",
        )
    return {"title": title, "tone": tone, "told": told, "error": f"{error:+.1f} %".replace("-", "−") if error is not None else ""}


def _rejected(plan: dict) -> list[dict]:
    """Nearest miss first."""
    rejected = sorted(plan.get("rejected") or [], key=lambda item: (item.get("short_by_bytes") is None, item.get("short_by_bytes") or 0))
    return [
        {"name": clean(item["name"]), "why": clean(item["why"]), "short": _short(item)}
        for item in rejected
    ]


def _short(item: dict) -> str:
    if item.get("short_by_tokens_per_second"):
        return f"{tokens(item['short_by_tokens_per_second'])} tokens/s"
    return gib(item["short_by_bytes"]) if item.get("short_by_bytes") else ""


def _changes(changes: list[dict]) -> list[tuple[str, str]]:
    amounts = {}
    for change in changes:
        key = (change["role"].rpartition(".")[2], change["task"])
        amounts[key] = amounts.get(key, 0) + 1
    return [(role, task + (f" ({amount} times)" if amount > 1 else "")) for (role, task), amount in amounts.items()]


def _disk(disk: dict | None) -> dict | None:
    if not disk:
        return None
    total, free = disk["total_bytes"], disk["free_bytes"]
    told = f"{gib(free)} free" + (f" of {gib(total)}" if total else "") + (f" on {disk['mount_point']}" if disk["mount_point"] else "")
    if disk["models_bytes"]:
        told += f", models take {gib(disk['models_bytes'])}"
    if disk["to_download_bytes"]:
        told += f", {gib(disk['to_download_bytes'])} to download"
    return {"told": told, "tight": bool(disk["to_download_bytes"] and disk["to_download_bytes"] > free)}


def _moment(stamp: str) -> str:
    try:
        moment = time.strptime(stamp, "%Y-%m-%dT%H:%M:%SZ")
    except (TypeError, ValueError):
        return clean(stamp)
    return f"{moment.tm_mday} {time.strftime('%b %Y, %H:%M', moment)} UTC"
