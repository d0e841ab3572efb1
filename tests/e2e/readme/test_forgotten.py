# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each variable of the README's inventory, forgotten once, on hosts on which nothing is yet.

Either the run ends before its first change and its answer names what is missing, or it works without. Deleted, a line that a reader leaves out
could again end in "useradd: Permission denied" on a host that is half changed.
"""

from __future__ import annotations

import pytest
from fresh import Person
from upstream import default_version

# The words that the answer must have. Ansible's own sentence is good enough where it names the thing.
REFUSED = {
    "ansible_user": "ansible_user",
    "ansible_become": "ansible_become",
    "ansible_become_password": "ansible_become_password",
    "vault_become_password": "vault_become_password",
    "llm_models": "llm_models",
    "open_webui_admin_email": "open_webui_admin_email",
    "open_webui_admin_password": "open_webui_admin_password",
    "vault_open_webui_admin_password": "vault_open_webui_admin_password",
}


def _nothing_came_to_be(fleet) -> None:
    for host in fleet.hosts:
        left = fleet.inside(host, "ls -d /opt/ollama /srv/model-mirror /usr/share/ollama /etc/open-webui /etc/llmfleet 2>/dev/null || true")
        assert left == "", (host, left)


@pytest.mark.parametrize("variable", REFUSED)
def test_a_run_without_it_ends_before_the_first_change_and_names_it(variable: str, person: Person, fleet):
    said = person.type(f"ansible-playbook -i {person.forget(variable)} site.yml || exit 1")
    assert said.code == 1, said.text[-3000:]
    assert said.changed == {}
    assert REFUSED[variable] in said.text, said.text[-3000:]
    _nothing_came_to_be(fleet)


def test_a_run_without_the_vaults_password_ends_before_the_first_change(person: Person, fleet):
    said = person.type("env -u ANSIBLE_VAULT_PASSWORD_FILE ansible-playbook -i inventories/mine site.yml || exit 1")
    assert said.code == 1 and said.changed == {}
    assert "vault" in said.text.lower(), said.text[-3000:]
    _nothing_came_to_be(fleet)


def test_what_has_a_default_may_be_forgotten(person: Person, fleet):
    """Without ollama_allowed_cidrs nobody but the web UI and the planning machine comes in; without llm_registry each host pulls for itself, past a mirror
    that is filled for nobody, which is told; without what a closed network needs the release is GitHub's.
    """
    inventory = person.forget("ollama_allowed_cidrs", "llm_registry", "ollama_download_base_url")
    said = person.type(f"ansible-playbook -i {inventory} site.yml --check --limit hub,old-server").good()
    assert "hub is filled for nobody, since llm_registry is not set" in " ".join(said.text.split())
    assert f"https://github.com/ollama/ollama/releases/download/v{default_version()}/ollama-linux-amd64.tar.zst" in said.text
    _nothing_came_to_be(fleet)
