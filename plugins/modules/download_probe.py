#!/usr/bin/python
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: download_probe
short_description: See which downloads a host has already, and the room on its disks
version_added: 0.1.0
author: [llmfleet authors (@llmfleet)]
description:
  - Looks for files and for models in a store, and at the disks that would take what is missing. Needs Python's standard library only.
extends_documentation_fragment: [llmfleet.ollama.read_only]
options:
  release:
    description: Folder of the release of Ollama that is wanted.
    type: path
  models:
    description: Names of the models that are wanted.
    type: list
    elements: str
    default: []
  store:
    description: Folder of the model store.
    type: path
  filesystems:
    description: Paths whose disks are looked at. They need not exist.
    type: list
    elements: path
    default: []
attributes:
  platform:
    description: Linux and macOS.
    support: full
    platforms: posix
"""

EXAMPLES = r"""
- name: See what is there
  llmfleet.ollama.download_probe:
    release: /opt/ollama/0.32.15
    models: [deepseek-r1:14b]
    store: /usr/share/ollama/.ollama/models
    filesystems: [/opt/ollama, /usr/share/ollama/.ollama/models]
  register: there
"""

RETURN = r"""
release:
  description: Whether the release is there.
  type: bool
  returned: always
models:
  description: Those of O(models) that are in the store.
  type: list
  elements: str
  returned: always
filesystems:
  description: The disk of each path. One that cannot be looked at has C(error) in place of sizes.
  type: list
  elements: dict
  returned: always
  sample: [{path: /opt/ollama, mount_point: /, fstype: ext4, total_bytes: 107374182400, free_bytes: 65498251264}]
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.names import BadName, parse_name
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.store import Store
from ansible_collections.llmfleet.ollama.plugins.module_utils.probe.system import filesystem


def disk_of(path: str) -> dict:
    try:
        return filesystem(path)
    except OSError as error:
        return {"path": path, "error": str(error)}


def in_store(store: Store, name: str) -> bool:
    try:
        return store.manifest_path(parse_name(name)) is not None
    except BadName:
        return False


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "release": {"type": "path"},
            "models": {"type": "list", "elements": "str", "default": []},
            "store": {"type": "path"},
            "filesystems": {"type": "list", "elements": "path", "default": []},
        },
        supports_check_mode=True,
    )
    wanted = module.params
    store = Store(wanted["store"] or "")
    module.exit_json(
        changed=False,
        release=bool(wanted["release"]) and os.path.isdir(wanted["release"]),
        models=[name for name in wanted["models"] if in_store(store, name)],
        filesystems=[disk_of(path) for path in wanted["filesystems"]],
    )


if __name__ == "__main__":
    main()
