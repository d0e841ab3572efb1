# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases on a mirror. Without these, an archive that nobody checked could become the program that every host of the fleet runs."""

from __future__ import annotations

import hashlib
import os

import pytest
from ansible_collections.llmfleet.ollama.plugins.module_utils.errors import Failure
from ansible_collections.llmfleet.ollama.plugins.module_utils.mirror import releases
from ansible_collections.llmfleet.ollama.plugins.module_utils.mirror.releases import ReleaseStore

BASE = "https://releases.example"
ARCHIVE = "ollama-linux-amd64.tar.zst"
ROCM = "ollama-linux-amd64-rocm.tar.zst"


def want(*archives, version="0.32.15", base=BASE, checksum=""):
    return {"version": version, "archives": list(archives or (ARCHIVE,)), "base_url": base, "checksum": checksum}


class Mirror:
    def __init__(self, path):
        self.path = path
        self.index = {}

    def put(self, archive, content, version="0.32.15"):
        path = self.path / "releases" / f"v{version}" / archive
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def sums(self, *archives, version="0.32.15"):
        """The list as upstream writes it."""
        self.put("sha256sum.txt", "".join(f"{hashlib.sha256(content).hexdigest()}  ./{name}\n" for name, content in archives).encode(), version)

    def look(self, *wants, **options):
        return ReleaseStore(str(self.path), wants, self.index, **options).run().result()

    def served(self):
        public = self.path / "public" / "releases"
        return sorted(str(path.relative_to(public)) for path in public.rglob("*") if path.is_file())


@pytest.fixture
def mirror(tmp_path):
    return Mirror(tmp_path)


def test_what_is_missing_is_named_once_with_its_source(mirror):
    """Twenty hosts want the same archive; asked for twenty times, it would cross the WAN twenty times."""
    found = mirror.look(want(ARCHIVE), want(ARCHIVE, ROCM), want("ollama-darwin.tgz"))["missing"]
    assert [(entry["archive"], entry["url"], entry["list_url"]) for entry in found] == [
        (name, f"{BASE}/v0.32.15/{name}", f"{BASE}/v0.32.15/sha256sum.txt") for name in sorted([ROCM, ARCHIVE, "ollama-darwin.tgz"])
    ]
    assert mirror.served() == []


def test_a_verified_archive_is_served_without_a_second_copy_and_hashed_once(mirror, monkeypatch):
    mirror.put(ARCHIVE, b"good")
    mirror.sums((ARCHIVE, b"good"), (ROCM, b"never fetched"))
    first = mirror.look(want())
    assert first["published"] == [f"v0.32.15/{ARCHIVE}"] and first["missing"] == [] and first["served"] == [f"v0.32.15/{ARCHIVE}"]
    assert os.path.samefile(mirror.path / f"releases/v0.32.15/{ARCHIVE}", mirror.path / f"public/releases/v0.32.15/{ARCHIVE}")
    monkeypatch.setattr(releases, "sha256_of", lambda path: pytest.fail(f"{path} was hashed again"))
    again = mirror.look(want())
    assert again["published"] == [] and again["missing"] == []


def test_the_served_list_names_exactly_what_is_served(mirror):
    """The list decides what a host takes from here: an archive in it that is not there would stop an installation."""
    mirror.put(ARCHIVE, b"good")
    mirror.sums((ARCHIVE, b"good"), (ROCM, b"never fetched"))
    mirror.look(want())
    listed = (mirror.path / "public/releases/v0.32.15/sha256sum.txt").read_text()
    assert listed == f"{hashlib.sha256(b'good').hexdigest()}  ./{ARCHIVE}\n"


@pytest.mark.parametrize("published_before", [False, True])
def test_a_spoilt_archive_is_never_served_and_fetched_again(mirror, published_before):
    mirror.sums((ARCHIVE, b"good"))
    if published_before:
        mirror.put(ARCHIVE, b"good")
        mirror.look(want())
    mirror.put(ARCHIVE, b"evil")
    os.utime(mirror.path / f"releases/v0.32.15/{ARCHIVE}", ns=(1, 1))
    found = mirror.look(want())
    assert found["corrupt"] == [f"v0.32.15/{ARCHIVE}"] and [entry["archive"] for entry in found["missing"]] == [ARCHIVE]
    assert mirror.served() == [] and found["served"] == []


def test_an_archive_that_no_list_names_is_not_served(mirror):
    mirror.put(ARCHIVE, b"by hand")
    found = mirror.look(want())
    assert [entry["archive"] for entry in found["missing"]] == [ARCHIVE] and mirror.served() == []
    mirror.sums((ARCHIVE, b"by hand"))
    assert mirror.look(want())["published"] == [f"v0.32.15/{ARCHIVE}"], "files put there by hand are what an air-gapped fleet lives on"


def test_the_users_checksum_is_that_of_the_main_archive(mirror):
    pinned = "sha256:" + hashlib.sha256(b"good").hexdigest()
    missing = {entry["archive"]: entry for entry in mirror.look(want(ARCHIVE, ROCM, checksum=pinned))["missing"]}
    assert missing[ARCHIVE]["sha256"] == pinned[7:] and missing[ROCM]["sha256"] == ""
    listed = mirror.look(want(checksum="sha256:https://other.example/List"))["missing"]
    assert listed[0]["list_url"] == "https://other.example/List"
    mirror.put(ARCHIVE, b"evil")
    mirror.sums((ARCHIVE, b"evil"))
    assert mirror.look(want(checksum=pinned))["corrupt"] == [f"v0.32.15/{ARCHIVE}"], "upstream's list must not overrule the user"


def test_a_sum_that_is_known_goes_before_the_list_and_is_told_with_the_one_that_is_there(mirror):
    """Deleted, the list beside the archive would decide for the whole fleet."""
    good, evil = hashlib.sha256(b"good").hexdigest(), hashlib.sha256(b"evil").hexdigest()
    mirror.put(ARCHIVE, b"evil")
    mirror.sums((ARCHIVE, b"evil"))
    found = mirror.look({**want(), "sums": {ARCHIVE: good}})
    assert found["corrupt"] and found["mismatches"] == [{"archive": f"v0.32.15/{ARCHIVE}", "wanted": good, "found": evil}]
    assert [(entry["archive"], entry["sha256"]) for entry in found["missing"]] == [(ARCHIVE, good)]
    mirror.put(ARCHIVE, b"evil")
    assert mirror.look({**want(checksum="list"), "sums": {}})["published"] == [f"v0.32.15/{ARCHIVE}"], "the user's word for the list"


def test_exact_removes_what_no_host_wants(mirror):
    for version in ("0.31.0", "0.32.15"):
        mirror.put(ARCHIVE, version.encode(), version)
        mirror.sums((ARCHIVE, version.encode()), version=version)
    mirror.look(want(), want(version="0.31.0"))
    assert mirror.look(want())["removed"] == [], "without exact nothing goes"
    assert mirror.look(want(), exact=True, check_mode=True)["removed"] == [f"v0.31.0/{ARCHIVE}"] and len(mirror.served()) == 4
    assert mirror.look(want(), exact=True)["removed"] == [f"v0.31.0/{ARCHIVE}"]
    assert mirror.served() == [f"v0.32.15/{ARCHIVE}", "v0.32.15/sha256sum.txt"]
    assert os.listdir(mirror.path / "releases") == ["v0.32.15"]


def test_check_mode_changes_nothing(mirror):
    mirror.put(ARCHIVE, b"evil")
    mirror.sums((ARCHIVE, b"good"))
    assert mirror.look(want(), check_mode=True)["corrupt"] == [f"v0.32.15/{ARCHIVE}"]
    assert (mirror.path / f"releases/v0.32.15/{ARCHIVE}").exists() and mirror.served() == []
    mirror.put(ARCHIVE, b"good")
    assert mirror.look(want(), check_mode=True)["published"] == [f"v0.32.15/{ARCHIVE}"] and mirror.served() == []


@pytest.mark.parametrize("wrong", [want("../../etc/passwd"), want(version="../0.32.15")])
def test_names_that_lead_elsewhere_are_refused(mirror, wrong):
    with pytest.raises(Failure, match="ollama_version"):
        mirror.look(wrong)
