# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Role ollama's variables evaluated as in a play, without a play."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar
from ansible.utils.collection_loader import AnsibleCollectionConfig

PROJECT = Path(__file__).resolve().parents[5]
ROLE = PROJECT / "roles/ollama"

if not AnsibleCollectionConfig.collection_finder:
    init_plugin_loader([str(PROJECT / "collections")])

SERVICE = "ansible_collections.llmfleet.ollama.plugins.plugin_utils.service."
wish = importlib.import_module(SERVICE + "wish")
Around = importlib.import_module(SERVICE + "contract").Around
SYSTEMS = {name: importlib.import_module(SERVICE + name) for name in ("macos", "windows")}


class Play:
    """Variables of one host; `of` gives one of them, evaluated."""

    def __init__(self, platform, state, **given):
        self.platform, self.look = platform, None
        loader = DataLoader()
        loader.set_basedir(str(ROLE))
        self.variables = {}
        for name in ("defaults/main.yml", "vars/main.yml", f"vars/{platform}.yml"):
            self.variables.update(loader.load_from_file(str(ROLE / name), trusted_as_template=True))
        facts = {key.removeprefix("ansible_"): value for key, value in state["facts"].items()}
        self.variables.update(
            ansible_facts={**facts, **given.pop("facts", {})}, role_path=str(ROLE), groups=given.pop("groups", {"all": ["here"]}),
            inventory_hostname="here", ansible_connection="local", ansible_search_path=[str(ROLE)],
            ansible_playbook_python=sys.executable, hostvars=given.pop("hostvars", {}),
        )
        self.variables.update(given)
        self.templar = Templar(loader=loader, variables=self.variables)

    def of(self, name):
        return json.loads(json.dumps(self.templar.template(self.variables[name])))

    def wish(self):
        """What the inventory wants, as the decision reads it."""
        public = {name: self.of(name) for name in map(wish.variable, wish.NAMES) if name in self.variables}
        made, problems = wish.read(public, self.platform)
        assert not problems, problems
        return made

    def around(self):
        facts, groups = self.variables["ansible_facts"], self.variables["groups"]
        return Around(
            host="here", address=self.variables.get("ansible_host", "here"), connection=self.variables.get("ansible_connection", "ssh"), groups=groups,
            addresses={host: entry.get("ansible_host", "") for host, entry in self.variables["hostvars"].items()},
            controller=self.of("__ollama_controller"), devices=facts.get("vram", {}).get("devices", ()),
            gpu_models=[model["name"] for model in facts.get("model_plan", {}).get("models", []) if model["placement"] != "cpu"],
        )

    def question(self):
        return SYSTEMS[self.platform].question(self.wish(), self.around())


def seen_windows(host, play):
    return host.script_discover({
        "InstallDir": play.of("ollama_install_dir"), "ModelsDir": play.of("ollama_models_dir"), "Account": play.of("__ollama_account_sid"),
        "TaskName": "ollama", "RuleName": "llmfleet ollama", "Port": play.of("ollama_port"), "ApiUrl": play.of("__ollama_local_url") + "/api/version",
        "Names": play.of("__ollama_door_names"),
    })


def seen_macos(host, play):
    return host.discover(
        play.of("ollama_install_dir"), play.of("ollama_models_dir"), play.of("__ollama_label"), play.of("__ollama_door_label"),
        str(play.of("ollama_port")), play.of("__ollama_local_url"), play.of("ollama_user"), *play.of("__ollama_door_names"),
    )
