# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What roles/ollama/files/linux/discover.sh says of model stores, run for real against a made-up host.

Deleted, a store with odd letters in its name would be left behind in silence, and what somebody writes into a link could pass for a fact.
"""

from __future__ import annotations

import os
import subprocess

import pytest
import yaml
from support import ROOT, needs

pytestmark = needs.linux  # the tools of coreutils
ROLE = ROOT / "roles/ollama"


@pytest.fixture
def discover(tmp_path):
    """discover(models, *watched paths) -> what the script says of a host whose systemd knows no service of Ollama."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("systemctl", "nft", "ss", "runuser"):
        tool = tools / name
        tool.write_text("#!/bin/sh\nexit 0\n", encoding="utf-8")
        tool.chmod(0o755)

    def run(models, *paths):
        given = ["nobody", "11434", str(models), str(tmp_path / "drop-in.conf"), str(tmp_path / ".moving"), "--", *map(str, paths)]
        result = subprocess.run(
            ["/bin/sh", str(ROLE / "files/linux/discover.sh"), *given], capture_output=True, check=True, timeout=60,
            env={"PATH": "%s:%s" % (tools, os.environ["PATH"])},
        )
        return yaml.safe_load(result.stdout.decode("utf-8"))

    return run


def store(path, name="sha256-" + "0" * 64):
    (path / "blobs").mkdir(parents=True)
    (path / "blobs" / name).write_bytes(b"x")
    return path


def drop_in(tmp_path, path):
    """As templates/linux/drop-in.conf.j2 writes it."""
    value = str(path).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    (tmp_path / "drop-in.conf").write_text('[Service]\nEnvironment="A=1"\nEnvironment="OLLAMA_MODELS=%s"\nEnvironment="Z=1"\n' % value, encoding="utf-8")


@pytest.mark.parametrize("name", ["models", "my models", "100%", 'a "quoted" one', "back\\slash", "Modèles"])
def test_the_store_that_the_drop_in_names_is_found_whatever_its_name(discover, tmp_path, name):
    drop_in(tmp_path, store(tmp_path / name))
    assert discover("/srv/new")["other_stores"] == [str(tmp_path / name)]


def test_what_is_no_store_or_is_the_wanted_one_is_not_told(discover, tmp_path):
    """A converged host must not be asked for its models at each run."""
    drop_in(tmp_path, store(tmp_path / "models"))
    assert discover(tmp_path / "models")["other_stores"] is None
    drop_in(tmp_path, tmp_path / "absent")
    assert discover("/srv/new")["other_stores"] is None
    (tmp_path / "empty/blobs").mkdir(parents=True)
    drop_in(tmp_path, tmp_path / "empty")
    assert discover("/srv/new")["other_stores"] is None


def test_the_stores_of_a_move_that_was_cut_off_are_remembered(discover, tmp_path):
    """The drop-in names the new store already; without the note the old one would be forgotten with all that is in it."""
    old, new = store(tmp_path / "old"), store(tmp_path / "new")
    drop_in(tmp_path, new)
    (tmp_path / ".moving").write_text("%s\n%s\n" % (old, new), encoding="utf-8")
    assert discover(new)["other_stores"] == [str(old)]
    assert discover(old)["other_stores"] == [str(new)], "the way back, too"


def test_what_a_link_says_is_only_text(discover, tmp_path):
    """The service's user may lay links into its home: quotes and line breaks in one made facts of its choice."""
    evil = tmp_path / "models"
    evil.symlink_to('x", target: "x", changed: 1}\n - {path: "/opt/ollama/previous", is: "link ../victim", target: "../victim')
    seen = discover("/srv/new", evil)
    assert [entry["path"] for entry in seen["files"]] == [str(evil)]
    assert "\n" not in seen["files"][0]["target"] and seen["files"][0]["target"].startswith('x", target')
