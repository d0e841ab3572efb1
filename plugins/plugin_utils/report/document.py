# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fleet document: what fleet.json holds and table and page show. A run over some hosts keeps the others' last rows with their date."""

from __future__ import annotations

from .. import outdated
from . import collect
from .bars import PLANNED, bars
from .text import ODD, clean, count, gib, number

SCHEMA_VERSION = 1
# Parts of a row that are kept from the run before when this run did not ask again, each with the time it was learned.
PARTS = ("machine", "plan", "store", "mirror", "web", "chats", "outdated", "system", "software")
# What a host no longer has when a product is removed from it, the product's own name and how it is called in a sentence about its host.
REMOVED = {
    "ollama": ("Ollama", ("plan", "store", "chats"), "its Ollama"),
    "open_webui": ("Open WebUI", ("web",), "its Open WebUI"),
    "model_mirror": ("the mirror", ("mirror",), "its mirror"),
    "gateway": ("the gateway", (), "its gateway"),
}
STATES = ("unreachable", "failed", "changed", "would_change", "ok")
SLOWEST = 3
# An installed file below this share of the planned download isn't the model that the plan was made for.
SAME_MODEL = 0.5


def build(recorded: dict, *, stats: dict, run: dict, previous: dict | None = None, inventory=None, forget=()) -> dict:
    """The document of one run.

    recorded: Recorder.hosts; stats: {host: {failures, unreachable}}; run: {playbook, inventory, check_mode, started, finished, seconds};
    inventory: {host: its groups} of all hosts of the inventory, None where unknown (then no row is dropped);
    forget: hosts that left the inventory and of which nothing shall be said any more.
    """
    before = {row["name"]: row for row in _rows(previous)}
    rows = []
    for name, entry in recorded.items():
        row = _guarded_row(name, entry, stats.get(name) or {}, run, before.get(name))
        if row["groups"] or row["state"] in ("failed", "unreachable") or any(row[part] for part in PARTS if part != "system"):
            rows.append(row)
    seen = {row["name"] for row in rows}
    kept = [{**row, "current": False} for name, row in before.items() if name not in seen and name not in recorded]
    rows += [row for row in kept if inventory is None or row["name"] in inventory]
    if inventory:
        order = {name: position for position, name in enumerate(inventory)}
        rows.sort(key=lambda row: order.get(row["name"], len(order)))
    for row in rows:
        row["left"] = _left(row, before.get(row["name"]), inventory)
        row["entrance"] = _entrance(row, before.get(row["name"]))
        row.update(_guarded(row))
    _name_unplanned(rows)
    _name_traffic(rows)
    gone = {entry["name"]: entry for entry in _entries(previous, "gone")}
    gone.update((row["name"], entry) for row in kept if inventory is not None and row["name"] not in inventory for entry in [_gone(row)] if entry)
    return {
        "schema_version": SCHEMA_VERSION,
        "run": {"described": is_described(recorded), **run, "hosts": sum(row["current"] for row in rows)},
        "totals": _totals(rows),
        "hosts": rows,
        "gone": [entry for name, entry in gone.items() if name not in (inventory or ()) and name not in recorded and name not in forget],
    }


def is_described(recorded: dict) -> bool:
    """Whether a run planned machines that nobody asked: all of them stand in llm_vram_override, and may not exist."""
    return any(entry["planned"] for entry in recorded.values()) and not any(entry["contacted"] for entry in recorded.values())


def _left(row: dict, before: dict | None, inventory) -> list[str]:
    """What still runs on a host that is no longer in its group. A host that a play of one's own manages never was in one."""
    groups = row["groups"] if inventory is None or row["name"] not in inventory else inventory[row["name"]]
    was = {*(before or {}).get("left", ()), *(before or {}).get("groups", ())}
    return [product for product in REMOVED if product in was and product not in groups and _runs(row, product)]


def _runs(row: dict, product: str) -> bool:
    """Whether something of ours is known to serve on a host. A plan alone is none."""
    told = (row.get("software") or {}).get(product)
    parts = [part for part in REMOVED[product][1] if part != "plan"]
    return not told["removed"] if told else any(row.get(part) for part in parts)


def _gone(row: dict) -> dict | None:
    products = [product for product in REMOVED if _runs(row, product)]
    if not products:
        return None
    software = row.get("software") or {}
    return {
        "name": row["name"],
        "products": products,
        "urls": [url for url in (clean((software.get(product) or {}).get("url")) for product in products) if url],
        "seen": row["seen"],
        "text": f"no longer in the inventory; {' and '.join(REMOVED[product][2] for product in products)} "
        f"{'was' if len(products) == 1 else 'were'} not touched",
    }


def _entrance(row: dict, before: dict | None) -> dict | None:
    """Where a person goes, and as whom. A run in check mode may have told of a web UI that is not there yet."""
    if row["check_mode"] or not row["current"]:
        return (before or {}).get("entrance")
    web = (row.get("software") or {}).get("open_webui") or {}
    if web.get("removed") or not web.get("url"):
        return None
    names = {"url": "url", "email": "admin_email", "password_file": "password_file", "default_model": "default_model"}
    return {name: web.get(told, "") for name, told in names.items()}


def _name_unplanned(rows: list[dict]) -> None:
    """Models that a web UI offers and nobody planned, on the row of the web UI where the Ollama host itself did not say so."""
    known = {(row["name"], item.get("model")) for row in rows for item in row["drift"] if item["kind"] == "unmanaged"}
    for row in rows:
        for item in ((row.get("software") or {}).get("open_webui") or {}).get("unplanned_models") or []:
            if (item["host"], item["name"]) not in known:
                row["drift"].append({"kind": "unplanned", "text": f"Open WebUI offers {item['name']} of {item['host']}, which nobody planned"})


def _name_traffic(rows: list[dict]) -> None:
    """What a gateway has counted, beside the speeds that its models were measured with. HAProxy knows requests and no tokens."""
    rates = [model["tokens_per_second"]["measured"] for row in rows for model in row["models"]]
    known = [rate for rate in rates if rate is not None]
    for row in rows:
        told = ((row.get("software") or {}).get("gateway") or {}).get("traffic")
        speed = {"tokens_per_second": round(sum(known), 1) if known else None, "measured": len(known), "models": len(rates)}
        row["traffic"] = {**collect.traffic(told), "until": clean(told.get("until")), **speed} if isinstance(told, dict) else None


def inventory_of(fleet) -> list | None:
    """Whose report a document is; None where it is no document."""
    run = fleet.get("run") if isinstance(fleet, dict) else None
    return run.get("inventory") or [] if isinstance(run, dict) else None


def _rows(previous) -> list[dict]:
    return [row for row in _entries(previous, "hosts") if isinstance(row.get("dates"), dict)]


def _entries(previous, key: str) -> list[dict]:
    """A list of an earlier document; an empty one where it is of another version or no document at all."""
    if not isinstance(previous, dict) or previous.get("schema_version") != SCHEMA_VERSION:
        return []
    return [entry for entry in previous.get(key) or [] if isinstance(entry, dict) and entry.get("name")]


def _row(name: str, entry: dict, stats: dict, run: dict, before: dict | None) -> dict:
    row = {"name": clean(name), "groups": entry["groups"], "current": True, "seen": run["finished"], "check_mode": run["check_mode"]}
    dates = {}
    for part in PARTS:
        row[part] = entry[part]
        if entry[part]:
            dates[part] = run["finished"]
        elif before and before.get(part):
            row[part] = before[part]
            dates[part] = before["dates"].get(part, before.get("seen"))
    if before and row["mirror"] and before.get("mirror"):
        row["mirror"] = _with_known_sizes(row["mirror"], before["mirror"])
    if before and entry["software"] and before.get("software"):
        row["software"] = {**before["software"], **entry["software"]}
    for product, told in entry["software"].items():
        if "traffic" in told:
            told["traffic"]["until"] = run["finished"]
        for part in REMOVED[product][1] if told["removed"] else ():
            row[part] = None
            dates.pop(part, None)
    row["dates"] = dates
    problem = entry["problem"]
    if stats.get("unreachable"):
        row["state"] = "unreachable"
    elif stats.get("failures"):
        row["state"] = "failed"
    else:
        row["state"] = ("would_change" if run["check_mode"] else "changed") if entry["changes"] else "ok"
        problem = None
    row["problem"] = problem
    row["changes"] = entry["changes"]
    if entry.get("odd"):
        row["odd"] = entry["odd"]
    row["seconds"] = round(entry["seconds"], 2)
    slowest = sorted(entry["times"].items(), key=lambda item: -item[1])[:SLOWEST]
    row["slowest"] = [{"task": task, "seconds": round(took, 2)} for task, took in slowest]
    return row


def _with_known_sizes(mirror: dict, before: dict) -> dict:
    """A mirror tells the size of what it fetched; what it already had was told by the run that fetched it."""
    known = {model["name"]: model for model in before.get("models") or [] if model.get("size_bytes") is not None}
    models = [known.get(model["name"], model) if model.get("size_bytes") is None else model for model in mirror["models"]]
    return {**mirror, "models": models}


def _guarded_row(name: str, entry: dict, stats: dict, run: dict, before: dict | None) -> dict:
    """The row of a host; without what it told before, or now, where that is of no shape that a row can be made of."""
    try:
        return _row(name, entry, stats, run, before)
    except ODD:
        bare = {**entry, **dict.fromkeys(PARTS), "software": {}, "odd": [*entry.get("odd", ()), "what it told cannot be shown"]}
        return _row(name, bare, stats, run, None)


def _guarded(row: dict) -> dict:
    """What is derived of a row. One odd host costs its own row what it told, and nobody else anything."""
    try:
        return _derived(row)
    except ODD as error:
        row.update({part: None for part in PARTS if part not in ("system", "software")})
        found = _derived(row)
        found["drift"].append({"kind": "odd", "text": f"what it told cannot be shown ({type(error).__name__})"})
        return found


def _derived(row: dict) -> dict:
    return {
        "bars": bars(row.get("machine") or {}, row.get("plan")),
        "models": _models(row),
        "drift": _drift(row),
        "behind": _behind(row),
        "disk": _disk(row),
        "reason": _reason(row),
    }


def _models(row: dict) -> list[dict]:
    """For each planned model: what was predicted, what the host measured, and which file it holds."""
    plan, store = row.get("plan") or {}, row.get("store") or {}
    installed = {entry.get("name"): entry for entry in store.get("models") or []}
    proofs = {entry.get("name"): entry for entry in store.get("proved") or []}
    chats = {entry.get("name"): entry for entry in row.get("chats") or []}
    models = []
    for model in plan.get("models") or []:
        name = model.get("name")
        models.append(
            {
                "name": clean(name),
                "context": model.get("context"),
                "placement": model.get("placement"),
                "kv_cache_type": model.get("kv_cache_type"),
                "predicted_bytes": number((model.get("memory") or {}).get("total_bytes")),
                "budget_bytes": number(model.get("budget_bytes")),
                "headroom_bytes": model.get("headroom_bytes"),
                "planned_digest": model.get("digest"),
                "installed_digest": (installed.get(name) or {}).get("digest"),
                "reason": clean(model.get("reason")),
                "source": model.get("source"),
                "asked": clean(model.get("asked")),
                "measured": _measured(model, _later(row, proofs.get(name), chats.get(name)), installed.get(name)),
                "chat": _chat(row, chats.get(name)),
            }
        )
        models[-1]["tokens_per_second"] = _speed(row, model, models[-1], proofs.get(name))
    return models


def _speed(row: dict, model: dict, told: dict, proof: dict | None) -> dict:
    """What the plan estimates, and what was measured last: by the proof, by verify.yml, else by the proof that the plan knew. A stand-in is no measure."""
    planned = model.get("tokens_per_second") or {}
    heard = (told["chat"] or {}).get("tokens_per_second")
    proved = (proof or {}).get("tokens_per_second")
    later = (row["dates"].get("chats") or "") >= (row["dates"].get("store") or "")
    known = [rate for rate in ((heard, proved) if later else (proved, heard)) if rate is not None]
    stand_in = (told["measured"] or {}).get("stand_in")
    measured = planned.get("measured") if not known else None if stand_in else known[0]
    return {"predicted": planned.get("predicted"), "at_full_context": planned.get("at_full_context"), "measured": measured}


def _later(row: dict, proof: dict | None, chat: dict | None) -> dict | None:
    """The proof of the store or the chat of verify.yml, whichever is of the later run; a chat was asked with the model loaded."""
    if proof and chat:
        return chat if (row["dates"].get("chats") or "") >= (row["dates"].get("store") or "") else proof
    return proof or chat


def _chat(row: dict, chat: dict | None) -> dict | None:
    """What playbooks/verify.yml heard, with its time."""
    if not chat:
        return None
    names = ("answer", "only_thoughts", "loaded_before", "first_token_seconds", "tokens_per_second", "speed_source", "completion_tokens", "dimensions")
    return {**{name: chat.get(name) for name in names}, "ok": chat["ok"], "asked_at": row["dates"].get("chats")}


def _measured(model: dict, proof: dict | None, installed: dict | None) -> dict | None:
    """Ollama's own figures for the loaded model beside the same terms of the prediction (buffers; neither CUDA context nor margin)."""
    if not proof:
        return None
    memory = model.get("memory") or {}
    predicted = sum(number(memory.get(f"{kind}_bytes")) or 0 for kind in (*PLANNED[:3], "recurrent", "projector"))
    # A plan's memory is what lands on cards, or all of it where there is none.
    measured = number(proof.get("size_bytes" if model.get("placement") == "cpu" else "size_vram_bytes"))
    file_bytes, expected = number((installed or {}).get("size_bytes")), number(model.get("download_bytes"))
    stand_in = bool(file_bytes is not None and expected and file_bytes < SAME_MODEL * expected)
    size, in_vram = number(proof.get("size_bytes")), number(proof.get("size_vram_bytes"))
    off_card = bool(model.get("placement") in ("gpu", "multi_gpu") and size and in_vram is not None and in_vram < size)
    # Of experts in system memory the plan counts the least that the cards hold.
    comparable = bool(measured and predicted and not stand_in and model.get("placement") != "experts" and not (off_card and proof.get("ok")))
    return {
        "ok": bool(proof.get("ok")),
        "why": clean(proof.get("why")),
        "remembered": bool(proof.get("remembered")),
        "bytes": measured,
        "predicted_bytes": predicted or None,
        "error_percent": round(100 * (measured - predicted) / predicted, 1) if comparable else None,
        "context_length": proof.get("context_length"),
        "size_bytes": size,
        "size_vram_bytes": in_vram,
        "off_card": off_card,
        "stand_in": stand_in,
        "file_bytes": file_bytes,
        "expected_file_bytes": expected,
    }


def _drift(row: dict) -> list[dict]:
    """Where the host is not what the plan says, as [{kind, text}]."""
    plan, store = row.get("plan") or {}, row.get("store")
    found = [{"kind": "odd", "text": text} for text in row.get("odd") or []]
    if store:
        installed = {entry.get("name"): entry for entry in store["models"]}
        for model in plan.get("models") or []:
            name, has = model.get("name"), installed.get(model.get("name"))
            if has is None:
                found.append({"kind": "missing", "text": f"{name} is planned and not installed"})
            elif model.get("digest") and has.get("digest") and _bare(model["digest"]) != _bare(has["digest"]):
                found.append({"kind": "digest", "text": f"{name} is installed with another digest than planned"})
        bases = {model.get("from") for model in plan.get("models") or []}
        if plan:
            others = [name for name in store.get("others") or [] if name not in bases]
            found += [{"kind": "unmanaged", "model": name, "text": f"{name} is installed and not planned"} for name in others]
        found += [{"kind": "unmanaged", "text": f"{name} is not planned and would be removed"} for name in store.get("to_remove") or []]
    for model in _models(row):
        measured = model["measured"]
        if measured and not measured["ok"]:
            on_card, whole = measured["size_vram_bytes"], measured["size_bytes"]
            why = (measured["why"] or "").rstrip(".")
            share = f": {why}" if why else f": {gib(on_card)} of {gib(whole)} are on an accelerator" if on_card is not None and whole else ""
            found.append({"kind": "proof", "text": f"{model['name']} does not run as planned{share}"})
        elif measured and measured["context_length"] and model["context"] and measured["context_length"] != model["context"]:
            found.append(
                {
                    "kind": "context",
                    "text": f"{model['name']} runs with {measured['context_length']} tokens, {model['context']} are planned",
                }
            )
    for product in row["left"]:
        name = REMOVED[product][0]
        told = f"{name[:1].upper()}{name[1:]} still runs here, and the host is no longer in group {product}"
        found.append({"kind": "left", "text": f"{told}: put it back, or remove it first (playbooks/uninstall.yml)"})
    for backend in (row.get("web") or {}).get("left_out") or []:
        found.append({"kind": "backend", "text": f"Open WebUI cannot reach {backend['url']}: {backend['error']}"})
    for name, product in (row.get("software") or {}).items():
        serving, wanted = product.get("version") or "its old release", product.get("wanted_version")
        if product.get("rolled_back"):
            found.append({"kind": "rollback", "text": f"{name} went back to {serving}" + (f"; {wanted} is wanted" if wanted else "")})
        elif product.get("version") and wanted and serving != wanted:
            found.append({"kind": "version", "text": f"{name} runs {serving}; {wanted} is wanted"})
    return found


def _behind(row: dict) -> list[str]:
    """What is behind by the last word of playbooks/outdated.yml, but for what was brought up since; by the shipped data where it was never asked."""
    software, told, dates = row.get("software") or {}, row.get("outdated"), row["dates"]
    removed = {name for name, product in software.items() if product.get("removed")}
    now = {name: product.get("version") for name, product in software.items() if name not in removed}
    if not told:
        return [item["text"] for item in outdated.by_shipped(now)]
    if (dates.get("store") or "") > (dates.get("outdated") or ""):
        now.update((entry.get("name"), _bare(entry.get("digest") or "")) for entry in (row.get("store") or {}).get("models") or [])
    left = [item for item in told["said"] if ("ollama" if item["product"] == "model" else item["product"]) not in removed]
    return [item["text"] for item in left if (now.get(item["name"] or item["product"]) or item["has"][0]) in item["has"]]


def _bare(digest) -> str:
    return str(digest).split(":", 1)[-1]


def _disk(row: dict) -> dict | None:
    """The file system that holds the models: the plan's free space, on the smallest file system that was asked about."""
    plan, store = row.get("plan") or {}, row.get("store") or {}
    systems = [item for item in (row.get("machine") or {}).get("filesystems") or [] if number(item.get("total_bytes"))]
    free = plan.get("disk_free_bytes")
    match = next((item for item in systems if item.get("free_bytes") == free), systems[0] if systems else None)
    if free is None and match:
        free = number(match.get("free_bytes"))
    if free is None:
        return None
    return {
        "free_bytes": free,
        "total_bytes": number(match["total_bytes"]) if match else None,
        "mount_point": clean((match or {}).get("mount_point")),
        "to_download_bytes": _to_download(plan, store, row.get("chats")),
        "models_bytes": sum(number(entry.get("size_bytes")) or 0 for entry in store.get("models") or []),
    }


def _to_download(plan: dict, store: dict, chats) -> int:
    # A model that answered is there, though only the proof may have been asked and never the store.
    installed = {entry.get("name") for part in (store.get("models"), chats) for entry in part or []}
    return sum(number(model.get("download_bytes")) or 0 for model in plan.get("models") or [] if model.get("name") not in installed)


def _reason(row: dict) -> str:
    """The one sentence that says why this row looks as it does."""
    if row["problem"]:
        return row["problem"]["message"]
    plan = row.get("plan") or {}
    if plan and not plan.get("ok") and plan.get("errors"):
        return " ".join(plan["errors"])
    models = plan.get("models") or []
    if len(models) == 1 and models[0].get("reason"):
        return clean(models[0]["reason"])
    if plan.get("summary"):
        return plan["summary"]
    told = []
    if row.get("mirror"):
        models = row["mirror"]["models"]
        sizes = [number(model.get("size_bytes")) for model in models]
        whole = f" of {gib(sum(sizes))}" + (" together" if len(sizes) > 1 else "") if sizes and None not in sizes else ""
        told.append(f"mirrors {count(len(models), 'model')}{whole}")
    software = row.get("software") or {}
    web = software.get("open_webui")
    if row.get("web") or (web and not web.get("removed")):
        backends = (row.get("web") or {}).get("backends") or []
        told.append(
            "serves Open WebUI"
            + (f" {web['version']}" if web and web.get("version") else "")
            + (f" at {web['url']}" if web and web.get("url") else "")
            + (f" over {count(len(backends), 'Ollama host')}" if backends else "")
        )
    gateway = software.get("gateway") or {}
    if gateway.get("url"):
        told.append(f"is the fleet's address {gateway['url']}")
    told += [f"{name} was removed" for product, (name, _parts, _its) in REMOVED.items() if (software.get(product) or {}).get("removed")]
    text = " and ".join(told)
    return text[:1].upper() + text[1:]


def _totals(rows: list[dict]) -> dict:
    accelerators = [gauge for row in rows for gauge in row["bars"] if gauge["kind"] == "accelerator"]
    in_memory = [gauge for row in rows for gauge in row["bars"] if gauge["kind"] == "memory" and gauge["planned_bytes"]]
    return {
        "hosts": len(rows),
        "states": {state: sum(row["state"] == state for row in rows) for state in STATES},
        "states_of_run": {state: sum(row["state"] == state and row["current"] for row in rows) for state in STATES},
        "accelerators": len(accelerators),
        "vram_bytes": sum(gauge["total_bytes"] or 0 for gauge in accelerators),
        "vram_planned_bytes": sum(gauge["planned_bytes"] - gauge["over_bytes"] for gauge in accelerators),
        # Where models lie in system memory, on hosts without an accelerator.
        "memory_bytes": sum(gauge["total_bytes"] or 0 for gauge in in_memory),
        "memory_planned_bytes": sum(gauge["planned_bytes"] - gauge["over_bytes"] for gauge in in_memory),
        "memory_hosts": len(in_memory),
        "models": sum(len(row["models"]) for row in rows),
        "changes": sum(len(row["changes"]) for row in rows if row["current"]),
        "drift": sum(len(row["drift"]) for row in rows),
        "behind": sum(len(row["behind"]) for row in rows),
        "downloaded_bytes": sum(
            (row.get(part) or {}).get("downloaded_bytes") or 0
            for row in rows
            for part in ("store", "mirror")
            # A row of this run may show a store that an earlier one told of.
            if row["current"] and row["dates"].get(part) == row["seen"]
        ),
    }
