#!/usr/bin/python
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gateway_told
short_description: Say where the gateway of a fleet is, and what its clients have to trust
version_added: 0.1.0
author:
  - llmfleet authors (@llmfleet)
description:
  - Sets the fact C(gateway), which the fleet report and role C(llmfleet.ollama.open_webui) read, and keeps a copy of the authority's certificate on the
    controller, for clients to take.
  - Runs on the controller only. Used by role C(llmfleet.ollama.gateway).
extends_documentation_fragment: [llmfleet.ollama.on_controller]
options:
  fact:
    description: C(fact) of M(llmfleet.ollama.plan_gateway).
    type: dict
    required: true
  copy:
    description: File on the controller for the authority's certificate; a relative one is below the directory that Ansible was started in. Empty for none.
    type: str
    default: ''
attributes:
  check_mode:
    description: Sets no fact and writes no file, and says whether one would be.
    support: full
  diff_mode:
    description: A certificate says nothing to a reader.
    support: none
  idempotent:
    description: A file that is the same is left alone.
    support: full
"""

EXAMPLES = r"""
- name: Tell the report where it is
  llmfleet.ollama.gateway_told:
    fact: "{{ gateway_plan.fact }}"
    copy: hub-ca.pem
"""

RETURN = r"""
path:
  description: The file on the controller.
  returned: when there is a certificate and O(copy) is given
  type: str
"""
