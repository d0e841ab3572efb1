# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The model_plan as a dict: what is shown, kept and acted on."""

from __future__ import annotations

from ansible_collections.llmfleet.ollama.plugins.module_utils.bytes import MIB, pad
from ansible_collections.llmfleet.ollama.plugins.module_utils.defaults import FIT_MARGIN_BYTES

from . import versions, words
from .machine import placement, prompt_cache, speed
from .model.memory import PROCESS_RAM


def entry(case, item, cache=None):
    """A model of the plan. cache: what the models of the host may keep in system memory."""
    placed, candidate, want = item.placed, item.candidate, item.want
    shares = placed.shares
    on_card = [share for share in shares if share.card is not None]
    memory = _memory(item, cache)
    if on_card:
        used = {share.card.key for share in on_card}
        room = sum(left for card, left in zip(case.host.cards, item.before[0]) if card.key in used)
        taken = sum(placement.share_total(share) for share in on_card)
    else:
        room, taken = item.before[1], placement.share_total(shares[0])
    settings = placed.settings
    found = {
        "name": item.name,
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
        "tokens_per_second": _speed(case, item),
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
        "gpu_bytes": _on_cards(placed),
        "requires": candidate.metadata.get("requires"),
        "requested": want.item,
    }
    if want.keep_warm:
        found["keep_warm"] = True
    if want.managed:
        # No num_gpu but a person's: with it llama.cpp fits nothing, and counts whole layers where it would move experts only.
        found.update({"from": candidate.name, "parameters": dict(want.parameters)})
    found["reason"] = words.reason(case, item, found) + words.prompt_cache(found, cache)
    return found


def _speed(case, item):
    """Tokens a second of one stream: estimated with 1,024 tokens in the cache and with all of it, and measured by an earlier proof."""
    found = None if item.candidate.embedding else speed.estimate(item.candidate.shape, item.placed, case.host)
    return {
        "predicted": round(found.predicted, 1) if found else None,
        "at_full_context": round(found.at_full_context, 1) if found else None,
        "measured": case.spills.measured(item.name, item.candidate.shape.gpu_weights),
    }


def _memory(item, cache):
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
    # System memory beside total_bytes and host_bytes, which fills up while the model answers; null where nobody knows.
    resident = prompt_cache.Resident(item.candidate.shape, item.placed, item.candidate.embedding)
    parts["prompt_cache_bytes"], parts["checkpoints_bytes"] = prompt_cache.kept_bytes(cache, resident)
    return parts


def _on_cards(placed):
    """Weights and cache that have to lie on the cards where only a part does, which the proof after the pull looks for; null elsewhere."""
    if placed.kind != "experts":
        return None
    return sum(share.weights + share.kv for share in placed.shares if share.card is not None)


def _device(share):
    return {
        "key": share.card.key,  # which card that is on the host itself: kinds.py
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


def rejected(case, chosen):
    """The tags that were passed over, with the reason."""
    return [
        {
            "name": row.candidate.name,
            "why": words.rejected(case, row),
            "short_by_bytes": row.placed.short if row.placed and row.kind != "slow" else None,
            "short_by_tokens_per_second": max(0.1, round(row.detail.floor - row.detail.rate, 1)) if row.kind == "slow" else None,
        }
        for item in chosen
        for row in item.rejected
    ]


def environment(case, chosen, load, cache=None, left_out=()):
    """What the service must be told for the numbers of the plan to be true; only variables that this version reads."""
    if not chosen:
        return {}
    told = {
        "OLLAMA_CONTEXT_LENGTH": load.context,
        "OLLAMA_NUM_PARALLEL": load.parallel,
        "OLLAMA_KV_CACHE_TYPE": load.k_type,
        "OLLAMA_MAX_LOADED_MODELS": len(chosen) if case.policy.resident == "all" else 1,
    }
    capable = [item.candidate.shape.flash_attention for item in chosen]
    if all(capable) or (any(capable) and case.version < versions.FIRST_FIT):
        told["OLLAMA_FLASH_ATTENTION"] = 1 if load.flash_attention else 0
    elif not any(capable):
        told["OLLAMA_FLASH_ATTENTION"] = 0
    if case.policy.fit_margin_bytes != FIT_MARGIN_BYTES and case.host.cards:
        projector = max(item.candidate.shape.vision_bytes for item in chosen)
        told["LLAMA_ARG_FIT_TARGET"] = pad(case.policy.fit_margin_bytes + projector, MIB) // MIB
    if case.policy.reserve_bytes and case.version < versions.FIRST_FIT and case.host.cards:
        told["OLLAMA_GPU_OVERHEAD"] = case.policy.reserve_bytes
    if left_out:
        told["CUDA_VISIBLE_DEVICES"] = ",".join(card.key for card in case.host.cards)
        if case.version >= versions.FIRST_FIT:
            told["OLLAMA_VULKAN"] = 0  # on by itself since then, and it takes the cards that CUDA does not see
    if cache is not None:
        told["LLAMA_ARG_CACHE_RAM"] = cache.limit // MIB
        if cache.checkpoints is not None:
            told["LLAMA_ARG_CTX_CHECKPOINTS"] = cache.checkpoints
    known = versions.known_variables(case.version)
    return {name: str(value) for name, value in sorted(told.items()) if name in known}


def disk_of(vram, path):
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


def empty(errors, warnings):
    """The plan of a host that gets no models."""
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
