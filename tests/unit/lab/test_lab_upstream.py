# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The upstream's books: deleted, "the upstream sent each model once" would rest on a count that nobody checked."""

from __future__ import annotations

import json

import pytest
from llmfleet_lab import upstream

OLLAMA = "ollama/0.9.3 (amd64 linux) Go/go1.24"
DIGEST = "sha256:" + "a" * 64


@pytest.fixture
def store(tmp_path):
    manifest = {"layers": [{"mediaType": "application/vnd.ollama.image.model", "digest": DIGEST, "size": 1000}]}
    for family, tag in (("r1", "14b"), ("r1", "70b")):
        path = tmp_path / "manifests" / "registry.ollama.ai" / "library" / family / tag
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(manifest))
    other = json.loads(path.read_text())
    other["layers"][0]["digest"] = "sha256:" + "b" * 64
    path.write_text(json.dumps(other))
    return tmp_path


def line(uri, size, *, client="10.0.0.1", method="GET", status=200, wanted="", agent=OLLAMA):
    return json.dumps({"uri": uri, "bytes": size, "client": client, "method": method, "status": status, "range": wanted, "agent": agent})


BLOB = f"/v2/library/r1/blobs/{DIGEST}"


def test_a_resumed_download_counts_once(store):
    """A cut and resumed pull sends two parts of one model; counted as two it would accuse a mirror that works."""
    lines = [
        line("/v2/library/r1/manifests/14b", 700),
        line(BLOB, 400, status=206, wanted="bytes=0-999", agent="Go-http-client/1.1"),
        line(BLOB, 600, status=206, wanted="bytes=400-999", agent="Go-http-client/1.1"),
    ]
    row = upstream.count(lines, store, store)["models"]["r1:14b"]
    assert (row["sent_bytes"], row["times"], row["manifests"]) == (1000, 1.0, 1)


def test_two_hosts_past_the_mirror_are_seen(store):
    """This is the fault that the count exists for: each host pulls over the WAN."""
    lines = [line(BLOB, 1000, status=206, wanted="bytes=0-999", client=client) for client in ("10.0.0.2", "10.0.0.1")]
    row = upstream.count(lines, store, store)["models"]["r1:14b"]
    assert row["times"] == 2.0
    assert row["clients"] == ["10.0.0.1", "10.0.0.2"]


def test_ollamas_question_is_traffic_but_no_download(store):
    """Ollama asks for the blob without a range and hangs up; with those bytes no model was ever sent exactly once."""
    counted = upstream.count([line(BLOB, 900), line(BLOB, 1000, status=206, wanted="bytes=0-999")], store, store)
    assert counted["models"]["r1:14b"]["times"] == 1.0
    assert counted["total_bytes"] == 1900


def test_a_whole_download_by_any_other_client_counts(store):
    """A copy taken with curl leaves over the WAN too."""
    assert upstream.count([line(BLOB, 1000, agent="curl/8")], store, store)["models"]["r1:14b"]["times"] == 1.0


def test_what_was_not_sent_is_not_counted(store):
    """Questions by HEAD, refused requests and models that nobody asked for would fill the table with noise."""
    counted = upstream.count([line(BLOB, 0, method="HEAD"), line("/v2/library/r1/manifests/9b", 150, status=404)], store, store)
    assert counted == {"models": {}, "releases": {}, "total_bytes": 0}


def test_releases_are_counted_by_file(store):
    """Two hosts that fetch a release cost twice its size, and the table must say so."""
    (store / "v0.9.3").mkdir()
    (store / "v0.9.3" / "x.tgz").write_bytes(b"12345")
    counted = upstream.count([line("/v0.9.3/x.tgz", 5, client="10.0.0.2"), line("/v0.9.3/x.tgz", 5)], store, store)
    assert counted["releases"] == {"/v0.9.3/x.tgz": {"sent_bytes": 10, "times": 2.0, "clients": ["10.0.0.1", "10.0.0.2"]}}
    assert "10 bytes" in upstream.table(counted)


def test_hosts_of_other_tests_are_not_the_fleet(tmp_path, monkeypatch):
    """A scenario beside the lab pulls from the same upstream; its pulls would look like a mirror that does not work."""
    log = tmp_path / "access.jsonl"
    log.write_text("\n".join(line("/v0.9.3/x.tgz", 5, client=client) for client in ("10.0.0.1", "10.0.0.200")))
    monkeypatch.setattr(upstream, "LOG", log)
    assert upstream.traffic({"10.0.0.1"})["releases"]["/v0.9.3/x.tgz"]["clients"] == ["10.0.0.1"]
