# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts of one machine as memory that a plan may spend. Deterministic: never the free bytes of the moment, in which our own models show."""

from __future__ import annotations

import collections

from ansible_collections.llmfleet.ollama.plugins.module_utils.accelerators import apple
from ansible_collections.llmfleet.ollama.plugins.module_utils.bytes import GIB, MIB, gib, pad
from ansible_collections.llmfleet.ollama.plugins.module_utils.vendors import BACKENDS

from . import bandwidth

Card = collections.namedtuple("Card", "index name key group backend budget usable unified discrete compute_capability pace", defaults=(None,))
# ram_bandwidth: bytes a second at the peak; cores: that may compute, None where nobody knows; ram_assumed: whether nothing told the bandwidth
Host = collections.namedtuple(
    "Host", "cards unified ram_budget ram_total warnings environment ram_bandwidth cores ram_assumed", defaults=(None, None, False)
)

# Processes whose memory is what the plan itself puts there.
_OURS = ("ollama", "llama-server", "ollama-lib", "ollama_llama_server", "ollama_llama_se", "ollama-runner", "ollama runner")
_DESKTOP = GIB  # a card whose holders can't be named (Windows, WSL): what a desktop and its browser take
_IDLE = 512 * MIB  # what an idle card shows as used without any process
_GRAIN = 64 * MIB  # others' use is rounded up, so that its small swings change no plan
_OS_SHARE = 0.2  # of system memory, for everything that is not the model
_OS_SHARE_UNIFIED = 0.1
_OS_MINIMUM = 4 * GIB  # on machines whose GPU uses the system's memory,
_OS_MOST = 3  # and of small ones a third: that is what macOS keeps of 8 GiB from its GPU


def _is_ours(name):
    lowered = str(name or "").lower().rsplit("/", 1)[-1].rsplit("\\", 1)[-1]
    return lowered.startswith(_OURS)


def held_by_others(device, warnings):
    """Bytes on a card that neither Ollama nor the plan can have."""
    used = device.get("memory_used_bytes") or 0
    holders = device.get("memory_used_by") or []
    others = [holder for holder in holders if not _is_ours(holder.get("name"))]
    if holders:
        known = sum(holder.get("memory_bytes") or 0 for holder in others)
        blind = any(holder.get("memory_bytes") is None for holder in others)
        if blind:
            # Windows names processes without their bytes: what is not ours belongs to others, and where ours are without bytes too, a desktop's share
            # is left to them, the same at the least as before our models were loaded.
            ours = [holder.get("memory_bytes") for holder in holders if _is_ours(holder.get("name"))]
            known = max(known, _DESKTOP, 0 if None in ours else used - sum(ours))
        return pad(known, _GRAIN)
    if device.get("vendor") == "apple" or device.get("unified"):
        return 0  # the limit of the working set and the share for the system cover it
    if device.get("source") in ("dxreg", "registry", "wmi"):
        return _DESKTOP  # Windows does not say who holds what
    if used <= _IDLE:
        return 0
    warnings.append(
        "%s of %s are held by processes that cannot be named, %s of it counted as others'; set llm_policy.reserve_bytes to keep more free"
        % (gib(used), device.get("name"), gib(_DESKTOP))
    )
    return _DESKTOP


def _integrated_usable(device):
    """Integrated GPUs that Ollama uses by itself: NVIDIA's SoCs, AMD gfx1151, Apple."""
    return device.get("vendor") in ("nvidia", "apple") or device.get("gfx_target") == "gfx1151"


def _capability(text):
    """'8.6' -> 8.6; None where it is unknown or no number."""
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def host(vram, reserve_bytes=0):
    """What one machine's facts leave to models."""
    warnings = []
    memory = vram.get("system_memory") or {}
    total = memory.get("total_bytes") or 0
    limit = vram.get("cgroup_memory_limit_bytes")
    ram_total = min(total, limit) if limit and total else (limit or total)
    # What is gone at the moment is no measure: our own models and the prompts that their servers keep may fill the whole budget.
    budget = int(ram_total * (1 - _OS_SHARE))
    cards, keys = [], set()
    for position, device in enumerate(vram.get("devices") or []):
        # Cards that someone described by hand may have neither number nor identity; each is one of its own all the same.
        card = _card(device if device.get("index") is not None else dict(device, index=position), total, reserve_bytes, warnings)
        if card:
            if card.key in keys:
                card = card._replace(key="%s #%d" % (card.key, position))
            keys.add(card.key)
            cards.append(card)
    cards.sort(key=lambda card: (not card.discrete, -card.budget, card.key))
    unified = bool(cards) and all(card.unified for card in cards)
    if unified:
        # One pool: what the system keeps from the GPU is not the processor's either.
        budget = min(budget, ram_total - _for_the_system(ram_total))
    ram_bandwidth, assumed = bandwidth.of_ram(vram, cards)
    return Host(
        tuple(cards), unified, budget, ram_total, tuple(warnings), vram.get("environment") or {},
        ram_bandwidth, bandwidth.cores(vram), assumed,
    )


def lent(card, host):
    """Bytes that the owner of a Mac may let its GPU have, which is more than macOS does by itself; of other machines what the card has."""
    return host.ram_total - _for_the_system(host.ram_total) if card.group == "apple" and card.unified else card.budget


def _for_the_system(pool):
    """Bytes of a pool that GPU and processor share, for everything that is not the model."""
    return max(min(_OS_MINIMUM, pool // _OS_MOST), int(pool * _OS_SHARE_UNIFIED))


def _card(device, system_total, reserve_bytes, warnings):
    name = device.get("name") or "GPU %s" % device.get("index")
    if device.get("accessible") is False:
        warnings.append("%s is not used: this host's user cannot open it" % name)
        return None
    unified = bool(device.get("unified"))
    usable = device.get("memory_usable_bytes")
    if usable is None:
        usable = device.get("memory_total_bytes")
        if usable and unified and device.get("vendor") == "apple":
            usable = apple.lent(usable)
    if usable is None:
        warnings.append("%s is not used: its memory is unknown; describe it in llm_vram_override" % name)
        return None
    if device.get("type") == "integrated" and not _integrated_usable(device):
        warnings.append("%s is not used: Ollama leaves integrated GPUs out unless OLLAMA_IGPU_ENABLE is set" % name)
        return None
    capability = _capability(device.get("compute_capability"))
    if capability is not None and capability < 5.0:
        warnings.append("%s is not used: compute capability %s is below Ollama's 5.0" % (name, capability))
        return None
    if unified and system_total:
        pool = system_total + (device.get("memory_dedicated_bytes") or 0 if device.get("vendor") == "amd" else 0)
        usable = min(usable, pool - _for_the_system(pool))
    budget = usable - held_by_others(device, warnings) - reserve_bytes
    vendor = device.get("vendor") or "other"
    backend = BACKENDS.get(vendor, BACKENDS["other"])
    return Card(
        index=device.get("index", 0),
        name=name,
        key=str(device.get("uuid") or device.get("pci_address") or device.get("index") or 0),
        group=vendor,
        backend=backend,
        budget=max(0, budget),
        usable=max(0, usable),
        unified=unified,
        discrete=device.get("type") != "integrated" and not unified,
        compute_capability=capability,
        pace=bandwidth.pace(device, backend),
    )
