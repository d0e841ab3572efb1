# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory of machines that are not bought yet, as docs/sizing.md shows it: more expensive ones must not come out worse."""

from __future__ import annotations

from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible.vars.manager import VariableManager
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.plan import make_plan
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.source import catalogue
from support import ROOT

PATH = ROOT / "inventories" / "compare"


def plans():
    loader = DataLoader()
    inventory = InventoryManager(loader=loader, sources=[str(PATH)])
    variables = VariableManager(loader=loader, inventory=inventory)
    found = {}
    for host in inventory.get_hosts("ollama"):
        values = variables.get_vars(host=host)
        vram = Templar(loader, variables=values).template(values["llm_vram_override"])
        found[host.name] = make_plan(values["llm_models"], {}, vram, "0.32.15", ["catalogue"])
    return found


def test_machines_side_by_side():
    found = plans()
    assert all(made["ok"] and made["models"][0]["context"] == 65536 for made in found.values())
    names = [tag.name for tag in catalogue.family_tags("deepseek-r1")][::-1]
    worth = {host: names.index(made["models"][0]["name"]) for host, made in found.items()}
    assert worth["one-4090"] < worth["two-4090"] <= worth["one-l40s"] < worth["one-h100"] <= worth["four-l40s"]
    four = found["four-l40s"]["models"][0]
    assert [device["index"] for device in four["devices"]] == [0, 1, 2, 3]
    assert all(device["total_bytes"] <= 45482 << 20 for device in four["devices"])
