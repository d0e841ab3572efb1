#!/usr/bin/python
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gateway_check
short_description: Prove a gateway as its clients see it
version_added: 0.1.0
author:
  - llmfleet authors (@llmfleet)
description:
  - Asks without a key, which must be refused, then for the list of models, and for one answer.
  - In role C(llmfleet.ollama.gateway) it takes no options and decides by itself, from the role's variables and the plans, what to ask. It asks from the
    controller, and from the gateway's own host where the controller is not let in.
  - There it also tells the fleet report what the gateway has counted.
  - From the controller the answer is asked for by OpenAI's own client and streams, where the package C(openai) is there; else Python's standard library asks.
extends_documentation_fragment: [llmfleet.ollama.read_only]
options:
  url:
    description: Where the gateway is, without a path.
    type: str
    required: true
  authority:
    description: The certificate to trust; empty for those that the machine trusts.
    type: str
    default: ''
  key:
    description: Key of a client; empty for a gateway that asks for none.
    type: str
    default: ''
  model:
    description: Whom to ask.
    type: str
    required: true
  embedding:
    description: Whether it is a model for embeddings.
    type: bool
    default: false
  prompt:
    description: What to ask.
    type: str
    default: Say hello in one short sentence.
  max_tokens:
    description: Longest answer, in tokens.
    type: int
    default: 64
  own:
    description: It is asked on its own host, where a certificate for another name than the loopback's is no matter.
    type: bool
    default: false
  timeout:
    description: Seconds for each request.
    type: int
    default: 300
attributes:
  action:
    description: Runs as an action plugin on the controller, and where the controller is not let in as a module on the gateway's host.
    support: full
"""

EXAMPLES = r"""
- name: Prove the gateway
  ansible.builtin.include_role:
    name: llmfleet.ollama.gateway
    tasks_from: prove.yml
"""

RETURN = r"""
url:
  description: Where it was asked.
  returned: success
  type: str
models:
  description: What it lists.
  returned: success
  type: list
  elements: str
model:
  description: Which of them was asked.
  returned: success
  type: str
answer:
  description: What it said.
  returned: success
  type: str
seconds:
  description: From the question to the whole answer.
  returned: success
  type: float
client:
  description: Who asked for it, V(openai) or V(http).
  returned: success
  type: str
first_token_seconds:
  description: Until the first word of it came.
  returned: when the openai client has asked for a chat
  type: float
tokens_per_second:
  description: Of that stream; null for an answer of one token.
  returned: when the openai client has asked for a chat
  type: float
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.llmfleet.ollama.plugins.module_utils.gateway import client


def main():
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "required": True},
            "authority": {"type": "str", "default": ""},
            "key": {"type": "str", "default": "", "no_log": True},
            "model": {"type": "str", "required": True},
            "embedding": {"type": "bool", "default": False},
            "prompt": {"type": "str", "default": client.PROMPT},
            "max_tokens": {"type": "int", "default": client.MAX_TOKENS, "no_log": False},
            "own": {"type": "bool", "default": False},
            "timeout": {"type": "int", "default": 300},
        },
        supports_check_mode=True,
    )
    asked = module.params
    try:
        gateway = client.Gateway(asked["url"], asked["authority"], asked["timeout"], asked["own"])
        told = client.prove(gateway, asked["key"], asked["model"], asked["embedding"], asked["prompt"], asked["max_tokens"])
    except client.Unproved as problem:
        module.fail_json(msg=str(problem))
    module.exit_json(changed=False, url=asked["url"], model=asked["model"], **told)


if __name__ == "__main__":
    main()
