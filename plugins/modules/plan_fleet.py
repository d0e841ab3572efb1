#!/usr/bin/python
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: plan_fleet
short_description: Judge the plans of all hosts together
version_added: 0.1.0
author:
  - llmfleet authors (@llmfleet)
description:
  - Refuses what no host's own plan can see, before anything is changed. An alias (C(llm_aliases)) that stands for nothing which a host of group
    C(ollama) has, or whose name a model has.
  - Where a host took no part in the run, an alias may stand for one of its models.
  - Puts the plans side by side. Of a host that took no part it is the last one that the fleet's report knows.
  - Runs on the controller only. It opens no connection to a host and changes nothing.
extends_documentation_fragment: [llmfleet.ollama.on_controller, llmfleet.ollama.read_only]
options:
  tell:
    description: Whether to print the fleet's table, where there is more than one host.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Judge the plans of all hosts together
  llmfleet.ollama.plan_fleet:
  run_once: true
"""

RETURN = r"""
fleet:
  description: The plans of all hosts, by model and by host.
  returned: success
  type: dict
  contains:
    models:
      description: >-
        Each with its C(name), C(aliases), C(hosts), the number of C(copies), C(tokens_per_second) of all copies together, measured where they were and
        estimated else, and the C(rates) of each host.
      type: list
      elements: dict
    hosts:
      description: >-
        Each with its C(name), the C(left_bytes) that its plan leaves on cards, or in memory without cards, the models that would be C(lost) with it, and
        those of which there would be C(fewer) copies.
      type: list
      elements: dict
"""
