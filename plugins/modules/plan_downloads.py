#!/usr/bin/python
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: plan_downloads
short_description: Say what will be downloaded to a host, and refuse what its disks cannot hold
version_added: 0.1.0
author:
  - llmfleet authors (@llmfleet)
description:
  - Gives one line with the size of each download and the room of each disk that takes it, before anything is changed.
  - Fails with the path and the variable to change where a disk is too small.
  - What the host has already, and its disks, stand in the facts C(look) and C(vram), where M(llmfleet.ollama.look) has looked at it.
  - Runs on the controller, which asks the release's server for the size of its archives. Where nobody answers, sizes are told as "about", or as unknown.
extends_documentation_fragment: [llmfleet.ollama.on_controller, llmfleet.ollama.read_only]
options:
  release:
    description: The release of Ollama that the host shall have.
    type: dict
    suboptions:
      version:
        description: Its version.
        type: str
        required: true
      archives:
        description: Names of its archives.
        type: list
        elements: str
        required: true
      base_url:
        description: Where releases lie, as C(ollama_download_base_url).
        type: str
        required: true
      path:
        description: Where it will lie, as C(ollama_install_dir).
        type: str
        required: true
  models:
    description: The planned models, C(model_plan.models).
    type: list
    elements: dict
    default: []
  models_path:
    description: The model store, as C(ollama_models_dir).
    type: str
    default: ""
  image:
    description: The image of Open WebUI that is not on the host yet.
    type: dict
    suboptions:
      version:
        description: Its version.
        type: str
        required: true
      repository:
        description: Its repository.
        type: str
        required: true
      tag:
        description: Its tag.
        type: str
        required: true
      path:
        description: Where the container engine keeps images.
        type: str
        required: true
  filesystems:
    description: Disks that the fact C(vram) does not have, each with C(path), C(mount_point) and C(free_bytes).
    type: list
    elements: dict
    default: []
"""

EXAMPLES = r"""
- name: Say what the planned models will download
  llmfleet.ollama.plan_downloads:
    models: "{{ ansible_facts['model_plan']['models'] }}"
    models_path: /usr/share/ollama/.ollama/models
"""

RETURN = r"""
msg:
  description: The line; empty when nothing will be downloaded.
  returned: always
  type: str
  sample: "To download: Ollama 0.32.15 (1.3 GiB), deepseek-r1:14b (8.4 GiB): 9.7 GiB in all; / has 61.0 GiB free for 13.0 GiB."
parts:
  description: Names of the downloads.
  returned: always
  type: list
  elements: str
"""
