# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a reviewer would otherwise have to see by eye: style, documentation, and roles that say what they accept."""

from __future__ import annotations

import re
import subprocess

import jinja
import pytest
import sanity
import yaml
from support import ROOT

ROLES = sorted(path.parent.name for path in (ROOT / "roles").glob("*/meta"))
PLAYBOOKS = sorted(str(path.relative_to(ROOT)) for path in [ROOT / "site.yml", *(ROOT / "playbooks").glob("*.yml")])


def passes(*command: str) -> None:
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, "%s\n%s" % (" ".join(command), done.stdout[-8000:])


@pytest.mark.parametrize(
    "command",
    [
        ("ruff", "check", "."),
        ("yamllint", "--strict", "."),
        ("ansible-lint", "--offline", "--strict", "-q"),
        ("antsibull-changelog", "lint"),
    ],
    ids=lambda command: command[0],
)
def test_linter(command):
    """Style faults and bad habits in code, YAML, roles and changelog fragments would go unseen."""
    passes(*command)


def test_names_of_the_tests_own_modules():
    """Tests import their helpers by bare name: of two with one name the first one wins, and a run of everything stops before its first test."""
    helpers = [path.stem for path in (ROOT / "tests").rglob("*.py") if path.stem not in ("conftest", "__init__") and "stubs" not in path.parts]
    imported = re.compile(r"^(?:import|from) (\w+)", re.MULTILINE)
    used = {name for path in (ROOT / "tests").rglob("*.py") for name in imported.findall(path.read_text(encoding="utf-8"))}
    assert [name for name in sorted(set(helpers) & used) if helpers.count(name) > 1] == []


def test_every_program_carries_its_licence():
    """Whoever takes one file of ours must see under which terms; a file without them may be used by nobody."""
    listed = subprocess.run(["git", "ls-files", "*.py", "*.sh", "*.ps1", "*.c"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    programs = [ROOT / name for name in listed if not (ROOT / name).is_symlink() and (ROOT / name).is_file()]
    bare = [path for path in programs if "GNU General Public License v3.0+" not in path.read_text(encoding="utf-8")[:400]]
    assert len(programs) > 200 and bare == []


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_playbook_syntax(playbook):
    """A playbook that cannot even be read, or names a module or role that is not there, would reach users."""
    passes("ansible-playbook", "--syntax-check", "-i", "inventories/example", playbook)


@pytest.mark.parametrize("role", ROLES)
def test_every_default_is_specified(role):
    """A public variable without a specification is neither documented nor checked; a specified default that differs misleads."""
    defaults = yaml.safe_load((ROOT / "roles" / role / "defaults" / "main.yml").read_text(encoding="utf-8")) or {}
    options = yaml.safe_load((ROOT / "roles" / role / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))["argument_specs"]["main"]["options"]
    public = {name for name in defaults if not name.startswith("__")}
    assert public - set(options) == set(), "in defaults/main.yml, but not in meta/argument_specs.yml"
    for name in public & set(options):
        if "default" in options[name] and not (isinstance(defaults[name], str) and "{{" in defaults[name]):
            assert options[name]["default"] == defaults[name], "%s: the specification states another default" % name
    for name in options:
        assert name.startswith((role + "_", "llm_")), "%s: public variables start with the role's name" % name


def test_plugin_documentation():
    """Documentation that ansible-doc can't render, or that names options and plugins that don't exist, would be published."""
    # ansible-test may be at work in its own copy.
    target = ROOT / ".cache" / "documentation" / "ansible_collections" / "llmfleet" / "ollama"
    sanity.export(target)
    done = subprocess.run(
        ["antsibull-docs", "lint-collection-docs", "--plugin-docs", "--skip-rstcheck", "--validate-collection-refs", "self", "."],
        cwd=target, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:]


def test_ansible_test_sanity(sane):
    """The checks that every published collection must pass, the import of modules by the oldest Python of targets among them, where it is at hand."""
    done = sane()
    assert done.returncode == 0, "\n".join(line for line in done.stdout.splitlines() if line.startswith(("ERROR", "FATAL", "WARNING")))


def test_links_between_pages():
    """A page that was moved or renamed would leave readers of the others with a dead link."""
    listed = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    dead = []
    for page in (ROOT / name for name in listed):
        for link in re.findall(r"\]\(([^)\s#]+)[^)]*\)", page.read_text(encoding="utf-8")):
            if not re.match(r"[a-z]+:", link) and not (page.parent / link).exists():
                dead.append("%s: %s" % (page.relative_to(ROOT), link))
    assert listed and dead == []


def test_places_that_the_architecture_names_exist():
    """A page that leads to a file that was moved costs a new contributor the hour that it should save."""
    named = re.findall(r"`((?:plugins|roles|playbooks|tests|molecule)/[\w./*-]*)`", (ROOT / "docs/architecture.md").read_text(encoding="utf-8"))
    assert len(named) > 20 and [name for name in named if not list(ROOT.glob(name))] == []


def names_of_tasks(value):
    """Every name of a task in a YAML value, blocks included."""
    if isinstance(value, list):
        for task in value:
            if isinstance(task, dict):
                yield from filter(None, [task.get("name")])
                for part in ("block", "rescue", "always"):
                    yield from names_of_tasks(task.get(part))


def test_task_names_can_be_understood_in_a_log():
    """A log of a fleet is read without the files: "Keep it" or "Look" say nothing there. A name is a verb and its object, and that is no pronoun."""
    named, bare = 0, set()
    for path in sorted((ROOT / "roles").glob("*/*/**/*.yml")):
        if path.relative_to(ROOT).parts[2] in ("tasks", "handlers"):
            for name in names_of_tasks(yaml.load(path.read_text(encoding="utf-8"), jinja.Loader)):
                named += 1
                if re.fullmatch(r"\w+( (it|them|this|that|one|again|there|so))?", name):
                    bare.add("%s: %s" % (path.relative_to(ROOT), name))
    assert named > 200 and bare == set()
