#!/usr/bin/python
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: look
short_description: All that the collection must know of a host, in one module run
version_added: 0.1.0
author: [llmfleet authors (@llmfleet)]
description:
  - Sets C(ansible_facts.vram), as M(llmfleet.ollama.vram_facts) does, and C(ansible_facts.look), which says what is there of Ollama.
    That is files and links, service, listeners, door, users, programs, disks, the model store, what was proved of models, and what the API answers.
  - One shape on Linux, macOS and Windows. Nothing else has to be gathered beside it; C(system), C(os_family), C(distribution),
    C(distribution_version), C(architecture), C(kernel) and C(service_mgr) are set where nobody has gathered them.
  - Where it is the first module of a run and the host's Python or privileges keep it from working, the failure names the variable to set.
  - Runs M(llmfleet.ollama.look_probe) or M(llmfleet.ollama.win_look_probe) on the host, once, and checks the answer on the controller.
    One that is incomplete, or was given by another release of the collection, is refused in one sentence that names the host and the field.
  - Texts that somebody on the host may have written come without control characters, and no task may take them for a path or a template.
  - Changes nothing. A dead share, a name server or a driver that does not answer costs what it would have said, within O(timeout).
extends_documentation_fragment: [llmfleet.ollama.probe, llmfleet.ollama.look, llmfleet.ollama.read_only]
options:
  questions:
    description:
      - What a host is asked, one entry for each system that it may have; which one it has shows on the host.
      - Without it the action asks what M(llmfleet.ollama.plan_service) needs, by the host's own variables.
    required: false
  wish:
    description:
      - Variables of role C(ollama) and C(llm_registry), by their names, from which the questions follow. Those that are not given are the host's own.
    type: dict
    default: {}
  reuse:
    description:
      - Keep the facts of an earlier look of the same run that was asked the same, and that nobody has decided from yet, for ten minutes. What a task
        with it has looked at itself is not kept, and a look serves one decision of M(llmfleet.ollama.plan_service), since the host may be another
        one afterwards.
    type: bool
    default: false
attributes:
  action:
    description: It is an action, which picks the module for the host's system.
    support: full
  facts:
    description: Sets C(ansible_facts.vram) and C(ansible_facts.look).
    support: full
  platform:
    description: Linux, macOS, Windows.
    support: full
    platforms: posix, windows
seealso:
  - module: llmfleet.ollama.look_probe
  - module: llmfleet.ollama.win_look_probe
  - module: llmfleet.ollama.vram_facts
"""

EXAMPLES = r"""
- name: Look at the host, at what role ollama will need to know of it
  llmfleet.ollama.look:

- name: Look at a Linux host, at what is listed here
  llmfleet.ollama.look:
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
        paths: [/opt/ollama/current, /etc/systemd/system/ollama.service]
        tools: [nft, zstd]

- name: Say who is on the port of Ollama
  ansible.builtin.debug:
    var: ansible_facts['look'].port_owner
"""

RETURN = r"""
ansible_facts:
  description: Both facts; docs/facts.md says what each field means, and what a host without root tells of them.
  returned: always
  type: dict
  contains:
    vram:
      description: What M(llmfleet.ollama.vram_facts) sets.
      returned: always
      type: dict
    look:
      description: What is there of Ollama. What is unknown, or does not exist on this system, is null.
      returned: always
      type: dict
      sample:
        schema: 1
        system: linux
        is_root: true
        files: [{path: /opt/ollama/current, kind: link, target: 0.32.15}]
        service: {path: /etc/systemd/system/ollama.service, loaded: true, enabled: true, running: true, pid: 812, started_at: 1795619487,
                  needs_reload: false}
        port_owner: null
        own_listener: "*:11434"
        api: {version: 0.32.15, models: [{name: "llama3.2:1b", size: 1321098329}], running: []}
"""
