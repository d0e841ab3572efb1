#!/usr/bin/python
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gateway_key
short_description: Have what a web UI needs to ask the fleet's gateway
version_added: 0.1.0
author:
  - llmfleet authors (@llmfleet)
description:
  - On the host of the web UI makes a key once, and keeps it where only root reads it; keeps the certificate of the authority that the web UI has to trust.
  - The key never leaves the host, only its checksum, by which the gateway knows it.
  - In role C(llmfleet.ollama.open_webui) it takes O(step) alone and decides the rest from the inventory. In a fleet without a gateway it does nothing.
  - Needs Python's standard library only.
extends_documentation_fragment: [llmfleet.ollama.linux]
options:
  step:
    description: V(key) before the gateway is written, V(trust) after it.
    type: str
    choices: [key, trust]
    required: true
  folder:
    description: Where role C(open_webui) keeps its files.
    type: path
    default: /etc/open-webui
  authority:
    description: Text of the certificate; empty where it is not known in this run.
    type: str
    default: ''
attributes:
  action:
    description: Runs as an action plugin on the controller, which runs the module on the host.
    support: full
  check_mode:
    description: Says whether a file would be written.
    support: full
  diff_mode:
    description: A key is secret.
    support: none
  idempotent:
    description: A key that is there stays.
    support: full
"""

EXAMPLES = r"""
- name: Have the key by which the web UI comes to the gateway
  llmfleet.ollama.gateway_key:
    step: key
"""

RETURN = r"""
digest:
  description: SHA-256 of the key; empty where there is none yet.
  returned: success
  type: str
trusts:
  description: Whether the host has an authority's certificate.
  returned: success
  type: bool
"""

import hashlib
import os
import secrets

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.llmfleet.ollama.plugins.module_utils.gateway.client import AUTHORITY_FILE, KEY_FILE, TRUST_FOLDER


def read(path):
    """'' for none."""
    try:
        with open(path, encoding="ascii") as source:
            return source.read()
    except FileNotFoundError:
        return ""


def write(path, text, mode):
    """In one step, so that nobody meets half of it."""
    scratch = path + ".new"
    with open(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w", encoding="ascii") as target:
        target.write(text)
    os.chmod(scratch, mode)
    os.replace(scratch, path)


def main():
    module = AnsibleModule(
        argument_spec={
            "step": {"type": "str", "choices": ["key", "trust"], "required": True},
            "folder": {"type": "path", "default": "/etc/open-webui"},
            "authority": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    asked, act = module.params, not module.check_mode
    key_file = os.path.join(asked["folder"], KEY_FILE)
    trust = os.path.join(asked["folder"], TRUST_FOLDER)
    authority = os.path.join(trust, AUTHORITY_FILE)
    key, there = read(key_file).strip(), read(authority)
    makes = asked["step"] == "key" and not key
    trusts = asked["step"] == "trust" and bool(asked["authority"]) and there != asked["authority"]
    if makes and act:
        os.makedirs(asked["folder"], mode=0o700, exist_ok=True)
        key = secrets.token_hex(32)
        write(key_file, key + "\n", 0o600)
    if trusts and act:
        # The container's own user reads it.
        os.makedirs(trust, mode=0o755, exist_ok=True)
        os.chmod(trust, 0o755)
        write(authority, asked["authority"], 0o644)
    module.exit_json(
        changed=makes or trusts,
        digest=hashlib.sha256(key.encode()).hexdigest() if key else "",
        trusts=bool(there) or trusts,
    )


if __name__ == "__main__":
    main()
