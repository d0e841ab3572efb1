# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which directories a role may call its own. Deleted, `ollama_install_dir: /opt` or `model_mirror_store: /srv` would be given away, and later removed."""

from __future__ import annotations

import pytest
from ansible_collections.llmfleet.ollama.plugins.plugin_utils import places

SHARED = [
    "/", "//", "/opt", "/opt/", "/usr/local", "/usr/local/bin", "/srv", "/srv/.", "/home", "/home/alice", "/root", "/var/lib", "/etc", "/mnt", "/Users/me",
    "/Library/LaunchDaemons", "/Applications", "/srv/a/..", "C:", "c:\\", "C:\\Users\\me", "C:\\Program Files", "c:\\windows\\system32", "D:\\x\\..\\y",
]
OWN = [
    "/opt/ollama", "/usr/share/ollama/.ollama/models", "/srv/model-mirror", "/srv/models", "/home/alice/models", "/var/lib/ollama", "/models", "/big disk/m",
    "/Volumes/models/ollama", "C:\\ollama", "D:\\models", "C:\\Program Files\\ollama", "C:\\ProgramData\\llmfleet\\models",
    "/var/backups/open-webui", "/etc/open-webui", "/mnt/models",
]


@pytest.mark.parametrize("path", SHARED)
def test_a_place_of_the_whole_host_is_nobodys(path):
    assert places.is_shared(path)


@pytest.mark.parametrize("path", OWN)
def test_a_directory_of_its_own_is_one(path):
    assert not places.is_shared(path)
