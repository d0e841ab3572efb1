#!/usr/bin/python
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: plan_gateway
short_description: Decide what the gateway of a fleet needs
version_added: 0.1.0
author:
  - llmfleet authors (@llmfleet)
description:
  - From what the inventory wants of a gateway, the plans of all hosts of group C(ollama), and what M(llmfleet.ollama.gateway_probe) found, to what is
    wrong, and to the files of an HAProxy that sends each request to a host which holds its model.
  - A host that took no part in the run keeps the models that an earlier run knew of.
  - Fails with one sentence for each thing that is wrong. Keys leave it as checksums only.
  - Runs on the controller only. It opens no connection to the host and changes nothing. Used by role P(llmfleet.ollama.gateway#role).
extends_documentation_fragment: [llmfleet.ollama.read_only]
options:
  wishes:
    description:
      - The role's variables by their names, C(gateway_state), C(gateway_host), C(gateway_port), C(gateway_metrics_port), C(gateway_keys),
        C(gateway_accept_no_keys), C(gateway_accept_plain_http), C(gateway_allowed_cidrs), C(gateway_tls_certificate), C(gateway_tls_key),
        C(gateway_max_body_bytes), C(gateway_max_connections), C(gateway_queue_requests), C(gateway_queue_seconds) and C(gateway_timeout_seconds).
    type: dict
    required: true
  paths:
    description: Where things lie on the host, C(folder), C(unit), C(haproxy) and C(socket).
    type: dict
    required: true
  seen:
    description: The result of M(llmfleet.ollama.gateway_probe). Without it only the wishes are checked.
    type: dict
attributes:
  action:
    description: Runs as an action plugin on the controller.
    support: full
  platform:
    description: Any target, since it is not contacted.
    platforms: all
    support: full
"""

EXAMPLES = r"""
- name: Decide what the gateway's host lacks
  llmfleet.ollama.plan_gateway:
    wishes: "{{ gateway_wishes }}"
    paths: "{{ gateway_paths }}"
    seen: "{{ gateway_seen }}"
  register: gateway_plan
"""

RETURN = r"""
problems:
  description: What is wrong, each with C(id), C(variable) and C(say). Where there is one, the task fails and V(msg) has their sentences.
  returned: success
  type: list
  elements: dict
changes:
  description: Paths that have to be written, or removed with C(state) absent. Empty on a converged host.
  returned: success
  type: list
  elements: str
look:
  description: The options of M(llmfleet.ollama.gateway_probe) that follow from the wishes.
  returned: success
  type: dict
url:
  description: Where clients find the gateway, without a path.
  returned: success
  type: str
has_unit:
  description: Whether there is a unit to stop.
  returned: when O(seen) is given and the gateway is to go
  type: bool
files:
  description: C(path) and C(content) of maps and lists, and whether each C(differs) from what is there.
  returned: when O(seen) is given and the gateway is wanted
  type: list
  elements: dict
configuration:
  description: The same of C(haproxy.cfg).
  returned: when O(seen) is given and the gateway is wanted
  type: dict
unit:
  description: The same of the unit.
  returned: when O(seen) is given and the gateway is wanted
  type: dict
loaded:
  description: The same of the file that says what HAProxy has taken in. Where it differs, HAProxy has to be reloaded.
  returned: when O(seen) is given and the gateway is wanted
  type: dict
links:
  description: C(path) and C(target) of the links to certificate and key.
  returned: when O(seen) is given and the gateway is wanted
  type: list
  elements: dict
obsolete:
  description: Files of keys that are gone.
  returned: when O(seen) is given and the gateway is wanted
  type: list
  elements: str
install:
  description: Whether HAProxy has to be installed.
  returned: when O(seen) is given and the gateway is wanted
  type: bool
models:
  description: Which hosts hold each model.
  returned: when O(seen) is given and the gateway is wanted
  type: dict
probe_url:
  description: Where the host itself can ask whether the gateway answers.
  returned: when O(seen) is given and the gateway is wanted
  type: str
"""
