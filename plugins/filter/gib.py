# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes as people read them."""

from __future__ import annotations

from ansible.errors import AnsibleFilterError
from ansible_collections.llmfleet.ollama.plugins.module_utils.bytes import gib as words


def gib(value):
    try:
        return words(int(value))
    except (TypeError, ValueError):
        raise AnsibleFilterError("gib wants a number of bytes, not '%s'" % (value,))


class FilterModule:
    def filters(self):
        return {"gib": gib}
