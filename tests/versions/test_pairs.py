# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every version that we name is one that we run: the pairs of Python and ansible-core of noxfile.py, and the oldest Python of targets.

A pair that this machine cannot have is skipped with a sentence, which tests/conftest.py says again at the end.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest
import yaml
from ansible.release import __version__ as core_version

import noxfile
from noxfile import ROOT

# The other tests of this run are those of this environment's own pair.
OWN = (".".join(core_version.split(".")[:2]), "%d.%d" % sys.version_info[:2])
OTHERS = [core for core, (python, _release) in noxfile.PAIRS.items() if (core, python) != OWN]

# `make versions` and the workflow ask every unit test and both scenarios of every pair, `make test` those that another ansible-core can turn red.
ASKED = ("unit", "stubs") if os.environ.get("LLMFLEET_WHOLE") else ("plays", "fleet")
# (session, step, whether with the first release of the series); the long ones first.
JOBS = [("core-" + core, step, False) for step in ASKED for core in OTHERS] + [("target-" + noxfile.OLDEST, "", False)]
FIRST = [pytest.param(("core-" + core, "unit", True), marks=pytest.mark.long) for core in noxfile.PAIRS]
# Two minutes for each pair; `make test` runs the same tasks by the playbooks of the fleet.
ROLE = [pytest.param(("core-" + core, "role", False), marks=pytest.mark.long) for core in OTHERS]


@pytest.mark.parametrize("job", JOBS + FIRST + ROLE, ids=lambda job: "-".join([job[0], *filter(None, [job[1]]), *(["first"] if job[2] else [])]))
def test_session(job, finished):
    """What works in this environment alone may fail for everybody with another ansible-core or another Python; so it was with 2.19."""
    code, seconds, log, said = finished
    missing = re.search(r"not to be had here: .*", said)
    if missing:
        pytest.skip(missing.group().rstrip("."))
    end = "\n".join(said.splitlines()[-60:])
    assert code == 0, "%s failed after %.0f s; the end of %s:\n%s" % (job[0], seconds, log.relative_to(ROOT), end)
    # A session that ran nothing ends well, too.
    if job[1] in noxfile.STUB_SCENARIOS:
        assert said.count("Molecule executed 1 scenario") == len(noxfile.STUB_SCENARIOS[job[1]]), end
    else:
        least = {"unit": 1000, "plays": 400, "": 300}[job[1]]
        assert int(re.search(r"^(\d+) passed", said, flags=re.MULTILINE)[1]) >= least, end
    if job[0].startswith("core-"):
        assert "ansible [core %s." % job[0].removeprefix("core-") in said
    print("%.0f s" % seconds)


def test_the_workflow_and_the_documents_name_these_pairs():
    """A version that is promised in one place and run in none is what this folder is against."""
    matrix = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))["jobs"]["core"]["strategy"]["matrix"]["include"]
    named = {pair["core"]: (pair["python"], pair["ansible"].removeprefix("ansible~=").removesuffix(".0")) for pair in matrix}
    assert named == noxfile.PAIRS
    floor = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text(encoding="utf-8"))["requires_ansible"]
    assert floor == ">=" + next(iter(noxfile.FIRST.values()))
    roles = {path.parts[-3]: yaml.safe_load(path.read_text(encoding="utf-8"))["galaxy_info"] for path in ROOT.glob("roles/*/meta/main.yml")}
    assert {name: ">=" + role["min_ansible_version"] for name, role in roles.items()} == dict.fromkeys(roles, floor)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "ansible-core %s " % next(iter(noxfile.FIRST.values())) in readme and "Python %s" % noxfile.OLDEST in readme


def test_what_runs_on_targets_is_tried_on_their_python():
    """A test that begins to import the controller leaves this list without a word; each part of what runs on targets keeps some in it."""
    chosen = noxfile.tests_of_targets()
    rooms = {"accelerators", "mirror", "model_header", "models", "ollama", "open_webui", "oracle", "probe"}
    assert {Path(path).parent.name for path in chosen if path.startswith("tests/unit/plugins/module_utils/")} >= rooms, chosen
    assert all(path.startswith(("tests/unit/plugins/module_utils/", "tests/unit/plugins/modules/")) for path in chosen), chosen


def test_a_pair_is_asked_what_ansible_can_change(tmp_path, monkeypatch):
    """A test that reaches ansible-core by way of ours, of a helper or of a command must not fall out of the list, nor all the others fall into it."""
    chosen = set(noxfile.tests_of_pairs())
    everything = {str(path.relative_to(ROOT)) for path in (ROOT / "tests" / "unit").rglob("test_*.py")}
    assert {path for path in everything if "/playbooks/" in path or "/plugins/action/" in path or "/callback/" in path} <= chosen
    assert chosen < everything and not any("/probe/test_nvml" in path or "/sizing/test_policy" in path for path in chosen)
    imported = {"ansible.errors.AnsibleError": True, noxfile.OURS + "action.look.ActionModule": True, "support.plays.run": True,
                noxfile.OURS + "modules.vram_facts.main": True, noxfile.OURS + "plugin_utils.sizing.plan.plan": False, "json": False}  # fmt: skip
    assert {name: noxfile.reaches_ansible({name}) for name in imported} == imported


def test_a_python_that_does_not_start_is_none(tmp_path, monkeypatch):
    """A version manager leaves commands for Pythons that it does not run: with the first one found the session would fail instead of going on."""
    shim = tmp_path / "python3.12"
    shim.write_text("#!/bin/sh\necho 'pyenv: python3.12: command not found' >&2\nexit 127\n", encoding="utf-8")
    shim.chmod(0o755)
    real = tmp_path / "versions" / "3.12.9" / "bin" / "python3.12"
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    monkeypatch.setattr(noxfile.os.path, "expanduser", str)
    without = noxfile.python_of("3.12")
    assert without in (None, "/usr/bin/python3.12")
    real.parent.mkdir(parents=True)
    real.write_text("#!/bin/sh\nexit 0\n", encoding="utf-8")
    real.chmod(0o755)
    assert noxfile.python_of("3.12") == (without or str(real))
