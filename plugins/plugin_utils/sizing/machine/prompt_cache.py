# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""System memory that llama-server fills while it works, and that neither Ollama nor /api/ps counts: earlier prompts and context checkpoints.

Since 0.30.0 each loaded model is a llama-server. Whenever a slot gets another prompt, the state of the old one is copied to RAM, up to a limit
(--cache-ram); models with windows or recurrent states keep copies of these for each slot besides (--ctx-checkpoints). Sources: docs/sizing.md.
"""

from __future__ import annotations

import collections

from ansible_collections.llmfleet.ollama.plugins.module_utils.bytes import GIB, MIB

from ..model.memory import PROCESS_RAM, memory
from . import placement

DEFAULT_LIMIT = 8 * GIB  # llama-server's own, for each loaded model
DEFAULT_CHECKPOINTS = 32  # for each slot
_SHARE = 0.8  # of system memory that models and what they keep may take together

# One resident model: its shape, where it lies, and whether it is for embeddings, whose prompts nobody keeps.
Resident = collections.namedtuple("Resident", "shape placed embedding")
# limit: bytes of earlier prompts for each model; checkpoints: for each slot, None where no model makes any; room: what is left to each model;
# state: the largest prompt's (a whole context of one sequence).
PromptCache = collections.namedtuple("PromptCache", "limit checkpoints room state")


def host_bytes(resident):
    """System memory that a loaded model takes before it has answered anything."""
    shares = resident.placed.shares
    taken = sum(placement.share_total(share) - share.margin for share in shares if share.card is None or share.card.unified)
    if any(share.card is None for share in shares):
        return taken  # the process is among it
    if any(share.card.unified for share in shares):
        return taken + PROCESS_RAM
    return memory(resident.shape, resident.placed.settings).host + PROCESS_RAM


def state_bytes(resident):
    """A prompt that fills the context of one sequence: its cache and its recurrent state."""
    settings = resident.placed.settings
    found = memory(resident.shape, settings)
    return (found.kv + found.recurrent) // settings.parallel


def checkpoint_bytes(resident):
    """One checkpoint of each slot: the layers that cannot be rolled back, which are those with a window and those with a state."""
    found = memory(resident.shape, resident.placed.settings)
    return sum(size for size, sliding in zip(found.kv_layers, resident.shape.swa) if sliding) + found.recurrent


def plan(residents, ram_total, in_turns=False):
    """What each of the models may keep; None where the system's memory is not known. in_turns: only one of them is loaded at a time."""
    talking = [resident for resident in residents if not (resident.embedding or resident.shape.encoder)]
    if not ram_total or not talking:
        return None
    budget = int(ram_total * _SHARE)
    if in_turns:
        room = budget - max(host_bytes(resident) for resident in residents)
    else:
        room = (budget - sum(host_bytes(resident) for resident in residents)) // len(talking)
    room = max(0, room)
    state = max(state_bytes(resident) for resident in talking)
    checkpoint = max(checkpoint_bytes(resident) for resident in talking)
    # Without a checkpoint such a model reads its whole prompt again for one changed word, so they come first, but leave half to the prompts.
    checkpoints = _checkpoints(room // 2, checkpoint)
    limit = min(DEFAULT_LIMIT, room - (checkpoints or 0) * checkpoint) // MIB * MIB
    if limit < state:
        limit, checkpoints = 0, _checkpoints(room, checkpoint)
    return PromptCache(limit, checkpoints, room, state)


def _checkpoints(room, each):
    return min(DEFAULT_CHECKPOINTS, room // each) if each else None


def kept_bytes(cache, resident):
    """(earlier prompts, checkpoints) of one model, at most."""
    if cache is None:
        return None, None
    if resident.embedding or resident.shape.encoder:
        return 0, 0
    return cache.limit, (cache.checkpoints or 0) * checkpoint_bytes(resident)
