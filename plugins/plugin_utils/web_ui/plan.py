# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what the inventory wants of one web UI, and what its host has, to what has to be done."""

from __future__ import annotations

import dataclasses
import posixpath
import time
import typing
from collections.abc import Collection

from ansible_collections.llmfleet.ollama.plugins.module_utils.gateway.client import KEY_FILE, TRUST_FOLDER
from ansible_collections.llmfleet.ollama.plugins.module_utils.open_webui.data import MADE
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.web_ui import (
    address,
    container,
    cut,
    database,
    door,
    environment,
    front,
    models,
    outcome,
    way_back,
    wrong_host,
    wrong_wishes,
)
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.web_ui.backends import resolved_mode
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.web_ui.wish import Wish

# Seconds that a release which has served before gets: a short patience with the new one is no reason to give up on it.
PATIENCE = 180


class Around(typing.NamedTuple):
    """What the rest of the inventory, the facts and the run say. me, address: the host's name and ansible_host. now: seconds of Unix time."""

    me: str
    address: str = ""
    connection: str = ""
    os_family: str = ""
    check_mode: bool = False
    hostvars: typing.Mapping = {}
    now: float = 0


def decide(
    wish: Wish,
    around: Around,
    seen: dict | None = None,
    checks: Collection[str] = (),
    archive: dict | None = None,
    given: dict | None = None,
) -> dict:
    """The plan of one web UI. No value of it is a secret.

    seen: what module open_webui_probe found. checks: which problems are looked for (CHECKS). archive: what the archive says of itself that is
    restored, None where there is no restore. given: what only one of the checks knows of. Where there are problems, the rest may be missing.
    """
    door_of_all = front.front_of(around.hostvars, around.me)
    gateway = front.used(door_of_all, wish.backends)
    if door_of_all and door_of_all.page and not wish.url:
        wish = dataclasses.replace(wish, url=door_of_all.url)
    # A gateway of the same host is asked from there, too, and not from a network of the engine, which it does not let in.
    near = [*wish.backend_hosts, *([gateway.host] if gateway else [])]
    network_mode = resolved_mode(wish.network_mode, near, around.me)
    plan = {
        "problems": [],
        "changes": [],
        "impossible": wrong_wishes.impossible(around.me, around.os_family),
        "image": wish.image_ref,
        "socket": wish.socket,
        "secrets_dir": wish.secrets_dir,
        "previous": wish.container + "-previous",
        "record": wish.config_dir + "/.before",
        "uid": wish.uid,
        "gid": wish.gid,
        "url": address.public_url(wish, around.me, around.address, around.connection),
        "local_url": address.local_url(wish),
        "network_mode": network_mode,
        "settings": {"WEBUI_URL": wish.url} if wish.url else {},
        "restore_file": _restore_file(wish),
        "warnings": [],
    }
    if "wishes" in checks and wish.state == "present":
        plan["problems"] = wrong_wishes.problems(wish, around.me, around.os_family, network_mode == "host")
    if plan["problems"]:
        return plan
    there = database.parse(wish.database_url) if database.readable(wish.database_url) else database.Database()
    plan["database"] = {"host": there.host, "port": there.port}
    plan["look"] = _look(wish, plan)
    if seen:
        plan.update(_for_the_host(wish, around, seen, network_mode, plan["url"], archive, bool(gateway and gateway.own)))
        plan["changes"] = [name for name in CHANGES if plan["steps"][name]]
    for name in checks:
        plan["problems"] += CHECKS[name](Case(wish, around.check_mode, seen, archive, given))
    return plan


def _look(wish: Wish, plan: dict) -> dict:
    """Options of module open_webui_probe, but for the image and the secrets."""
    return {
        "docker_host": wish.docker_host,
        "name": wish.container,
        "data": wish.data,
        "port": wish.port,
        "secrets_dir": wish.secrets_dir,
        "record": plan["record"],
        "database_host": plan["database"]["host"],
        "database_port": plan["database"]["port"],
        "commands": [] if wish.sqlite else [command for command in (wish.database_dump_command, wish.database_restore_command) if command],
        # One with a key of its own is asked by the web UI, which has it.
        "backends": [backend["url"] for backend in wish.backends if not backend.get("key_file")],
        "door": door.LOOK,
    }


def _restore_file(wish: Wish) -> str:
    """Where the archive of a restore lies on the host."""
    return wish.restore_archive if wish.restore_remote_src else "%s/%s" % (wish.backup_dir, posixpath.basename(wish.restore_archive))


# Steps that say by themselves that the host is not as it shall be; whether the container differs, the engine says.
CHANGES = ("engine", "python", "cut", "takeover", "pull", "secrets", "install_nft", "remove_door")


def _for_the_host(wish: Wish, around: Around, seen: dict, network_mode: str, url: str, archive: dict | None, trusts: bool) -> dict:
    there, data, image, secrets = (seen[part] for part in ("container", "data", "image", "secrets"))
    act = not around.check_mode
    # The Docker modules cannot even look without it, and a dry run installs nothing.
    modules = seen["requests"] or act
    strange = wrong_host.by_hand(seen)
    upgrade = there["exists"] and (way_back.changes_image(seen) or strange)
    kept = secrets["key"] and secrets["environment"]
    volume = not wish.data.startswith("/")
    compared = act or (image["present"] and seen["requests"])
    steps = {
        "engine": brings_engine(wish, seen) and act,
        "install_engine": installs_engine(wish, seen) and act,
        "python": not seen["requests"],
        "cut": cut.is_open(seen),
        "takeover": strange,
        "try_administrator": bool(there["running"] and there["ports"]),
        "pull": not image["present"] or wish.pull == "always",
        "judge_image": judges_image(seen, around.check_mode),
        "secrets": not kept,
        "take_key": strange and not secrets["key"] and not wish.secret_key,
        "container": compared,
        "restart": act and (secrets["stale"] or not kept),
        # Without a look at the container.
        "act": not kept or (act and secrets["stale"]) or not compared,
        "configure": act or there["running"],
        "forget": act and _shall_forget(wish, seen, kept),
        "save": bool(data["database"] or wish.database_dump_command),
        "upgrade": upgrade,
        "data": not data["exists"] or data["owner"] != wish.uid,
        "make_volume": volume and not data["exists"] and modules,
        "own_data": act or data["exists"],
        "remove_python": not seen["requests"] and (there["exists"] or seen["previous"]["exists"] or (wish.purge and data["exists"])),
        "remove": modules,
        "lets_go": there["exists"] or cut.is_open(seen) or wish.purge or seen["door"]["unit"],
        "remove_volume": volume and data["exists"] and modules,
        # Only a folder that holds Open WebUI's database: a wrong path must not cost anybody's files.
        "remove_folder": not volume and data["database"],
    }
    guard = door.plan(wish, seen, network_mode == "host", act)
    steps.update(guard["steps"])
    warnings = door.warnings(wish, seen) if wish.state == "present" else []
    running = there["version"] or wish.version
    archives = _archives(wish, "%s-from-%s" % ("takeover" if strange else "upgrade", running), around.now)
    saved = archives["change"]["path"] if upgrade and steps["save"] else ""
    former_url = "http://%s:%s/ready" % (address.bracketed(address.local_address(wish)), next(iter(there["ports"]), wish.port))
    return {
        "steps": {name: bool(wanted) for name, wanted in steps.items()},
        "engine_unit": "podman.socket" if "podman" in wish.engine_package else "docker.service",
        "container": container.describe(wish, network_mode, seen["engine"]["podman"], image["command"], trusts),
        "ready_url": container.ready_url(wish, network_mode),
        "comparisons": container.COMPARED_BY_PODMAN if seen["engine"]["podman"] else {},
        "containers": [name for name, found in ((wish.container, there), (wish.container + "-previous", seen["previous"])) if found["exists"]],
        "running": running,
        "calls": _calls(wish),
        "told": outcome.told(wish, url, there["version"], warnings),
        "warnings": warnings,
        "doors": guard["doors"],
        "told_back": outcome.told_back(wish, url, running),
        "pull": "always" if wish.pull == "always" else "missing",
        "dump": wish.backup_dir + "/backup.dump" if wish.database_dump_command else "",
        "restore_dump": wish.backup_dir + "/restore.dump" if wish.database_restore_command else "",
        "archives": archives,
        "change": cut.change(wish, seen, former_url, saved),
        "restoring": cut.restoring(wish, seen, _restore_file(wish), archives["before-restore"]["path"] if steps["save"] else ""),
        "settled": cut.settled(wish, seen),
        "purged": _purged(wish, steps["remove_folder"]),
        "former": cut.former(wish, max(wish.patience, PATIENCE)),
        "late": cut.late(wish, seen),
        "revision": way_back.revision(seen, archive),
        "left_behind": environment.left_behind(wish, there["variables"]),
        "signin_url": "http://127.0.0.1:%s/api/v1/auths/signin" % next(iter(there["ports"]), ""),
        "planned": models.planned_models(wish.backends, wish.backend_hosts, around.hostvars, around.me, network_mode),
    }


def _purged(wish: Wish, folder: bool) -> dict:
    """What a purge takes of two folders that the inventory names, by name: somebody may keep other things there. The folders go where they are empty."""
    config = ("secrets", "default_model", KEY_FILE, TRUST_FOLDER, ".before", ".before.new")
    return {
        "data": list(MADE),
        "config": ["%s/%s" % (wish.config_dir, name) for name in config],
        "folders": [*([wish.data] if folder else []), wish.config_dir],
    }


def _shall_forget(wish: Wish, seen: dict, kept: bool) -> bool:
    """Whether a process will have the administrator's password that needs it no more: the one that makes the account, or one whose first run was cut off
    and that nothing else restarts. Whether the account is there, only SQLite says before the run."""
    there, users = seen["container"], seen["data"].get("users")
    if not there["exists"]:
        return not users
    quiet = kept and not seen["secrets"]["stale"] and not wrong_host.by_hand(seen)
    return bool(wish.sqlite and users and there.get("holds_password") and quiet)


def _archives(wish: Wish, change: str, now: float) -> dict:
    """By what is saved for: the archive's path, and the beginning of the names that are counted with it."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    names = {"manual": "manual", "before-restore": "before-restore", "change": change}
    return {
        reason: {"path": "%s/open-webui-%s-%s.tar.gz" % (wish.backup_dir, name, stamp), "prefix": "open-webui-" + name.partition("-")[0]}
        for reason, name in names.items()
    }


def _calls(wish: Wish) -> dict:
    """Addresses of the engine's own interface by what they do. t: seconds until the server is killed."""
    ours = wish.container
    calls = {"stop": ours + "/stop?t=30", "restart": ours + "/restart?t=30", "put aside": "%s/rename?name=%s-previous" % (ours, ours)}
    return {name: "http://localhost/containers/" + path for name, path in calls.items()}


def brings_engine(wish: Wish, seen: dict) -> bool:
    """Whether the engine is still to be installed or started."""
    return seen["engine"]["error"] is not None and bool(wish.engine_package) and not wrong_host.only_a_client(wish, seen)


def installs_engine(wish: Wish, seen: dict) -> bool:
    """Whether its package is wanted too. Another Docker than the distribution's, which only rests, would be removed by it: docker.io conflicts with
    docker-ce."""
    return brings_engine(wish, seen) and ("podman" in wish.engine_package or not seen["engine"]["programs"])


def judges_image(seen: dict, check_mode: bool) -> bool:
    """Whether another image will get the database, and can be asked which migrations it knows."""
    changes = not seen["container"]["exists"] or way_back.changes_image(seen)
    return changes and seen["image"]["present"] and (seen["requests"] or not check_mode)


class Case(typing.NamedTuple):
    """What a check is asked about; see decide()."""

    wish: Wish
    check_mode: bool
    seen: typing.Any
    archive: typing.Optional[dict]
    given: typing.Any


def _host(case: Case) -> list:
    """Before the engine is there, all else on the host is unknown."""
    return [] if brings_engine(case.wish, case.seen) else _engine(case)


def _engine(case: Case) -> list:
    # What was cut off is ended first, so that the old server serves while somebody mends the rest.
    if cut.is_open(case.seen) and case.seen["engine"]["error"] is None and not case.check_mode:
        return []
    return wrong_host.problems(case.wish, case.seen, case.check_mode)


def _image(case: Case) -> list:
    return way_back.of_an_image(case.wish, case.seen, case.archive) if judges_image(case.seen, case.check_mode) else []


# `wishes` comes before all others. What `given` has to hold stands with the function that reads it.
CHECKS = {
    "wishes": lambda case: [],
    "restore": lambda case: way_back.of_a_restore(case.wish),
    "host": _host,
    # After the engine was installed.
    "engine": _engine,
    "removal": lambda case: wrong_host.of_a_removal(case.wish, case.seen),
    "takeover": lambda case: wrong_host.of_a_takeover(case.wish, **case.given),
    "archive": lambda case: way_back.of_an_archive(case.wish, case.archive),
    "image": _image,
    "revision": lambda case: way_back.of_a_revision(case.wish, case.seen, case.archive, **case.given),
    "backup": lambda case: way_back.of_a_backup(case.wish, case.seen, **case.given),
    "command": lambda case: outcome.of_a_command(case.wish, **case.given),
    "start": lambda case: outcome.of_a_start(case.wish, case.seen, case.given),
}
