#!/usr/bin/python
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ollama's models on a host, exactly as named."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ollama_models
version_added: 0.1.0
author:
  - llmfleet authors (@llmfleet)
short_description: Ollama's models on a host, exactly as named
description:
  - Pulls, removes, makes and proves models of one Ollama server. A model is its whole name with the tag; no tag is C(:latest).
  - Reports a change only when a model's digest changes. Whether a tag has moved is asked of the registry with one request for its manifest,
    so an unchanged model is never pulled. On a host that was looked at in the same run (M(llmfleet.ollama.look)) the action of the same name asks, once
    for the whole fleet, and where the controller gets no answer, one host asks for all.
  - Checks the free disk against the layers that are missing before the first byte comes, goes on where a broken pull stopped,
    and reads every line of the answer, since Ollama reports its errors after an HTTP 200.
  - All wants are checked before the first change. Changes nothing in check mode, and names what it would pull and remove; where the server is
    not there yet, that is everything.
  - While models come down, the action of the same name prints a line for each host with percent, bytes, rate and time left.
    On a Windows host the work is done from the controller through O(api_url).
extends_documentation_fragment: [llmfleet.ollama.registry_proxy, llmfleet.ollama.holder]
attributes:
  check_mode:
    description: Changes nothing and says what would change.
    support: full
  diff_mode:
    description: Shows names and digests before and after.
    support: full
  idempotent:
    description: A second run changes nothing.
    support: full
  async:
    description: Can be run with C(async); there is no progress then.
    support: full
  platform:
    description: Hosts with Python; Windows hosts from the controller.
    platforms: linux, macos, windows
    support: full
options:
  from_variables:
    description:
      - Read what the task does not give from the host's variables, as role C(ollama_models) has them (C(ollama_models_wanted), C(ollama_models_state) and the
        others, C(llm_registry), C(ollama_host), C(ollama_port), C(ollama_models_dir)), and from the plan. The role need not be there for it.
    type: bool
    default: false
  models:
    description:
      - The models. Each item is a name, or a mapping.
      - C(name) is the model's name. C(digest) pins the manifest that the registry serves (C(sha256:) and
        64 hex digits); a difference is a failure.
      - C(from) and C(parameters) describe a model that is made here from another one (for example C(num_predict)).
        It is compared by content.
      - C(context) is the number of tokens that the model must serve. C(require_gpu) is whether it must be on the GPU as a whole,
        by default as O(prove_gpu) says. C(gpu_bytes) is how much of it must be there at the least where a part lies in system memory by plan.
      - C(aliases) are further names of a model, each a copy of its manifest, without a byte of weights. They follow the model when it moves.
    type: list
    elements: raw
    default: []
  state:
    description:
      - With V(present) the models are there, others stay.
      - With V(exact) models that are not named are removed.
      - With V(absent) the named models are removed.
    type: str
    choices: [present, absent, exact]
    default: present
  registry:
    description:
      - Where names without a host are pulled from, V(mirror.example.net) or V(http://mirror.example.net). Empty is C(registry.ollama.ai).
      - The models end up with their plain names.
    type: str
    default: ''
  api_url:
    description: Where the Ollama of the host answers.
    type: str
    default: http://127.0.0.1:11434
  models_dir:
    description:
      - Folder of the model store on the host (E(OLLAMA_MODELS)). It is read to check the disk, to tell a moved tag on an Ollama before 0.19
        and to find blobs of the wrong size, which are replaced.
      - When not set, none of that is done.
    type: path
  reserve_bytes:
    description: Bytes that stay free on the store's disk after all downloads.
    type: int
    default: 2147483648
  prove:
    description: Whether each model is loaded once, and the outcome remembered in O(proofs_path).
    type: bool
    default: true
  prove_gpu:
    description: Whether a model counts as proved only when all of it is on the GPU.
    type: bool
    default: true
  proofs_path:
    description:
      - File that remembers the proofs, a local fact of the host (C(ansible_local.llmfleet)). A proof is made again when the model's digest,
        Ollama's version, the context, O(settings) or O(devices) change. When empty, nothing is remembered.
      - For a Windows host give a path there, in a folder that exists.
    type: str
    default: /etc/ansible/facts.d/llmfleet.fact
  settings:
    description: The service's settings that a proof depends on, for example the plan's environment.
    type: dict
    default: {}
  devices:
    description: The host's accelerators that a proof depends on, by name or UUID.
    type: list
    elements: str
    default: []
  manifests:
    description:
      - What the registry gives now, where somebody has asked it. A model that is here and is the same is not asked for again; for every other one the
        host asks itself. The action fills it in for a fleet.
    type: list
    elements: dict
    default: []
    suboptions:
      name: {type: str, required: true, description: The model.}
      lists: {type: bool, required: true, description: 'Whether it was asked as an Ollama from 0.40 on asks, which takes lists. It counts for no other.'}
      manifest: {type: str, required: true, description: 'The manifest, byte for byte.'}
      child: {type: str, default: '', description: 'Of a list the manifest that the host would choose, byte for byte.'}
  timeout:
    description: Seconds for which a pull may stand still before it counts as broken off.
    type: int
    default: 60
  retries:
    description: How many times in a row a pull that brought nothing is tried again. A try that brought bytes starts the count anew.
    type: int
    default: 4
  accept_empty:
    description:
      - Whether V(exact) of no model is meant. The action sets it where a plan says that other hosts have the copies of what this one wants.
    type: bool
    default: false
  background:
    description:
      - Whether work that takes minutes goes on in a process of its own, whose state file comes back as C(job).
      - The action of the same name sets it to show the progress; it is of no use in a task.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Have two models
  llmfleet.ollama.ollama_models:
    models:
      - deepseek-r1:14b
      - nomic-embed-text
    models_dir: /usr/share/ollama/.ollama/models

- name: Have these models and no others, from the mirror
  llmfleet.ollama.ollama_models:
    state: exact
    registry: http://mirror.example.net
    models:
      - name: llama3.2:1b
        digest: sha256:baf6a787fdffd633537aa2eb51cfd54cb93ff08e28040095462bb63daf552878
      - name: short-answers
        from: llama3.2:1b
        parameters:
          num_predict: 300

- name: Remove a model
  llmfleet.ollama.ollama_models:
    models: [llama3.2:1b]
    state: absent
"""

RETURN = r"""
models:
  description: The wanted models.
  returned: when O(state) is not V(absent)
  type: list
  elements: dict
  contains:
    name:
      description: The name as C(ollama list) shows it.
      type: str
    digest:
      description: The digest that the host has now.
      type: str
    size_bytes:
      description: Its size.
      type: int
    changed:
      description: Whether it was pulled or made in this run.
      type: bool
    downloaded_bytes:
      description: Bytes that came over the wire for it.
      type: int
    seconds:
      description: How long that took.
      type: float
    attempts:
      description: How many tries it took; more than one when the pull was broken off and went on.
      type: int
others:
  description: Names of models that are on the host and were not named, nor made another one from; none with O(state=absent).
  returned: always
  type: list
  elements: str
removed:
  description: Names of removed models.
  returned: always
  type: list
  elements: str
to_remove:
  description: Names of models that would be removed.
  returned: in check mode
  type: list
  elements: str
to_pull:
  description: Names of models that would be pulled.
  returned: in check mode
  type: list
  elements: str
missing_bytes:
  description: Bytes that would be downloaded.
  returned: in check mode
  type: int
proved:
  description: Where each model went when it was loaded.
  returned: when O(prove) is true
  type: list
  elements: dict
  contains:
    name:
      description: The model.
      type: str
    size_bytes:
      description: Memory that it takes.
      type: int
    size_vram_bytes:
      description: How much of it is on the GPU.
      type: int
    context_length:
      description: Tokens that it serves, where the server says so.
      type: int
    ok:
      description: Whether that is as planned.
      type: bool
    why:
      description: Why not, in words.
      type: str
    remembered:
      description: Whether this is the outcome of an earlier run.
      type: bool
spilled:
  description: Names of models that loaded, but not as planned. It is the playbook that decides what to do about them.
  returned: always
  type: list
  elements: str
asked:
  description: What the registry gave to this host, as O(manifests). The action keeps it and returns none.
  returned: when called as a module
  type: list
  elements: dict
downloaded_bytes:
  description: Bytes that came over the wire in this run.
  returned: always
  type: int
ollama_version:
  description: Version of the server; null in check mode when it does not answer.
  returned: always
  type: str
ansible_facts:
  description: >-
    C(ollama_models) with C(added) (names that were not on the host before this run), C(proved), C(spilled) (those of RV(proved) that are not as
    planned) and C(proofs), all that is remembered.
  returned: when O(state) is not V(absent)
  type: dict
"""

import os
import platform

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.llmfleet.ollama.plugins.module_utils.change import lock
from ansible_collections.llmfleet.ollama.plugins.module_utils.defaults import API_URL, RESERVE_BYTES, path_of
from ansible_collections.llmfleet.ollama.plugins.module_utils.errors import Failure
from ansible_collections.llmfleet.ollama.plugins.module_utils.job import start
from ansible_collections.llmfleet.ollama.plugins.module_utils.look.common import clock
from ansible_collections.llmfleet.ollama.plugins.module_utils.models.converge import Converger

ARGUMENTS = {
    # Of the action, which leaves it out.
    "from_variables": {"type": "bool", "default": False},
    "models": {"type": "list", "elements": "raw", "default": []},
    "state": {"type": "str", "choices": ["present", "absent", "exact"], "default": "present"},
    "registry": {"type": "str", "default": ""},
    "api_url": {"type": "str", "default": API_URL},
    "models_dir": {"type": "path"},
    "reserve_bytes": {"type": "int", "default": RESERVE_BYTES},
    "prove": {"type": "bool", "default": True},
    "prove_gpu": {"type": "bool", "default": True},
    "proofs_path": {"type": "str", "default": path_of("proofs")},
    "settings": {"type": "dict", "default": {}},
    "devices": {"type": "list", "elements": "str", "default": []},
    "manifests": {"type": "list", "elements": "dict", "default": [], "options": {
        "name": {"type": "str", "required": True},
        "lists": {"type": "bool", "required": True},
        "manifest": {"type": "str", "required": True},
        "child": {"type": "str", "default": ""},
    }},
    "https_proxy": {"type": "str", "default": "", "no_log": True},
    "no_proxy": {"type": "str", "default": ""},
    "timeout": {"type": "int", "default": 60},
    "retries": {"type": "int", "default": 4},
    "accept_empty": {"type": "bool", "default": False},
    "background": {"type": "bool", "default": False},
    "holder": {"type": "dict", "options": lock.OPTIONS},
    "over": {"type": "str", "default": ""},
}


def main():
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        converger = Converger(module.params, check_mode=module.check_mode).look()
    except Failure as exc:
        module.fail_json(msg=str(exc))
    hold = lock.Hold(lock.FOLDERS.get(platform.system()), who(module, converger), clock(), module.params["over"])
    try:
        hold.take()
    except lock.Held as held:
        module.fail_json(msg=lock.words(held.holder), held=held.holder)
    if module.params["background"] and converger.long_work and not module.check_mode:
        module.exit_json(changed=False, job=start(lambda progress: run(converger, hold, progress), "the work on the models"), asked=converger.told)
    finish(module, run(converger, hold))


def who(module, converger):
    """Who takes the host for itself; None where nothing changes, or where it is not root's to take."""
    if module.check_mode or not converger.changes or not module.params["holder"] or os.geteuid() != 0:
        return None
    return dict(module.params["holder"], doing="models")


def run(converger, hold, progress=None):
    def tell(state):
        hold.alive()
        if progress:
            progress(state)

    converger.progress = tell
    try:
        return converger.act()
    finally:
        hold.free()


def finish(module, result):
    for warning in result.pop("warnings"):
        module.warn(warning)
    if not module._diff:
        del result["diff"]
    if result.get("failed"):
        module.fail_json(**result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
