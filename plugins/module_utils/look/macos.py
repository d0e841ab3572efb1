# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only a Mac has to say: launchd, the packet filter, volumes, and the other ways in which Ollama comes to it."""

from __future__ import annotations

import glob
import os
import plistlib
import re

from ansible_collections.llmfleet.ollama.plugins.module_utils.look import common

APPS = ("/Applications/Ollama.app", "/Users/*/Applications/Ollama.app")
BREW = ("/Library/LaunchDaemons/homebrew.mxcl.ollama.plist", "/Users/*/Library/LaunchAgents/homebrew.mxcl.ollama.plist")


def _said(arguments, programs):
    """What a program says, an empty text where it fails."""
    answer = common.ask(arguments, path=programs)
    return answer[1] if answer and answer[0] == 0 else ""


def machine(uname, root="", programs=common.PATH):
    # Tells the truth to a Python that runs under Rosetta, too.
    silicon = _said(["sysctl", "-n", "hw.optional.arm64"], programs).strip() == "1"
    return {
        "architecture": "arm64" if silicon else uname.machine,
        "kernel": uname.release,
        "os_name": "macOS",
        # A Python that was built for an old macOS is told 10.16 by the system's own file.
        "os_version": _said(["sw_vers", "-productVersion"], programs).strip(),
        "os_like": [],
        "service_manager": "launchd",
        "display_vendors": [],
        "l4t": None,
        # sudo hides it, and no process shows another one's environment here.
        "controller": None,
    }


# -- the service and the port --------------------------------------------------------------------------------------------


def service(label, plist, programs=common.PATH, root=""):
    answer = common.ask(["launchctl", "print", "system/" + label], path=programs)
    if answer is None:
        raise LookupError("launchctl does not answer")
    loaded = answer[0] == 0
    pid = re.search(r"^\s*pid = (\d{1,9})$", answer[1], re.M) if loaded else None
    return {
        "path": plist if os.path.isfile(root + plist) else None,
        "loaded": loaded,
        "enabled": None,
        "running": bool(loaded and re.search(r"^\s*state = running$", answer[1], re.M)),
        "pid": int(pid.group(1)) if pid else None,
        "started_at": None,
        "needs_reload": False,
    }


def port(number, user, settings="", programs=common.PATH, root=""):
    """The program that listens on the port and does not run as the service's user, and where one that does listens: while its port changes, on the one
    that its daemon names."""
    owner, own = _listeners(number, user, programs)
    said = str(_environment(settings, root).get("OLLAMA_HOST") or "").rpartition(":")[2]
    if own is None and said.isdigit() and int(said) != number:
        own = _listeners(int(said), user, programs)[1]
    return {"port_owner": owner, "own_listener": own}


def _listeners(number, user, programs):
    owner = own = None
    command = login = ""
    for line in _said(["lsof", "-nP", "-iTCP:%d" % number, "-sTCP:LISTEN", "-FcLn"], programs).splitlines():
        if line.startswith("p"):
            command = login = ""
        elif line.startswith("c"):
            command = line[1:]
        elif line.startswith("L"):
            login = line[1:]
            if login != user:
                owner = owner or command or "a process without a name"
        elif line.startswith("n") and login == user:
            own = own or line[1:]
    return owner, own


def _environment(settings, root):
    """What the daemon gives the server; nothing where there is no daemon, or none that can be read."""
    try:
        found = plistlib.loads(common.read_file(root + settings) or b"")["EnvironmentVariables"]
    except Exception:  # no daemon, or a file that is no list of properties: plistlib lets through whatever its parsers raise
        return {}
    return found if isinstance(found, dict) else {}


def door(label, programs=common.PATH):
    """pfctl writes a remark about ALTQ to its standard error each time, and fails on an anchor that nobody has loaded."""
    loaded = common.ask(["launchctl", "print", "system/" + label], path=programs)
    rules = _said(["pfctl", "-a", "com.apple/" + label, "-s", "rules"], programs)
    return {
        "loaded": bool(loaded and loaded[0] == 0),
        "enabled": bool(re.search("^Status: Enabled", _said(["pfctl", "-s", "info"], programs), re.M)),
        "calls_us": 'anchor "com.apple/*"' in _said(["pfctl", "-s", "rules"], programs),
        "rules": sum("port" in line for line in rules.splitlines()),
    }


def addresses(name, programs=common.PATH):
    """An address answers for itself; a name that nobody knows has none."""
    if ":" in name or not name.strip("0123456789."):
        return [name]
    told = _said(["dscacheutil", "-q", "host", "-a", "name", name], programs)
    return list(dict.fromkeys(re.findall(r"^ip(?:v6)?_address: +(\S+)$", told, re.M)))


# -- places --------------------------------------------------------------------------------------------------------------


def place(path, programs=common.PATH, root=""):
    """A path below /Volumes is a directory of the system disk while its volume is not mounted."""
    parts = path.split("/")
    volume = "/".join(parts[:3])
    missing = volume if parts[:2] == ["", "Volumes"] and not os.path.isdir(root + volume) else None
    point, options = volume_of(path, programs, root)
    return {
        "missing_mount": missing,
        "filesystem": options[0] if options else None,
        "free_bytes": common.free_bytes(path, root),
        # External disks ignore owners unless told otherwise.
        "ownerless_volume": point if "noowners" in options else None,
    }


def volume_of(path, programs=common.PATH, root=""):
    """(mount point, [type, options ...]) of the volume that holds a path. Firm links keep the directories above from telling it."""
    rows = _said(["df", "-P", root + common.nearest(path, root)], programs).splitlines()
    point = re.sub(r"^.*% +", "", rows[1]) if len(rows) > 1 else None
    for line in _said(["mount"], programs).splitlines():
        before, _on, options = line.rpartition(" (")
        if point and before.endswith(" on " + point):
            return point, options.rstrip(")").split(", ")
    return point, []


def stores(settings, moving, root=""):
    """Where models may lie: where the daemon keeps them now, and the stores of a move that was cut off, one a line."""
    noted = common.read_text(root + moving).split("\n")
    return [path for path in [_environment(settings, root).get("OLLAMA_MODELS")] + noted if isinstance(path, str) and path]


def first(patterns, root=""):
    """The first path that is there."""
    return next((path[len(root) :] for pattern in patterns for path in sorted(glob.glob(root + pattern))), None)


# -- the whole -----------------------------------------------------------------------------------------------------------


def jobs(question, root="", programs=common.PATH):
    """[(job, [(field, function)])]: each job is one child, and what one step hangs in costs the others nothing."""
    install, store = question["install_dir"], question["models_dir"]
    found = [
        ("service", [
            ("service", lambda: service(question["service"], question["settings"], programs, root)),
            ("port", lambda: port(question["port"], question["user"], question["settings"], programs, root)),
            ("door", lambda: door(question["door"], programs)),
        ]),
        ("places", common.places(question, "Darwin", root, programs) + [
            ("install", lambda: dict(
                place(install, programs, root), releases=common.releases(install, root), moving=os.path.lexists(root + question["moving"]),
                ours=None,
            )),
            ("store", lambda: dict(place(store, programs, root), has_entries=common.has_entries(store, root))),
            ("other_stores", lambda: common.other_stores(store, stores(question["settings"], question["moving"], root), root)),
            ("desktop_app", lambda: first(APPS, root)),
            ("brew_service", lambda: first(BREW, root)),
        ]),
    ]
    return found + common.strangers(question, root, lambda name: addresses(name, programs))


def assemble(values):
    """The fields that only this system fills."""
    return {"gpu_groups": [], "desktop_app": values.get("desktop_app"), "brew_service": values.get("brew_service")}
