# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say what a run will download to a host: on the controller, from what is known of the host."""

from __future__ import annotations

from ansible_collections.llmfleet.ollama.plugins.plugin_utils import downloads
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.controller_action import ControllerAction


class ActionModule(ControllerAction):
    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        _validation, args = self.validate_argument_spec(
            argument_spec={
                "release": {
                    "type": "dict",
                    "options": {
                        "version": {"type": "str", "required": True},
                        "archives": {"type": "list", "elements": "str", "required": True},
                        "base_url": {"type": "str", "required": True},
                        "path": {"type": "str", "required": True},
                    },
                },
                "models": {"type": "list", "elements": "dict", "default": []},
                "models_path": {"type": "str", "default": ""},
                "image": {
                    "type": "dict",
                    "options": {
                        "version": {"type": "str", "required": True},
                        "repository": {"type": "str", "required": True},
                        "tag": {"type": "str", "required": True},
                        "path": {"type": "str", "required": True},
                    },
                },
                "filesystems": {"type": "list", "elements": "dict", "default": []},
            }
        )
        facts = (task_vars or {}).get("ansible_facts") or {}
        look = facts.get("look") or {}
        wanted = args["release"]
        parts = [downloads.release(**wanted)] if wanted and not downloads.has_release(look, wanted["version"]) else []
        parts += downloads.models(args["models"], downloads.models_there(look, args["models"]), args["models_path"])
        parts += [downloads.image(**args["image"])] if args["image"] else []
        said, problems = downloads.tell(parts, ((facts.get("vram") or {}).get("filesystems") or []) + args["filesystems"])
        result.update(changed=False, msg=said, parts=[part.what for part in parts])
        if problems:
            result.update(failed=True, msg=" ".join(problems))
        return result
