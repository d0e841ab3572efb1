# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of Ollama's releases holds together, and a release that nobody here has seen is not taken for one that is known.

Deleted, a sum of 63 digits, a default with a known trouble, or an era that the memory model does not use could be shipped.
"""

from __future__ import annotations

import re

import pytest
from ansible_collections.llmfleet.ollama.plugins.module_utils import defaults
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.version import version_tuple
from ansible_collections.llmfleet.ollama.plugins.plugin_utils import releases
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.service import release
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing import versions

ROWS = {row["version"]: row for row in releases.rows()}


@pytest.mark.parametrize("version", ROWS)
def test_a_row_says_what_is_known_and_how_far_it_was_tried(version):
    """Deleted, a row could lack what a plan reads of it, and fail in a fleet."""
    row = ROWS[version]
    assert row["store"] in ("manifests", "manifests-v2") and row["tested"] in ("run", "stand-in", "read") and isinstance(row["pulls_through_proxy"], bool)
    assert (row["store"] == "manifests-v2") == (version_tuple(version) >= (0, 40)) and isinstance(row["troubles"], list)
    for archive in row["archives"].values():
        assert archive["sha256"] is None or re.fullmatch("[0-9a-f]{64}", archive["sha256"]) and len(archive["sources"]) >= 2


@pytest.mark.parametrize("version", ROWS)
def test_the_era_is_the_one_that_the_memory_model_uses(version):
    """Deleted, the data could name another era than the one a plan for that release is made with."""
    row = ROWS[version]
    assert versions.era_of_ollama(versions.parse(version)).name == row["era"]
    assert row["llama_cpp"] is None or versions.era_of_build(row["llama_cpp"]).name == row["era"]


def test_archives_have_the_names_that_hosts_ask_for():
    """Deleted, a sum under a name that no host fetches would protect nobody."""
    for version, row in ROWS.items():
        names = [
            name
            for system, arch, vendors, l4t in (
                ("linux", "amd64", ["amd"], None), ("linux", "arm64", [], 35), ("linux", "arm64", [], 36), ("macos", "arm64", [], None),
                ("windows", "amd64", ["amd"], None), ("windows", "arm64", [], None),
            )  # fmt: skip
            for name in release.archives(system, version_tuple(version), arch, vendors, l4t)
        ]
        assert set(row["archives"]) in (set(), set(names))


def test_the_default_is_the_newest_that_ran_and_has_no_known_trouble():
    """Deleted, a fleet could be given a release by default that nobody ran or that is known not to serve it."""
    assert defaults.OLLAMA_VERSION == releases.default()
    good = [row["version"] for row in releases.rows() if row["tested"] == "run" and not row["troubles"]]
    assert good[-1] == releases.default()
    main = [archive for name, archive in ROWS[good[-1]]["archives"].items() if re.search("amd64.(tar.zst|zip)$|linux-arm64.tar|darwin", name)]
    assert len(main) == 4 and all(archive["sha256"] for archive in main)


def test_a_release_without_a_row_is_its_older_neighbour():
    """Deleted, 0.33.3 could be planned as 0.40, or nobody be told that it is a guess."""
    assert [releases.row_of(version)["version"] for version in ("0.1.0", "0.33.3", "0.40.1", "0.32.15", "9.0.0")] == [
        "0.5.4-ipexllm-20250407", "0.32.15", "0.40.0", "0.32.15", "0.40.2"]  # fmt: skip
    assert releases.warnings("ollama_version", "0.33.3") == [
        "ollama_version 0.33.3 is not among the releases that this collection knows; it is planned as 0.32.15."]  # fmt: skip
    assert releases.warnings("ollama_version", "0.32.15") == []


def test_only_what_lies_above_the_newest_row_is_too_new():
    """Deleted, a release with a store that nobody here has seen could reach a fleet unasked."""
    assert [releases.is_too_new(version) for version in ("0.40.2", "0.40.3", "0.40.3-rc1", "0.41.0", "0.33.3")] == [False, True, True, True, False]
