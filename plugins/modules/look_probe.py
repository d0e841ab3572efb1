#!/usr/bin/python
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: look_probe
short_description: Collect in one run all that the collection must know of a host
version_added: 0.1.0
author: [llmfleet authors (@llmfleet)]
description:
  - Collects what a Linux host or a Mac says of its accelerators, memory and disks, and of an Ollama that is there. Judges and changes nothing.
  - The action M(llmfleet.ollama.look) runs it and checks the answer on the controller; use that one in playbooks.
  - Needs Python's standard library only. What may hang runs in child processes under one deadline.
  - Without root it tells what it can; the rest is null.
extends_documentation_fragment: [llmfleet.ollama.probe, llmfleet.ollama.look, llmfleet.ollama.read_only]
attributes:
  platform:
    description: Linux and macOS; on Windows M(llmfleet.ollama.win_look_probe) does the same.
    support: full
    platforms: posix
seealso:
  - module: llmfleet.ollama.look
"""

EXAMPLES = r"""
- name: Look at what is there of Ollama
  llmfleet.ollama.look_probe:
    questions:
      - system: linux
        user: ollama
        port: 11434
        url: http://127.0.0.1:11434
        install_dir: /opt/ollama
        models_dir: /usr/share/ollama/.ollama/models
        service: ollama.service
        door: llmfleet_ollama
        settings: /etc/systemd/system/ollama.service.d/10-llmfleet.conf
        moving: /opt/ollama/.moving
        paths: [/opt/ollama/current]
        tools: [nft, zstd]
  register: probe
"""

RETURN = r"""
look:
  description: What the host said, field by field; see docs/facts.md. Its texts are as the host wrote them.
  returned: always
  type: dict
  sample: {schema: 1, system: linux, is_root: true}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.llmfleet.ollama.plugins.module_utils.look.host import ARGUMENTS, Unasked, look


def main():
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        module.exit_json(changed=False, look=look(module.params))
    except Unasked as exc:
        module.fail_json(msg=str(exc))


if __name__ == "__main__":
    main()
