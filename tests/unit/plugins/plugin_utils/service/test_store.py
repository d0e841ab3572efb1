# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A store of 0.40 that an older release would open. Deleted, a host could refuse what nobody has looked for: the old release would remove the models."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.llmfleet.ollama.plugins.plugin_utils import releases
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.service import decide, store
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.service.contract import Around, Wish
from looks import there

MODELS = {"linux": "/srv/models", "macos": "/Volumes/My Disk/models", "windows": "D:\\My Models"}
NAMES = {"linux": "/srv/models/manifests-v2", "macos": "/Volumes/My Disk/models/manifests-v2", "windows": "D:\\My Models\\manifests-v2"}


def wish_for(system, **changed):
    wished = Wish(version="0.32.15", install_dir=MODELS[system] + "-releases", models_dir=MODELS[system], user="SYSTEM", group="SYSTEM")
    return dataclasses.replace(wished, **changed)


@pytest.mark.parametrize("system", MODELS)
def test_every_system_looks_for_it(system):
    assert NAMES[system] in decide.SYSTEMS[system].question(wish_for(system), Around(host="here", address="here.test")).paths


@pytest.mark.parametrize("row", releases.rows(), ids=[row["version"] for row in releases.rows()])
def test_each_release_opens_only_what_it_reads(row):
    files = {NAMES["linux"]: there(NAMES["linux"], "directory")}
    refused = store.problems(wish_for("linux", version=row["version"]), files, NAMES["linux"])
    assert [problem.id for problem in refused] == ([] if row["store"] == "manifests-v2" else ["store_newer"])
    assert store.problems(wish_for("linux", version=row["version"]), {}, NAMES["linux"]) == [], "nothing of the kind is there"


@pytest.mark.parametrize("told, refused", [("1", False), (True, False), ("true", False), ("", True), ("0", True), (False, True), ("no", True)])
def test_what_removes_nothing_may_open_it(told, refused):
    files = {NAMES["linux"]: there(NAMES["linux"], "directory")}
    assert bool(store.problems(wish_for("linux", environment={"OLLAMA_NOPRUNE": told}), files, NAMES["linux"])) is refused
