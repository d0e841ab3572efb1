#!/usr/bin/python
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: chat_check
short_description: Prove that a model answers through the OpenAI API, and where it lies
version_added: 0.1.0
description:
  - Asks an Ollama server with the C(openai) client, as an application would, and then asks V(/api/ps) how much of the model is on the GPU.
  - A model that cannot chat (an embedding model) is asked for an embedding instead.
  - Run it on the controller, or anywhere else that must be able to reach the server.
requirements:
  - openai (Python package, where the module runs)
author:
  - llmfleet authors (@llmfleet)
extends_documentation_fragment: [llmfleet.ollama.read_only]
options:
  base_url:
    description: Address of the server's OpenAI API, ending in V(/v1).
    type: str
    required: true
  model:
    description: Name and tag of the model.
    type: str
    required: true
  prompt:
    description: What to ask.
    type: str
    default: Say hello in one word.
  max_tokens:
    description: Longest answer, in tokens. DeepSeek-R1 thinks before it answers, so a small number may cut it off in its thoughts; that counts as an answer.
    type: int
    default: 16
  api_key:
    description: Key for a server behind a proxy that asks for one. Ollama itself reads none.
    type: str
    default: none-needed
  require_gpu:
    description: Fail when any part of the model lies outside the GPU.
    type: bool
    default: false
  timeout:
    description: Seconds for each request. The first one may have to load the model.
    type: int
    default: 300
"""

EXAMPLES = r"""
- name: Chat with the planned model
  llmfleet.ollama.chat_check:
    base_url: http://10.20.0.7:11434/v1
    model: deepseek-r1:14b
    max_tokens: 32
    require_gpu: true
  delegate_to: localhost
"""

RETURN = r"""
answer:
  description: What the model said; empty for an embedding model.
  returned: success
  type: str
completion_tokens:
  description: Length of the answer in tokens; 0 for an embedding model.
  returned: success
  type: int
dimensions:
  description: Length of the embedding vector; 0 for a chat model.
  returned: success
  type: int
processor:
  description: V(gpu), V(cpu) or V(split), by the same arithmetic as C(ollama ps).
  returned: success
  type: str
size_bytes:
  description: Bytes that the loaded model takes.
  returned: success
  type: int
size_vram_bytes:
  description: How many of them lie on the GPU.
  returned: success
  type: int
context_length:
  description: Context that the server loaded the model with, in tokens; null where the server is too old to say.
  returned: success
  type: int
"""

import json
import traceback
import urllib.request

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

try:
    import openai

    OPENAI_IMPORT_ERROR = None
except ImportError:
    openai = None
    OPENAI_IMPORT_ERROR = traceback.format_exc()


def ask_json(url, body=None, timeout=30):
    """The JSON answer of a GET, or of a POST when there is a body. Raises OSError or ValueError."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers={"Content-Type": "application/json"})
    # The server is in our own network: a proxy from the environment would only be in the way.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=timeout) as response:
        return json.load(response)


def place(loaded, model):
    """Sizes of one model in the answer of /api/ps, or None when the server has not loaded it."""
    for entry in loaded.get("models") or []:
        if model in (entry.get("name"), entry.get("model")):
            size, on_gpu = int(entry.get("size") or 0), int(entry.get("size_vram") or 0)
            processor = "cpu" if on_gpu == 0 else "gpu" if on_gpu >= size else "split"
            return dict(
                size_bytes=size, size_vram_bytes=on_gpu, processor=processor, context_length=entry.get("context_length")
            )
    return None


def main():
    module = AnsibleModule(
        argument_spec=dict(
            base_url=dict(type="str", required=True),
            model=dict(type="str", required=True),
            prompt=dict(type="str", default="Say hello in one word."),
            max_tokens=dict(type="int", default=16, no_log=False),
            api_key=dict(type="str", default="none-needed", no_log=True),
            require_gpu=dict(type="bool", default=False),
            timeout=dict(type="int", default=300),
        ),
        supports_check_mode=True,
    )
    if openai is None:
        module.fail_json(msg=missing_required_lib("openai"), exception=OPENAI_IMPORT_ERROR)
    options = module.params
    base_url, model = options["base_url"].rstrip("/"), options["model"]
    server = base_url[: -len("/v1")] if base_url.endswith("/v1") else base_url
    result = dict(changed=False, answer="", completion_tokens=0, dimensions=0)
    client = openai.OpenAI(base_url=base_url, api_key=options["api_key"], timeout=options["timeout"], max_retries=1)
    try:
        # Servers before 0.6.4 name no capabilities; they are asked to chat.
        capabilities = ask_json(server + "/api/show", {"model": model}).get("capabilities") or ["completion"]
        if "completion" in capabilities:
            chat = client.chat.completions.create(
                model=model, max_tokens=options["max_tokens"], messages=[{"role": "user", "content": options["prompt"]}]
            )
            message = chat.choices[0].message
            # Newer servers hand over the thoughts of a reasoning model apart from its answer.
            result["answer"] = (message.content or "") or getattr(message, "reasoning", None) or ""
            result["completion_tokens"] = chat.usage.completion_tokens if chat.usage else 0
            if result["completion_tokens"] < 1:
                module.fail_json(msg="%s on %s answered with no token at all." % (model, server), **result)
        else:
            embedding = client.embeddings.create(model=model, input=options["prompt"])
            result["dimensions"] = len(embedding.data[0].embedding)
        where = place(ask_json(server + "/api/ps"), model)
    except (openai.OpenAIError, OSError, ValueError) as error:
        module.fail_json(msg="%s does not answer on %s: %s" % (model, server, error), **result)
    if where is None:
        module.fail_json(msg="%s answered on %s, but /api/ps does not name it: it was unloaded at once." % (model, server), **result)
    result.update(where)
    if options["require_gpu"] and result["processor"] != "gpu":
        module.fail_json(
            msg="%s on %s lies on the GPU with only %d of its %d bytes; run playbooks/deploy.yml again, which steps down to what fits, "
            "or set llm_policy.allow_partial_offload." % (model, server, result["size_vram_bytes"], result["size_bytes"]),
            **result,
        )
    module.exit_json(**result)


if __name__ == "__main__":
    main()
