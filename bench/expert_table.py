#!/usr/bin/env python3
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the plan chooses for the machines and wishes of tests/unit/bench/expert_cases.yml, as the table of docs/sizing.md; and the catalogue's families.

Run: python bench/expert_table.py [--write]. With --write the tables between the marks of docs/sizing.md and docs/models.md are replaced, else printed.
The plans are those of the catalogue alone, without a registry, for the default Ollama.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys

import yaml

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, os.path.join(ROOT, "collections"))

from ansible_collections.llmfleet.ollama.plugins.module_utils.bytes import GIB, MIB
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing import data, plan, versions
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.source import catalogue

CASES = os.path.join(ROOT, "tests", "unit", "bench", "expert_cases.yml")
PAGE = os.path.join(ROOT, "docs", "sizing.md")
FAMILIES_PAGE = os.path.join(ROOT, "docs", "models.md")
BEGIN, END = "<!-- written by bench/expert_table.py -->", "<!-- end of what is written -->"
_PLACES = {"gpu": "GPU", "multi_gpu": "GPUs", "experts": "GPU, experts in RAM", "partial": "GPU and CPU", "cpu": "CPU"}


def facts(machine):
    """The facts that such a machine would report."""
    devices = []
    for name, total, usable, *count in machine["cards"]:
        for _one in range(count[0] if count else 1):
            number = len(devices)
            device = {"index": number, "vendor": machine.get("vendor", "nvidia"), "name": name, "uuid": "GPU-%d" % number}
            device.update({"memory_total_bytes": total * MIB, "memory_usable_bytes": usable * MIB})
            if machine.get("unified"):
                device.update({"unified": True, "type": "integrated"})
            if "gfx" in machine:
                device["gfx_target"] = machine["gfx"]
            devices.append(device)
    ram = int(machine["ram"] * GIB)
    memory = {"total_bytes": ram, "available_bytes": int(ram * 0.94)}
    if "bandwidth" in machine:
        memory["bandwidth_bytes_per_second"] = machine["bandwidth"]
    found = {"devices": devices, "system_memory": memory}
    if "cores" in machine:
        found["cpu"] = {"physical_cores": machine["cores"]}
    return found


def made(machine, want):
    return plan.make_plan(want, {}, facts(machine), versions.OLLAMA_VERSION, ["catalogue"])


def _context(entry):
    plain = entry["embedding"] or entry["kv_cache_type"] == "f16"
    return str(entry["context"]) if plain else "%d, %s" % (entry["context"], entry["kv_cache_type"])


def _rate(entry):
    rate = (entry.get("tokens_per_second") or {}).get("predicted")
    return "–" if rate is None or entry["embedding"] else "%d" % round(rate) if rate >= 10 else "%.1f" % rate


def _why(found, entry):
    """The next better tag of the family that was passed over, in the plan's own words; else that there is none above it."""
    why = {row["name"]: row["why"] for row in found["rejected"]}
    better = [tag for tag in itertools.takewhile(lambda tag: tag.name != entry["name"], catalogue.family_tags(entry["family"])) if tag.name in why]
    if not better:
        return "the best of its family, %.1f GiB to spare" % (entry["headroom_bytes"] / GIB)
    return "%s: %s" % (better[-1].row["tag"], why[better[-1].name])


def row(name, machine, wish, want):
    """One line of the table, its cells as text."""
    found = made(machine, want)
    if not found["ok"]:
        return [name, wish, "refused", "", "", "", "; ".join(found["errors"])]
    entries = found["models"]
    return [
        name,
        wish,
        "<br>".join("`%s`" % entry["name"] for entry in entries),
        "<br>".join(_context(entry) for entry in entries),
        "<br>".join(_PLACES.get(entry["placement"], entry["placement"]) for entry in entries),
        "<br>".join(_rate(entry) for entry in entries),
        "<br>".join(_why(found, entry) for entry in entries if not entry["embedding"]),
    ]


def cases():
    with open(CASES, encoding="utf-8") as stream:
        content = yaml.safe_load(stream)
    return [(name, content["machines"][name], wish, content["wants"][wish]) for name, wishes in content["rows"].items() for wish in wishes]


def table():
    lines = ["| machine | wanted | chosen | context, cache | where | tokens/s | why nothing better |", "|---|---|---|---|---|---|---|"]
    before = None
    for name, machine, wish, want in cases():
        cells = row(name, machine, wish, want)
        lines.append("| %s |" % " | ".join([""] + cells[1:] if name == before else cells))
        before = name
    return "\n".join(lines)


def families():
    """The families of the catalogue, one line each."""
    lines = ["| family | sizes, the best first | weights | tokens |", "|---|---|---|---|"]
    for family in sorted(data.families()):
        tags = catalogue.family_tags(family)
        sizes = list(dict.fromkeys(tag.size for tag in tags))
        weights = list(dict.fromkeys(tag.quantization for tag in tags))
        tokens = sorted({tag.shape.context_train for tag in tags})
        lines.append("| `%s` | %s | %s | %s |" % (family, ", ".join(sizes), ", ".join(weights), ", ".join(map(str, tokens))))
    for family, tags in sorted(data.load("by_header").items()):
        lines.append("| `%s` | %s | by its header | |" % (family, ", ".join(tags)))
    return "\n".join(lines)


def page(text, rendered):
    """The page with the table in its place."""
    before, rest = text.split(BEGIN, 1)
    return before + BEGIN + "\n" + rendered + "\n" + END + rest.split(END, 1)[1]


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="put the tables into docs/sizing.md and docs/models.md")
    options = parser.parse_args(arguments)
    for path, rendered in ((PAGE, table()), (FAMILIES_PAGE, families())):
        if not options.write:
            print(rendered)
            continue
        with open(path, encoding="utf-8") as stream:
            old = stream.read()
        new = page(old, rendered)
        if new != old:
            with open(path, "w", encoding="utf-8") as stream:
                stream.write(new)
        print("%d rows in %s%s" % (rendered.count("\n") - 1, os.path.relpath(path), "" if new != old else ", as they were"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
