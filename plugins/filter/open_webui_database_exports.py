# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shell lines that tell PostgreSQL's own tools where the database is."""

from __future__ import annotations

from ansible_collections.llmfleet.ollama.plugins.plugin_utils.web_ui.database import exports


def open_webui_database_exports(url, dump):
    return exports(url, dump)


class FilterModule:
    def filters(self):
        return {"open_webui_database_exports": open_webui_database_exports}
