#!/usr/bin/python
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vram_facts
short_description: Every accelerator and its memory as facts
version_added: 0.1.0
author: [llmfleet authors (@llmfleet)]
description:
  - Sets C(ansible_facts.vram), the memory of every GPU of a host to the byte, on Linux, macOS and Windows.
  - NVIDIA, AMD, Intel, Apple and Qualcomm; MIG, vGPU, integrated GPUs and systems on a chip; broken drivers too.
  - Never fails a play. What is not known is null, never 0, and a card that can't be read is listed with a warning that says why.
  - Costs one module run. As a task and ad hoc it runs M(llmfleet.ollama.vram_probe) or M(llmfleet.ollama.win_vram_probe) on the
    host and interprets the answer on the controller.
  - Under C(ansible_facts_modules) Ansible calls modules and passes by actions, so there this module does both on the host. That
    works on POSIX hosts; for Windows hosts use a task.
extends_documentation_fragment: [llmfleet.ollama.probe, llmfleet.ollama.read_only]
options:
  record_to:
    description:
      - File on the controller that gets the raw observation, without serial numbers, UUIDs and host names, to attach to a bug report.
      - Only as a task or ad hoc; its folder is made when it is missing. Nothing is written in check mode.
    type: path
attributes:
  action:
    description: As a task it is an action, which picks the probe for the host's system.
    support: full
  facts:
    description: Sets C(ansible_facts.vram).
    support: full
  platform:
    description: Linux, macOS, other POSIX systems, Windows.
    support: full
    platforms: posix, windows
seealso:
  - module: llmfleet.ollama.vram_probe
  - module: llmfleet.ollama.win_vram_probe
"""

EXAMPLES = r"""
- name: Look at the accelerators
  llmfleet.ollama.vram_facts:

- name: Look at them and at the disk that will hold the models
  llmfleet.ollama.vram_facts:
    filesystems: [/usr/share/ollama/.ollama/models]

- name: Stop where the largest card has less than 12 GiB
  ansible.builtin.assert:
    that: ansible_facts['vram'].totals.largest_device_bytes >= 12 * 1024 ** 3
"""

RETURN = r"""
ansible_facts:
  description: The fact. Its JSON Schema is C(plugins/module_utils/accelerators/vram.schema.json), its meaning docs/facts.md.
  returned: always
  type: dict
  contains:
    vram:
      description: All that is known of the host's accelerators and memory.
      returned: always
      type: dict
      contains:
        devices:
          description: One entry for each card, sorted by vendor and PCI address.
          returned: always
          type: list
          elements: dict
          sample: [{name: NVIDIA GeForce RTX 3060, vendor: nvidia, memory_total_bytes: 12884901888, memory_usable_bytes: 12499025920}]
        totals:
          description: Sums over the accessible cards; never null, C(incomplete) tells when something was unknown.
          returned: always
          type: dict
          sample: {count: 1, memory_total_bytes: 12884901888, largest_device_bytes: 12499025920, incomplete: false}
        system_memory:
          description:
            - Physical memory without swap and without a Grace GPU's own memory.
            - C(bandwidth_bytes_per_second) is the peak by the firmware's list of modules, which only root may read on Linux; null where it is not known.
          returned: always
          type: dict
          sample: {total_bytes: 67108864000, available_bytes: 60000000000, bandwidth_bytes_per_second: 89600000000}
        cpu:
          description: The processor. C(count) counts threads; C(usable_cores) is what affinity and quota leave to the probe's own process.
          returned: always
          type: dict
          sample: {architecture: x86_64, count: 16, physical_cores: 8, usable_cores: 16}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.llmfleet.ollama.plugins.module_utils.accelerators.fact import interpret, urgent
from ansible_collections.llmfleet.ollama.plugins.module_utils.probe.observe import ARGUMENTS, observe


def main():
    module = AnsibleModule(argument_spec=dict(ARGUMENTS, record_to={"type": "path"}), supports_check_mode=True)
    fact = interpret(observe(module.params))
    for message in urgent(fact):
        module.warn(message)
    module.exit_json(changed=False, ansible_facts={"vram": fact})


if __name__ == "__main__":
    main()
