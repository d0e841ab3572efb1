# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tags of the shipped playbooks mean what they say. Without these tests `--tags ollama` could fetch 40 GB again, or `--tags open_webui` nothing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support import ROOT

PLAYBOOK = str(Path(sys.executable).with_name("ansible-playbook"))
MODELS = {"models"}
SERVICE = {"ollama"}
MIRROR = {"model_mirror"}
GATEWAY = {"gateway"}
PAGE = {"open_webui"}

# Every task of a playbook with the tags that it ends up with. A new task belongs in here: with which tags shall it run?
LISTED = {
    "deploy.yml": [
        ("Look at the host", {"always"}),
        ("Choose the hosts of what is wanted a number of times", {"always"}),
        ("Choose the models that this host can hold", {"always"}),
        ("Ask further, or stop where nothing can be planned", {"always"}),
        ("Judge the plans of all hosts together", {"always"}),
        ("Check the settings of the service before the first change", {"always"}),
        ("Gather the few facts that the roles need", MIRROR | MODELS | GATEWAY | PAGE),
        ("Check the gateway's variables", GATEWAY),
        ("Check variables", PAGE),
        ("Look at what is missing", SERVICE | MODELS | PAGE),
        ("Look at what is missing", PAGE),
        ("Say that no host of this inventory pulls from the mirror", MIRROR | MODELS),
        ("Fill the mirror with what the plans name", MIRROR | MODELS),
        ("Bring the release", SERVICE),
        ("Ask the registry that the models shall come from", MODELS),
        ("Bring up the service", SERVICE),
        ("Bring the models and prove them", MODELS),
        ("Keep models loaded that the plan wants warm, and tell Prometheus' node exporter what is loaded", MODELS),
        ("Plan again where the prediction did not hold", MODELS),
        ("Fill the mirror with what the new plans name", MIRROR | MODELS),
        ("Take the smaller plan that fits what was measured", MODELS),
        ("Have the key of the web UI", GATEWAY | PAGE),
        ("Run the gateway", GATEWAY),
        ("Run Open WebUI", PAGE),
        ("Say where to go", PAGE),
    ],
    "upgrade.yml": [
        ("Plan", SERVICE | MODELS | MIRROR),
        ("Check the settings of the service before the first change", SERVICE | MODELS | MIRROR),
        ("Fill the mirror", MIRROR | MODELS),
        ("Bring the release", SERVICE),
        ("Let the gateways send it nothing new, and wait for what runs", SERVICE | MODELS),
        ("Bring up the new release", SERVICE),
        ("Prove the models again", MODELS),
        ("Bring up the new release", PAGE),
    ],
    "verify.yml": [
        ("Plan", SERVICE | MODELS),
        ("Chat with each planned model through the openai client", SERVICE | MODELS),
        ("Say what was answered", SERVICE | MODELS),
        ("Ask as a client, with a key and without", GATEWAY),
    ],
    "uninstall.yml": [("Remove Open WebUI", PAGE), ("Remove the gateway", GATEWAY), ("Remove Ollama", SERVICE), ("Remove the mirror", MIRROR)],
}
# Whatever runs of these runs with all of these tags: part of one would be no plan, no proof and no archive.
WHOLE = {
    "plan.yml": {"always"},
    "probe.yml": {"always"},
    "outdated.yml": SERVICE | MODELS | PAGE,
    "backup.yml": PAGE,
    "restore.yml": PAGE,
}


@pytest.fixture(scope="module")
def listed():
    """What `ansible-playbook --list-tasks` says: playbook -> [(task, tags)]."""
    books = sorted(str(path) for path in (ROOT / "playbooks").glob("*.yml"))
    command = [PLAYBOOK, "-i", "inventories/example", "--list-tasks", *books]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found: dict = {}
    for line in done.stdout.splitlines():
        if line.startswith("playbook: "):
            book = found.setdefault(Path(line.partition(": ")[2].strip()).name, [])
        elif line.startswith("      "):
            name, tags = re.fullmatch(r" {6}(.*)\tTAGS: \[(.*)\]", line).groups()
            book.append((name, set(tags.split(", ")) - {""}))
    return found


@pytest.mark.parametrize("book", LISTED)
def test_each_task_has_the_tags_of_what_it_does(book, listed):
    assert listed[book] == LISTED[book]


def test_no_playbook_is_forgotten(listed):
    """A playbook of no tag does nothing under any, without a word."""
    assert set(listed) == set(LISTED) | set(WHOLE)
    for book, tags in WHOLE.items():
        assert listed[book] and all(found == tags for _name, found in listed[book]), listed[book]


INVENTORY = """
[ollama]
card
[model_mirror]
hub
[gateway]
front
[open_webui]
page
[all:vars]
ansible_connection=local
ansible_python_interpreter={{ ansible_playbook_python }}
llm_registry=http://hub
"""
# What a role runs lies two includes deep, as in the real ones: tags that a playbook gives only to its own line would not reach it.
ENTRY = "- name: Look at what it is called with\n  ansible.builtin.include_tasks: deeper.yml\n  vars: {entry: %s}\n"
DEEPER = """
- name: Say who runs
  ansible.builtin.debug:
    msg: "RAN {{ ansible_role_name.split('.')[-1] }} {{ entry }}"
"""
SPILLED = """
- name: Have a model that does not lie on the card as planned
  ansible.builtin.set_fact:
    ollama_models: {spilled: [{name: 'big:1b', why: too big}], added: ['big:1b']}
    cacheable: true
"""
PLAN = """
- name: Plan
  ansible.builtin.set_fact:
    os_family: Debian
    model_plan: {ok: true, models: [{name: 'small:1b', context: 1, kv_cache_type: f16, headroom_bytes: 0}]}
    cacheable: true
- name: Say who runs
  ansible.builtin.debug: {msg: RAN plan main}
"""
DOWNLOADS = "- name: Say who runs\n  ansible.builtin.debug: {msg: RAN downloads main}\n"
FORETELL = "- name: Say who runs\n  ansible.builtin.debug: {msg: RAN foretell main}\n"
BROUGHT = "- name: Say who runs\n  ansible.builtin.debug: {msg: RAN bring main}\n" + SPILLED
REGISTRY = "- name: Say who runs\n  ansible.builtin.debug: {msg: RAN registry main}\n"
ENTRIES = {
    "ollama": ("main",),
    "ollama_models": ("main",),
    "model_mirror": ("main", "release"),
    "gateway": ("main", "check_wishes", "server"),
    "open_webui": ("main", "check_wishes", "gateway_key"),
}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    """The shipped playbooks in a collection whose roles only say that they ran."""
    home = tmp_path_factory.mktemp("tags")
    collection = home / "ansible_collections" / "llmfleet" / "ollama"
    (collection / "playbooks" / "tasks").mkdir(parents=True)
    (collection / "plugins").symlink_to(ROOT / "plugins")
    shipped = ROOT / "playbooks"
    for path in [*shipped.glob("*.yml"), *shipped.glob("tasks/*.yml")]:
        told = {"plan.yml": PLAN, "registry.yml": REGISTRY, "downloads.yml": DOWNLOADS, "foretell.yml": FORETELL, "bring.yml": BROUGHT}
        text = told.get(path.name) if path.parent != shipped else None
        (collection / path.relative_to(ROOT)).write_text(text or path.read_text(encoding="utf-8"), encoding="utf-8")
    for role, entries in ENTRIES.items():
        tasks = collection / "roles" / role / "tasks"
        tasks.mkdir(parents=True)
        for entry in entries:
            (tasks / f"{entry}.yml").write_text(ENTRY % entry + (SPILLED if role == "ollama_models" else ""), encoding="utf-8")
        (tasks / "deeper.yml").write_text(DEEPER, encoding="utf-8")
        # Ansible checks a role's arguments under every tag, if the role is not included but listed.
        (collection / "roles" / role / "meta").mkdir()
        (collection / "roles" / role / "meta" / "argument_specs.yml").write_text("argument_specs: {main: {options: {}}}\n", encoding="utf-8")
    (home / "hosts.ini").write_text(INVENTORY, encoding="utf-8")
    (home / "ansible.cfg").write_text("[defaults]\ninject_facts_as_vars = false\n", encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    environment.update(ANSIBLE_CONFIG=str(home / "ansible.cfg"), ANSIBLE_COLLECTIONS_PATH=str(home), ANSIBLE_NOCOLOR="1")

    def run(book, *arguments):
        command = [PLAYBOOK, "-i", "hosts.ini", str(collection / "playbooks" / book), *arguments]
        done = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return re.findall(r"RAN (\w+ \w+)", done.stdout), set(re.findall(r"^(\w+) +: ok=", done.stdout, flags=re.MULTILINE))

    return run


LOOK = ["plan main", "foretell main"]
TELL = ["downloads main"]
FILL = ["model_mirror main"]
BRING = ["registry main", "bring main", "plan main", "model_mirror main", "ollama main", "ollama_models main", "ollama_models main"]


@pytest.mark.parametrize(
    ("tags", "ran"),
    [
        ("ollama", [*LOOK, *TELL, "model_mirror release", "ollama main"]),
        ("models", [*LOOK, *TELL, *FILL, *BRING]),
        ("model_mirror", [*LOOK, *FILL]),
        ("gateway", [*LOOK, "gateway check_wishes", "open_webui gateway_key", "gateway main"]),
        ("open_webui", [*LOOK, "open_webui check_wishes", *TELL, "open_webui gateway_key", "open_webui main"]),
    ],
)
def test_a_tag_runs_its_role_and_no_other(tags, ran, fleet):
    """A tag that reaches too few of a role's tasks leaves it half done; one that reaches another role changes what nobody named."""
    assert fleet("deploy.yml", "--tags", tags)[0] == ran


def test_a_web_ui_without_its_password_stops_no_other_tag(fleet):
    """Roles that are listed and not included are checked under every tag: the mirror's and the page's hosts had to be right for `--tags ollama`."""
    assert fleet("deploy.yml", "--tags", "ollama")[1] == {"card", "hub"}
    assert fleet("uninstall.yml", "--tags", "model_mirror") == (["model_mirror main"], {"hub"})


def test_an_upgrade_of_the_release_alone_fetches_no_model(fleet):
    """The header of upgrade.yml promises both ways."""
    assert fleet("upgrade.yml", "--tags", "ollama")[0] == [*LOOK, "model_mirror release", "gateway server", "ollama main", "gateway server"]
    assert fleet("upgrade.yml", "--tags", "ollama,models")[0] == [*LOOK, *FILL, "gateway server", "ollama main", "ollama_models main", "gateway server"]
    # A host of which the look says that nothing is to be done.
    settled = ("-e", '{"__llm_foretold": {"settled_until": 9999999999}}')
    assert fleet("upgrade.yml", "--tags", "ollama", *settled)[0] == [*LOOK, "model_mirror release", "gateway server", "gateway server"]
