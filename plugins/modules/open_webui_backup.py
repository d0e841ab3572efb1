#!/usr/bin/python
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: open_webui_backup
short_description: Save Open WebUI's data to one archive, or bring it back
version_added: 0.1.0
author: [llmfleet authors (@llmfleet)]
description:
  - The archive holds the database as SQLite's backup interface gives it (the write-ahead log included), the uploads, the vector store,
    the secret key, and an C(about.json) that says which release wrote them. It is all that another host needs.
  - Needs Python's standard library only.
extends_documentation_fragment: [llmfleet.ollama.linux]
options:
  path:
    description: The archive. With O(state=present) it must not exist yet, its folder is made.
    type: path
    required: true
  state:
    description:
      - V(present) writes the archive. The server may go on running.
      - V(described) only reads what the archive says of itself.
      - V(restored) puts the archive's data in the place of what is there. The container must be stopped.
    type: str
    choices: [present, described, restored]
    default: present
  data_path:
    description: The folder that is mounted as C(/app/backend/data). With O(state=present), O(dump_path) may stand alone.
    type: path
  secret_path:
    description: The file of the secret key. With O(state=restored) it is written only where O(restore_secret) is set.
    type: path
    default: /etc/open-webui/secrets/secret_key
  restore_secret:
    description: Bring back the secret key too. Without the old key everybody has to sign in again and stored tokens cannot be read.
    type: bool
    default: true
  dump_path:
    description: A database dump made by other means (PostgreSQL) that goes into the archive, or where to put the one from the archive.
    type: path
  uid:
    description: Owner of the restored files.
    type: int
    default: 0
  gid:
    description: Group of the restored files.
    type: int
    default: 0
  image:
    description: The image that serves the data, noted in the archive.
    type: str
  version:
    description: The release that serves the data, noted in the archive.
    type: str
  keep:
    description: With O(state=present), remove older archives in the same folder beyond this number. V(0) keeps all.
    type: int
    default: 0
  prefix:
    description: Only archives whose name starts with this are counted and removed by O(keep).
    type: str
    default: open-webui-
attributes:
  check_mode:
    description: Reads the archive or the database, and writes nothing.
    support: full
  diff_mode:
    description: The content is private.
    support: none
  idempotent:
    description: A backup is a new archive each time, a restore replaces the data each time.
    support: none
"""

EXAMPLES = r"""
- name: Save everything while the server runs
  llmfleet.ollama.open_webui_backup:
    path: /var/backups/open-webui/open-webui-before-the-holidays.tar.gz
    data_path: /var/lib/docker/volumes/open-webui/_data
    version: 0.12.4
"""

RETURN = r"""
about:
  description: What the archive says of itself.
  type: dict
  returned: success
  sample: {saved_at: "2026-11-24T12:00:00Z", version: 0.12.4, revision: c92da83b017f, chats: 12, users: 3, database: true}
path:
  description: The archive.
  type: str
  returned: success
size_bytes:
  description: Size of the archive.
  type: int
  returned: when the archive exists
removed:
  description: Older archives that were removed.
  type: list
  elements: str
  returned: success
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.llmfleet.ollama.plugins.module_utils.change import lock
from ansible_collections.llmfleet.ollama.plugins.module_utils.look.common import clock
from ansible_collections.llmfleet.ollama.plugins.module_utils.open_webui.data import DataError, bring_back, describe, look_into, prune, save


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "state": {"type": "str", "choices": ["present", "described", "restored"], "default": "present"},
            "data_path": {"type": "path"},
            "secret_path": {"type": "path", "default": "/etc/open-webui/secrets/secret_key", "no_log": False},
            "restore_secret": {"type": "bool", "default": True, "no_log": False},
            "dump_path": {"type": "path"},
            "uid": {"type": "int", "default": 0},
            "gid": {"type": "int", "default": 0},
            "image": {"type": "str"},
            "version": {"type": "str"},
            "keep": {"type": "int", "default": 0},
            "prefix": {"type": "str", "default": "open-webui-"},
        },
        required_if=[("state", "present", ["data_path", "dump_path"], True), ("state", "restored", ["data_path"])],
        supports_check_mode=True,
    )
    # Uploads and vectors may take long; the run that has the host is not silent meanwhile.
    with lock.alive_meanwhile(lock.folder_of("Linux", "open_webui"), clock()):
        run(module)


def run(module: AnsibleModule) -> None:
    wanted = module.params
    path, folder = wanted["path"], wanted["data_path"]
    result = {"changed": wanted["state"] != "described", "path": path, "removed": []}
    try:
        if wanted["state"] == "present":
            if os.path.exists(path):
                raise DataError(f"{path} exists already; a backup never overwrites another")
            about = {"image": wanted["image"], "version": wanted["version"]}
            if module.check_mode:
                result["about"] = dict(about, **look_into(folder))
            else:
                result["about"] = save(folder, path, wanted["secret_path"], about, wanted["dump_path"])
                if wanted["keep"]:
                    result["removed"] = prune(os.path.dirname(path), wanted["prefix"], wanted["keep"])
        elif wanted["state"] == "described" or module.check_mode:
            result["about"] = describe(path)
        else:
            secret = wanted["secret_path"] if wanted["restore_secret"] else None
            result["about"] = bring_back(path, folder, secret, (wanted["uid"], wanted["gid"]), wanted["dump_path"])
    except DataError as error:
        module.fail_json(msg=f"Open WebUI's data: {error}.", path=path)
    except OSError as error:
        module.fail_json(msg=f"Open WebUI's data: {error.strerror} ({error.filename}).", path=path)
    if os.path.exists(path):
        result["size_bytes"] = os.path.getsize(path)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
