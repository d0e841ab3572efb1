# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The key of a web UI. Deleted, each run could make another one, which the gateway does not know, or anybody on the host could read it."""

from __future__ import annotations

import hashlib
import json
import stat

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.llmfleet.ollama.plugins.modules import gateway_key


@pytest.fixture
def run(capsys):
    def run(**options):
        with patch_module_args(options), pytest.raises(SystemExit):
            gateway_key.main()
        return json.loads(capsys.readouterr().out)

    return run


def test_a_key_is_made_once_and_only_its_checksum_is_told(run, tmp_path):
    folder = tmp_path / "open-webui"
    first = run(step="key", folder=str(folder))
    key = (folder / "gateway_key").read_text(encoding="ascii").strip()
    assert first["changed"] and first["digest"] == hashlib.sha256(key.encode()).hexdigest() and key not in json.dumps(first)
    assert stat.S_IMODE((folder / "gateway_key").stat().st_mode) == 0o600 and stat.S_IMODE(folder.stat().st_mode) == 0o700
    again = run(step="key", folder=str(folder))
    assert (again["changed"], again["digest"]) == (False, first["digest"])


def test_whom_it_trusts(run, tmp_path):
    """The container's user reads it; a run that does not know the certificate leaves the one from before."""
    assert not run(step="trust", folder=str(tmp_path))["trusts"]
    done = run(step="trust", folder=str(tmp_path), authority="-----BEGIN")
    assert (done["changed"], done["trusts"]) == (True, True)
    file = tmp_path / "trust" / "5154f1d2.0"
    assert file.read_text(encoding="ascii") == "-----BEGIN" and stat.S_IMODE(file.stat().st_mode) == 0o644
    assert not run(step="trust", folder=str(tmp_path), authority="-----BEGIN")["changed"]
    kept = run(step="trust", folder=str(tmp_path))
    assert (kept["changed"], kept["trusts"]) == (False, True)


def test_a_dry_run_writes_nothing(run, tmp_path):
    done = run(step="key", folder=str(tmp_path / "new"), _ansible_check_mode=True)
    assert (done["changed"], done["digest"]) == (True, "") and not (tmp_path / "new").exists()
