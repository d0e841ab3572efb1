#!/usr/bin/python
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ollama_beside
short_description: Have what runs beside Ollama, which keeps models loaded and tells Prometheus of them
version_added: 0.1.0
author:
  - llmfleet authors (@llmfleet)
description:
  - Loads the models whose want has C(keep_warm), and has them loaded again after each start of the server, by a unit of systemd that belongs to it, a job
    of launchd, or a scheduled task on Windows. Without such a model, or with O(state=absent), these go away.
  - Where role C(ollama) has C(ollama_textfile_dir), a timer of systemd has a small program write C(llmfleet.prom) in that folder, as the folder's
    owner and without capabilities. Without that variable, or with O(state=absent), all of it goes away.
  - The action reads C(ansible_facts.model_plan), C(ansible_facts.vram) and the variables of role C(ollama); without a plan it does nothing. A host that has
    and wants nothing of it is not asked.
  - A model that is loaded already costs one question to the server. Used by the roles C(ollama_models) and C(ollama).
extends_documentation_fragment: [llmfleet.ollama.holder]
options:
  state:
    description: With V(present) what the plan and the variables say, with V(absent) nothing.
    type: str
    choices: [present, absent]
    default: present
  warm:
    description: What keeps models loaded. Set by the action, which leaves it out where the host need not be asked.
    type: dict
    suboptions:
      files:
        description: Content of each file by its path.
        type: dict
        default: {}
      starter:
        description: The file of O(warm.files) that starts the program.
        type: path
      program:
        description: The program that loads the models.
        type: path
      list:
        description: The list of models that it reads.
        type: path
      label:
        description: Name of the job of launchd; empty for systemd.
        type: str
        default: ""
  numbers:
    description: What tells Prometheus' node exporter. Set by the action, which leaves it out where the host need not be asked.
    type: dict
    suboptions:
      files:
        description: Content of each file by its path.
        type: dict
        default: {}
      folder:
        description: That of the node exporter.
        type: path
      paths:
        description: Program, list, unit and timer.
        type: list
        elements: path
        default: []
      name:
        description: The file that the program writes.
        type: str
        default: llmfleet.prom
attributes:
  action:
    description: The action decides on the controller, and runs the module where Python is.
    support: full
  check_mode:
    description: Says what would change.
    support: full
  diff_mode:
    description: Shows each file that differs, but on Windows.
    support: partial
  idempotent:
    description: Changes nothing where the files are the same, the models loaded and the timer runs.
    support: full
  platform:
    description: Linux with systemd, macOS and Windows; the numbers on Linux only.
    platforms: all
    support: full
"""

EXAMPLES = r"""
- name: Keep models loaded and tell Prometheus, as planned
  llmfleet.ollama.ollama_beside:

- name: Have nothing of it any more
  llmfleet.ollama.ollama_beside:
    state: absent
"""

RETURN = r"""
models:
  description: Names of the models that stay loaded.
  returned: always
  type: list
  elements: str
path:
  description: The file that node exporter reads; empty for none.
  returned: always
  type: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.llmfleet.ollama.plugins.module_utils import beside
from ansible_collections.llmfleet.ollama.plugins.module_utils.change import lock

ARGUMENTS = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "warm": {
        "type": "dict",
        "options": {
            "files": {"type": "dict", "default": {}},
            "starter": {"type": "path"},
            "program": {"type": "path"},
            "list": {"type": "path"},
            "label": {"type": "str", "default": ""},
        },
    },
    "numbers": {
        "type": "dict",
        "options": {
            "files": {"type": "dict", "default": {}},
            "folder": {"type": "path"},
            "paths": {"type": "list", "elements": "path", "default": []},
            "name": {"type": "str", "default": "llmfleet.prom"},
        },
    },
    "holder": {"type": "dict", "options": lock.OPTIONS},
    "over": {"type": "str", "default": ""},
}


def main():
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    module.exit_json(**beside.run(module))


if __name__ == "__main__":
    main()
