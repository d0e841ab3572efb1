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

import os
import re

from ansible.errors import AnsibleUndefinedVariable
from ansible.plugins.lookup import LookupBase

_MISSING = re.compile(r"'([A-Za-z_]\w*)' is undefined")


def sentence(variable: str, missing: str, inventory_dir: str | None, here: str) -> str:
    """What to do about it: a vault's variable wants a vault, any other a value."""
    said = f"{variable} uses {missing}, which nobody has set; "
    if not missing.startswith("vault_") or not inventory_dir:
        return f"{said}set {missing}, or give {variable} another value."
    folder = os.path.relpath(os.path.join(inventory_dir, "group_vars", "all"), here)
    beside = [folder + ending for ending in (".yml", ".yaml") if os.path.isfile(os.path.join(here, folder + ending))]
    # Ansible reads either the file or the folder of that name.
    move = "" if os.path.isdir(os.path.join(here, folder)) or not beside else f"mkdir {folder} && mv {beside[0]} {folder}/main.yml && "
    vault = os.path.join(folder, "vault.yml")
    make = "edit" if os.path.isfile(os.path.join(here, vault)) else "create"
    return f"{said}write it into your vault (`{move}ansible-vault {make} {vault}`) and run with --ask-vault-pass."


class LookupModule(LookupBase):
    """See DOCUMENTATION."""

    def run(self, terms, variables=None, **kwargs):
        found = []
        for name in sorted(variables or {}):
            if not name.startswith(tuple(terms)):
                continue
            try:
                self._templar.template(variables[name])
            except AnsibleUndefinedVariable as error:
                missing = _MISSING.search(str(error))
                # A key that a variable lacks may come yet: facts and results grow while a run goes on.
                if missing:
                    found.append(sentence(name, missing.group(1), variables.get("inventory_dir"), os.getcwd()))
        return found
