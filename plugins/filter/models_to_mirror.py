# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the plans of a fleet to what a mirror holds."""

from __future__ import annotations

from ansible_collections.llmfleet.ollama.plugins.plugin_utils.mirror.wants import planned_names as models_to_mirror


class FilterModule:
    def filters(self):
        return {"models_to_mirror": models_to_mirror}
