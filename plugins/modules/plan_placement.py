#!/usr/bin/python
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: plan_placement
short_description: Choose the hosts of models that are wanted a number of times
version_added: 0.1.0
author:
  - llmfleet authors (@llmfleet)
description:
  - A want of C(llm_models) with C(replicas) gets one tag, the best that so many hosts of group C(ollama) can hold beside their other models, on so many
    hosts. Hosts that have it keep it; else those with the fewest copies of other models come first, then the faster ones, then those with more room.
  - What is equal word by word in the lists of several hosts is one want.
  - A host that takes no part in the run keeps what its last plan says, by the fleet's report or a cache of facts, and no other host's copy moves meanwhile.
  - Refuses more copies than hosts that can hold the model, with what each of the others is short of.
  - It reads the variables of all hosts by their names. M(llmfleet.ollama.plan_models) takes what it decides.
  - Runs on the controller only. It opens no connection to a host and changes nothing.
extends_documentation_fragment: [llmfleet.ollama.on_controller, llmfleet.ollama.read_only]
options: {}
"""

EXAMPLES = r"""
- name: Choose the hosts of what is wanted a number of times
  llmfleet.ollama.plan_placement:
  register: __llm_placed
  run_once: true
"""

RETURN = r"""
hosts:
  description: >-
    For each host that wants such a model C(placed), the tag of each such want by its position in C(llm_models), empty where other hosts have the copies, and
    C(copies), the hosts of each that it has.
  returned: success
  type: dict
"""
