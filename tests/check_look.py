# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hold one look against its schema; for systems that only hosted runners have.

    PYTHONPATH=collections python tests/check_look.py FILE    # from a file: Windows
    PYTHONPATH=collections python tests/check_look.py         # look at this machine, as root: macOS, Linux
"""

from __future__ import annotations

import json
import pathlib
import sys

from ansible_collections.llmfleet.ollama.plugins.module_utils.look.texts import clean
from ansible_collections.llmfleet.ollama.plugins.plugin_utils import look_schema, windows_change


def look():
    if len(sys.argv) > 1:
        return json.loads(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8-sig"))
    from ansible_collections.llmfleet.ollama.plugins.module_utils.look import host
    from ansible_collections.llmfleet.ollama.plugins.plugin_utils.service import decide, inventory

    options = {name: entry.get("default") for name, entry in host.ARGUMENTS.items()}
    asked = decide.questions({"ollama_version": "0.32.15"}, inventory.around({"inventory_hostname": "this"}))
    return host.look(dict(options, questions=[question.to_dict() for question in asked], filesystems=["/"]))


def main():
    found = look()
    if len(sys.argv) > 1:
        # As the action does.
        found["change"] = windows_change.told(found["change"])
    found = clean(found)
    found["observation"] = None
    print(json.dumps(found, indent=1))
    wrong = look_schema.complaint("this machine", found)
    if wrong or not found["is_root"]:
        sys.exit(wrong or "Only root sees all that a look tells; run this as root.")


if __name__ == "__main__":
    main()
