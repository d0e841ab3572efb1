# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of environment variables that a release of Ollama would ignore in silence."""

from __future__ import annotations

from ansible.errors import AnsibleFilterError
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing import versions


def unknown_ollama_variables(environment, version):
    try:
        return versions.unknown_variables(list(environment or []), str(version))
    except ValueError as problem:
        raise AnsibleFilterError(str(problem))


class FilterModule:
    def filters(self):
        return {"unknown_ollama_variables": unknown_ollama_variables}
