# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a module itself reaches the registry; the Ollama that downloads has a proxy of its own."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  https_proxy:
    description: Proxy for the module's own questions to the registry, if the host needs one. Ollama, which downloads, has its own.
    type: str
    default: ''
  no_proxy:
    description: Hosts that are reached without O(https_proxy), separated by commas.
    type: str
    default: ''
"""
