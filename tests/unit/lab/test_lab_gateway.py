# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab tells clients of its gateway: deleted, programs could get a key that the inventory does not have, or the certificate of a fleet that is gone."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import yaml
from llmfleet_lab import gateway
from support import ROOT

LAB = ROOT / "inventories/lab"


def test_the_key_stays_from_one_up_to_the_next(tmp_path):
    gateway.tell(tmp_path)
    told = json.loads((tmp_path / "gateway.json").read_text(encoding="ascii"))
    assert set(told) == {"url", "ca", "key"} and len(told["key"]) == 64
    assert Path(told["ca"]).is_absolute() and not told["url"].endswith("/")
    gateway.tell(tmp_path)
    assert json.loads((tmp_path / "gateway.json").read_text(encoding="ascii")) == told
    for name in ("gateway.json", "gateway-key"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


def test_a_new_fleet_has_a_new_authority(tmp_path):
    (tmp_path / "gateway-authority.pem").write_text("of yesterday", encoding="ascii")
    gateway.forget(tmp_path)
    gateway.forget(tmp_path)
    assert not (tmp_path / "gateway-authority.pem").exists()


def test_lab_and_inventory_mean_the_same_files_and_host():
    """The lab makes the key and names the file; the inventory reads the one and fills the other."""
    words = (LAB / "group_vars" / "all.yml").read_text(encoding="utf-8")
    assert "lab_cache ~ '/gateway-key'" in words and '"{{ lab_cache }}/gateway-authority.pem"' in words
    groups = yaml.safe_load((LAB / "hosts.yml").read_text(encoding="utf-8"))["all"]["children"]
    [host] = groups["gateway"]["hosts"]
    assert gateway.URL == "https://%s:8443" % groups["model_mirror"]["hosts"][host]["ansible_host"]
    assert gateway.URL in gateway.CHAT
