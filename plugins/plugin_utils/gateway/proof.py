# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a gateway is asked to prove itself: with which key, and for which model."""

from __future__ import annotations

import time

from . import wish as wishes
from .fleet import Fleet


def key_and_models(entries: list, now: float | None = None) -> tuple:
    """(a token, the models that it may ask for, () for all) of the first key that is still good, those for all models first; ('', ()) for none."""
    good = []
    for entry in entries:
        keys, _wrong = wishes.read_keys([entry])
        good += [(key, entry["key"]) for key in keys if not key.expires or key.expires > (now or time.time())]
    key, token = min(good, key=lambda pair: bool(pair[0].models), default=(None, ""))
    return token, key.models if key else ()


def model_of(fleet: Fleet, entries: dict, allowed: tuple) -> dict:
    """{name, embedding} of the model that is asked: one that is planned for hosts of this run, can chat, and is the quickest to load; {} for none.

    entries: model -> its row of a plan, where one is known.
    """

    def cost(name: str) -> tuple:
        entry = entries.get(name)
        if entry is None:
            # Of a host that took no part, and may be off.
            return (2, 0, name)
        return (bool(entry.get("embedding")), (entry.get("memory") or {}).get("weights_bytes") or 0, name)

    name = min((name for name in fleet.holders() if not allowed or name in allowed), key=cost, default="")
    return {"name": name, "embedding": bool((entries.get(name) or {}).get("embedding"))} if name else {}
