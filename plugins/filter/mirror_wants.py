# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the fleet wants of one mirror."""

from __future__ import annotations

from ansible.errors import AnsibleFilterError
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.mirror.wants import wants_of
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.mirrors import BadTree


def mirror_wants(groups, hostvars, me):
    """Names of the mirror, and of the models that it shall hold."""
    try:
        wants = wants_of(groups, hostvars, me)
    except BadTree as problem:
        raise AnsibleFilterError(str(problem))
    return {"models": wants.models, "server_names": wants.server_names}


class FilterModule:
    def filters(self):
        return {"mirror_wants": mirror_wants}
