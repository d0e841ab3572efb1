# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment of Ollama's server, from what several places say."""

from __future__ import annotations

from ansible.errors import AnsibleFilterError
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.version import version_tuple
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.service.environment import BadSetting, merge
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.versions import unknown_variables


def ollama_environment(layers, version):
    """Merge layers of variables (the last wins) into strings, and list those that the version does not read."""
    try:
        environment = merge(layers)
    except BadSetting as problem:
        raise AnsibleFilterError(str(problem))
    # A version that is none is refused by role ollama with the variable, of which this filter knows nothing.
    return {"environment": environment, "unknown": unknown_variables(environment, version) if version_tuple(version) else []}


class FilterModule:
    def filters(self):
        return {"ollama_environment": ollama_environment}
