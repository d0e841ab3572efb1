# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: model_metadata
short_description: Dimensions and tensors of a model before it is downloaded
version_added: 0.1.0
author: llmfleet authors (@llmfleet)
description:
  - Gives the keys of a model's GGUF header (token strings and merges left out, their count kept) and its tensor table.
  - The header is read by HTTP ranges, at most 64 MiB and usually 8, and kept on the controller by its digest,
    so that a fleet reads it once.
options:
  _terms:
    description:
      - Names of models (C(deepseek-r1:14b), C(user/model:tag), C(huggingface.co/org/repo:Q4_K_M),
        C(modelscope.cn/org/repo:Q4_K_M), C(mirror.example.net/library/model:tag)) or paths of GGUF files.
    required: true
  sources:
    description:
      - Where to look, in this order (V(header), V(catalogue), V(estimate)).
    type: list
    elements: str
    default: [header, catalogue, estimate]
    vars:
      - name: llm_metadata_sources
  registry:
    description:
      - Registry or mirror that plain names are asked of; empty for registry.ollama.ai.
      - An address that begins with C(http://) is asked without TLS.
      - What a mirror of the inventory (group C(model_mirror)) does not hold is asked of what fills it.
    type: str
    default: ""
    vars:
      - name: llm_registry
  cache:
    description:
      - Folder on the controller. By default C(llmfleet/metadata) in C($XDG_CACHE_HOME) or C(~/.cache).
    type: path
    env:
      - name: LLMFLEET_METADATA_CACHE
"""

EXAMPLES = r"""
- name: Show the layers of a model that nobody has downloaded
  ansible.builtin.debug:
    msg: "{{ lookup('llmfleet.ollama.model_metadata', 'deepseek-r1:14b')['qwen2.block_count'] }}"

- name: Predict the memory of a file
  ansible.builtin.debug:
    msg: "{{ lookup('llmfleet.ollama.model_metadata', '/models/mine.gguf') | llmfleet.ollama.model_memory(context=16384) }}"
"""

RETURN = r"""
_raw:
  description:
    - For each term a dict with GGUF's own keys, C(tensors) (C(name), C(type), C(shape), C(bytes)) or C(tensor_bytes)
      (sums, from the catalogue), C(source) (V(header), V(catalogue) or V(estimate)), C(digest), C(download_bytes), C(blob_bytes),
      C(quantization), C(requires), C(parameters).
  type: list
  elements: dict
"""

import os

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.llmfleet.ollama.plugins.module_utils.model_header.gguf import BadHeader
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.mirrors import BadTree, Tree
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing import plan
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.errors import BadInput
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.source import metadata
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.source.cache import Cache


class LookupModule(LookupBase):
    def run(self, terms, variables=None, **kwargs):
        self.set_options(var_options=variables, direct=kwargs)
        sources = self.get_option("sources")
        unknown = [source for source in sources if source not in plan.SOURCES]
        if unknown:
            raise AnsibleLookupError("sources names '%s': write some of %s" % (unknown[0], ", ".join(plan.SOURCES)))
        variables = variables or {}
        try:
            way = Tree(variables.get("groups") or {}, variables.get("hostvars") or {}).way(self.get_option("registry"))
        except BadTree as problem:
            raise AnsibleLookupError(str(problem))
        headers = metadata.Headers(self.get_option("registry"), Cache(self.get_option("cache")), way=way, run="process %d" % os.getpid())
        found = []
        for term in terms:
            try:
                found.append(metadata.lookup(str(term), sources, headers))
            except (metadata.NotFound, BadInput, BadHeader, OSError) as problem:
                raise AnsibleLookupError("model_metadata of '%s': %s" % (term, problem))
        return found
