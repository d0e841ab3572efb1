# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The README's fleet and its person, once for all tests of this folder."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from support import ROOT

for folder in ("tests/e2e", "lab"):
    sys.path.append(str(ROOT / folder))

import fresh
import upstream
from llmfleet_lab import engine, hosts

HERE = Path(__file__).parent


def closed_network() -> dict:
    """What has to be set where only the lab's network can be reached, from the list of differences."""
    given = {
        "ollama_download_base_url": upstream.RELEASES,
        "ollama_download_checksum": "list",
        "ollama_accept_plain_http": True,
        "model_mirror_upstream": upstream.REGISTRY,
    }
    listed = yaml.safe_load((HERE / "differences.yml").read_text(encoding="utf-8"))["readme"]
    return {row["variable"]: given[row["variable"]] for row in listed}


@pytest.fixture(scope="session")
def outside():
    """What stands for GitHub and registry.ollama.ai; only the tags that the README promises are pulled."""
    client = engine.start()
    # Key, images and the library that plays the cards are the lab's; its own hosts are not needed.
    if not all(part.exists() for part in (hosts.KEY, hosts.LIBRARY, hosts.WEBUI / "images.tar")):
        subprocess.run([sys.executable, "lab/lab.py", "up"], cwd=ROOT, check=True)
    upstream.build({tag for block in fresh.README for tag in re.findall(r"-> (\S+:\S+)", block.text)})
    upstream.start(client)
    yield client
    upstream.remove(client)


@pytest.fixture(scope="session")
def fleet(outside):
    made = fresh.Fleet(outside)
    yield made
    made.remove()


@pytest.fixture(scope="session")
def person(fleet, tmp_path_factory):
    """Somebody who has come to the point where the README says what to type."""
    found = fresh.Person(tmp_path_factory.mktemp("home"), ROOT / "tests/output/readme/terminal.log", ROOT / ".cache/venv/bin")
    vault = next(block for block in fresh.README if block.file.endswith("vault.yml"))
    fleet.start(found.known_hosts, yaml.safe_load(vault.text)["vault_become_password"])
    clone = next(block for block in fresh.README if any("git clone" in line for line in block.commands))
    found.run(clone).good()
    for block in fresh.README:
        if block.file:
            found.write(block)
    needed = found.checkout / "inventories/mine/group_vars/all/closed_network.yml"
    needed.write_text(yaml.safe_dump(closed_network()), encoding="utf-8")
    found.run(next(block for block in fresh.README if any("ansible-vault create" in line for line in block.commands))).good()
    return found
