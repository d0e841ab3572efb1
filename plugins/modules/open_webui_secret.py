#!/usr/bin/python
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: open_webui_secret
short_description: Keep the secret key of a container that was made by hand
version_added: 0.1.0
author: [llmfleet authors (@llmfleet)]
description:
  - Reads the key that an Open WebUI container signs its sessions with, from its environment or from the file that its start script made,
    and writes it to a file of the host, so that the container can be made again without ending any session.
  - The key itself is never part of the result.
  - Needs Python's standard library only.
extends_documentation_fragment: [llmfleet.ollama.container_engine, llmfleet.ollama.linux]
options:
  name:
    description: Name of the container, which may be stopped.
    type: str
    default: open-webui
  path:
    description: The file to write. One that exists stays as it is. Its folder must exist.
    type: path
    required: true
  gid:
    description: Group that may read the file; its owner is root.
    type: int
    default: 0
attributes:
  check_mode:
    description: Looks for the key and writes nothing.
    support: full
  diff_mode:
    description: The content is secret.
    support: none
  idempotent:
    description: A file that exists is left alone.
    support: full
"""

EXAMPLES = r"""
- name: Keep the key of a container that somebody started with docker run
  llmfleet.ollama.open_webui_secret:
    path: /etc/open-webui/secrets/secret_key
    gid: 10300
"""

RETURN = r"""
found:
  description: Whether there is a key now, in the file or, in check mode, in the container.
  type: bool
  returned: success
source:
  description: Where the key was, a variable of the container's environment or a file inside it. Null when nothing was written.
  type: str
  returned: success
  sample: /app/backend/.webui_secret_key
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.llmfleet.ollama.plugins.module_utils.open_webui.data import place_secret
from ansible_collections.llmfleet.ollama.plugins.module_utils.open_webui.engine import Engine, EngineError, secret_key_of


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "docker_host": {"type": "str", "default": "unix:///var/run/docker.sock"},
            "name": {"type": "str", "default": "open-webui"},
            "path": {"type": "path", "required": True},
            "gid": {"type": "int", "default": 0},
        },
        supports_check_mode=True,
    )
    path = module.params["path"]
    if os.path.exists(path):
        module.exit_json(changed=False, found=True, source=None)
    try:
        engine = Engine(module.params["docker_host"])
        inspected = engine.container(module.params["name"])
        key, source = secret_key_of(engine, inspected) if inspected else (None, None)
    except EngineError as error:
        module.fail_json(msg=f"The secret key of {module.params['name']} cannot be read: {error}.")
    if key and not module.check_mode:
        place_secret(key.encode(), path, (0, module.params["gid"]))
    module.exit_json(changed=bool(key), found=bool(key), source=source)


if __name__ == "__main__":
    main()
