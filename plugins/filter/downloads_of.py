# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a host's downloads a run is for."""

from __future__ import annotations

from ansible_collections.llmfleet.ollama.plugins.plugin_utils import downloads

PARTS = ("ollama", "models", "open_webui")
# No container of Open WebUI is run there.
WITHOUT_WEB_UI = ("Darwin", "Windows")


def downloads_of(groups, run_tags, skip_tags, facts=None, announced=()):
    """Which of PARTS may still have to come to a host of these groups under these tags of the run.

    Of what the host announces, nothing means that nobody has asked, and None that Ollama is to go from there.
    """
    facts, look = facts or {}, (facts or {}).get("look") or {}
    plan, release = facts.get("model_plan"), dict(announced or {}).get("release")
    has_release = announced is None or release and downloads.has_release(look, release["version"])
    has_models = plan and not downloads.missing(look, plan.get("models") or [])
    has = {
        "ollama": "ollama" in groups and not has_release,
        "models": "ollama" in groups and not has_models,
        "open_webui": "open_webui" in groups and facts.get("os_family") not in WITHOUT_WEB_UI,
    }
    asked = PARTS if "all" in run_tags else run_tags
    return [part for part in PARTS if has[part] and part in asked and part not in skip_tags]


class FilterModule:
    def filters(self):
        return {"downloads_of": downloads_of}
