# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection as Galaxy and `ansible-galaxy collection install git+…` hand it on. Without these tests it could hold its maintainer's fleet."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import yaml
from support import ROOT

# What a user may have left in a checkout: reports with addresses, plans, archives with a secret key, caches, an inventory with a vault.
LEFT = (
    "reports/fleet.html", "reports/inventory/fleet.json", "reports/probe/observation-1.json", "plan.json", "plan-of-monday.json",
    "backups/open-webui-manual.tar.gz", "open-webui-manual.tar.gz", "llmfleet-ollama-0.0.1.tar.gz", "site.log", "deploy.retry",
    ".hypothesis/examples/x", ".ruff_cache/x", ".pytest_cache/x", ".ansible/x", ".cache/lab/open-webui-password", ".vault_password", ".env",
    "inventories/mine/group_vars/all/vault.yml", "tests/output/x.log", "plugins/modules/__pycache__/x.cpython-311.pyc", "changelogs/.plugin-cache.yaml",
    "collections/ansible_collections/community/docker/README.md",
)
SHIPPED = {
    "CHANGELOG.rst", "CONTRIBUTING.md", "FILES.json", "LICENSE", "MANIFEST.json", "README.md", "changelogs", "docs", "meta", "playbooks", "plugins",
    "requirements.yml", "roles", "SECURITY.md",
}


def galaxy(*arguments, home):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    # No configuration of this checkout or of the one who runs the test.
    environment.update(HOME=str(home), PWD=str(home), ANSIBLE_NOCOLOR="1", ANSIBLE_LOCALHOST_WARNING="false")
    command = [str(Path(sys.executable).with_name(arguments[0])), *arguments[1:]]
    done = subprocess.run(command, cwd=home, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """The collection's archive, built from a checkout that has been used."""
    home = tmp_path_factory.mktemp("package")
    checkout = home / "checkout"
    known = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split("\0")
    for name in filter(None, known):
        source, target = ROOT / name, checkout / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    for name in LEFT:
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_text("nobody else's business", encoding="utf-8")
    galaxy("ansible-galaxy", "collection", "build", "--output-path", str(home), str(checkout), home=home)
    return next(home.glob("*.tar.gz"))


def test_the_archive_holds_the_product_and_nothing_of_the_workshop(archive):
    """Reports name hosts, addresses and versions, backups hold the secret key: once uploaded, they are everybody's."""
    with tarfile.open(archive) as packed:
        names = set(packed.getnames())
    assert {name.split("/")[0] for name in names} == SHIPPED
    assert not {name for name in names if name in LEFT or "__pycache__" in name or "/." in name}
    # A pattern goes across folders; what Python and Ansible read must all be there.
    known = subprocess.run(["git", "ls-files", "plugins", "roles", "playbooks", "meta", "docs"], cwd=ROOT, check=True, capture_output=True, text=True)
    assert set(known.stdout.split("\n")) - {""} <= names


def test_an_installed_collection_plans(archive, tmp_path):
    """Who installs the collection has no checkout beside it: a path that leads there would fail for all of them, and in no other test."""
    galaxy("ansible-galaxy", "collection", "install", str(archive), "-p", "collections", "--no-deps", "--offline", home=tmp_path)
    (tmp_path / "ansible.cfg").write_text("[defaults]\ncollections_path = collections\ninject_facts_as_vars = false\n", encoding="utf-8")
    shutil.copy(ROOT / "inventories" / "compare" / "hosts.yml", tmp_path / "hosts.yml")
    said = galaxy(
        "ansible-playbook", "-i", "hosts.yml", "llmfleet.ollama.plan", "-e", "llm_plan_output=plan.json",
        "-e", json.dumps({"llm_metadata_sources": ["catalogue"]}), home=tmp_path,
    )
    plans = json.loads((tmp_path / "plan.json").read_text(encoding="utf-8"))
    assert plans["one-4090"]["models"][0]["name"].startswith("deepseek-r1:") and all(plan["ok"] for plan in plans.values()), said


def test_collections_that_are_named_are_those_that_are_used():
    """A missing one fails on the first Windows host; one too many is installed for nothing, and its troubles become ours."""
    files = [path for folder in ("roles", "playbooks", "plugins") for path in (ROOT / folder).rglob("*") if path.suffix in (".yml", ".py")]
    used = set()
    for path in files:
        text = path.read_text(encoding="utf-8")
        # An action of a task, or an import.
        used |= set(re.findall(r"^\s*(?:- )?(\w+\.\w+)\.\w+:(?:\s|$)", text, flags=re.MULTILINE))
        used |= {"%s.%s" % found for found in re.findall(r"ansible_collections\.(\w+)\.(\w+)\.plugins", text)}
    dependencies = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))["dependencies"]
    assert {name for name in used if name != "ansible.builtin" and not name.startswith("llmfleet.")} == set(dependencies)
    required = yaml.safe_load((ROOT / "requirements.yml").read_text(encoding="utf-8"))["collections"]
    assert {entry["name"]: entry["version"] for entry in required} == dependencies
