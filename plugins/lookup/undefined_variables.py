# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: undefined_variables
short_description: Name the variables whose values use one that nobody has set
version_added: 0.1.0
author: [llmfleet authors (@llmfleet)]
description:
  - Looks at every variable of the host that begins with one of the terms, and gives one sentence for each that cannot be evaluated because a variable in
    its value is not defined, such as C(vault_password) in an inventory whose vault has not been made.
  - A sentence names the variable, the one that is missing, and what to do.
  - A key that a variable does not have, such as a fact that is gathered later, is not reported.
options:
  _terms:
    description: Beginnings of names.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Refuse an inventory without its vault
  ansible.builtin.fail:
    msg: "{{ missing | join(' ') }}"
  when: missing | length > 0
  vars:
    missing: "{{ query('llmfleet.ollama.undefined_variables', 'open_webui_') }}"
"""

RETURN = r"""
_raw:
  description: One sentence for each variable, in the order of their names.
  type: list
  elements: str
"""

from ansible.plugins.lookup import LookupBase
from ansible_collections.llmfleet.ollama.plugins.plugin_utils import undefined


class LookupModule(LookupBase):
    """See DOCUMENTATION."""

    def run(self, terms, variables=None, **kwargs):
        return undefined.sentences(self._templar.template, variables or {}, terms)
