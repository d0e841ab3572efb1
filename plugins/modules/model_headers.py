#!/usr/bin/python
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Manifests and headers of models, read where this host can reach the registry."""

from __future__ import annotations

DOCUMENTATION = r"""
module: model_headers
short_description: Read the headers of models over another host
version_added: 0.1.0
author:
  - llmfleet authors (@llmfleet)
description:
  - Reads manifest, config and GGUF header of models from a registry that this host reaches and the controller does not, usually a host of group
    C(model_mirror). Of each file only the head is read (5 to 12 MiB), and only its keys and tensor table come back.
  - The action of the same name keeps them in the controller's cache, where M(llmfleet.ollama.plan_models) finds them, and asks each host
    once for the whole fleet.
  - Used by C(playbooks/tasks/choose.yml).
extends_documentation_fragment:
  - llmfleet.ollama.read_only
  - llmfleet.ollama.registry_proxy
options:
  wanted:
    description: RV(llmfleet.ollama.plan_models#module:pending) of all hosts.
    type: list
    elements: dict
    required: true
    suboptions:
      over:
        description: The host to ask over, by its name in the inventory.
        type: str
        required: true
      upstream:
        description: The registry, as in C(model_mirror_upstream).
        type: str
        default: ''
      name:
        description: Name of the model.
        type: str
        required: true
attributes:
  action:
    description: Has an action plugin of the same name, which keeps the controller's cache.
    support: full
  platform:
    description: Hosts with Python.
    platforms: posix
    support: full
"""

EXAMPLES = r"""
- name: Choose the models
  llmfleet.ollama.plan_models:
    models: "{{ llm_models }}"
    registry: "{{ llm_registry }}"
    ask_over_mirror: true
  register: chosen

- name: Ask over the mirror's host what the controller cannot ask
  llmfleet.ollama.model_headers:
    wanted: "{{ chosen.pending }}"
  delegate_to: "{{ chosen.pending[0].over }}"
  when: chosen.pending | length > 0
"""

RETURN = r"""
msg:
  description: What was read.
  returned: always
  type: str
answers:
  description: For each of O(wanted) its C(manifest) and C(header), or the C(problem). The action keeps them and returns none.
  returned: when called as a module
  type: list
  elements: dict
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.llmfleet.ollama.plugins.module_utils.model_header.http_client import HttpClient
from ansible_collections.llmfleet.ollama.plugins.module_utils.model_header.registry import HeaderReader, RegistryError, packed
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.names import BadName, parse_name


def ask(registry, want):
    """One model: {"manifest", "header"} or {"problem"}."""
    answer = dict(want)
    try:
        name = parse_name(want["name"])
        manifest = registry.manifest(name)
        answer.update(manifest=manifest, header=packed(registry.header(name, manifest)))
    except BadName as problem:
        answer["problem"] = {"sentence": str(problem), "final": True, "silent": None, "missing": False}
    except RegistryError as problem:
        answer["problem"] = problem.as_dict()
    return answer


def main():
    module = AnsibleModule(
        argument_spec={
            "wanted": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {"over": {"type": "str", "required": True}, "upstream": {"type": "str", "default": ""}, "name": {"type": "str", "required": True}},
            },
            "https_proxy": {"type": "str", "default": "", "no_log": True},
            "no_proxy": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    # urllib's own names, for this process only.
    for variable in ("https_proxy", "no_proxy"):
        if module.params[variable]:
            os.environ[variable] = module.params[variable]
    answers, silent = [], {}
    for want in module.params["wanted"]:
        if want["upstream"] in silent:
            answers.append(dict(want, problem=silent[want["upstream"]]))
            continue
        answers.append(ask(HeaderReader(HttpClient(), want["upstream"]), want))
        problem = answers[-1].get("problem")
        if problem and problem["silent"]:
            silent[want["upstream"]] = problem
    read = sum(1 for answer in answers if "header" in answer)
    module.exit_json(changed=False, answers=answers, msg="%d of %d headers were read" % (read, len(answers)))


if __name__ == "__main__":
    main()
