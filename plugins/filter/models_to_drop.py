# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Models that a plan has no use for."""

from __future__ import annotations

from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.names import parse_name


def models_to_drop(names, plan):
    """Those of the names that a plan neither runs, nor makes another model from, nor calls one by."""
    models = (plan or {}).get("models") or []
    kept = {parse_name(name).key for model in models for name in (model["name"], model.get("from"), *model.get("aliases", ())) if name}
    return [name for name in names if parse_name(name).key not in kept]


class FilterModule:
    def filters(self):
        return {"models_to_drop": models_to_drop}
