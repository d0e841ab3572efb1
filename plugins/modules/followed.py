#!/usr/bin/python
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: followed
short_description: Run a module that downloads a file, and show how far it is
version_added: 0.1.0
description:
  - Runs another module with its own options in the background of the host, by Ansible's C(async), and prints percent, rate and time left while a
    file of it grows, less often the longer it takes. The result is that module's.
  - A download of less than two seconds prints nothing and costs three module runs; a longer one costs a fourth, which asks for the size.
  - In check mode the other module runs alone, in its own check mode.
author:
  - llmfleet authors (@llmfleet)
options:
  module:
    description: Name of the module, such as V(llmfleet.ollama.download) or V(ansible.windows.win_get_url). A name of an action plugin will not do.
    type: str
    required: true
  options:
    description: What that module is given.
    type: dict
    required: true
  what:
    description: What the lines call it.
    type: str
    required: true
  path:
    description:
      - The file that grows. A V(*) in it stands for any name; the newest file counts. For M(llmfleet.ollama.download) that is V(tmp*) beside its C(dest).
      - Not needed on Windows, where C(win_get_url) writes into its own temporary folder.
    type: str
    default: ""
  url:
    description: Where the host asks for the size. Without an answer, lines have no percent.
    type: str
    default: ""
  headers:
    description: A file into which the other module's program writes the headers of the answers, instead of O(url).
    type: str
    default: ""
  proxy:
    description:
      - URL of a proxy, for C(win_get_url) and M(llmfleet.ollama.download), whose options for it are filled from here. A name and a password may stand in
        it, and are shown nowhere.
    type: str
    default: ""
attributes:
  check_mode:
    description: As far as the other module.
    support: full
  diff_mode:
    description: As far as the other module.
    support: none
  idempotent:
    description: As far as the other module.
    support: partial
"""

EXAMPLES = r"""
- name: Download a release
  llmfleet.ollama.followed:
    what: ollama-linux-amd64.tar.zst
    url: &url https://github.com/ollama/ollama/releases/download/v0.32.15/ollama-linux-amd64.tar.zst
    path: /var/tmp/ollama/tmp*
    module: llmfleet.ollama.download
    options:
      url: *url
      dest: /var/tmp/ollama/ollama-linux-amd64.tar.zst
      tmp_dest: /var/tmp/ollama
      checksum: sha256:baf6a787fdffd633537aa2eb51cfd54cb93ff08e28040095462bb63daf552878
"""

RETURN = r"""
# What the other module returns.
"""
