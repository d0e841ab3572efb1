# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of the models that Open WebUI lists can chat, which is best, and which nobody planned. Pure functions."""

from __future__ import annotations

import re

# Copies that Ollama keeps of its own, with or without Open WebUI's prefix (ollama/names.is_guard).
OWN_COPY = re.compile(r"(^|\.)(llamacpp|ggml|mlx|ollama):[0-9a-f]{64}$")
# Architectures of encoders: they turn text into numbers and answer nothing. By the names that GGUF headers use.
ENCODERS = ("bert", "nomic-bert", "nomic-bert-moe", "jina-bert-v2", "jina-bert-v3", "modern-bert", "neo-bert", "eurobert", "gemma-embedding", "t5encoder")


def located(models: list, urls: list, planned: list) -> list:
    """What Open WebUI lists, with the host of each model where the plans name its server.

    models: of /ollama/api/tags, each with the numbers of its servers; urls: Open WebUI's list of servers; planned: the option of the module.
    """
    by_url = {host["url"].rstrip("/"): host for host in planned}
    found = []
    for model in models:
        numbers = model.get("urls") or []
        servers = [urls[number].rstrip("/") for number in numbers if number < len(urls)]
        hosts = [by_url[server] for server in servers if server in by_url]
        found.append({"id": model["model"], "details": model.get("details") or {}, "capabilities": model.get("capabilities"), "hosts": hosts})
    return found


def name_on(host: dict, identifier: str) -> str:
    """The model's name on the host: without the prefix that Open WebUI puts before it."""
    prefix = host.get("prefix_id") or ""
    return identifier[len(prefix) + 1 :] if prefix and identifier.startswith(prefix + ".") else identifier


def plan_of(host: dict, identifier: str) -> dict | None:
    name = name_on(host, identifier).lower()
    return next((model for model in host["models"] if full(model["name"]) == full(name)), None)


def full(name: str) -> str:
    """`nomic-embed-text` and `nomic-embed-text:latest` are one model; Ollama compares names without case."""
    name = name.lower()
    return name if ":" in name.rpartition("/")[2] else name + ":latest"


def cannot_chat(model: dict) -> bool:
    """By the server's own word where it gives one (newer releases of Ollama do), else by the plan, else by the architecture."""
    if OWN_COPY.search(model["id"].lower()):
        return True
    if model["capabilities"]:
        return "completion" not in model["capabilities"]
    plans = [plan for plan in (plan_of(host, model["id"]) for host in model["hosts"]) if plan]
    if plans:
        return not any(plan["chat"] for plan in plans)
    families = model["details"].get("families") or [model["details"].get("family")]
    return all(family in ENCODERS for family in families)


def offered(listed: list, models: list) -> list:
    """What a person can choose for a chat: all that /api/models lists, presets too, but what is hidden and what cannot chat."""
    mute = {model["id"] for model in models if cannot_chat(model)}
    return [row["id"] for row in listed if not ((row.get("info") or {}).get("meta") or {}).get("hidden") and row["id"] not in mute]


def best(models: list) -> str | None:
    """The planned model that chats best, of those that are there: by quality, on a GPU before a CPU, then in the order of hosts and wants."""
    candidates = []
    for model in models:
        if cannot_chat(model):
            continue
        for host in model["hosts"]:
            plan = plan_of(host, model["id"])
            if plan and plan["chat"]:
                candidates.append((plan["quality"], plan["on_gpu"], model["id"]))
    # max() keeps the first of equals.
    return max(candidates, key=lambda candidate: candidate[:2])[2] if candidates else None


def unplanned(models: list) -> list:
    """Models on hosts that have a plan which does not name them."""
    found = [{"host": host["host"], "name": name_on(host, model["id"])} for model in models for host in model["hosts"] if not plan_of(host, model["id"])]
    return sorted(found, key=lambda row: (row["host"], row["name"]))


def to_hide(models: list, records: list) -> list:
    """Records to write so that models which cannot chat are not offered. Where anybody has said whether a model is shown, that stays."""
    known = {record["id"]: record for record in records}
    wanted = []
    for model in models:
        record = known.get(model["id"])
        if not cannot_chat(model) or (record and (record.get("meta") or {}).get("hidden") is not None):
            continue
        if record:
            wanted.append({**record, "meta": {**(record.get("meta") or {}), "hidden": True}})
        else:
            wanted.append({"id": model["id"], "name": model["id"], "base_model_id": None, "meta": {"hidden": True}, "params": {}, "is_active": True})
    return wanted


def default_to_set(current: str | None, remembered: str | None, offered: list, wanted: str | None) -> str | None:
    """The default model to set, None to leave it.

    One that this module set before follows the plan, and so does none at all or one that is gone; what an administrator chose stays.
    """
    chosen = [name for name in (current or "").split(",") if name]
    if not wanted or chosen == [wanted]:
        return None
    ours = not chosen or current == remembered or not any(name in offered for name in chosen)
    return wanted if ours else None
