# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The key of a container that was made by hand. Without these tests it could be overwritten, shown, or readable by everybody."""

from __future__ import annotations

import json
import os

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.llmfleet.ollama.plugins.modules import open_webui_secret
from support import needs


@pytest.fixture
def keep(tmp_path, monkeypatch, capsys):
    """keep(key) -> the module's result where the container has this key."""

    def run(key, check=False):
        class Engine:
            def __init__(self, _docker_host):
                pass

            def container(self, _name):
                return {"Id": "f00", "Config": {"Env": [f"WEBUI_SECRET_KEY={key}"]}} if key else None

        monkeypatch.setattr(open_webui_secret, "Engine", Engine)
        with patch_module_args({"path": str(tmp_path / "secret_key"), "gid": os.getgid(), "_ansible_check_mode": check}), pytest.raises(SystemExit):
            open_webui_secret.main()
        run.printed = capsys.readouterr().out
        return json.loads(run.printed)

    run.file = tmp_path / "secret_key"
    return run


@needs.root
def test_the_key_is_kept_for_root_and_one_group_and_never_shown(keep):
    result = keep("of the container")
    assert result["changed"] and result["found"] and result["source"] == "WEBUI_SECRET_KEY"
    assert keep.file.read_text() == "of the container" and keep.file.stat().st_mode & 0o777 == 0o640
    assert "of the container" not in keep.printed


def test_a_key_that_is_there_stays(keep):
    keep.file.write_text("ours")
    result = keep("of the container")
    assert result["found"] and not result["changed"] and keep.file.read_text() == "ours"


def test_no_container_has_no_key_and_check_mode_writes_nothing(keep):
    result = keep(None)
    assert (result["changed"], result["found"], result["source"]) == (False, False, None)
    assert keep("of the container", check=True)["changed"] and not keep.file.exists()
