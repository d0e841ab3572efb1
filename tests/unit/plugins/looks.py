# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at made-up hosts, whole by the schema: bare ones, on which nothing of ours is."""

from __future__ import annotations

import copy
import hashlib

from ansible_collections.llmfleet.ollama.plugins.plugin_utils.service import linux

STORE = "/usr/share/ollama/.ollama/models"

_BARE = {
    "schema": 1, "is_root": True, "os_like": [], "display_vendors": [], "l4t": None, "observation": None, "files": [],
    "user": {"exists": False, "groups": []}, "gpu_groups": [],
    "service": {"path": None, "loaded": False, "enabled": None, "running": False, "pid": None, "started_at": None, "needs_reload": False},
    "port_owner": None, "own_listener": None, "resolved": [], "controller": None, "tools": [], "read_only": [],
    "install": {"missing_mount": None, "filesystem": None, "free_bytes": 100 << 30, "releases": [], "moving": False, "ours": None},
    "store": {
        "missing_mount": None, "filesystem": None, "free_bytes": 100 << 30, "ownerless_volume": None, "closed_parent": None, "denied": False,
        "has_entries": False, "other_stores": [], "manifests": [],
    },
    "desktop_app": None, "brew_service": None, "api": {"version": None, "models": None, "running": None}, "change": {"record": None, "holder": None},
    "proofs": None, "failed": [],
}
_SYSTEMS = {
    "linux": {
        "system": "linux", "architecture": "x86_64", "kernel": "6.12.0", "os_name": "Debian GNU/Linux", "os_version": "13", "os_like": ["debian"],
        "service_manager": "systemd",
        "door": {"error": None, "id": None}, "tools": ["nft", "runuser", "tar", "zstd"],
    },
    "macos": {
        "system": "macos", "architecture": "arm64", "kernel": "24.0.0", "os_name": "macOS", "os_version": "15.1", "service_manager": "launchd",
        "door": {"loaded": False, "enabled": False, "calls_us": True, "rules": 0},
    },
    "windows": {
        "system": "windows", "architecture": "AMD64", "kernel": "10.0.20348", "os_name": "Microsoft Windows Server 2022 Standard", "os_version": "10.0.20348",
        "service_manager": "windows", "os_build": 20348, "is_server": True, "port_excluded": False, "task": None, "on_path": False,
        "machine_ollama_host": None, "door": {"off": [], "open": [], "others": [], "rule": None},
    },
}


def bare(system, /, **changed):
    """A look at a host of this system; changed: fields, where a dict changes only the keys that it names."""
    look = copy.deepcopy({**_BARE, **_SYSTEMS[system]})
    for name, value in changed.items():
        look[name] = {**look[name], **value} if isinstance(value, dict) and isinstance(look[name], dict) else value
    return look


def there(path, kind="file", **said):
    """An entry of `files`: 0644 of root, unless said otherwise."""
    entry = dict.fromkeys(("mode", "owner", "group", "sha256", "target", "changed_at", "size_bytes", "ours", "protected", "granted"))
    if kind != "link":
        entry.update(mode="0755" if kind == "directory" else "0644", owner="root", group="root")
    return {**entry, "path": path, "kind": kind, **said}


def running(**changed):
    return {"path": linux.UNIT, "loaded": True, "enabled": True, "running": True, "pid": 17, "started_at": 200, "needs_reload": False, **changed}


def left_behind(made, **changed):
    """A look at the Linux host that a decision leaves behind."""
    contents = {file.path: (file.mode, file.content) for file in made.files}
    contents["/opt/ollama/%s/archives" % made.version] = ("0644", made.steps["archives_content"])
    files = [
        there(path, mode=mode, changed_at=100, sha256=hashlib.sha256(content.encode()).hexdigest()) for path, (mode, content) in contents.items()
    ]
    files += [there("/opt/ollama/current", "link", target=made.version, changed_at=95), there("/opt/ollama/%s/bin/ollama" % made.version, changed_at=90)]
    files += [there(linux.CLI, "link", target="/opt/ollama/current/bin/ollama"), there(linux.HOME, "directory"), there(STORE, "directory", owner="ollama")]
    if made.door["guarded"]:
        files.append(there(linux.DOOR_ENABLED, "link", target="../llmfleet-ollama-door.service"))
    return bare("linux", **{
        "files": files, "service": running(), "user": {"exists": True, "groups": ["ollama", "render"]}, "gpu_groups": ["render"],
        "own_listener": made.addresses["bind"], "api": {"version": made.version}, "door": {"id": made.door["id"]}, **changed,
    })
