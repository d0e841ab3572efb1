#!/usr/bin/python
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: owned_folder
short_description: Give a folder and all in it to a user, without following a link
version_added: 0.1.0
author: [llmfleet authors (@llmfleet)]
description:
  - Makes a folder, and gives it and what it holds to a user.
  - Whoever could write there before may have left links to any file of the host. M(ansible.builtin.file) with O(ansible.builtin.file#module:recurse)
    changes what they lead to; this module walks the folder through open descriptors and changes only what lies in it.
  - Needs Python's standard library only.
extends_documentation_fragment: [llmfleet.ollama.linux]
options:
  path:
    description: The folder. Its parents are made where they are missing.
    type: path
    required: true
  uid:
    description: The owner's number.
    type: int
    required: true
  gid:
    description: The group's number.
    type: int
    required: true
  private:
    description: Whether nobody but the owner may enter the folder and read its files. Without it the modes stay as they are.
    type: bool
    default: false
attributes:
  check_mode:
    description: Says whether anything would change.
    support: full
  diff_mode:
    description: There may be many thousands of files.
    support: none
  idempotent:
    description: What has this owner and mode is left alone.
    support: full
"""

EXAMPLES = r"""
- name: Give the data of a container to the user that it runs as
  llmfleet.ollama.owned_folder:
    path: /srv/open-webui
    uid: 10300
    gid: 10300
    private: true
"""

RETURN = r"""
path:
  description: The folder.
  returned: always
  type: str
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.llmfleet.ollama.plugins.module_utils import nofollow


def own(path, uid, gid, private, dry):
    """Says whether anything was, or with dry would be, changed."""
    if not os.path.lexists(path):
        if not dry:
            os.makedirs(path, mode=0o755)
            nofollow.give(path, uid, gid, private)
        return True
    return nofollow.give(path, uid, gid, private, dry)


def main():
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "uid": {"type": "int", "required": True},
            "gid": {"type": "int", "required": True},
            "private": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    wanted = module.params
    try:
        changed = own(wanted["path"], wanted["uid"], wanted["gid"], wanted["private"], module.check_mode)
    except OSError as error:
        module.fail_json(msg="%s cannot be given to user %d: %s." % (error.filename or wanted["path"], wanted["uid"], error.strerror), path=wanted["path"])
    module.exit_json(changed=changed, path=wanted["path"])


if __name__ == "__main__":
    main()
