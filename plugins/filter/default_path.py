# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where things lie unless the inventory says otherwise: roles and playbooks that need the same path ask here."""

from __future__ import annotations

from ansible.errors import AnsibleFilterError
from ansible_collections.llmfleet.ollama.plugins.module_utils.defaults import PATHS, path_of


def default_path(what, os_family=""):
    if what not in PATHS:
        raise AnsibleFilterError("default_path knows no '%s': write one of %s" % (what, ", ".join(PATHS)))
    return path_of(what, os_family)


class FilterModule:
    def filters(self):
        return {"default_path": default_path}
