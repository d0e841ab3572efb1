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
    good.sort(key=_limited)
    return (good[0][1], good[0][0].models) if good else ("", ())


def _limited(pair) -> bool:
    return bool(pair[0].models)


def model_of(fleet: Fleet, entries: dict, allowed: tuple) -> dict:
    """{name, embedding} of the model that is asked: one that is planned for hosts of this run, can chat, and is the quickest to load; {} for none.

    entries: model -> its row of a plan, where one is known.
    """
    names = [name for name in fleet.holders() if not allowed or name in allowed]
    names.sort(key=_Cost(entries))
    return {"name": names[0], "embedding": bool((entries.get(names[0]) or {}).get("embedding"))} if names else {}


class _Cost:
    def __init__(self, entries: dict):
        self.entries = entries

    def __call__(self, name: str) -> tuple:
        entry = self.entries.get(name)
        if entry is None:
            # Of a host that took no part, and may be off.
            return (2, 0, name)
        return (bool(entry.get("embedding")), (entry.get("memory") or {}).get("weights_bytes") or 0, name)
