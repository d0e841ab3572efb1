#!/usr/bin/python
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: first_contact
short_description: Gather facts, and say in one sentence what keeps modules from working on a host
version_added: 0.1.0
author:
  - llmfleet authors (@llmfleet)
description:
  - Runs M(ansible.builtin.setup). Where that fails because of the Python or the privileges of the host, the failure names the variable to set
    (C(ansible_python_interpreter), C(ansible_become_password), C(ansible_user)). Any other failure is Ansible's own.
extends_documentation_fragment: [llmfleet.ollama.read_only]
options:
  gather_subset:
    description: As of M(ansible.builtin.setup).
    type: list
    elements: str
    default: [all]
  needs:
    description: Names of facts that are enough. Where all of them are known, no module is run.
    type: list
    elements: str
attributes:
  action:
    description: Runs as an action plugin on the controller, and M(ansible.builtin.setup) on the host.
    support: full
  platform:
    description: As of M(ansible.builtin.setup).
    platforms: all
    support: full
"""

EXAMPLES = r"""
- name: Gather the few facts that the next tasks need
  llmfleet.ollama.first_contact:
    gather_subset: ['!all', '!min', distribution]
"""

RETURN = r"""
ansible_facts:
  description: The facts.
  returned: success
  type: dict
"""
