# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each mirror of an inventory is for."""

from __future__ import annotations

from ansible.errors import AnsibleFilterError
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.mirrors import BadTree, Tree


def model_mirrors(groups, hostvars):
    """A dict for each host of group model_mirror."""
    try:
        return Tree(groups, hostvars).describe()
    except BadTree as problem:
        raise AnsibleFilterError(str(problem))


class FilterModule:
    def filters(self):
        return {"model_mirrors": model_mirrors}
