# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of a fleet: `playbooks/uninstall.yml -e purge=true` on a lab that the tests before have deployed. Its folder sorts last.

Deleted, nothing would show that what the roles made can be taken away again as a whole.
"""

from __future__ import annotations

from fleet import HOSTS, Run, inside

# What a host had before the first deployment is not in these lists, nor are Open WebUI's backups, which outlive everything.
OLLAMA = """
ls -d /opt/ollama /usr/local/bin/ollama /usr/share/ollama /etc/llmfleet /etc/profile.d/ollama.sh /etc/ansible/facts.d/llmfleet.fact \\
  /etc/systemd/system/*ollama* /etc/systemd/system/*/*ollama* /etc/systemd/system/nftables.service.d 2>/dev/null
ls -A /srv/models
nft list table inet llmfleet_ollama 2>/dev/null
getent passwd ollama; getent group ollama; pgrep -a ollama
"""
HUB = """
ls -d /srv/model-mirror /etc/nginx/conf.d/llmfleet* /etc/systemd/system/model-mirror* /etc/systemd/system/*/model-mirror* 2>/dev/null
ls -d /opt/ollama /etc/systemd/system/*webui* /etc/open-webui* /var/lib/open-webui* /srv/open-webui* 2>/dev/null
docker ps -aq; docker volume ls -q
getent passwd model-mirror
"""


def test_nothing_of_the_fleet_is_left():
    gone = Run("uninstall-all", "playbooks/uninstall.yml", "-e", "purge=true").assert_good()
    assert set(gone.recap) == {*HOSTS, "lab-hub"}
    assert {host: inside(host, OLLAMA, check=False) for host in HOSTS} == dict.fromkeys(HOSTS, "")
    assert inside("lab-hub", HUB, check=False) == ""
    # The machine's own nginx was there before and serves what it served.
    assert "Welcome" in inside("lab-hub", "curl -s http://127.0.0.1/")


def test_a_second_uninstall_finds_nothing_to_do():
    """Half an uninstall must be able to be finished, and a whole one says so."""
    assert Run("uninstall-again", "playbooks/uninstall.yml", "-e", "purge=true").assert_good().changed() == {}
