#!/usr/bin/python
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: model_oracle
short_description: Ask llama.cpp what a planned model would take
version_added: 0.1.0
author:
  - llmfleet authors (@llmfleet)
description:
  - Since Ollama 0.30 its C(llama-server) decides how many layers go to the GPU. This module lets that server compute the memory of a model that
    is not downloaded. It reads the head of the model's file by range, makes a sparse file of the full length of it, and reads the server's answer.
  - With O(ask=controller) the package C(xllamacpp) in the Python that runs Ansible is asked instead, and its KV cache and compute buffer are put in
    place of the plan's. It knows models on one card. Heads and answers are kept in the controller's cache, so a fleet asks once; the host is not contacted.
  - Changes nothing. Where the host has no such server, RV(asked) is false and RV(why) says so.
extends_documentation_fragment: [llmfleet.ollama.read_only]
options:
  ask:
    description:
      - Whether the host's own C(llama-server) or the controller's C(xllamacpp) is asked.
    type: str
    choices: [host, controller]
    default: host
  planned:
    description: The model's entry in C(model_plan.models); needed with O(ask=controller), which has no cards of its own to compare with.
    type: dict
  ollama_version:
    description:
      - The release that will serve the model. With O(ask=controller) an C(xllamacpp) whose llama.cpp allocates otherwise than that release's is refused.
    type: str
    default: 0.32.15
  server:
    description: Paths of C(llama-server); the first that exists is asked.
    type: list
    elements: path
    default:
      - /opt/ollama/current/lib/ollama/llama-server
      - /usr/local/lib/ollama/llama-server
      - /usr/lib/ollama/llama-server
  url:
    description: Address of the model's file (C(blob.url) of a plan).
    type: str
    required: true
  header_bytes:
    description: Length of its head (C(blob.header_bytes) of a plan).
    type: int
    required: true
  blob_bytes:
    description: Length of the whole file (C(blob.bytes) of a plan).
    type: int
    required: true
  context:
    description: Tokens of one sequence.
    type: int
    required: true
  parallel:
    description: Sequences at once.
    type: int
    default: 1
  ubatch:
    description: Micro-batch.
    type: int
    default: 512
  kv_cache_type:
    description: Type of the KV cache.
    type: str
    choices: [f16, q8_0, q4_0]
    default: f16
  flash_attention:
    description: Whether flash attention is on; by default the server decides.
    type: bool
  fit_margin_bytes:
    description: What has to stay free on each device.
    type: int
    default: 1073741824
  timeout:
    description: Seconds for the answer of the server.
    type: int
    default: 30
attributes:
  platform:
    description: Linux, with an Ollama of 0.30.0 or later for an answer.
    platforms: linux
    support: full
"""

EXAMPLES = r"""
- name: Let the host itself compute the memory of a model that it does not have yet
  llmfleet.ollama.model_oracle:
    url: "{{ planned.blob.url }}"
    header_bytes: "{{ planned.blob.header_bytes }}"
    blob_bytes: "{{ planned.blob.bytes }}"
    context: "{{ planned.context }}"
    ubatch: "{{ planned.ubatch }}"
"""

RETURN = r"""
asked:
  description: Whether a server answered.
  returned: always
  type: bool
why:
  description: Why there is no answer.
  returned: when not asked
  type: str
fits:
  description: Whether all of it stays on the GPUs with the margin.
  returned: when asked
  type: bool
missing_bytes:
  description: By how much it misses.
  returned: when asked
  type: int
projected_bytes:
  description: What the server would take on all devices.
  returned: when asked
  type: int
free_bytes:
  description: What is free on them.
  returned: when asked
  type: int
where:
  description: Whether the model would lie in V(device) or V(host) memory.
  returned: when asked
  type: str
difference_bytes:
  description: By how much llama.cpp's cache and buffers differ from the plan's.
  returned: when the controller was asked
  type: int
devices:
  description: The server's own table of devices, in bytes.
  returned: when asked
  type: list
  elements: dict
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.llmfleet.ollama.plugins.module_utils.oracle import llama_server


def main():
    module = AnsibleModule(
        argument_spec=llama_server.OPTIONS,
        supports_check_mode=True,
    )
    options = module.params
    server = next((path for path in options["server"] if os.access(path, os.X_OK)), None)
    if not server:
        module.exit_json(changed=False, asked=False, why="this host has none of %s" % ", ".join(options["server"]))
    path = None
    try:
        head = llama_server.fetch_head(options["url"], options["header_bytes"], options["timeout"])
        path = llama_server.write_sparse(module.tmpdir, head, options["blob_bytes"])
        answer = llama_server.ask(server, path, options, options["timeout"])
    except (llama_server.NoAnswer, OSError) as problem:
        module.exit_json(changed=False, asked=False, why=str(problem))
    finally:
        if path:
            os.unlink(path)
    missing = llama_server.missing_bytes(answer, options["fit_margin_bytes"])
    module.exit_json(
        changed=False,
        asked=True,
        fits=answer["where"] == "device" and not missing,
        missing_bytes=missing,
        projected_bytes=answer["projected_bytes"],
        free_bytes=answer["free_bytes"],
        devices=answer["devices"],
        where=answer["where"],
    )


if __name__ == "__main__":
    main()
