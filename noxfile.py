# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every pair of Python and ansible-core that the README names, each in an environment of its own under .cache/nox.

    .cache/venv/bin/nox --list
    .cache/venv/bin/nox -s core-2.20                 unit tests, then the scenarios on simulated hosts
    .cache/venv/bin/nox -s core-2.20 -- plays        only those unit tests that import ansible-core or start it
    .cache/venv/bin/nox -s core-2.20 -- fleet        only the scenario of the playbooks on simulated hosts; role: only that of the role
    .cache/venv/bin/nox -s core-2.20 -- unit -k tags

nox and not tox, because this is a plain Python file: the search for a Python that starts is a function, and tests/versions, by which `make test`
runs all this, imports the same table.
"""

from __future__ import annotations

import ast
import functools
import glob
import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path

import nox

ROOT = Path(__file__).resolve().parent
# ansible-core -> the Python that it is tried with and the release of the package `ansible` that has it; the workflow ci.yml has the same pairs.
PAIRS = {"2.19": ("3.11", "12"), "2.20": ("3.12", "13"), "2.21": ("3.13", "14")}
# The oldest of each series, for `make test-long`. 2.19.0 to 2.19.3 lose a worker and wait for it for ever, most runs of deploy.yml on two cores.
FIRST = {"2.19": "2.19.4", "2.20": "2.20.0", "2.21": "2.21.0"}
# What README.md promises for targets.
OLDEST = "3.9"
# Their hosts are files (tests/stubs), so they need neither a lab nor root. `make test` asks the other pairs for the fleet alone: its playbooks deploy,
# look, upgrade, go back, uninstall and purge on both systems by the same tasks, and what the role refuses is Python that its own pair has run.
STUB_SCENARIOS = {"fleet": ["fleet-windows-macos"], "role": ["ollama-simulated"], "stubs": ["ollama-simulated", "fleet-windows-macos"]}
STEPS = ("unit", "plays", *STUB_SCENARIOS)
# The simulated network has fixed addresses on the loopback, so one at a time, whoever runs it.
FLEET_LOCK = ROOT / ".cache" / "fleet-windows-macos.lock"
# What the tests of modules import beside the standard library; the modules themselves import nothing else.
TARGET_NEEDS = ("gguf", "hypothesis", "jinja2", "jsonschema", "nvidia-ml-py", "pytest", "pyyaml")
STARTS_ANSIBLE = re.compile(r'ansible-playbook|"-m", "ansible"')
OURS = "ansible_collections.llmfleet.ollama.plugins."

nox.options.envdir = str(ROOT / ".cache" / "nox")
nox.options.default_venv_backend = "uv"
nox.options.reuse_existing_virtualenvs = True


def python_of(version: str) -> str | None:
    """A Python of this version that starts and is whole, or None. A version manager leaves commands for Pythons that it does not run."""
    pyenv = os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv"))
    name = "python" + version
    candidates = [shutil.which(name), "/usr/bin/" + name, *sorted(glob.glob("%s/versions/%s.*/bin/%s" % (pyenv, version, name)), reverse=True)]
    probe = "import ctypes, ensurepip, sqlite3, ssl, sys, venv; sys.exit('%%d.%%d' %% sys.version_info[:2] != '%s')" % version
    for candidate in filter(None, candidates):
        try:
            if subprocess.run([candidate, "-c", probe], capture_output=True, timeout=60, check=False).returncode == 0:
                return candidate
        except OSError:
            continue
    return None


def imports_of(path: Path) -> set:
    """Every module that a test imports, and those that its neighbours and helpers of tests/support import which it imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {"%s.%s" % (node.module, alias.name) for alias in node.names}
    for name in list(names):
        first, _dot, rest = name.partition(".")
        helper = ROOT / "tests" / "support" / (rest.split(".")[0] + ".py") if first == "support" else path.parent / (first + ".py")
        if helper.exists() and helper != path:
            names |= imports_of(helper)
    return names


def runs_on_controllers(name: str) -> bool:
    if name.startswith("support.plays"):
        return True
    if name.startswith(OURS):
        # verify.yml delegates chat_check to the controller, as it needs the package openai.
        return name[len(OURS):].split(".")[0] not in ("modules", "module_utils") or name == OURS + "modules.chat_check"
    return name.startswith("ansible.") and name.split(".")[1] not in ("modules", "module_utils")


def tests_of_targets() -> list:
    """The tests of what runs on targets: they import our modules or their helpers, nothing of the controller, and start no play."""
    chosen = []
    for path in sorted((ROOT / "tests" / "unit" / "plugins").rglob("test_*.py")):
        conftest = path.parent / "conftest.py"
        names = imports_of(path) | (imports_of(conftest) if conftest.exists() else set())
        of_ours = any(name.startswith(OURS) for name in names)
        if of_ours and not any(map(runs_on_controllers, names)) and not STARTS_ANSIBLE.search(path.read_text(encoding="utf-8")):
            chosen.append(str(path.relative_to(ROOT)))
    return chosen


def source_of(name: str) -> Path | None:
    """The file of ours that an imported name lies in."""
    parts = name[len(OURS):].split(".")
    candidates = (ROOT / "plugins" / ("/".join(parts[:count]) + ".py") for count in range(len(parts), 0, -1))
    return next((path for path in candidates if path.exists()), None)


@functools.cache
def imports_of_ours(path: Path) -> frozenset:
    """Every name that a file of ours imports, relative ones written out."""
    names, here = set(), (OURS + ".".join(path.relative_to(ROOT / "plugins").with_suffix("").parts)).split(".")
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = ".".join([*(here[: -node.level] if node.level else []), *filter(None, [node.module])])
            names |= {"%s.%s" % (module, alias.name) for alias in node.names}
    return frozenset(names)


def reaches_ansible(names: set) -> bool:
    """Whether one of these imports is of Ansible, or of ours and leads to it."""
    known, waiting = set(), list(names)
    while waiting:
        name = waiting.pop()
        if name in known:
            continue
        known.add(name)
        if name.startswith(("ansible.", "support.plays")):
            return True
        source = source_of(name) if name.startswith(OURS) else None
        waiting += imports_of_ours(source) if source else []
    return False


def tests_of_pairs() -> list:
    """The unit tests that another ansible-core can turn red: they import it, by way of ours too, or start it.

    The rest is Python alone and says under each pair what it said under the first one, as plays that only meet other data do (marker one_pair);
    the workflow and `make versions` ask it all.
    """
    chosen = []
    for path in sorted((ROOT / "tests" / "unit").rglob("test_*.py")):
        names = imports_of(path)
        # tests/unit/conftest.py only lets Ansible's loader find the collection.
        for folder in path.parents[: len(path.relative_to(ROOT / "tests" / "unit").parts) - 1]:
            names |= imports_of(folder / "conftest.py") if (folder / "conftest.py").exists() else set()
        if reaches_ansible(names) or STARTS_ANSIBLE.search(path.read_text(encoding="utf-8")):
            chosen.append(str(path.relative_to(ROOT)))
    return chosen


def environment_of(session: nox.Session) -> dict:
    # Nothing is left in the home directory, and no setting of the caller decides.
    return {
        "ANSIBLE_CONFIG": None, "ANSIBLE_COLLECTIONS_PATH": None, "UV_CACHE_DIR": str(ROOT / ".cache" / "lab" / "uv"),
        # uv compiles nothing, and a play starts Ansible anew: without bytecode it would compile all of it each time, a second of the processor.
        "PYTHONDONTWRITEBYTECODE": None,
        "PATH": os.pathsep.join([session.bin, os.environ["PATH"]]),
    }


def copy_of_the_tree(session: nox.Session) -> Path:
    """What git knows of the working tree: Molecule and the stubs keep their state beside it, and another run of them may be at work here."""
    copy = Path(session.virtualenv.location).parent / ("tree-" + session.name)
    shutil.rmtree(copy, ignore_errors=True)
    known = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split("\0")
    for name in filter(None, known):
        source, target = ROOT / name, copy / name
        if source.is_symlink() or source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)
    return copy


def of_a_pair(session: nox.Session, core: str, release: str) -> None:
    words = list(session.posargs)
    steps = [word for word in STEPS if word in words] or ["unit", "stubs"]
    arguments = [word for word in words if word not in STEPS]
    environment = environment_of(session)
    first = bool(os.environ.get("LLMFLEET_FIRST"))
    session.install("--quiet", "-r", "requirements-dev.txt", "ansible==%s.0.0" % release if first else "ansible~=%s.0" % release, env=environment)
    if first:
        session.install("--quiet", "--no-deps", "ansible-core==" + FIRST[core], env=environment)
    session.run("ansible", "--version", env=environment)
    settings = {**environment, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
    if "unit" in steps:
        session.run("python", "-m", "pytest", "-q", *(arguments or ["tests/unit"]), env=settings)
    if "plays" in steps:
        session.run("python", "-m", "pytest", "-q", "-m", "not long and not one_pair", *(arguments or tests_of_pairs()), env=settings)
    scenarios = [scenario for step in steps for scenario in STUB_SCENARIOS.get(step, ())]
    if scenarios:
        copy = copy_of_the_tree(session)
        with session.chdir(copy):
            for scenario in scenarios:
                command = ["python", "-m", "molecule", "-c", str(copy / ".config/molecule/config.yml"), "test", "-s", scenario]
                if scenario == "fleet-windows-macos":
                    command = ["flock", str(FLEET_LOCK), *command]
                session.run(*command, env={**environment, "NO_COLOR": "1", "PY_COLORS": "0", "ANSIBLE_FORCE_COLOR": "0"}, external=True)


def of_targets(session: nox.Session) -> None:
    """The modules' tests as a target has it: of Ansible there is only what Ansible brings along."""
    environment = environment_of(session)
    session.install("--quiet", *TARGET_NEEDS, env=environment)
    carried = Path(session.create_tmp()) / "carried"
    (carried / "ansible").mkdir(parents=True, exist_ok=True)
    (carried / "ansible" / "__init__.py").touch()
    controller = Path(importlib.util.find_spec("ansible").origin).parent
    link = carried / "ansible" / "module_utils"
    link.unlink(missing_ok=True)
    link.symlink_to(controller / "module_utils")
    session.run("python", "-m", "pytest", "-q", *(session.posargs or tests_of_targets()), env={**environment, "PYTHONPATH": str(carried)})


def register(name: str, version: str, words: str, act) -> None:
    """A session, or one that says which Python is missing."""
    interpreter = python_of(version)

    def run(session: nox.Session) -> None:
        if interpreter is None:
            # A workflow that has lost a version must not stay green.
            (session.error if os.environ.get("CI") else session.skip)("not to be had here: " + words)
        act(session)

    run.__doc__ = words
    nox.session(run, name=name, python=interpreter or False, venv_backend="uv" if interpreter else "none")


for core, (python, release) in PAIRS.items():
    register("core-" + core, python, "Python %s with ansible-core %s" % (python, core), functools.partial(of_a_pair, core=core, release=release))
register("target-" + OLDEST, OLDEST, "Python %s, the oldest of targets" % OLDEST, of_targets)
