# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether nothing is to be done for a host's Ollama, as its look said, and not long ago."""

from __future__ import annotations

import time


def settled(foretold):
    """foretold: what plan_service with facts_only has said."""
    return time.time() < (foretold.get("settled_until") or 0)


class FilterModule:
    def filters(self):
        return {"settled": settled}
