# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only Linux has to say: systemd, sockets in /proc, nftables, mounts, and where the controller comes from."""

from __future__ import annotations

import calendar
import os
import re
import time

from ansible_collections.llmfleet.ollama.plugins.module_utils.look import common
from ansible_collections.llmfleet.ollama.plugins.module_utils.probe.port_owner import holder, holds, listening
from ansible_collections.llmfleet.ollama.plugins.module_utils.probe.system import graphics_cards, mounts
from ansible_collections.llmfleet.ollama.plugins.module_utils.vendors import OF_ID

GPU_GROUPS = ("render", "video")
PROPERTIES = (
    "FragmentPath", "LoadState", "ActiveState", "MainPID", "ExecMainStartTimestamp", "NeedDaemonReload", "UnitFileState", "Environment",
    "User",
)
NAMELESS = "a process without a name"
# Without its word nothing can be decided, and where many things happen at once systemd takes its time; the look as a whole has an end anyway.
SYSTEMD_SECONDS = 15


# -- the machine ---------------------------------------------------------------------------------------------------------


def machine(uname, root="", programs=common.PATH):
    release = {}
    for line in common.system_text("/etc/os-release", root).splitlines():
        name, _equals, value = line.partition("=")
        release[name] = value.strip().strip("'\"")
    jetson = re.match(r"# R(\d{1,4}) ", common.system_text("/etc/nv_tegra_release", root))
    return {
        "architecture": uname.machine,
        "kernel": uname.release,
        "os_name": release.get("PRETTY_NAME") or release.get("NAME") or uname.sysname,
        "os_version": release.get("VERSION_ID") or "",
        "os_like": ("%s %s" % (release.get("ID", ""), release.get("ID_LIKE", ""))).split(),
        "service_manager": _service_manager(root),
        "display_vendors": sorted({OF_ID[int(card["vendor"], 16)] for card in graphics_cards(root)}),
        "l4t": int(jetson.group(1)) if jetson else None,
        "controller": controller(root),
    }


def _service_manager(root):
    # What sd_booted(3) looks at. Process 1 may be called "init" under every one of them.
    if os.path.isdir(root + "/run/systemd/system"):
        return "systemd"
    return common.read_text(root + "/proc/1/comm").strip() or "unknown"


def controller(root="", pid=None):
    """The address that an SSH client comes from. sudo clears SSH_CLIENT, so the processes above us are asked."""
    pid = pid or os.getpid()
    while pid > 1:
        for setting in common.read_text(root + "/proc/%d/environ" % pid).split("\0"):
            if setting.startswith("SSH_CLIENT=") and setting.split("=", 1)[1].split():
                return setting.split("=", 1)[1].split()[0]
        above = re.search(r"^PPid:\s+(\d{1,9})$", common.read_text(root + "/proc/%d/status" % pid), re.M)
        pid = int(above.group(1)) if above else 0
    return None


def gpu_groups():
    return [name for name in GPU_GROUPS if common.group(name)]


# -- the service and the port --------------------------------------------------------------------------------------------


def unit(name, root="", path=common.PATH):
    """systemd's properties of a unit; none of it on a host that another program runs."""
    if _service_manager(root) != "systemd":
        return {}
    answer = common.ask(["systemctl", "show", name, "-p", ",".join(PROPERTIES)], SYSTEMD_SECONDS, path=path)
    if answer is None or answer[0] != 0:
        raise LookupError("systemd does not answer")
    return dict(line.split("=", 1) for line in answer[1].splitlines() if "=" in line)


def service(properties):
    pid = int(properties.get("MainPID") or 0)
    return {
        "path": properties.get("FragmentPath") or None,
        "loaded": properties.get("LoadState") == "loaded",
        "enabled": properties["UnitFileState"] == "enabled" if properties.get("UnitFileState") else None,
        "running": properties.get("ActiveState") == "active",
        "pid": pid or None,
        "started_at": _seconds(properties.get("ExecMainStartTimestamp")) if pid else None,
        "needs_reload": properties.get("NeedDaemonReload") == "yes",
    }


def _seconds(text):
    """`Wed 2026-11-25 15:11:27 UTC`, as systemd writes it with TZ=UTC, in seconds of Unix time."""
    try:
        return calendar.timegm(time.strptime(text, "%a %Y-%m-%d %H:%M:%S UTC"))
    except (TypeError, ValueError):
        return None


def port(number, pid, root=""):
    """Who else listens on the port, and where process `pid` listens, in the words of `ss`."""
    proc = root + "/proc"
    sockets = listening(proc)
    own = holds(os.path.join(proc, str(pid), "fd"), {row.inode for row in sockets}) if pid else set()
    mine = [row for row in sockets if row.inode in own]
    others = {row.inode for row in sockets if row.port == number} - own
    owner = None
    if others:
        owner = (holder(others, proc) or ("",))[0] or NAMELESS
    return {"port_owner": owner, "own_listener": _listener(mine) if mine else None}


def _listener(rows):
    row = rows[0]
    if row.address == "::" and not any(other.address == "0.0.0.0" and other.port == row.port for other in rows):
        # Go listens on both with one socket, and a host may have no ::1 to ask.
        return "*:%d" % row.port
    return ("[%s]:%d" if ":" in row.address else "%s:%d") % (row.address, row.port)


def door(table, path=common.PATH):
    """What the kernel has loaded, not what a file says. A host without nftables has neither an error nor a door."""
    answer = common.ask(["nft", "list", "table", "inet", table], path=path)
    if answer is None:
        found = common.tools(["nft"], path)
        return {"error": "nft does not answer" if found else None, "id": None}
    if answer[0] == 0:
        told = re.search(r'comment "llmfleet ([0-9a-f]+)"', answer[1])
        return {"error": None, "id": told.group(1) if told else None}
    # Without the table that is an error, too; only this tells whether nftables works.
    working = common.ask(["nft", "list", "tables"], path=path)
    complaint = working[2].splitlines() if working else ["nft does not answer"]
    return {"error": complaint[0] if complaint else None, "id": None}


# -- places --------------------------------------------------------------------------------------------------------------


def missing_mount(path, root=""):
    """The mount point of /etc/fstab that should hold a path and is not mounted."""
    there = {point for point, _kind in mounts(root)}
    for line in common.system_text("/etc/fstab", root).splitlines():
        fields = line.split()
        if len(fields) > 1 and not fields[0].startswith("#") and fields[1].startswith("/"):
            point = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match.group(1), 8)), fields[1])
            if (path + "/").startswith(point.rstrip("/") + "/") and (point.rstrip("/") or "/") not in there:
                return point
    return None


def made_by_us(install_dir, root=""):
    """What the role has made in a directory that may have other things in it: links to releases, those that name their archives, what a run left."""
    inside = root + install_dir
    try:
        names = sorted(os.listdir(inside))
    except OSError:
        return []

    def ours(name):
        path = "%s/%s" % (inside, name)
        if name in ("current", "previous"):
            return os.path.islink(path)
        if name in (".before", ".before.new", ".moving"):
            return True
        if name[:1].isdigit():
            return not os.path.islink(path) and os.path.isfile(path + "/archives")
        return re.match(r"[.]\d.*[.]part$", name) is not None

    return [common.told(name) for name in names if ours(name)][: common.MOST]


def filesystem(path, root="", programs=common.PATH):
    """The name that coreutils have for the file system that holds a path: `ext2/ext3`, `nfs`, `fuseblk`."""
    answer = common.ask(["stat", "-f", "-c", "%T", root + common.nearest(path, root)], path=programs)
    return answer[1].strip() or None if answer and answer[0] == 0 else None


def place(path, root="", programs=common.PATH):
    return {
        "missing_mount": missing_mount(path, root),
        "filesystem": filesystem(path, root, programs),
        "free_bytes": common.free_bytes(path, root),
    }


def stores(settings, moving, user, properties, root=""):
    """Where models may lie: where the service keeps them now, and the stores of a move that was cut off, one a line."""
    return [path for path in [_served(settings, user, properties, root)] + common.read_text(root + moving).split("\n") if path]


def _served(settings, user, properties, root):
    if os.path.isfile(root + settings):
        found = re.findall(r'^Environment="OLLAMA_MODELS=(.*)"$', common.read_text(root + settings), re.M)
        return re.sub(r'\\([\\"])', r"\1", found[-1].replace("%%", "%")) if found else None
    # Another installer's service, or none any more: a removal leaves models and user.
    environment = properties.get("Environment") or ""
    named = re.search(r'"OLLAMA_MODELS=([^"]*)"', environment) or re.search(r"OLLAMA_MODELS=(\S*)", environment)
    owner = properties.get("User") or ("root" if properties.get("FragmentPath") else user)
    home = common.home(owner)
    return named.group(1) if named else home and home + "/.ollama/models"


# -- the whole -----------------------------------------------------------------------------------------------------------


def jobs(question, root="", programs=common.PATH):
    """[(job, [(field, function)])]: each job is one child, and what one step hangs in costs the others nothing."""
    known = {}

    def properties():
        if "unit" not in known:
            known["unit"] = unit(question["service"], root, programs)
        return known["unit"]

    def other_stores():
        owner = {} if os.path.isfile(root + question["settings"]) else properties()
        return common.other_stores(store, stores(question["settings"], question["moving"], question["user"], owner, root), root)

    install, store = question["install_dir"], question["models_dir"]
    found = [
        ("service", [
            ("service", lambda: service(properties())),
            ("port", lambda: port(question["port"], service(properties())["pid"], root)),
            ("door", lambda: door(question["door"], programs)),
        ]),
        ("places", common.places(question, "Linux", root, programs) + [
            ("gpu_groups", gpu_groups),
            ("install", lambda: dict(
                place(install, root, programs), releases=common.releases(install, root), moving=os.path.lexists(root + question["moving"]),
                ours=made_by_us(install, root),
            )),
            ("store", lambda: dict(place(store, root, programs), has_entries=common.has_entries(store, root))),
            ("other_stores", other_stores),
        ]),
    ]
    return found + common.strangers(question, root, common.addresses)


def assemble(values):
    """The fields that only this system fills."""
    return {"gpu_groups": values.get("gpu_groups"), "desktop_app": None, "brew_service": None}
