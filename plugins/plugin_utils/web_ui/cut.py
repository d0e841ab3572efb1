# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a change leaves on the host for the run that comes next, and what that one does about it."""

from __future__ import annotations

from ansible_collections.llmfleet.ollama.plugins.module_utils.open_webui.data import SECRET
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.web_ui import address
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.web_ui.wish import Wish

# Seconds for a release that this run does not want: it stays if it serves, since people may have chatted with it, and is not waited for.
GLANCE = 10


def is_open(seen: dict) -> bool:
    return seen["record"] is not None or seen["previous"]["exists"]


def change(wish: Wish, seen: dict, url: str, saved: str) -> dict:
    """What module host_change writes down before the first change. url: where the container from before answers; saved: the archive that is made of its
    data, empty where no other release gets them."""
    there = seen["container"]
    before = {"id": there.get("id") or "", "image": there["image_id"] or "", "version": there["version"] or "", "url": url, "saved": saved}
    paths = ["%s/%s" % (wish.secrets_dir, name) for name in ("environment", SECRET)]
    return _change(wish, seen, before, paths)


def restoring(wish: Wish, seen: dict, archive: str, saved: str) -> dict:
    """The same of a restore. A key that the user's vault gives wins over the archive's."""
    return _change(wish, seen, {"restoring": archive, "restore_key": not wish.secret_key, "saved": saved}, [])


def _change(wish: Wish, seen: dict, before: dict, paths: list) -> dict:
    data = seen["data"]
    owned = {name: -1 if data.get(name) is None else data[name] for name in ("owner", "group")}
    return {"record": wish.config_dir + "/.before", "asked": wish.version, "paths": paths, "before": {"data": data["path"] or "", **owned, **before}}


def settled(wish: Wish, seen: dict) -> str:
    """The record that a removal takes away; empty where an archive came half, which the next installation has to know."""
    half = seen["record"] is not None and seen["record"]["before"]["restoring"] and not wish.purge
    return "" if half else wish.config_dir + "/.before"


def former(wish: Wish, patience: int) -> dict:
    """Options of module open_webui_former."""
    return {
        "docker_host": wish.docker_host,
        "name": wish.container,
        "record": wish.config_dir + "/.before",
        "url": address.local_url(wish) + "/ready",
        "patience": patience,
        "data": wish.data,
        "uid": wish.uid,
        "gid": wish.gid,
        "secret_path": "%s/%s" % (wish.secrets_dir, SECRET),
        "logs": wish.backup_dir,
        "dump_command": wish.database_dump_command,
        "restore_command": wish.database_restore_command,
    }


def late(wish: Wish, seen: dict) -> dict:
    """The same, after a run that was cut off."""
    record = seen["record"]
    return {"late": True, "seconds": wish.patience if record is None or record["asked"] == wish.version else GLANCE}
