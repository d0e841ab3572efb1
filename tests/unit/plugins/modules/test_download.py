# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A copy of the releases on the host itself, which docs/ollama.md offers for fleets without a way out.

Deleted, only servers would be downloaded from: what opens a file has no status to compare.
"""

from __future__ import annotations

import hashlib
import json

import pytest
from ansible.module_utils import basic
from ansible_collections.llmfleet.ollama.plugins.modules import download


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
