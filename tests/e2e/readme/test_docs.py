# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands of docs/*.md, typed one after the other on the README's fleet, and the README's first commands on a machine of their own.

`make test-long` runs them: some forty plays, and downloads of Ansible. Deleted, a page could show a command that has not worked for a year.
"""

from __future__ import annotations

import fresh_machine
import pytest
import upstream
from fresh import Person, readme_command
from support import documents

pytestmark = pytest.mark.long

BLOCKS = [block for path in documents.documents()[1:] for block in documents.blocks(path)]
README = documents.blocks(documents.ROOT / "README.md")
# What takes the fleet away comes last.
TYPED = sorted((block for block in BLOCKS if block.kind == "console" and not block.marker), key=lambda block: "uninstall.yml" in block.text)


@pytest.fixture(scope="module")
def deployed(person: Person, fleet) -> Person:
    fleet.loading.result()
    person.type(readme_command("site.yml")).good()
    return person


@pytest.mark.parametrize("block", TYPED, ids=lambda block: block.place)
def test_the_commands_of_a_page(block, deployed: Person):
    """Files of the page come first, as a reader writes them."""
    for file in BLOCKS:
        if file.document == block.document and file.file and file.line < block.line:
            deployed.write(file)
    deployed.run(block).good()


def test_nothing_is_left_when_all_is_uninstalled(deployed: Person, fleet):
    """The last commands of the pages say that they remove everything."""
    if any("purge=true" in block.text for block in TYPED):
        for host in ("gpu-01", "gpu-02", "old-server"):
            left = fleet.inside(host, "ls -d /opt/ollama /usr/share/ollama /etc/systemd/system/ollama.service 2>/dev/null || true")
            assert left == "", (host, left)


@pytest.mark.parametrize(("image", "address", "password"), [("llmfleet/debian12", "172.30.77.174", ""), ("llmfleet/debian13", "172.30.77.175", "sudo asks")])
def test_the_first_commands_on_a_machine_of_their_own(image: str, address: str, password: str, outside):
    """Ansible comes from PyPI by the README's line, on the Python of the distribution; one command ends with a page to chat on, and says where."""
    install = next(block for block in README if block.marker.startswith(documents.LONG))
    (command,) = next(block for block in README if block.marker == documents.ON_A_MACHINE).commands
    with fresh_machine.fresh(f"readme-{image[-8:]}", address, image, password) as machine:
        machine.install("git", "python3-venv")
        machine.clone()
        # pip carries authorities of its own; where a company's proxy signs, the system's are the right ones.
        begin = "set -e\nexport PIP_CERT=/etc/ssl/certs/ca-certificates.crt PIP_DISABLE_PIP_VERSION_CHECK=1\n"
        done = machine.user(f"{begin}{install.text}")
        assert done.returncode == 0, done.stdout[-3000:]
        # What a closed network needs, and an image for an engine that is yet to be installed.
        needed = [
            f"ollama_download_base_url={upstream.RELEASES}",
            "ollama_download_checksum=list",
            "ollama_accept_plain_http=true",
            f"llm_registry={upstream.REGISTRY}",
            f"open_webui_image={machine.serve_image()}",
        ]
        said = machine.play(f". .venv/bin/activate; {command}", *(f"-e {variable}" for variable in needed))
        assert said.returncode == 0, said.stdout[-6000:]
        assert "http://localhost:3000" in "".join(said.stdout.splitlines(keepends=True)[-3:]), said.stdout[-1500:]
        assert machine.root("curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:3000/") == "200"
