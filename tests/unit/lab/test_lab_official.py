# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Official artefacts, from stand-ins of GitHub and ghcr.io on the loopback: nothing else runs this code where neither can be reached.

Deleted, a lab could serve half an archive as an official release, or end with a traceback where GitHub answers and then goes away.
"""

from __future__ import annotations

import hashlib

import pytest
from llmfleet_lab import common, official, releases
from support import servers

ARCHIVE = b"an archive" * 1000
NAME = "ollama-linux-amd64.tgz"
GOOD = {"sha256sum.txt": f"{hashlib.sha256(ARCHIVE).hexdigest()}  ./{NAME}\n".encode(), NAME: ARCHIVE}


class Answer(servers.Quiet):
    """Plays both: files below /v0.9.3/, and /v2/, which wants a sign-in."""

    def do_GET(self):
        self.server.asked.append(self.path)
        body = self.server.files.get(self.path.rpartition("/")[2]) if self.path != "/v2/" else b""
        self.send_response(404 if body is None else 401 if self.path == "/v2/" else 200)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write((body or b"")[: self.server.cut if self.path.endswith(NAME) else None])


@pytest.fixture
def publisher(tmp_path, monkeypatch):
    server = servers.Server(Answer)
    server.files, server.cut, server.asked = dict(GOOD), None, []
    monkeypatch.setattr(official, "RELEASES", server.url)
    monkeypatch.setattr(official, "REGISTRY_URL", server.url + "/v2/")
    monkeypatch.setattr(official, "KEPT", tmp_path / "source.json")
    monkeypatch.delenv(official.VARIABLE, raising=False)
    yield server
    server.end()


def test_both_are_taken_where_they_answer_and_asked_once(publisher, capsys):
    """The promise of the README; asking at each `up` would make a warm start wait for the network."""
    official.choose("0.9.3")
    assert official.wanted("releases") and official.wanted("images")
    assert "come from" in capsys.readouterr().out
    official.choose("0.9.3")
    assert sorted(publisher.asked) == ["/v0.9.3/sha256sum.txt", "/v2/"] and capsys.readouterr().out == ""


def test_each_is_built_where_it_does_not_answer(publisher, monkeypatch, capsys):
    """GitHub without ghcr.io is a common firewall."""
    monkeypatch.setattr(official, "REGISTRY_URL", "http://127.0.0.1:9/v2/")
    official.choose("0.9.3")
    assert official.wanted("releases") and not official.wanted("images")
    assert "Open WebUI's images are built from PyPI, since ghcr.io does not answer" in capsys.readouterr().out


def test_the_setting_wins_and_another_setting_is_taken_at_once(publisher, monkeypatch):
    official.choose("0.9.3")
    monkeypatch.setenv(official.VARIABLE, "pypi")
    official.choose("0.9.3")
    assert not official.wanted("releases") and len(publisher.asked) == 2
    monkeypatch.setenv(official.VARIABLE, "github")
    with pytest.raises(common.LabError, match="auto, official or pypi"):
        official.choose("0.9.3")


def test_a_release_is_laid_out_as_github_does(publisher, tmp_path):
    official.choose("0.9.3")
    assert official.fetch_release("0.9.3", tmp_path / "v0.9.3")
    assert {path.name: path.read_bytes() for path in (tmp_path / "v0.9.3").iterdir()} == GOOD


FAULTS = {
    "dies in the middle": (lambda server: setattr(server, "cut", 1234), "ended after 1234 of 10000 bytes"),
    "another archive": (lambda server: server.files.update({NAME: b"evil"}), "checksum"),
    "no archive for this machine": (lambda server: server.files.update({"sha256sum.txt": b"00  ./Ollama.dmg\n"}), "names none of"),
    "gone": (lambda server: server.files.pop(NAME), "404"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_publisher_that_fails_leaves_nothing_and_the_lab_builds_itself(publisher, tmp_path, capsys, fault):
    """Half an archive under the right name would be served to every host."""
    official.choose("0.9.3")
    break_it, words = FAULTS[fault]
    break_it(publisher)
    assert not official.fetch_release("0.9.3", tmp_path / "v0.9.3")
    assert not (tmp_path / "v0.9.3").exists() and not official.wanted("releases") and official.wanted("images")
    said = capsys.readouterr().out
    assert "are built from PyPI after all" in said and words in said


def test_who_insists_is_told_instead(publisher, tmp_path, monkeypatch):
    monkeypatch.setenv(official.VARIABLE, "official")
    official.choose("0.9.3")
    publisher.files.pop(NAME)
    with pytest.raises(common.LabError, match="LLMFLEET_LAB_SOURCE=pypi"):
        official.fetch_release("0.9.3", tmp_path / "v0.9.3")


@pytest.mark.parametrize(("alive", "packed"), [(True, ["0.5.4-ipexllm-20250407"]), (False, ["0.9.3", "0.5.4-ipexllm-20250407"])])
def test_only_what_is_not_official_is_packed(publisher, tmp_path, monkeypatch, alive, packed):
    """Both paths must end with both releases, and a lab that fell back must not download again at each start."""
    done = []
    monkeypatch.setattr(releases, "SERVED", tmp_path / "served")
    monkeypatch.setattr(releases, "CACHE", tmp_path)
    monkeypatch.setattr(releases, "_download", lambda wanted: done.extend(release.version for release in wanted))
    monkeypatch.setattr(releases, "_extract", lambda *_words: None)
    monkeypatch.setattr(releases.wheels, "file", lambda wheel: wheel)
    monkeypatch.setattr(releases, "RUNTIME_LIBRARIES", set())
    monkeypatch.setattr(releases, "run", lambda *_words, **_more: None)
    monkeypatch.setattr(releases, "_pack", lambda release, _work: (tmp_path / "served" / f"v{release.version}").mkdir(parents=True))
    official.choose("0.9.3")
    if not alive:
        publisher.cut = 10
    releases.build()
    releases.build()
    assert done == packed
    assert sorted(path.name for path in (tmp_path / "served").glob("v*")) == ["v0.5.4-ipexllm-20250407", "v0.9.3"]


@pytest.fixture
def build(publisher, tmp_path, monkeypatch):
    """releases.build() where nothing is packed from PyPI."""
    monkeypatch.setattr(releases, "SERVED", tmp_path / "served")
    monkeypatch.setattr(releases, "CACHE", tmp_path)
    monkeypatch.setattr(releases, "RELEASES", [])
    monkeypatch.setattr(releases, "RUNTIME_WHEELS", [])
    monkeypatch.setattr(releases, "RUNTIME_LIBRARIES", set())
    monkeypatch.setattr(releases, "run", lambda *_words, **_more: None)

    def run(versions):
        monkeypatch.setenv(releases.MORE, versions)
        releases.build()
        return sorted(path.name for path in (tmp_path / "served").glob("v*"))

    return run


def test_further_official_releases_lie_beside_the_others(publisher, build):
    """The workflow's road needs three at once. Deleted, one more version would not be fetched, or all of them again at each start."""
    official.choose("0.9.3")
    assert build("0.32.15 0.35.1") == ["v0.32.15", "v0.35.1", "v0.9.3"]
    asked = len(publisher.asked)
    assert build("0.32.15 0.35.1") == ["v0.32.15", "v0.35.1", "v0.9.3"] and len(publisher.asked) == asked
    assert build("0.40.2") == ["v0.40.2", "v0.9.3"]


def test_further_releases_are_refused_where_nobody_can_have_them(publisher, build, monkeypatch):
    """Each in one sentence with the variable, before anything is fetched or packed."""
    official.choose("0.9.3")
    with pytest.raises(common.LabError, match='LLMFLEET_LAB_RELEASES names "latest"; write releases such as'):
        build("latest")
    publisher.files.pop(NAME)
    with pytest.raises(common.LabError, match=r"Ollama 0.35.1 \(LLMFLEET_LAB_RELEASES\) could not be had"):
        build("0.35.1")
    monkeypatch.setenv(official.VARIABLE, "pypi")
    official.choose("0.9.3")
    with pytest.raises(common.LabError, match="only GitHub has.*LLMFLEET_LAB_SOURCE=official"):
        build("0.35.1")
