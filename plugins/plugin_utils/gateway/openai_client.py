# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask a gateway by OpenAI's own client, as most of its users do: with a key, the fleet's certificate, and an answer that streams."""

from __future__ import annotations

import time

from ansible_collections.llmfleet.ollama.plugins.module_utils.gateway import client


def answered(gateway, key, model, embedding, prompt, max_tokens):
    """What client.answered says, and how fast it came; by that where this machine has no package openai."""
    # It takes a second to load, which only a proof needs.
    from ansible_collections.llmfleet.ollama.plugins.modules import chat_check

    if chat_check.openai is None:
        return client.answered(gateway, key, model, embedding, prompt, max_tokens)
    web = chat_check.openai.DefaultHttpxClient(verify=gateway.trust or True, trust_env=False)
    asker = chat_check.openai.OpenAI(base_url=gateway.url + "/v1", api_key=key or "none-needed", timeout=gateway.timeout, max_retries=0, http_client=web)
    began = time.monotonic()
    try:
        if embedding:
            said = {"answer": "an embedding of %d numbers" % len(asker.embeddings.create(model=model, input=prompt).data[0].embedding)}
        else:
            told = chat_check.chat(asker, model, prompt, max_tokens)
            said = {name: told[name] for name in ("answer", "first_token_seconds", "tokens_per_second")}
    except chat_check.openai.OpenAIError as problem:
        body = getattr(problem, "body", None)
        why = body.get("message") if isinstance(body, dict) else None
        raise client.Unproved("%s does not answer OpenAI's client for %s: %s" % (gateway.url, model, why or problem)) from problem
    except (IndexError, TypeError) as problem:
        raise client.Unproved("%s answered for %s with nothing." % (gateway.url, model)) from problem
    finally:
        asker.close()
    if not said["answer"]:
        raise client.Unproved("%s answered for %s with nothing." % (gateway.url, model))
    return {**said, "seconds": round(time.monotonic() - began, 3), "client": "openai"}
