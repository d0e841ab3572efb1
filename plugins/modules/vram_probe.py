#!/usr/bin/python
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vram_probe
short_description: Collect the raw observation behind the fact vram
version_added: 0.1.0
author: [llmfleet authors (@llmfleet)]
description:
  - Collects what a Linux, macOS or other POSIX host says of its accelerators and memory, and judges nothing.
  - The action M(llmfleet.ollama.vram_facts) runs it and interprets the answer on the controller; use that one in playbooks.
  - Needs Python's standard library only. NVIDIA's package C(nvidia-ml-py) is used where the host has it.
options:
  timeout:
    description: Seconds after which the probe ends with what it has. Keep a task's own C(timeout) above it.
    type: int
    default: 20
  gather:
    description: What to look for.
    type: list
    elements: str
    choices: [nvidia, amd, intel, apple, system]
    default: [nvidia, amd, intel, apple, system]
  topology:
    description: Ask NVML how each pair of GPUs is connected. Costs one call for each pair.
    type: bool
    default: false
  allow_cli:
    description: Run the vendors' tools where better sources are silent.
    type: bool
    default: true
  filesystems:
    description: Paths whose file systems are measured. A path need not exist yet; its nearest parent counts.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    description: Reads only, so check mode makes no difference.
    support: full
  diff_mode:
    description: Changes nothing.
    support: none
  idempotent:
    description: Changes nothing.
    support: full
  platform:
    description: POSIX; on Windows M(llmfleet.ollama.win_vram_probe) does the same.
    support: full
    platforms: posix
seealso:
  - module: llmfleet.ollama.vram_facts
"""

EXAMPLES = r"""
- name: Look at the raw observation of a host
  llmfleet.ollama.vram_probe:
  register: probe
"""

RETURN = r"""
observation:
  description: What the host said, source by source; see docs/facts.md.
  returned: always
  type: dict
  sample: {observation_version: 1, system: Linux}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.llmfleet.ollama.plugins.module_utils.probe.observe import ARGUMENTS, observe


def main():
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    module.exit_json(changed=False, observation=observe(module.params))


if __name__ == "__main__":
    main()
