#!/usr/bin/python
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: registry_answers
short_description: Refuse a registry that does not answer
version_added: 0.1.0
author:
  - llmfleet authors (@llmfleet)
description:
  - Asks the registry that models shall come from, before anything is changed, and fails with the variable and the way out where nobody answers.
  - In check mode a registry that the run would make, a mirror of the inventory, is not missed.
extends_documentation_fragment: [llmfleet.ollama.read_only]
options:
  registry:
    description: The registry, as C(llm_registry).
    type: str
    required: true
  from_controller:
    description:
      - Ask from the controller, for a fleet that pulls nothing. Where nobody answers it, the host asks.
    type: bool
    default: false
attributes:
  action:
    description: It is an action; on the host it runs M(ansible.builtin.uri), where it asks there at all.
    support: full
  platform:
    description: Hosts with Python.
    support: full
    platforms: linux, macos
"""

EXAMPLES = r"""
- name: Ask the registry that the models shall come from
  llmfleet.ollama.registry_answers:
    registry: http://mirror.example.net
"""

RETURN = r"""
from_controller:
  description: Whether the registry answered the controller.
  returned: success
  type: bool
"""
