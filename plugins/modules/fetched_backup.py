#!/usr/bin/python
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: fetched_backup
short_description: Fetch a backup for the eyes of one user
version_added: 0.1.0
author: [llmfleet authors (@llmfleet)]
description:
  - Fetches a file as M(ansible.builtin.fetch) does. On the controller only the user that runs Ansible may read it (mode 0600), and a folder that is
    made for it is closed to others (0700). A folder that exists stays as it is.
options:
  src:
    description: The file on the host.
    type: str
    required: true
  dest:
    description: The folder on the controller; a relative one is below the directory that Ansible was started in.
    type: str
    required: true
attributes:
  check_mode:
    description: A file is not fetched.
    support: none
  diff_mode:
    description: The content is secret.
    support: none
  idempotent:
    description: A file that is there already and is the same is left alone.
    support: full
"""

EXAMPLES = r"""
- name: Bring a backup here
  llmfleet.ollama.fetched_backup:
    src: /var/backups/open-webui/open-webui-manual-20261127T120000Z.tar.gz
    dest: backups
"""

RETURN = r"""
dest:
  description: The file on the controller.
  returned: success
  type: str
"""
