# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the plans of a fleet to what a mirror holds."""

from __future__ import annotations


def models_to_mirror(plans):
    """What all hosts pull: each name once, without those that are made on the host."""
    names = {model.get("from") or model["name"] for plan in plans for model in (plan or {}).get("models") or []}
    return sorted(names)


class FilterModule:
    def filters(self):
        return {"models_to_mirror": models_to_mirror}
