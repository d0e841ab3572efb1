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
from looks import bare, there
from support import GIB

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


def served(version, *models, free):
    api = {"version": version, "models": [{"name": name, "digest": name, "size": size, "details": {"family": family}} for name, size, family in models]}
    return bare("linux", api=api, store={"free_bytes": free})


BIG, SMALL, OTHER = ("big", 9 * GIB, "qwen3vl"), ("small", 2 * GIB, "gemma3"), ("other", 30 * GIB, "qwen2")


@pytest.mark.parametrize("here, wanted, models, free, amount", [
    ("0.35.1", "0.40.2", (BIG, SMALL), 10 * GIB, "11.0 GiB"),
    ("0.35.1", "0.40.2", (BIG, SMALL), 11 * GIB, None),
    ("0.35.1", "0.40.2", (BIG, BIG), 9 * GIB, None),
    ("0.35.1", "0.40.2", (OTHER,), 1, None),
    ("0.40.0", "0.40.2", (BIG,), 1, None),
    ("0.32.15", "0.35.1", (BIG,), 1, None),
    (None, "0.40.2", (BIG,), 1, None),
], ids=["too little", "enough", "twice the same", "not converted", "converted before", "no upgrade to it", "nothing serves"])
def test_an_upgrade_tells_what_its_conversions_need(here, wanted, models, free, amount):
    """Deleted, an upgrade to 0.40 would fill the disk of models without a word."""
    said = store.warnings(wish_for("linux", version=wanted), served(here, *models, free=free))
    assert len(said) == (amount is not None) and all(amount in sentence and "before the upgrade" in sentence for sentence in said)


@pytest.mark.parametrize("system", MODELS)
def test_the_plan_of_every_system_tells_it(system):
    look = bare(system, **({"install": {"filesystem": "NTFS"}} if system == "windows" else {}))
    look["store"].update(free_bytes=GIB, filesystem="NTFS" if system == "windows" else None)
    look["api"].update(served("0.35.1", BIG, free=GIB)["api"])
    wish = {"ollama_version": "0.40.2", "ollama_download_checksum": "list"}
    made = decide.decide("here", wish, look, Around(host="here", address="here", connection="local"))
    assert any("9.0 GiB more" in sentence for sentence in made.warnings), made
