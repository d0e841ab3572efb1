# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan of models in a line."""

from __future__ import annotations


def planned_words(plan):
    """Each model with its context and cache: two plans with the same words are the same choice."""
    models = (plan or {}).get("models") or []
    return ", ".join("%(name)s at %(context)s tokens with the cache in %(kv_cache_type)s" % model for model in models)


class FilterModule:
    def filters(self):
        return {"planned_words": planned_words}
