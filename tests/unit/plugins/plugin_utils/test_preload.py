# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read before Ansible forks. Deleted, every host of a fleet could read the catalogue and load all filters again, and nobody would see it."""

from __future__ import annotations

import os
import sys

from ansible_collections.llmfleet.ollama.plugins.plugin_utils import downloads, preload, releases
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing import data, plan
from support.recorded_runs import R1, lab_hosts, planned


def test_no_host_reads_the_catalogue_again(monkeypatch):
    machine = lab_hosts()["lab-3060"]["vram"]
    for cached in (data.load, data.families, plan.warm):
        cached.cache_clear()
    plan.warm()

    def read_again(path):
        raise AssertionError("%s was read in the process of a task" % os.path.basename(path))

    monkeypatch.setattr(data, "_read", read_again)
    assert planned([R1], machine)["ok"]
    assert downloads.image("1", "ghcr.io/open-webui/open-webui", "main", "/").size and releases.newest()


def test_filters_and_the_way_to_a_host_are_loaded_once():
    """In the process that imports an action; the forked ones find them."""
    preload.plugins.cache_clear()
    preload.plugins()
    for part in ("llmfleet.ollama.plugins.filter.model_wants", "plugins.connection.ssh", "plugins.become.sudo"):
        assert any(name.endswith(part) for name in sys.modules), part
