#!/usr/bin/python
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: outdated
short_description: Say what of a fleet is behind
version_added: 0.1.0
author:
  - llmfleet authors (@llmfleet)
description:
  - Compares the release of Ollama, its models and Open WebUI of each host with GitHub's newest releases and with the registry.
  - Takes three steps, so that GitHub and the registry are asked once for the fleet and not by each host; C(playbooks/outdated.yml) is the play.
  - A release of Ollama that has known trouble in C(plugins/catalogue/releases.yml) leaves nobody behind. A pinned model has not moved.
  - Where GitHub cannot be asked, the releases that ship with this collection are compared with, and a warning says so.
  - Runs on the controller only, asks over HTTP from there, opens no connection to the host and changes nothing.
extends_documentation_fragment: [llmfleet.ollama.on_controller, llmfleet.ollama.read_only]
options:
  step:
    description:
      - V(look) asks the servers of this host; register it as C(outdated_seen).
      - V(ask) asks GitHub (at C(outdated_github) of the inventory, if there is one) and the registries about what all hosts of the play have; with
        C(run_once), and registered as C(outdated_known).
      - V(compare) fails on a host that is behind.
    type: str
    choices: [look, ask, compare]
    required: true
"""

EXAMPLES = r"""
- name: Ask the servers of each host what they run
  llmfleet.ollama.outdated:
    step: look
  register: outdated_seen

- name: Ask GitHub and the registry once
  llmfleet.ollama.outdated:
    step: ask
  register: outdated_known
  run_once: true

- name: Say what is behind
  llmfleet.ollama.outdated:
    step: compare
"""

RETURN = r"""
behind:
  description: What is behind on this host, a sentence each.
  returned: step V(compare)
  type: list
  elements: str
  sample: ["Ollama 0.31.0, where there is 0.32.15", "llama3.2:1b is sha256:baf6a787fdff, and its tag has moved"]
details:
  description: The same with its C(product) (C(ollama), C(open_webui) or C(model)), the C(name) of a model, and what the host C(has) of it.
  returned: step V(compare)
  type: list
  elements: dict
newest:
  description: The newest releases, and who says so.
  returned: step V(ask)
  type: dict
  sample: {ollama: {version: 0.40.2, from: "https://api.github.com/repos/ollama/ollama/releases/latest"}}
tags:
  description: For each registry the digests under which it offers a model, null where it offers none.
  returned: step V(ask)
  type: dict
ollama:
  description: Release of Ollama on this host.
  returned: step V(look)
  type: str
open_webui:
  description: Release of Open WebUI on this host.
  returned: step V(look)
  type: str
models:
  description: Models of this host with the digests under which a registry may know them.
  returned: step V(look)
  type: dict
silent:
  description: Servers that did not answer, a sentence each.
  returned: step V(look)
  type: list
  elements: str
"""
