# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A copy of the releases on the host itself, which docs/ollama.md offers for fleets without a way out.

Deleted, only servers would be downloaded from: what opens a file has no status to compare.
"""

from __future__ import annotations

import hashlib
import io
import json

import pytest
from ansible.module_utils import basic
from ansible_collections.llmfleet.ollama.plugins.modules import download
from support import servers


@pytest.fixture
def run(monkeypatch, capsys):
    def called(**options):
        monkeypatch.setattr(basic, "_ANSIBLE_ARGS", json.dumps({"ANSIBLE_MODULE_ARGS": options}).encode("utf-8"))
        monkeypatch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)
        with pytest.raises(SystemExit):
            download.main()
        return json.loads(capsys.readouterr().out)

    return called


def test_a_file_by_its_url_and_that_of_its_list(tmp_path, run):
    (tmp_path / "a.tgz").write_bytes(b"x" * 10)
    (tmp_path / "sha256sum.txt").write_text("%s  ./a.tgz\n" % hashlib.sha256(b"x" * 10).hexdigest())
    base = "file://%s/" % tmp_path
    options = {"url": base + "a.tgz", "dest": str(tmp_path / "got"), "checksum": "sha256:%ssha256sum.txt" % base}
    assert run(**options)["changed"] is True and (tmp_path / "got").read_bytes() == b"x" * 10
    assert run(**options)["changed"] is False
    assert "failed" in run(**{**options, "url": base + "none.tgz", "checksum": "", "dest": str(tmp_path / "other")})


@pytest.mark.parametrize("checksum", ["sha256:", "sha256:abc", "md5:" + "0" * 32, "0" * 64])
def test_a_checksum_that_is_none_is_refused_before_the_download(tmp_path, run, checksum):
    """A sum that came out empty must not read as the wish to compare nothing: root unpacks and runs what comes."""
    (tmp_path / "a.tgz").write_bytes(b"x")
    said = run(url="file://%s/a.tgz" % tmp_path, dest=str(tmp_path / "got"), checksum=checksum)
    assert "write sha256: and 64 hex digits" in said["msg"] and not (tmp_path / "got").exists()


def test_a_download_that_ends_early_leaves_nothing(tmp_path, run):
    """The mirror's folder is served, and nobody tidies it."""

    class Handler(servers.Quiet):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"ff\r\nshort")
            self.close_connection = True

    with servers.serving(Handler) as url:
        options = {"dest": str(tmp_path / "got"), "headers_to": str(tmp_path / "headers")}
        assert "was cut off" in run(url=url + "/a", **options)["msg"]
        assert "was cut off" in run(url=url + "/a", checksum="sha256:" + url + "/list", **options)["msg"]
    assert list(tmp_path.iterdir()) == []


def test_what_nothing_is_compared_with_does_not_come_over_plain_http(tmp_path, run, monkeypatch):
    """A list of sums that an https server has somewhere else: whoever is on that way would decide what root runs."""
    body = b"x" * 10
    listed = b"%s  a.tgz\n" % hashlib.sha256(body).hexdigest().encode()

    def elsewhere(_module, url, **_options):
        return io.BytesIO(listed if url.endswith(".txt") else body), {"status": 200, "url": url.replace("https:", "http:")}

    monkeypatch.setattr(download, "fetch_url", elsewhere)
    options = {"url": "https://m.example/a.tgz", "dest": str(tmp_path / "got")}
    for checksum in ("", "sha256:https://m.example/sums.txt"):
        assert "leads from https to http://m.example/" in run(checksum=checksum, **options)["msg"] and list(tmp_path.iterdir()) == []
    assert run(checksum="sha256:" + hashlib.sha256(body).hexdigest(), **options)["changed"]
    assert run(**{**options, "url": "http://m.example/a.tgz", "checksum": "sha256:http://m.example/sums.txt", "force": True})["url"]
