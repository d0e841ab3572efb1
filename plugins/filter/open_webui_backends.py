# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the inventory's Ollama hosts to the connections of one Open WebUI."""

from __future__ import annotations

from ansible_collections.llmfleet.ollama.plugins.plugin_utils.web_ui.backends import open_webui_backends


class FilterModule:
    def filters(self):
        return {"open_webui_backends": open_webui_backends}
