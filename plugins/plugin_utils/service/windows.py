# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The service on Windows: a scheduled task that runs a launcher, and a door of one rule of Windows Firewall."""

from __future__ import annotations

import re

from ansible_collections.llmfleet.ollama.plugins.module_utils.bytes import GIB, gib
from ansible_collections.llmfleet.ollama.plugins.module_utils.defaults import path_of

from . import address, release, warm
from . import store as store_of
from . import wish as wishes
from .contract import File, Problem, Question, Service
from .decision import Decision
from .found import by_path, holds
from .render import render

TASK = "ollama"
RULE = "llmfleet ollama"
PROOFS = path_of("proofs", "Windows")
ACCOUNTS = {"SYSTEM": "S-1-5-18", "LOCAL SERVICE": "S-1-5-19", "NETWORK SERVICE": "S-1-5-20"}
SYSTEM, ADMINISTRATORS = "S-1-5-18", "S-1-5-32-544"
# Windows Server 2019 and Windows 10 22H2: below these, ollama needs no longer run.
OLDEST_BUILD = {"server": 17763, "client": 19045}
# What keeps links and rights.
FILESYSTEMS = ("NTFS", "ReFS")
# The archives of a release and what is unpacked from them, with room to spare.
RELEASE_BYTES = 8 * GIB
# What a server makes in its store.
STORE = ("blobs", "manifests", store_of.NEWER_NAMES)
_PATH = re.compile(r"[A-Za-z]:(\\[A-Za-z0-9_.+-]+( [A-Za-z0-9_.+-]+)*)+$")
# Of the directory of the releases: what lies there is run by a service. SYSTEM and the administrators write, users and the service's account read and run.
_RIGHTS = "O:BAG:BAD:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;0x1200a9;;;BU)(A;OICI;0x1200a9;;;%s)"
_ONE_ADDRESS = re.compile(r"/(32|128)$")


def path_problems(wish):
    """Paths that cmd.exe and the model runner cannot carry; they are not even looked at."""
    for name in ("install_dir", "models_dir"):
        path = getattr(wish, name)
        if not _PATH.match(path):
            return [Problem(
                "path_letters", wishes.variable(name),
                '%s is "%s"; write a directory on a drive, of ASCII letters, digits, spaces and _.+- only, such as D:\\ollama, because the launcher and the '
                "model runner fail on others." % (wishes.variable(name), path),
            )]
    return []


def question(wish, around):
    places = _places(wish)
    return Question(
        system="windows", user=account(wish), port=wish.port, url=address.addresses(wish, around)["local"], install_dir=wish.install_dir,
        models_dir=wish.models_dir, service=TASK, door=RULE, settings=places["launcher"], moving=places["moving"],
        record=places["record"],
        paths=(
            wish.install_dir, wish.models_dir, places["current"], places["service"], places["launcher"], places["home"], places["logs"], PROOFS,
            _newer_names(wish), warm.place("windows", wish.install_dir).list, places["record"],
        ),
        names=address.door_names(wish, around),
    )


def not_root(_around):
    return Problem(
        "not_root", "ansible_user",
        "The account in ansible_user has no administrator rights on this host; name one that has, or set ansible_become with runas.",
    )


def decide(wish, look, around):
    """For a host that shall have the service."""
    return _Decision(wish, look, around).made()


def account(wish):
    """The SID of the service's account, '' for one that no task may run as."""
    return ACCOUNTS.get(wish.user.upper(), "")


def _places(wish):
    return {name: "%s\\%s" % (wish.install_dir, part) for name, part in (
        ("current", "current"), ("service", "service"), ("launcher", "service\\serve.cmd"), ("home", "home"), ("logs", "logs"), ("moving", ".moving"),
        ("record", ".before"), ("binary", "current\\ollama.exe"),
    )}


def _newer_names(wish):
    return "%s\\%s" % (wish.models_dir, store_of.NEWER_NAMES)


def _another(seen, wanted):
    """Is what was seen another thing than what is wanted? What it says beside that is of no account."""
    return seen is None or any(seen[name] != value for name, value in wanted.items())


def _inherit(right, *sids):
    """Arguments of icacls: what these may do with a directory and with all that will lie in it."""
    return ["*%s:(OI)(CI)%s" % (sid, right) for sid in sids]


def _ours(files, install_dir):
    """Closed, and by an administrator: every user may make a directory in the root of a drive, and its owner may do with it as he likes."""
    entry = files.get(install_dir) or {}
    return bool(entry.get("protected")) and entry.get("owner") in (SYSTEM, ADMINISTRATORS)


class _Decision(Decision):
    """One Windows host that shall have the service."""

    HOME, LEFTOVER = "USERPROFILE", r"[.](new|zip)$"

    def __init__(self, wish, look, around):
        super().__init__(wish, look, around)
        self.sid, self.ours = account(wish), _ours(self.files, wish.install_dir)

    @staticmethod
    def places_of(wish):
        return _places(wish)

    def _problems(self):
        return [problem for check in _HOST_CHECKS for problem in check(self)]

    def _warnings(self):
        others = self.look["door"]["others"] if self.guarded else []
        if not others:
            return []
        return [
            "Other rules of Windows Firewall admit to port %d (ollama_port) as well: %s; switch them off (Disable-NetFirewallRule -DisplayName ...), or "
            "narrow them to other ports or programs." % (self.wish.port, ", ".join(others))
        ]

    def _prepare(self):
        wish = self.wish
        vendors = self.look["display_vendors"] if "auto" in wish.accelerators else wish.accelerators
        self.archives = release.archives("windows", wishes.numbers(wish.version), release.architecture(self.look["architecture"]), vendors)
        self.launcher, self.task, self.door = self._launcher(), self._task(), self._door()
        self.task_differs = _another(self.look["task"], self.task)
        self.written = [self.launcher]

    @property
    def restart(self):
        answers = self.look["api"]["version"] == self.wish.version
        return self.current != self.wish.version or self.launcher.differs or self.task_differs or not self.look["service"]["running"] or not answers

    def _launcher(self):
        content = render(
            "windows/serve.cmd.j2", environment=self.environment, log=self.places["logs"] + "\\server.log", program=self.places["binary"],
        ).replace("\n", "\r\n")
        path = self.places["launcher"]
        return File(path, None, content, not holds(self.files.get(path), content), "service", secret=True)

    def _task(self):
        # The clock trigger is what restarts a server that ended: "ignore new" makes it a no-op while one runs. Task Scheduler's own
        # restart-on-failure only counts tasks that could not be started.
        return {
            "execute": "%SystemRoot%\\System32\\cmd.exe",
            # /s takes exactly the outer quotes away, whatever the path holds.
            "arguments": '/d /s /c ""%s""' % self.places["launcher"],
            "account": self.sid, "triggers": ["boot", "time PT1M"], "instances": "IgnoreNew", "limit": "PT0S", "batteries": False, "priority": 5,
            "enabled": True,
        }

    def _door(self):
        admitted = address.admitted(self.wish, self.around, self.look)
        rule = self.look["door"]["rule"]
        wanted = {
            "enabled": True, "inbound": True, "allow": True, "tcp": True, "port": str(self.wish.port),
            "addresses": sorted(admitted["ipv4"] + admitted["ipv6"]),
        }
        seen = rule and {**rule, "addresses": sorted(_ONE_ADDRESS.sub("", entry) for entry in rule["addresses"])}
        # Windows admits nobody without a rule.
        needed = self.guarded and bool(wanted["addresses"])
        return {
            **admitted, "guarded": self.guarded, "rule": wanted, "differs": needed and _another(seen, wanted), "remove": rule is not None and not needed,
        }

    def _steps(self):
        wish, look = self.wish, self.look
        whole = ["%s-%s" % (wish.version, name) for name in self.archives]
        release_dir = "%s\\%s" % (wish.install_dir, wish.version)
        return {
            **self._recorded(),
            **self._returning(),
            "start": self.restart, "load_door": self.guarded and (self.door["differs"] or self.door["remove"]),
            # The role moves no models here; a store from before is refused, or left.
            "other_stores": [], "models_move": wish.models_move, "move_noted": False,
            "needs_engine": wishes.numbers(wish.version) >= release.FIRST_ENGINE,
            "sources": release.places(wish, self.around, self.archives), **release.mirror_steps(self.around, wish.version),
            "release_dir": release_dir, "unpacked": release_dir + ".new",
            "downloads": [self._download(archive, release_dir) for archive in release.sources(wish, self.around, self.archives)],
            # A whole archive of this release is not downloaded again.
            "unfinished": [] if self.releases.complete else [name for name in self.releases.leftovers if name not in whole],
            "directories": [path for path, _rights in self._directories()],
            "rights": [command for _path, rights in self._directories() for command in rights],
            "task": self.task, "task_differs": self.task_differs, "run_level": "highest" if wish.user.upper() == "SYSTEM" else "limited",
            "add_path": not look["on_path"],
            # A machine-wide 0.0.0.0 would be dialled by the command line, which fails on Windows.
            "set_machine_host": look["machine_ollama_host"] != self.addresses["cli"],
            "remove_releases": self.releases.outdated + self.failed,
            # Where the server from before is back.
            "failed_releases": self._failed_releases(),
        }

    def _recorded(self):
        """The link is the way back's own business, since the server has to be stopped for it; a rule is kept as the look has it."""
        steps = self._old().steps(self.places["record"], self.wish.version, [self.launcher.path])
        rule = self.look["door"]["rule"]
        rights = "" if self.ours else _RIGHTS % self.sid
        steps["change"].update(task=TASK, door=RULE, rule=rule and {name: rule[name] for name in ("port", "addresses")}, rights=rights)
        return steps

    def _failed_releases(self):
        old = self._old()
        return [name for name in dict.fromkeys((*old.tried, self.wish.version)) if name not in (*old.releases, self.old)]

    @staticmethod
    def _download(archive, release_dir):
        """An archive as the module that fetches it wants it: where it lies until it is unpacked, and a checksum or a list of them."""
        listed = "://" in archive.sha256
        return {
            "name": archive.name, "url": archive.url, "path": "%s-%s" % (release_dir, archive.name), "proxied": archive.proxied,
            "checksum": "" if listed else archive.sha256, "checksum_url": archive.sha256 if listed else "",
        }

    def _directories(self):
        """Those that are not there with their rights, and the commands that give them these."""
        closed = ["/inheritance:r", "/grant:r", *_inherit("F", SYSTEM, ADMINISTRATORS)]
        modify = _inherit("M", self.sid)
        wanted = (
            (self.places["service"], "protected", closed + _inherit("RX", self.sid)), (self.places["home"], "granted", closed + modify),
            # Ollama writes its environment into it, a proxy's password too.
            (self.places["logs"], "protected", closed + modify), (self.wish.models_dir, "granted", ["/grant", *modify]),
        )
        return [(path, self._given(path, rights)) for path, ready, rights in wanted if not self._is_ready(path, ready)]

    def _is_ready(self, path, ready):
        entry = self.files.get(path) or {}
        # An owner may do with it as he likes. The store may be a disk of the user's own.
        return bool(entry.get(ready)) and (path == self.wish.models_dir or entry.get("owner") in (SYSTEM, ADMINISTRATORS))

    def _given(self, path, rights):
        command, entry = ["icacls.exe", path], self.files.get(path) or {}
        if path == self.wish.models_dir or entry.get("owner") in (None, SYSTEM, ADMINISTRATORS):
            return [[*command, *rights]]
        # What somebody has granted himself there stays beside what is granted now.
        return [[*command, "/setowner", "*" + ADMINISTRATORS], [*command, "/reset"], [*command, *rights]]

    def _changes(self, steps):
        """In the order in which they are done, for people."""
        wish, owned = self.wish, ", ".join(steps["directories"])
        said = [
            (not self.releases.complete, "fetch Ollama %s" % wish.version),
            (owned, "give %s to %s" % (owned, wish.user)),
            (self.launcher.differs, "write %s" % self.launcher.path),
            (self.task_differs, "define task %s" % TASK),
            (self.door["differs"], "write firewall rule %s" % RULE),
            (self.current != wish.version, "run %s instead of %s" % (wish.version, self.current or "nothing")),
            (self.restart, "start task %s" % TASK),
            (steps["add_path"], "put %s on the machine's PATH" % self.places["current"]),
            (steps["set_machine_host"], "set the machine's OLLAMA_HOST to %s" % self.addresses["cli"]),
            (self.door["remove"], "remove firewall rule %s" % RULE),
            *((True, "remove release %s" % name) for name in steps["remove_releases"]),
        ]
        return [sentence for needed, sentence in said if needed]


# ---- what this host cannot do


def _old_system(self):
    look = self.look
    if look["os_build"] < OLDEST_BUILD["server" if look["is_server"] else "client"]:
        yield Problem(
            "system_old", "",
            "%s (build %d) is older than Windows Server 2019 or Windows 10 22H2, which Ollama needs; update it or take it out of the group ollama."
            % (look["os_name"], look["os_build"]),
        )


def _account(self):
    if not self.sid:
        yield Problem(
            "user_unknown", "ollama_user", 'ollama_user is "%s"; on Windows write LOCAL SERVICE, NETWORK SERVICE or SYSTEM.' % self.wish.user,
        )


def _desktop_app(self):
    if self.look["desktop_app"]:
        yield Problem(
            "desktop_app", "",
            "The Ollama desktop app is installed (%s) and stops every other server when it is opened; uninstall it as that user (Settings, Apps, Ollama; "
            "models stay) and run this again, or take this host out of the group ollama." % self.look["desktop_app"],
        )


def _port(self):
    owner, port = self.look["port_owner"], self.wish.port
    if owner and owner.lower() == "wslrelay":
        yield Problem(
            "port_taken_in_wsl", "ollama_port",
            "Port %d is held by an Ollama inside WSL 2 (wslrelay); stop that one (sudo systemctl disable --now ollama in the distribution) or set "
            "ollama_port to another port." % port,
        )
    elif owner:
        yield Problem(
            "port_taken", "ollama_port", "Port %d is held by %s; stop that program or set ollama_port to another port." % (port, owner),
        )
    if self.look["port_excluded"] and not self.look["api"]["version"]:
        yield Problem(
            "port_excluded", "ollama_port",
            "Windows keeps port %d for Hyper-V or WinNAT (netsh int ipv4 show excludedportrange tcp); set ollama_port to a port outside the ranges, or "
            "restart winnat after reserving this one." % port,
        )


def _drives(self):
    places = (("install_dir", self.look["install"]), ("models_dir", self.look["store"]))
    for name, place in places:
        if place["missing_mount"]:
            yield Problem(
                name + "_no_drive", wishes.variable(name),
                "%s is %s, but this host has no such drive of its own; write a directory on a drive that it has."
                % (wishes.variable(name), getattr(self.wish, name)),
            )
    lost = {"install_dir": "neither links nor rights", "models_dir": "no rights"}
    for name, place in places:
        if not place["missing_mount"] and place["filesystem"] not in FILESYSTEMS:
            yield Problem(
                name + "_filesystem", wishes.variable(name),
                "%s is on a %s drive, which keeps %s; write one on NTFS." % (wishes.variable(name), place["filesystem"], lost[name]),
            )


def _other_store(self):
    others = self.look["store"]["other_stores"]
    if others and self.wish.models_move != "leave":
        yield Problem(
            "models_left", "ollama_models_move",
            "ollama_models_dir is %s, but %s holds %s of models, which the role does not move on Windows, whatever ollama_models_move says; move them there "
            "by hand as docs/windows.md says, or set ollama_models_move to leave to start without them."
            % (self.wish.models_dir, others[0]["path"], gib(others[0]["size_bytes"] or 0)),
        )


def _newer_store(self):
    return store_of.problems(self.wish, self.files, _newer_names(self.wish))


def _install_dir(self):
    names, wish = list(self.releases.names), self.wish
    # What an account puts there before the role closes the directory stays its own, and would be run or written to by the service.
    names += [part for part in ("current", "service", "home", "logs") if self.places[part] in self.files]
    # A record that the look believes is closed as it is.
    names += [".before"] if self.places["record"] in self.files and not self.open else []
    owner = (self.files.get(wish.install_dir) or {}).get("owner") or ADMINISTRATORS
    if not names and owner not in (SYSTEM, ADMINISTRATORS):
        yield Problem(
            "install_dir_owner", "ollama_install_dir",
            "ollama_install_dir (%s) belongs to the account %s, which keeps what it may do there; remove that directory or write another one."
            % (wish.install_dir, owner),
        )
    if names and not self.ours:
        yield Problem(
            "install_dir_of_others", "ollama_install_dir",
            "ollama_install_dir (%s) holds %s already, and others than administrators may have put it there; remove that or write another directory."
            % (wish.install_dir, ", ".join(names)),
        )
    place = self.look["install"]
    free = place["free_bytes"] or 0
    if not self.releases.complete and not place["missing_mount"] and free < RELEASE_BYTES:
        yield Problem(
            "install_dir_full", "ollama_install_dir",
            "ollama_install_dir (%s) has %s free, but a release needs %s; free some space or write another directory."
            % (wish.install_dir, gib(free), gib(RELEASE_BYTES)),
        )


def _firewall(self):
    off = self.look["door"]["off"]
    if self.guarded and off:
        yield Problem(
            "firewall_off", "ollama_firewall",
            "Windows Firewall is off for the profile %s, so the door would stand open; turn it on, set ollama_host to 127.0.0.1, or ollama_firewall to none "
            "and ollama_accept_open_port to true." % ", ".join(off),
        )
    if self.guarded and self.look["door"]["open"] and not off:
        yield Problem(
            "firewall_open", "ollama_firewall",
            "Windows Firewall admits what no rule forbids in the profile %s (DefaultInboundAction), so the door would stand open; set it to block "
            "(Set-NetFirewallProfile -DefaultInboundAction Block), ollama_host to 127.0.0.1, or ollama_firewall to none and ollama_accept_open_port to true."
            % ", ".join(self.look["door"]["open"]),
        )


def _quotes(self):
    quoted = [name for name, value in self.environment.items() if '"' in value]
    if quoted:
        yield Problem(
            "environment_quote", "ollama_environment",
            "ollama_environment: %s holds a double quote, which cmd.exe cannot carry; write the value without it." % ", ".join(quoted),
        )


_HOST_CHECKS = (_old_system, _account, _desktop_app, _port, _drives, _other_store, _newer_store, _install_dir, _firewall, _quotes)


def remove(wish, look):
    """For a host that shall not have it: exactly what the role made goes. Models and key stay unless purge says so."""
    files, places, names = by_path(look), _places(wish), look["install"]["releases"]
    task, rule = look["task"] is not None, look["door"]["rule"] is not None
    # A directory that the role never closed is somebody else's.
    ours = _ours(files, wish.install_dir)
    if wish.purge:
        store = [wish.models_dir] if wish.models_dir == wishes.PLACES["windows"]["models_dir"] else ["%s\\%s" % (wish.models_dir, part) for part in STORE]
        made = ["%s\\%s" % (wish.install_dir, name) for name in [*names, "service", "logs", "home", ".moving", ".before"]]
        paths = store + [PROOFS] + (([wish.install_dir] if wish.install_dir == wishes.PLACES["windows"]["install_dir"] else made) if ours else [])
    else:
        left = [".before"] if places["record"] in files else []
        paths = ["%s\\%s" % (wish.install_dir, name) for name in [*names, "service", "logs", *left]] if ours else []
    releases = ["%s\\%s" % (wish.install_dir, name) for name in names]
    steps = {
        "stop": task or places["current"] in files, "remove_task": task, "remove_rule": rule, "remove_path": look["on_path"],
        # While the service is there the value is ours, whatever port it had.
        "remove_machine_host": task and bool(look["machine_ollama_host"]), "remove": paths,
    }
    said = [
        (steps["stop"], "stop Ollama"), (task, "remove task %s" % TASK), (rule, "remove firewall rule %s" % RULE),
        (look["on_path"], "take %s off the machine's PATH" % places["current"]), (steps["remove_machine_host"], "remove the machine's OLLAMA_HOST"),
        *((path in files or path in releases, "remove %s" % path) for path in paths),
    ]
    return Service(version=wish.version, steps=steps, changes=[sentence for needed, sentence in said if needed])
