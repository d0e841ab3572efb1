# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A web UI as an inventory wants it, and a host as module open_webui_probe finds it, both in order but for what a test says."""

from __future__ import annotations

from ansible_collections.llmfleet.ollama.plugins.plugin_utils.web_ui import plan
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.web_ui.wish import Wish, read

WISHES = {
    "version": "0.12.4",
    "image": "ghcr.io/open-webui/open-webui",
    "tag": "0.12.4",
    "docker_host": "unix:///var/run/docker.sock",
    "container": "open-webui",
    "user": "10300:10300",
    "port": 3000,
    "bind_address": "0.0.0.0",
    "admin_email": "me@x.org",
    "admin_password": "a long password",
    "admin_name": "Admin",
    "data": "open-webui",
    "backup_dir": "/var/backups/open-webui",
    "backend_hosts": ["gpu"],
    "backends": [{"url": "http://10.0.0.5:11434", "prefix_id": "gpu"}],
}
POSTGRES = {"database_url": "postgresql://webui:x@db/webui"}
SAVED = {**POSTGRES, "database_dump_command": 'pg_dump > "$DUMP"', "database_restore_command": 'pg_restore "$DUMP"'}
# A converged host.
SEEN = {
    "engine": {"error": None, "installed": True, "podman": False, "programs": ["docker", "dockerd"]},
    "requests": True,
    "container": {
        "exists": True,
        "running": True,
        "managed": True,
        "image_id": "sha256:a",
        "version": "0.12.4",
        "ports": [3000],
        "data": "open-webui",
        "database_elsewhere": False,
        "variables": [],
    },
    "previous": {"exists": False},
    "record": None,
    "image": {"present": True, "id": "sha256:a", "command": ["bash", "start.sh"]},
    "data": {
        "path": "/v/open-webui",
        "exists": True,
        "filesystem": "ext4",
        "network": False,
        "mounts": [],
        "error": None,
        "database": True,
        "revision": "c92d",
        "owner": 10300,
        "group": 10300,
    },
    "port": {"used_by": None},
    "secrets": {"key": True, "key_weak": False, "environment": True, "stale": False},
    "door": {"nft": True, "unit": False, "gone_at": None},
    "controller": "10.0.0.2",
    "database_error": None,
    "missing": [],
    "backends": [{"url": "http://10.0.0.5:11434", "version": "0.32.15", "error": None}],
}
FRESH = {
    "container": {"exists": False, "running": False, "managed": False, "image_id": None, "version": None, "ports": [], "data": None},
    "image": {"present": False, "id": None},
    "data": {"exists": False, "path": None, "database": False, "revision": None, "owner": None, "group": None},
    "secrets": {"key": False, "environment": False},
}
NO_ENGINE = {"engine": {"error": "no socket", "installed": False, "programs": []}}


def wish(**wishes) -> Wish:
    return read({"open_webui_" + name: value for name, value in {**WISHES, **wishes}.items()})


def seen(*patches: dict) -> dict:
    """SEEN with these parts of its parts."""
    looked = {name: dict(part) if isinstance(part, dict) else part for name, part in SEEN.items()}
    for patch in patches:
        for name, part in patch.items():
            looked[name] = {**(looked[name] or {}), **part} if isinstance(part, dict) else part
    return looked


def decide(looked=None, *checks, archive=None, given=None, me="hub", check_mode=False, os_family="", address="", connection="", hostvars=None, now=0, **wishes):
    around = plan.Around(me, address, connection, os_family, check_mode, hostvars or {"gpu": {"ansible_host": "10.0.0.5"}, "hub": {}}, now)
    return plan.decide(wish(**wishes), around, looked, checks, archive, given)


def ids(decided: dict) -> list:
    return [problem["id"] for problem in decided["problems"]]
