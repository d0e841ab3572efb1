# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses and networks as a firewall takes them."""

from __future__ import annotations

from ansible_collections.llmfleet.ollama.plugins.plugin_utils.service.address import address_sets


class FilterModule:
    def filters(self):
        return {"address_sets": address_sets}
