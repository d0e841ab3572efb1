# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of site.yml and uninstall.yml that are cut off at the same task each time; `make faults` does it at random moments, test_site.py to an upgrade.

Deleted, nothing that is run by rule would show that a mirror whose filling was killed is filled by the next run, nor that half an uninstall is ended.
"""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
from fleet import HOSTS, NEW, OUTPUT, ROOT, Run, ask, inside, versions

sys.path.insert(0, str(ROOT / "tests/faults"))

import lab_machines as machines  # noqa: E402
from controller import Controller  # noqa: E402

pytestmark = pytest.mark.long


def models():
    return {host: {model["name"]: model["digest"] for model in ask(host, "/api/tags")["models"]} for host in HOSTS}


@pytest.fixture(scope="module")
def served():
    """The fleet as it is deployed, and what it holds."""
    subprocess.run([sys.executable, "lab/lab.py", "up"], cwd=ROOT, check=True)
    Run("before-cuts", "site.yml").assert_good()
    return models()


def hold(name, task, *words):
    run = Controller(OUTPUT / f"{name}.log", "-i", "inventories/lab", *words, stop_at=task)
    assert run.held(), run.text[-4000:]
    return run


def test_a_controller_that_is_killed_while_the_mirror_is_filled(served):
    """The Ollama that fills it runs on, without anybody who would stop it."""
    Run("no-mirror", "playbooks/uninstall.yml", "--tags", "model_mirror", "-e", "purge=true").assert_good()
    cut = hold("fill-cut", "Pull once for the whole fleet", "site.yml")
    cut.send(signal.SIGKILL)
    cut.code()
    assert inside("lab-hub", "systemctl is-active model-mirror-fill", check=False).strip() == "active"
    Run("fill-again", "site.yml").assert_good()
    assert inside("lab-hub", "systemctl is-active model-mirror-fill", check=False).strip() == "inactive"
    assert Run("fill-unchanged", "site.yml").assert_good().changed() == {}
    assert models() == served


def test_a_host_that_loses_its_power_while_ollama_is_removed(served):
    """All files are gone, and the folders that held them are not."""
    cut = hold("uninstall-cut", "Remove the directories that are empty now, and let systemd forget", "playbooks/uninstall.yml", "--limit", "lab-cpu")
    machines.power_off("lab-cpu")
    cut.send(signal.SIGKILL)
    cut.code()
    machines.power_on("lab-cpu")
    Run("uninstall-again", "playbooks/uninstall.yml", "--limit", "lab-cpu").assert_good()
    assert inside("lab-cpu", "ls -d /opt/ollama /etc/llmfleet /etc/systemd/system/*ollama*", check=False) == ""
    assert Run("uninstall-unchanged", "playbooks/uninstall.yml", "--limit", "lab-cpu").assert_good().changed() == {}
    Run("after-cuts", "site.yml").assert_good()
    assert models() == served and set(versions().values()) == {NEW}
