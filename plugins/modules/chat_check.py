#!/usr/bin/python
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: chat_check
short_description: Prove that a model answers through the OpenAI API, how fast, and where it lies
version_added: 0.1.0
description:
  - Asks an Ollama server with the C(openai) client, as an application would, and takes the time to the first token of the stream.
  - Asks once more through V(/api/chat), where Ollama itself tells how long it took for its tokens, and then V(/api/ps) for how much of the
    model is on the GPU.
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
    default: Say hello in one short sentence.
  max_tokens:
    description: Longest answer, in tokens. DeepSeek-R1 thinks before it answers, so a small number may cut it off in its thoughts; that counts as an answer.
    type: int
    default: 64
  embedding:
    description: Whether the model is one for embeddings, as the plan says. Left out, the server is asked, and one that does not tell is asked to chat.
    type: bool
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
only_thoughts:
  description: Whether RV(answer) are thoughts of a reasoning model that reached O(max_tokens) before its answer.
  returned: success
  type: bool
loaded_before:
  description: Whether the model was loaded when it was asked. Otherwise RV(first_token_seconds) holds the time of loading.
  returned: success
  type: bool
first_token_seconds:
  description: Seconds from the request to the first token, or to the embedding.
  returned: success
  type: float
tokens_per_second:
  description: Tokens of the answer a second, without the time before the first one; null for an embedding model, or where it was too short to say.
  returned: success
  type: float
speed_source:
  description: V(ollama) where it is Ollama's own C(eval_count) and C(eval_duration), V(stream) where the server tells none and the chunks were timed.
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

import http.client
import json
import time
import traceback
import urllib.request

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

try:
    import openai

    OPENAI_IMPORT_ERROR = None
except ImportError:
    openai = None
    OPENAI_IMPORT_ERROR = traceback.format_exc()


# Lists of models and one vector; a host that goes on and on fills nobody's memory.
LONGEST_ANSWER = 16 << 20


def ask_json(url, key, body=None, timeout=30):
    """The JSON answer of a GET, or of a POST when there is a body. Raises OSError or ValueError."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers={"Content-Type": "application/json", "Authorization": "Bearer " + key})
    # The server is in our own network: a proxy from the environment would only be in the way.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=timeout) as response:
        content = response.read(LONGEST_ANSWER + 1)
    if len(content) > LONGEST_ANSWER:
        raise ValueError("it sent more than %d bytes" % LONGEST_ANSWER)
    return json.loads(content)


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


def chat(client, model, prompt, max_tokens):
    """What came through the stream, and when."""
    began = time.monotonic()
    first = last = None
    answer, thoughts, tokens, chunks = [], [], 0, 0
    stream = client.chat.completions.create(
        model=model,
        max_tokens=max_tokens,
        # The OpenAI API's default of 1 makes a small model talk nonsense, and another one at each proof.
        temperature=0,
        messages=[{"role": "user", "content": prompt}],
        stream=True,
        stream_options={"include_usage": True},
    )
    for chunk in stream:
        if chunk.usage:
            tokens = chunk.usage.completion_tokens
        for choice in chunk.choices:
            said = choice.delta.content or ""
            # Newer servers hand over the thoughts of a reasoning model apart from its answer.
            thought = getattr(choice.delta, "reasoning", None) or ""
            if said or thought:
                last = time.monotonic()
                first = first or last
                chunks += 1
                answer.append(said)
                thoughts.append(thought)
    tokens = tokens or chunks
    told = "".join(answer).strip()
    return dict(
        answer=told or "".join(thoughts).strip(),
        only_thoughts=not told and any(thoughts),
        completion_tokens=tokens,
        first_token_seconds=None if first is None else round(first - began, 3),
        tokens_per_second=round((tokens - 1) / (last - first), 1) if tokens > 1 and last > first else None,
        speed_source="stream",
    )


def own_speed(ask, model, prompt, max_tokens, timeout):
    """Tokens a second by Ollama's own clock, or None: the OpenAI API has no place for it."""
    question = {"model": model, "messages": [{"role": "user", "content": prompt}], "stream": False, "options": {"num_predict": max_tokens, "temperature": 0}}
    try:
        told = ask("/api/chat", question, timeout)
        return round(told["eval_count"] / (told["eval_duration"] / 1e9), 1)
    except (OSError, ValueError, KeyError, TypeError, ZeroDivisionError, http.client.HTTPException):
        # A gateway may let only the OpenAI API through; the stream was timed.
        return None


def misplaced(model, server, where):
    """Why a model that should lie on the GPU does not, and the way out."""
    if not where["size_vram_bytes"]:
        return (
            "%s on %s: nothing of it is on the GPU. Its driver, its library or the rights of the service's user are the cause (journalctl -u ollama), "
            "and no smaller model would mend that; llm_prove_gpu: false accepts it." % (model, server)
        )
    return (
        "%s on %s: only %.1f of its %.1f GiB are on the GPU; run site.yml again, which steps down to what fits, or set llm_policy.allow_partial_offload."
        % (model, server, where["size_vram_bytes"] / 2.0**30, where["size_bytes"] / 2.0**30)
    )


def unanswered(model, server, error):
    """Why there is no answer, and the way out: of /api/show by urllib, of the chat by openai. A gateway's 404 for /api/ps says nothing of the model."""
    if getattr(error, "status_code", None) == 404 or (getattr(error, "code", None) == 404 and str(error.url).endswith("/api/show")):
        return "%s is not on %s; run site.yml, which brings it." % (model, server)
    reason = getattr(error, "reason", None)
    if isinstance(reason, OSError):
        return "%s does not answer on %s: %s; start Ollama there, or run site.yml." % (model, server, reason.strerror or reason)
    return "%s does not answer on %s: %s" % (model, server, error)


def main():
    module = AnsibleModule(
        argument_spec=dict(
            base_url=dict(type="str", required=True),
            model=dict(type="str", required=True),
            prompt=dict(type="str", default="Say hello in one short sentence."),
            max_tokens=dict(type="int", default=64, no_log=False),
            embedding=dict(type="bool"),
            api_key=dict(type="str", default="none-needed", no_log=True),
            require_gpu=dict(type="bool", default=False),
            timeout=dict(type="int", default=300),
        ),
        supports_check_mode=True,
    )
    if openai is None:
        module.fail_json(msg=missing_required_lib("openai"), exception=OPENAI_IMPORT_ERROR)
    options = module.params
    base_url, model, prompt = options["base_url"].rstrip("/"), options["model"], options["prompt"]
    server = base_url[: -len("/v1")] if base_url.endswith("/v1") else base_url

    def ask(path, *more):
        return ask_json(server + path, options["api_key"], *more)

    result = dict(
        changed=False,
        answer="",
        only_thoughts=False,
        completion_tokens=0,
        dimensions=0,
        first_token_seconds=None,
        tokens_per_second=None,
        speed_source="",
    )
    client = openai.OpenAI(
        base_url=base_url,
        api_key=options["api_key"],
        timeout=options["timeout"],
        max_retries=1,
        http_client=openai.DefaultHttpxClient(trust_env=False),
    )
    try:
        embedding = options["embedding"]
        if embedding is None:
            # Servers before 0.6.4 name no capabilities; they are asked to chat.
            embedding = "completion" not in (ask("/api/show", {"model": model}).get("capabilities") or ["completion"])
        result["loaded_before"] = place(ask("/api/ps"), model) is not None
        if embedding:
            began = time.monotonic()
            told = client.embeddings.create(model=model, input=prompt)
            result.update(dimensions=len(told.data[0].embedding), first_token_seconds=round(time.monotonic() - began, 3))
        else:
            result.update(chat(client, model, prompt, options["max_tokens"]))
            if result["completion_tokens"] < 1:
                module.fail_json(msg="%s on %s answered with no token at all." % (model, server), **result)
            speed = own_speed(ask, model, prompt, options["max_tokens"], options["timeout"])
            if speed is not None:
                result.update(tokens_per_second=speed, speed_source="ollama")
        where = place(ask("/api/ps"), model)
    except (openai.OpenAIError, OSError, ValueError, http.client.HTTPException) as error:
        module.fail_json(msg=unanswered(model, server, error), **result)
    if where is None:
        module.fail_json(msg="%s answered on %s, but /api/ps does not name it: it was unloaded at once." % (model, server), **result)
    result.update(where)
    if options["require_gpu"] and result["processor"] != "gpu":
        module.fail_json(msg=misplaced(model, server, where), **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
