#!/usr/bin/python
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: plan_models
short_description: Choose the models that a host's own memory holds
version_added: 0.1.0
author:
  - llmfleet authors (@llmfleet)
description:
  - Turns what the inventory wants (families, context, policy) and what the machine has (C(ansible_facts.vram)) into one tag for each want,
    with the predicted memory on each card, the settings that the prediction assumes and the reason.
  - Runs on the controller only. It opens no connection to the host and changes nothing.
  - The same input always gives the same plan.
extends_documentation_fragment: [llmfleet.ollama.on_controller, llmfleet.ollama.read_only]
options:
  models:
    description:
      - What is wanted (C(llm_models)). Each item has O(models) key C(family) (the best tag is chosen), C(model) (a fixed tag is checked)
        or C(name) with C(from) and C(parameters) (a model of our own, made from another one), and may have C(context), C(min_context),
        C(quantizations), C(digest), C(require_gpu), C(keep_warm) (M(llmfleet.ollama.ollama_beside)) and C(replicas)
        (M(llmfleet.ollama.plan_placement)).
      - Must be given, or be found by O(from_variables).
    type: list
    elements: raw
  from_variables:
    description:
      - Read options that the task does not give from the variables of the inventory (C(llm_models), C(llm_families), C(llm_policy), C(llm_vram_override),
        C(ollama_version), C(llm_metadata_sources), C(llm_registry), C(ollama_models_dir), C(llm_oracle)), and O(proofs) from what was looked at
        (M(llmfleet.ollama.look)). It costs the controller less than as many templates.
    type: bool
    default: false
  families:
    description:
      - Families of the inventory's own (C(llm_families)). Each key is a name that O(models) may have as C(family), each value the list of its tags,
        the best first. A tag alone is one of the model of that name; a name with a tag, also of another registry, may stand beside it.
      - Their sizes come from O(metadata_sources), as those of a fixed tag.
    type: dict
    default: {}
  aliases:
    description:
      - Other names of the planned models, each with the tag or the family that it stands for, by default the variable C(llm_aliases). They come back as
        C(aliases) of the model; one that stands for nothing of this host is left out.
    type: raw
  policy:
    description:
      - What the choice may concede (C(llm_policy)), see docs/sizing.md.
    type: dict
    default: {}
  vram:
    description:
      - Facts of the accelerators; by default the host's own C(ansible_facts.vram).
    type: dict
  ollama_version:
    description:
      - The release that will serve the models. It decides placement, buffers and the known variables.
    type: str
    default: 0.32.15
  metadata_sources:
    description:
      - Where dimensions of models come from, in this order (V(header), V(catalogue), V(estimate)).
    type: list
    elements: str
    default: [header, catalogue, estimate]
  registry:
    description:
      - Registry or mirror that headers are read from (C(llm_registry)); empty for registry.ollama.ai.
      - Where it names a host of the inventory's group C(model_mirror), a model that the mirror does not hold yet is asked of what fills it
        (C(model_mirror_upstream) of that host), along the whole chain; only the registry at its end knows what does not exist.
    type: str
    default: ""
  filesystem:
    description:
      - Path of the model store, matched against C(vram.filesystems).
    type: path
  proofs:
    description:
      - What earlier runs measured (C(ansible_local.llmfleet.proofs)). A tag that spilled to the CPU is not planned so again.
    type: dict
    default: {}
  placed:
    description:
      - What M(llmfleet.ollama.plan_placement) decided for this host, by default what a task of playbooks/tasks/choose.yml has registered. C(placed) has the
        tag of each want with C(replicas) by its position, empty where other hosts have the copies; C(copies) has their names.
    type: dict
  oracle:
    description:
      - Results of M(llmfleet.ollama.model_oracle) for the models of an earlier plan. What the host's own server says does not fit is not planned again.
    type: list
    elements: dict
    default: []
  confirm:
    description:
      - Whether llama.cpp is to be asked about the plan, as C(llm_oracle); M(llmfleet.ollama.model_oracle) does it, and RV(confirm) says when.
    type: raw
    default: false
  ask_over_mirror:
    description:
      - Where the mirror's upstream does not answer the controller, return the names as RV(pending) and no plan, so that
        M(llmfleet.ollama.model_headers) can ask over the mirror's host; then call this module again.
      - With V(false) such models are planned by the next of O(metadata_sources).
    type: bool
    default: false
  fail_on_error:
    description:
      - Fail the task when nothing can be planned. With V(false) the plan's C(ok) and C(errors) say so.
    type: bool
    default: true
attributes:
  idempotent:
    description: The same input gives the same plan.
    support: full
"""

EXAMPLES = r"""
- name: Choose a DeepSeek-R1 for each host
  llmfleet.ollama.plan_models:
    models:
      - family: deepseek-r1
        context: 8192
        min_context: 4096
      - model: nomic-embed-text:latest
    policy:
      kv_cache_types: [f16, q8_0]

- name: Ask what a card that nobody owns yet would run
  llmfleet.ollama.plan_models:
    models:
      - family: qwen3
        context: 32768
    vram: "{{ llm_vram_override }}"
    metadata_sources: [catalogue]
    fail_on_error: false
"""

RETURN = r"""
msg:
  description: The plan in one sentence, or all errors.
  returned: always
  type: str
vram:
  description: The facts that the plan was made with, from O(vram) or the host.
  returned: when there is a plan
  type: dict
pending:
  description: What has to be asked over a mirror's host before there can be a plan. Each has C(over), C(upstream) and C(name).
  returned: always
  type: list
  elements: dict
errors:
  description: Why nothing can be planned, none where something has to be asked first.
  returned: always
  type: list
  elements: str
confirm:
  description: Whether llama.cpp is to be asked about this plan first, as O(confirm) wishes.
  returned: always
  type: bool
open:
  description: Whether RV(pending), RV(errors) or RV(confirm) keep this from being a plan.
  returned: always
  type: bool
ansible_facts:
  description: The plan as the host fact C(model_plan).
  returned: when there is a plan
  type: dict
  contains:
    model_plan:
      description:
        - Keys C(models), C(rejected), C(environment), C(download_bytes), C(disk_free_bytes), C(ok), C(errors), C(warnings), C(summary).
        - A model's C(tokens_per_second) is of one stream. C(predicted) with 1,024 tokens in its cache, C(at_full_context) with all of them, both null for
          an embedding model and where the bandwidth of a card is not known; C(measured) by an earlier proof of that host, else null.
      returned: always
      type: dict
      sample:
        ok: true
        summary: "deepseek-r1:14b: 14b fits 11.6 GiB at 8192 tokens with 0.6 GiB to spare, at about 32 tokens a second; 32b would need 20.7 GiB"
        environment: {OLLAMA_CONTEXT_LENGTH: "8192", OLLAMA_NUM_PARALLEL: "1"}
        models:
          - name: deepseek-r1:14b
            placement: gpu
            tokens_per_second: {predicted: 31.6, at_full_context: 28.4, measured: null}
            context: 8192
            kv_cache_type: f16
"""
