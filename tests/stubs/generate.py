# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Write stand-ins of the same names and the same options as the real modules.

`ansible-doc` is asked what each module accepts; the stub made from the answer refuses everything else, notes the call and hands
it to the simulated host. What a module really does on Windows or a Mac is not shown by this, and no test here claims it.
A stub is an action plugin, so that a call costs no process: two hundred of them take seconds.

    generate.py DESTINATION        # a tree for the front of ANSIBLE_COLLECTIONS_PATH
"""

from __future__ import annotations

import json
import os
import pprint
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent

# Real name -> collection that holds the stub. Windows collections are shadowed as a whole, so each module in use stands here.
# Modules of ansible.builtin can't be shadowed; callback/stub_hosts.py leads their calls to llmfleet_stubs.builtin.
WINDOWS = [
    "ansible.windows.win_command",
    "ansible.windows.win_copy",
    "ansible.windows.win_environment",
    "ansible.windows.win_file",
    "ansible.windows.win_get_url",
    "ansible.windows.win_path",
    "ansible.windows.win_powershell",
    "ansible.windows.win_uri",
    "community.windows.win_firewall_rule",
    "community.windows.win_scheduled_task",
    "community.windows.win_unzip",
]
BUILTIN = ["command", "copy", "file", "group", "setup", "slurp", "user"]

STUB = '''# Made by tests/stubs/generate.py from the documentation of {name}.
from __future__ import annotations

from ansible_collections.llmfleet_stubs.host.plugins.plugin_utils.stub import Stub


class ActionModule(Stub):
    NAME = "{name}"
    SPEC = {spec}
'''

# A path of the simulated host must not be expanded on this machine.
TYPES = {"path": "str", "tmp": "str", "sid": "str"}


def argument_spec(options: dict) -> dict:
    """The argument_spec that a module's documented options describe."""
    spec = {}
    for name, option in options.items():
        kind = option.get("type") or ("dict" if option.get("suboptions") else "str")
        entry = {"type": TYPES.get(kind, kind)}
        if option.get("elements"):
            entry["elements"] = TYPES.get(option["elements"], option["elements"])
        if option.get("choices"):
            entry["choices"] = list(option["choices"])
        if option.get("required"):
            entry["required"] = True
        elif option.get("default") is not None:
            entry["default"] = option["default"]
        if option.get("aliases"):
            entry["aliases"] = list(option["aliases"])
        if option.get("suboptions"):
            entry["options"] = argument_spec(option["suboptions"])
        spec[name] = entry
    return spec


def documentation(names: list[str]) -> dict:
    binary = Path(sys.executable).with_name("ansible-doc")
    # A scenario's verbosity would put words before the JSON.
    environment = {**os.environ, "ANSIBLE_VERBOSITY": "0"}
    answer = subprocess.run([str(binary), "-t", "module", "-j", *names], env=environment, check=True, capture_output=True, text=True)
    documented = json.loads(answer.stdout)
    missing = sorted(set(names) - set(documented))
    if missing:
        raise SystemExit(f"ansible-doc knows no {', '.join(missing)}: install the `ansible` package of requirements-dev.txt")
    return documented


def write(destination: Path) -> None:
    root = destination / "ansible_collections"
    shutil.rmtree(root, ignore_errors=True)
    plugins = root / "llmfleet_stubs/host/plugins"
    for folder, target in (("simhost", "plugin_utils"), ("connection", "connection")):
        (plugins / target).mkdir(parents=True)
        for source in (HERE / folder).glob("*.py"):
            shutil.copy(source, plugins / target)
    builtin = [f"ansible.builtin.{name}" for name in BUILTIN]
    documented = documentation(WINDOWS + builtin)
    for name in WINDOWS + builtin:
        namespace, collection, module = name.split(".")
        if (namespace, collection) == ("ansible", "builtin"):
            namespace = "llmfleet_stubs"
        folder = root / namespace / collection / "plugins/action"
        folder.mkdir(parents=True, exist_ok=True)
        spec = argument_spec(documented[name]["doc"].get("options") or {})
        text = STUB.format(name=name, spec=pprint.pformat(spec, width=120))
        (folder / f"{module}.py").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    write(Path(sys.argv[1]))
