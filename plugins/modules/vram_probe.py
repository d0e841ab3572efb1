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
extends_documentation_fragment: [llmfleet.ollama.probe, llmfleet.ollama.read_only]
attributes:
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
