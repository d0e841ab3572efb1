#!/usr/bin/python
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gateway_server
short_description: Let a gateway send a host nothing new, or send it requests again
version_added: 0.1.0
author:
  - llmfleet authors (@llmfleet)
description:
  - Talks to the HAProxy of role C(llmfleet.ollama.gateway) on its own host. A host that is drained gets no new request, those that run go on, and the module
    waits for their end.
  - A reload or a restart of the gateway forgets it. Where no gateway runs, nothing is done.
  - Needs root and Python's standard library only.
extends_documentation_fragment: [llmfleet.ollama.linux]
options:
  server:
    description: Name of a host of the inventory.
    type: str
    required: true
  state:
    description: V(drain) for nothing new, V(ready) for requests again.
    type: str
    choices: [drain, ready]
    required: true
  seconds:
    description: How long to wait for the end of requests that run. Those that go on for longer are the caller's to judge.
    type: int
    default: 300
attributes:
  check_mode:
    description: Changes nothing and does not wait.
    support: full
  diff_mode:
    description: There is no file to compare.
    support: none
  idempotent:
    description: A host that is drained already is only waited for.
    support: full
"""

EXAMPLES = r"""
- name: Let the gateway send a host nothing new
  llmfleet.ollama.gateway_server:
    server: gpu-01
    state: drain
  delegate_to: hub
"""

RETURN = r"""
was:
  description: The host, where its state was another one; else empty.
  returned: success
  type: list
  elements: str
left:
  description: How many requests still run on a host that was drained.
  returned: success
  type: int
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.llmfleet.ollama.plugins.module_utils.gateway import runtime


def main():
    module = AnsibleModule(
        argument_spec={
            "server": {"type": "str", "required": True},
            "state": {"type": "str", "choices": [runtime.DRAIN, runtime.READY], "required": True},
            "seconds": {"type": "int", "default": 300},
        },
        supports_check_mode=True,
    )
    server, state = runtime.server_name(module.params["server"]), module.params["state"]
    told = {"changed": False, "was": [], "left": 0}
    if module.check_mode or not os.path.exists(runtime.SOCKET):
        module.exit_json(**told)
    try:
        told["was"] = runtime.change(server, state)
        if state == runtime.DRAIN:
            told["left"] = runtime.wait_until_idle(server, module.params["seconds"])
    except (ConnectionRefusedError, FileNotFoundError):
        # Its socket is left of a gateway that does not run.
        module.exit_json(**told)
    except (OSError, ValueError) as problem:
        module.fail_json(msg="The gateway does not take %s for %s: %s" % (state, server, problem))
    if told["left"]:
        module.warn("%d requests still run on %s after %d seconds and will be cut off." % (told["left"], server, module.params["seconds"]))
    # No change: it is nothing that a configuration says, and who drains a host brings it back.
    module.exit_json(**told)


if __name__ == "__main__":
    main()
