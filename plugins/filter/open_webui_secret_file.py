# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file that brings secrets to Open WebUI's process."""

from __future__ import annotations

from ansible_collections.llmfleet.ollama.plugins.plugin_utils.web_ui.environment import secret_file
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.web_ui.wish import read


def open_webui_secret_file(wishes):
    return secret_file(read(wishes))


class FilterModule:
    def filters(self):
        return {"open_webui_secret_file": open_webui_secret_file}
