# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of the probes, and of the action that runs them."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  timeout:
    description: Seconds after which the probe ends with what it has. Keep a task's own C(timeout) above it.
    type: int
    default: 20
  gather:
    description: What to look for.
    type: list
    elements: str
    choices: [nvidia, amd, intel, apple, system]
    default: [nvidia, amd, intel, apple, system]
  topology:
    description: Ask NVML how each pair of GPUs is connected. Costs one call for each pair.
    type: bool
    default: false
  allow_cli:
    description: Run the vendors' tools where better sources are silent.
    type: bool
    default: true
  filesystems:
    description: Paths whose file systems are measured. A path need not exist yet; its nearest parent counts.
    type: list
    elements: str
    default: []
"""
