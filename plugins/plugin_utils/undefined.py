# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables whose values use one that nobody has set, each with what to do."""

from __future__ import annotations

import os
import re

from ansible.errors import AnsibleUndefinedVariable

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


def sentences(template, variables, beginnings):
    """One for each such variable whose name begins with one of these, in the order of their names."""
    found = []
    for name in sorted(variables):
        if not name.startswith(tuple(beginnings)):
            continue
        try:
            template(variables[name])
        except AnsibleUndefinedVariable as error:
            missing = _MISSING.search(str(error))
            # A key that a variable lacks may come yet: facts and results grow while a run goes on.
            if missing:
                found.append(sentence(name, missing.group(1), variables.get("inventory_dir"), os.getcwd()))
    return found
