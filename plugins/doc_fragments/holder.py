# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who asks, for the modules that take the host themselves."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  holder:
    description:
      - Who asks, as M(llmfleet.ollama.host_change) takes it. The action fills it in.
      - As root, the host is taken before the first change, and let go of in the end; work that takes long gives signs of life.
    type: dict
    suboptions:
      token: {type: str, required: true, description: One run of Ansible.}
      who: {type: str, required: true, description: 'Who it is, for people.'}
      controller: {type: str, required: true, description: The machine it runs on.}
      process: {type: str, required: true, description: Its process there.}
      started: {type: str, required: true, description: When that was started.}
  over:
    description: The token of a holder that is known to be gone. The action fills it in.
    type: str
    default: ''
"""
