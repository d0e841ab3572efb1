#!/usr/bin/python
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: service_failure
short_description: Say why a new Ollama does not serve, and what serves now
version_added: 0.1.0
author: [llmfleet authors (@llmfleet)]
description:
  - Puts into one message what role C(ollama) knows when a release could not be had, or a new server did not pass its proof.
  - Runs on the controller, in a rescue; what failed there it takes from C(ansible_failed_task) and C(ansible_failed_result).
  - Reads the fact C(look), and C(ollama_version), C(ollama_port), C(ollama_wait_seconds), C(ollama_models_dir) and C(ollama_download_checksum) of the host.
extends_documentation_fragment: [llmfleet.ollama.on_controller, llmfleet.ollama.read_only]
options:
  service:
    description: The decision of M(llmfleet.ollama.plan_service) from before the first change.
    type: dict
    required: true
  fetching:
    description: The release could not be had, so nothing was changed. The task fails with the message.
    type: bool
    default: false
  serving:
    description: Whether the new server is proved and a step behind that failed. The action then fails with that, too.
    type: bool
    default: false
  proof:
    description: Result of waiting for the new server.
    type: dict
    default: {}
  back:
    description: Result of waiting for the server from before.
    type: dict
    default: {}
  record:
    description: What served before the change, as M(llmfleet.ollama.host_change) returns it. The server from before is back when its version answers.
    type: dict
  log:
    description: Result of reading the last lines of the new server.
    type: dict
    default: {}
  touched:
    description: Whether the server from before was stopped or configured anew.
    type: bool
    default: false
  stores:
    description: Model stores whose models were being moved to C(ollama_models_dir).
    type: list
    elements: str
    default: []
seealso:
  - module: llmfleet.ollama.plan_service
"""

EXAMPLES = r"""
- name: Say why the new Ollama does not serve, and what serves now
  llmfleet.ollama.service_failure:
    service: "{{ planned.service }}"
    proof: "{{ waited }}"
  register: told
"""

RETURN = r"""
msg:
  description: The message.
  returned: always
  type: str
  sample: "Ollama 9.0.1 (ollama_version) did not answer at http://127.0.0.1:11434 within 8 s; its last words: panic: this release is broken. 0.5.4 is
    back and serves at http://127.0.0.1:11434."
serves:
  description: What role C(ollama) tells as the fact C(ollama); null where no server was there before.
  returned: without O(fetching)
  type: dict
settled:
  description: The record of the change, where nothing is left to go back to; else an empty text.
  returned: without O(fetching)
  type: str
taken_away:
  description: Whether what a first installation has made is to be removed again.
  returned: without O(fetching)
  type: bool
"""
