# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a look is asked of a host, for the modules that look and the action that runs them."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  questions:
    description:
      - What a host is asked, one entry for each system that it may have; which one it has shows on the host.
      - A host of a system that no entry is for is refused in one sentence.
    type: list
    elements: dict
    required: true
    suboptions:
      system:
        description: The system that this is for.
        type: str
        choices: [linux, macos, windows]
        required: true
      user:
        description: The user of the service; on Windows its SID, or an empty text.
        type: str
        required: true
      port:
        description: The port that the service listens on.
        type: int
        required: true
      url:
        description: Where the API answers on the host itself. It is asked with short timeouts, and its answers are bounded.
        type: str
        required: true
      install_dir:
        description: The folder that has one folder for each release.
        type: str
        required: true
      models_dir:
        description: The model store. Its disk and that of O(questions[].install_dir) are measured as those of O(filesystems) are.
        type: str
        required: true
      service:
        description: Name of the systemd unit, of the daemon, or of the scheduled task.
        type: str
        required: true
      door:
        description: Name of the table of nftables, of the door's daemon and its anchor below C(com.apple/), or of the firewall rule.
        type: str
        required: true
      settings:
        description: The file with the service's environment, which names the store that it uses now. Drop-in, property list or launcher.
        type: str
        required: true
      moving:
        description: The note of a move of the models that was cut off.
        type: str
        required: true
      record:
        description: The folder with the record of a change that was not ended; an empty text asks for none.
        type: str
        default: ''
      paths:
        description: Files, folders and links to look at. Links are not followed; files below 1 MB are hashed.
        type: list
        elements: str
        default: []
      names:
        description: Hosts whose addresses are wanted as this host knows them.
        type: list
        elements: str
        default: []
      tools:
        description: Programs to look for.
        type: list
        elements: str
        default: []
  proofs_path:
    description:
      - File that remembers what was proved of models.
      - Without it V(/etc/ansible/facts.d/llmfleet.fact), on Windows V(C:\\ProgramData\\llmfleet.fact).
    type: str
"""
