# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The row that a workflow proposes. Deleted, a sum that only one place vouches for could be shipped, or a release be proposed every week again."""

from __future__ import annotations

import importlib.util

import pytest
import yaml
from support import ROOT
from support.fake_ollama import Server

SPEC = importlib.util.spec_from_file_location("new_release", ROOT / "bench/new_release.py")
new_release = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(new_release)

GOOD, BAD = "a" * 64, "b" * 64


class GitHub(Server):
    version = "v0.40.9"

    def answer(self, request, _verb):
        if request.path == "/sums":
            self.send(request, 200, f"{GOOD}  ./ollama-linux-amd64.tar.zst\n{BAD}  ./ollama-darwin.tgz\n".encode())
            return
        names = {"ollama-linux-amd64.tar.zst": GOOD, "ollama-darwin.tgz": GOOD, "ollama-windows-arm64.zip": GOOD, "OllamaSetup.exe": GOOD, "sha256sum.txt": BAD}
        assets = [{"name": name, "digest": "sha256:" + digest, "size": 7, "browser_download_url": self.url + "/sums"} for name, digest in names.items()]
        self.send(request, 200, {"tag_name": self.version, "published_at": "2026-12-01T10:00:00Z", "assets": assets})


@pytest.fixture
def github():
    server = GitHub()
    yield server
    server.stop()


def test_a_new_release_gets_a_row_once_and_only_sums_that_two_places_say(github, tmp_path):
    file = tmp_path / "releases.yml"
    file.write_bytes(new_release.FILE.read_bytes())
    before = yaml.safe_load(file.read_text(encoding="utf-8"))["releases"]
    assert new_release.main(github.url, file) == "0.40.9" and new_release.main(github.url, file) == ""
    *same, made = yaml.safe_load(file.read_text(encoding="utf-8"))["releases"]
    assert same == before and set(made) >= set(before[-1]) - {"published"}
    assert made["version"] == "0.40.9" and made["store"] == before[-1]["store"] and made["troubles"], "no fleet gets it by default"
    assert {name: archive["sha256"] for name, archive in made["archives"].items()} == {
        "ollama-linux-amd64.tar.zst": GOOD, "ollama-darwin.tgz": None, "ollama-windows-arm64.zip": None}  # fmt: skip
    github.version = "v0.41.0-rc1"
    assert new_release.main(github.url, file) == ""
