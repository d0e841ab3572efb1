# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The README, executed: its files and its commands as they stand, on hosts that have never seen us.

A person clones the project into an empty home, writes the files, types the commands. Debian 12 and 13; one user whose sudo asks for a password and
one whose does not; the release, the confinement, the proof on the GPU and the metadata sources are the shipped defaults. What a closed network
needs besides addresses is in differences.yml.
Deleted, the project would again be tested with the lab's settings only, and what the README shows would not be known to work.
"""

from __future__ import annotations

import re

import pytest
import yaml
from fresh import MACHINES, README, Person, Said, readme_command

# What the README promises for each host, from the comments of its own inventory.
PROMISED = dict(re.findall(r"^\s+([\w-]+): \{ansible_host: [^}]*\}\s+#.*-> (\S+)$", "".join(block.text for block in README), re.MULTILINE))


@pytest.fixture(scope="module")
def plan(person: Person) -> Said:
    return person.type(readme_command("plan.yml") + " -e llm_plan_output=plan.json").good()


@pytest.fixture(scope="module")
def site(person: Person, fleet, plan: Said) -> Said:
    fleet.loading.result()
    return person.type(readme_command("site.yml")).good()


def test_the_readme_makes_promises():
    """Without a host and a tag in its comments the tests below would compare nothing."""
    assert set(PROMISED) == set(MACHINES) - {"hub"}


def test_plan_before_anything_is_there(person: Person, plan: Said):
    """A mirror that does not exist yet must not make the plan another one, and looking must change nothing."""
    assert plan.changed == {}
    assert {host: found["models"][0]["name"] for host, found in person.plans("plan.json").items()} == PROMISED
    assert {found["models"][0]["source"] for found in person.plans("plan.json").values()} == {"header"}


def test_site(site: Said, fleet):
    """The mission: one command, on the defaults that are shipped, and each host ends with what the README's comment says."""
    assert set(site.recap) >= set(MACHINES)
    for host, tag in PROMISED.items():
        assert tag in fleet.inside(host, "curl -s http://127.0.0.1:11434/api/tags"), host
        shown = fleet.inside(host, "systemctl show ollama -p MemoryDenyWriteExecute -p User -p ActiveState")
        assert {"MemoryDenyWriteExecute=yes", "User=ollama", "ActiveState=active"} <= set(shown.split()), (host, shown)


def test_the_last_lines_say_where_to_go(site: Said):
    """Somebody who has waited for half an hour must not have to look for the address."""
    assert f"http://{MACHINES['hub'][0]}:3000" in "".join(site.text.splitlines(keepends=True)[-4:])


def test_second_run_changes_nothing(person: Person, site: Said):
    """The README says so."""
    assert person.type(readme_command("site.yml")).good().changed == {}


def test_plan_through_the_filled_mirror(person: Person, site: Said, plan: Said):
    """A mirror that holds what was planned, and nothing else, must not become the limit of the next plan."""
    before = person.plans("plan.json")
    person.type(readme_command("plan.yml") + " -e llm_plan_output=again.json").good()
    after = person.plans("again.json")
    for host, found in before.items():
        chosen, rejected = found["models"][0], {row["name"]: row.get("short_by_bytes") for row in found["rejected"]}
        assert after[host]["models"][0]["name"] == chosen["name"]
        assert {row["name"]: row.get("short_by_bytes") for row in after[host]["rejected"]} == rejected


@pytest.mark.parametrize(("card", "mebibytes", "tag"), [("RTX 4060", 8188, "deepseek-r1:8b"), ("RTX 4090", 24564, "deepseek-r1:32b")])
def test_a_card_that_the_mirror_does_not_know(card: str, mebibytes: int, tag: str, person: Person, site: Said):
    """A new machine's plan must not be made of the tags that older ones have brought to the mirror."""
    device = {"vendor": "nvidia", "name": card, "memory_total_bytes": mebibytes << 20, "memory_usable_bytes": (mebibytes - 400) << 20}
    given = {"llm_vram_override": {"system_memory": {"total_bytes": 32 << 30}, "devices": [device]}, "llm_plan_output": "card.json"}
    (person.checkout / "card.yml").write_text(yaml.safe_dump(given), encoding="utf-8")
    person.type(readme_command("plan.yml") + " --limit gpu-01 -e @card.yml").good()
    chosen = person.plans("card.json")["gpu-01"]["models"][0]
    assert (chosen["name"], chosen["source"]) == (tag, "header")


def test_verify(person: Person, site: Said):
    """A service that is up but cannot chat would pass every other check."""
    said = person.type(readme_command("verify.yml")).good()
    assert said.changed == {}
    assert "This is the stand-in for" in said.text
