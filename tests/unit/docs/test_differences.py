# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab sets otherwise than we ship is on one list, tests/e2e/readme/differences.yml, with a test of what is shipped.

Deleted, the lab could drift from the defaults again, one convenient variable after the other, and stay green.
"""

from __future__ import annotations

import re

import pytest
import yaml
from ansible_collections.llmfleet.ollama.plugins.module_utils.defaults import path_of
from support import ROOT

LISTED = yaml.safe_load((ROOT / "tests/e2e/readme/differences.yml").read_text(encoding="utf-8"))
ROWS = [row for rows in LISTED.values() for row in rows]
EXAMPLE = (ROOT / "inventories/example/group_vars/all.yml").read_text(encoding="utf-8")
# How Ansible reaches the lab's machines is the lab's own matter, as it is everybody's.
CONNECTION = re.compile(r"^(ansible_\w+|lab_\w+|machine)$")


def _read(path: str) -> dict:
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8")) or {}


def shipped() -> dict:
    """The defaults of the roles, and of the variables that no role owns what the example's comments say."""
    found = dict(re.findall(r"^# ((?:llm)_\w+): +(.*?)(?: +#.*)?$", EXAMPLE, re.MULTILINE))
    found = {name: yaml.safe_load(text) for name, text in found.items() if "…" not in text}
    for path in ROOT.glob("roles/*/defaults/main.yml"):
        found.update(yaml.safe_load(path.read_text(encoding="utf-8")))
    return found


def _host_variables(group: dict) -> list[dict]:
    """The variables of a group of an inventory and of all below it."""
    below = [_host_variables(child or {}) for child in (group.get("children") or {}).values()]
    return [group.get("vars") or {}, *((group.get("hosts") or {}).values()), *(found for part in below for found in part)]


def lab() -> dict:
    """Every variable that inventories/lab sets, wherever it does."""
    found = {}
    for variables in [*_host_variables(_read("inventories/lab/hosts.yml")["all"]), *(_read(f"{p.relative_to(ROOT)}") for p in FILES)]:
        found.update(variables or {})
    return {name: value for name, value in found.items() if not CONNECTION.match(name)}


FILES = [path for kind in ("group_vars", "host_vars") for path in sorted((ROOT / f"inventories/lab/{kind}").rglob("*.yml"))]


def _without_addresses(value) -> str:
    return re.sub(r"\d+\.\d+\.\d+\.\d+(/\d+)?|[\w.@-]+@[\w.-]+", "…", str(value))


def test_what_the_lab_sets_is_shipped_shown_or_listed():
    """The rule of the house: what is shipped and shown is what is tested."""
    example, defaults = yaml.safe_load(EXAMPLE), shipped()
    # Shown in the README, addresses apart.
    example.update(llm_registry="http://10.20.0.10")
    listed = {row["variable"] for row in LISTED["lab"]}
    differs = {
        name
        for name, value in lab().items()
        if not any(name in place and _without_addresses(place[name]) == _without_addresses(value) for place in (example, defaults))
    }
    assert differs == listed, f"not listed: {sorted(differs - listed)}; listed and not so: {sorted(listed - differs)}"


@pytest.mark.parametrize("row", [row for row in LISTED["lab"] if row.keys() & {"lab", "shipped"}], ids=lambda row: row["variable"])
def test_the_list_says_what_is_so(row):
    """A list that is not true any more is worse than none."""
    assert lab()[row["variable"]] == row["lab"]
    # A default that is made of a platform's names is compared by what it ends in on Linux.
    default = re.sub(r"^\{\{ '(\w+)' \| llmfleet\.ollama\.default_path\(.*", lambda match: path_of(match[1]), str(shipped()[row["variable"]]))
    assert default == str(row["shipped"]) or str(row["shipped"]) and str(row["shipped"]) in str(default)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["variable"])
def test_each_difference_has_a_reason_and_a_test_of_the_default(row):
    """A difference that nobody tests is how the README came to be broken."""
    assert row["reason"]
    path, _colons, name = row["tested_by"].partition("::")
    assert re.search(rf"^def {re.escape(name)}\(", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE), row["tested_by"]


def test_the_hosts_of_the_example_pull_from_its_mirror():
    """Who copies the example would fill a mirror for nobody, and read so in a warning."""
    mirrors = _read("inventories/example/hosts.yml")["all"]["children"]["model_mirror"]["hosts"]
    assert yaml.safe_load(EXAMPLE)["llm_registry"] in ["http://" + host["ansible_host"] for host in mirrors.values()]
