# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory that one model takes, from its metadata and the settings of the service."""

from __future__ import annotations

from ansible.errors import AnsibleFilterError
from ansible_collections.llmfleet.ollama.plugins.module_utils.defaults import OLLAMA_VERSION
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing import versions
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.model import memory
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.model.shape import Shape


def model_memory(
    metadata,
    context=8192,
    parallel=1,
    kv_cache_type="f16",
    flash_attention=True,
    ollama_version=OLLAMA_VERSION,
    ubatch=None,
    build=None,
    backend="cuda",
):
    if not isinstance(metadata, dict):
        raise AnsibleFilterError("model_memory wants the dict that the lookup model_metadata gives, not %s" % type(metadata).__name__)
    if backend not in memory.OVERHEAD:
        raise AnsibleFilterError("model_memory: backend is '%s': write one of %s" % (backend, ", ".join(sorted(memory.OVERHEAD))))
    try:
        version = versions.parse(ollama_version)
        era = versions.era_of_build(int(build)) if build else versions.era_of_ollama(version)
        shape = Shape(metadata)
        settings = memory.settings_for(shape, int(context), int(parallel), kv_cache_type, bool(flash_attention), version, ubatch, era)
        return memory.describe(shape, settings, version, backend)
    except (ValueError, TypeError) as problem:
        raise AnsibleFilterError("model_memory: %s" % problem)


class FilterModule:
    def filters(self):
        return {"model_memory": model_memory}
