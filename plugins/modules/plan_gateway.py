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
  - It reads the role's variables by their names, C(gateway_state), C(gateway_port) and so on, so it is of use within the role.
  - Fails with one sentence for each thing that is wrong. Keys leave it as checksums only.
  - Runs on the controller only. It opens no connection to the host and changes nothing. Used by role C(llmfleet.ollama.gateway).
extends_documentation_fragment: [llmfleet.ollama.on_controller, llmfleet.ollama.read_only]
options:
  seen:
    description: The result of M(llmfleet.ollama.gateway_probe). Without it only the wishes are checked.
    type: dict
"""

EXAMPLES = r"""
- name: Decide what the gateway's host lacks
  llmfleet.ollama.plan_gateway:
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
fact:
  description: >-
    For the report and for clients, C(url) where they find the gateway, without a path, C(authority), the certificate that they have to trust, empty for
    none of our own, and whether it is C(removed).
  returned: success
  type: dict
has_unit:
  description: Whether there is a unit to stop.
  returned: when O(seen) is given and the gateway is to go
  type: bool
files:
  description: >-
    What has to be written, in this order, each with C(path), C(content), C(mode) and C(validate), a command that must take it first, empty for none.
  returned: when O(seen) is given and the gateway is wanted
  type: list
  elements: dict
loaded:
  description: The file that says what HAProxy has taken in, written after the reload.
  returned: when O(seen) is given and the gateway is wanted
  type: dict
reload:
  description: Whether HAProxy has to be reloaded, also to bring back hosts that an upgrade which was cut off has left out.
  returned: when O(seen) is given and the gateway is wanted
  type: bool
links:
  description: C(path) and C(target) of the links to certificate and key that have to be made.
  returned: when O(seen) is given and the gateway is wanted
  type: list
  elements: dict
obsolete:
  description: Files of keys that are gone.
  returned: when O(seen) is given and the gateway is wanted
  type: list
  elements: str
say:
  description: What the gateway does without, and what a dry run says before the first run.
  returned: when O(seen) is given and the gateway is wanted
  type: list
  elements: str
first:
  description: Whether this is a dry run before the first run, when there is no folder to compare files in.
  returned: when O(seen) is given and the gateway is wanted
  type: bool
writes:
  description: Whether files have to be written, in C(folders).
  returned: when O(seen) is given and the gateway is wanted
  type: bool
folders:
  description: Folders that have to be there.
  returned: when O(seen) is given and the gateway is wanted
  type: list
  elements: str
issue:
  description: Whether the fleet's own authority, on host C(authority), has to sign a certificate for C(names).
  returned: when O(seen) is given and the gateway is wanted
  type: bool
names:
  description: Names and addresses of that certificate.
  returned: when O(seen) is given and the gateway is wanted
  type: list
  elements: str
authority:
  description: The first host of the group.
  returned: when O(seen) is given and the gateway is wanted
  type: str
packages:
  description: What has to be installed.
  returned: when O(seen) is given and the gateway is wanted
  type: list
  elements: str
fresh:
  description: Whether HAProxy is one of them.
  returned: when O(seen) is given and the gateway is wanted
  type: bool
install:
  description: Whether something has to be installed.
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
