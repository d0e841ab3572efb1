# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The service on a Mac: a launchd daemon, and a door of rules in an anchor of pf with a daemon that loads them."""

from __future__ import annotations

import os
import re

from ansible_collections.llmfleet.ollama.plugins.module_utils.bytes import GIB, gib
from ansible_collections.llmfleet.ollama.plugins.module_utils.defaults import path_of

from . import address, release, warm
from . import store as store_of
from . import wish as wishes
from .contract import File, Problem, Question, Service
from .decision import Decision
from .found import by_path, holds, unlinkable
from .programs import command
from .render import render

LABEL = "net.llmfleet.ollama"
DOOR_LABEL = LABEL + "-door"
DAEMON = "/Library/LaunchDaemons/%s.plist" % LABEL
DOOR_DAEMON = "/Library/LaunchDaemons/%s.plist" % DOOR_LABEL
RULES = "/etc/pf.anchors/" + DOOR_LABEL
# Below com.apple/ because the main ruleset of every Mac calls com.apple/*: /etc/pf.conf, which system updates rewrite, stays as it is.
ANCHOR = "com.apple/" + DOOR_LABEL
# Emptied at every start of the Mac, as is pf's own list of references.
TOKEN = "/var/run/%s.token" % DOOR_LABEL
CLI = "/usr/local/bin/ollama"
PROOFS = path_of("proofs", "Darwin")
OLDEST_SYSTEM = 14
# The archive of a release and what is unpacked from it, with room to spare.
RELEASE_BYTES = 2 * GIB
# What a server makes in its store.
STORE = ("blobs", "manifests", store_of.NEWER_NAMES)
# What looks at a file before it takes its place.
_VALIDATE = {RULES: "/sbin/pfctl -n -f %s", DOOR_DAEMON: "/usr/bin/plutil -lint %s"}
_PATH = re.compile(r"(/[A-Za-z0-9._@+-]+( [A-Za-z0-9._@+-]+)*)+$")


def path_problems(wish):
    """Paths that launchd and the model runner cannot carry; they are not even looked at."""
    for name in ("install_dir", "models_dir"):
        path = getattr(wish, name)
        if not _PATH.match(path):
            return [Problem(
                "path_letters", wishes.variable(name),
                '%s is "%s"; write an absolute path of ASCII letters, digits, spaces and ._@+- only, such as /Volumes/models/ollama, because the model '
                "runner fails on others." % (wishes.variable(name), path),
            )]
    return []


def question(wish, around):
    places = _places(wish)
    return Question(
        system="macos", user=wish.user, port=wish.port, url=address.addresses(wish, around)["local"], install_dir=wish.install_dir,
        models_dir=wish.models_dir, service=LABEL, door=DOOR_LABEL, settings=DAEMON, moving=places["moving"], record=places["record"],
        paths=(
            DAEMON, DOOR_DAEMON, RULES, CLI, os.path.dirname(CLI), PROOFS, wish.install_dir, wish.models_dir,
            places["current"], places["home"], places["logs"], _newer_names(wish),
            warm.place("macos", wish.install_dir).list,
        ),
        names=address.door_names(wish, around),
    )


def not_root(_around):
    return Problem("not_root", "ansible_become", "The role works as root on macOS, but ansible_become is off for this host; set it to true.")


def decide(wish, look, around):
    """For a host that shall have the service."""
    return _Decision(wish, look, around).made()


def _places(wish):
    return {name: "%s/%s" % (wish.install_dir, part) for name, part in (
        ("current", "current"), ("home", "home"), ("logs", "logs"), ("moving", ".moving"), ("record", ".before"), ("binary", "current/ollama"),
    )}


def _newer_names(wish):
    return "%s/%s" % (wish.models_dir, store_of.NEWER_NAMES)


def door_command(verb):
    """What holds or releases the door. It runs from the door's daemon, so the text of the program is part of that file."""
    return command("macos/door.sh", verb, ANCHOR, RULES, TOKEN)


def _differs(entry, content, mode):
    return not holds(entry, content) or (entry["mode"], entry["owner"]) != (mode, "root")


def _door_is_there(files, door):
    return door["loaded"] or DOOR_DAEMON in files or RULES in files


class _Decision(Decision):
    """One Mac that shall have the service."""

    HOME, LEFTOVER = "HOME", r"[.](new|tgz)$"

    @staticmethod
    def places_of(wish):
        return _places(wish)

    def _problems(self):
        return [problem for check in _HOST_CHECKS for problem in check(self)]

    def _prepare(self):
        self.archives = release.archives("macos", wishes.numbers(self.wish.version), "arm64", ())
        self.door = self._door()
        self.daemon = self._daemon()
        door_files = self._door_files() if self.guarded else []
        self.door["differs"] = self.guarded and self._door_differs(door_files)
        self.written = [self.daemon] + door_files

    @property
    def restart(self):
        answers = self.look["api"]["version"] == self.wish.version
        return self.current != self.wish.version or self.daemon.differs or not self.look["service"]["loaded"] or not answers

    def _daemon(self):
        wish = self.wish
        content = render(
            "macos/daemon.plist.j2", label=LABEL, program=self.places["binary"], user=wish.user, group=wish.group, home=self.places["home"],
            log=self.places["logs"] + "/server.log", environment=self.environment,
            door=TOKEN if self.guarded else "",
        )
        return File(DAEMON, "0600", content, _differs(self.files.get(DAEMON), content, "0600"), "service", secret=True)

    def _door(self):
        admitted = address.admitted(self.wish, self.around, self.look)
        return {
            **admitted, "guarded": self.guarded, "loaded": self.look["door"]["loaded"],
            "remove": not self.guarded and _door_is_there(self.files, self.look["door"]),
        }

    def _door_files(self):
        rules = render("macos/rules.j2", port=self.wish.port, addresses=self.door["ipv4"] + self.door["ipv6"])
        daemon = render("macos/door.plist.j2", label=DOOR_LABEL, arguments=door_command("hold"))
        return [
            File(path, "0644", content, _differs(self.files.get(path), content, "0644"), "door")
            for path, content in ((RULES, rules), (DOOR_DAEMON, daemon))
        ]

    def _door_differs(self, files):
        door = self.look["door"]
        return any(file.differs for file in files) or not (door["loaded"] and door["enabled"] and door["rules"])

    def _steps(self):
        wish, look, places = self.wish, self.look, self.places
        store, logs = (self.files.get(path) or {} for path in (wish.models_dir, places["logs"]))
        unfinished = [name for name in self.releases.leftovers if name not in (wish.version + ".new", wish.version + ".tgz")]
        # Ollama writes its environment into its log, a proxy's password too.
        owned = [(wish.models_dir, "0755"), (places["home"], "0700"), (places["logs"], "0750")]
        give = self.daemon.differs or store.get("owner") != wish.user or logs.get("mode") != "0750"
        archive = release.sources(wish, self.around, self.archives)[0]
        needs_engine = wishes.numbers(wish.version) >= release.FIRST_ENGINE
        return {
            **self._old().steps(places["record"], wish.version, [places["current"], DAEMON, RULES, DOOR_DAEMON]),
            **self._returning(),
            "start": self.restart, "load_door": self.door["differs"],
            "fetch": command(
                # It asks for the list of checksums beside the archive, too.
                "macos/fetch.sh", wish.install_dir, wish.version, archive.url.rsplit("/", 2)[0], "sha256:" + archive.sha256, "yes" if needs_engine else "no",
            ),
            "load": command("macos/load.sh", DAEMON), "load_guard": command("macos/load.sh", DOOR_DAEMON), "drop_rules": door_command("release"),
            "last_words": command("macos/last_words.sh", places["logs"] + "/server.log"),
            "write_door": [
                {"path": file.path, "mode": file.mode, "content": file.content, "validate": _VALIDATE[file.path]}
                for file in self.written if file.part == "door"
            ],
            "sources": release.places(wish, self.around, self.archives), **release.mirror_steps(self.around, wish.version),
            "models_move": wish.models_move,
            "unfinished": [] if self.releases.complete else unfinished,
            "create_user": not look["user"]["exists"],
            "directories": [{"path": path, "mode": mode} for path, mode in owned] if give else [],
            "other_stores": [store["path"] for store in look["store"]["other_stores"]], "move_noted": look["install"]["moving"],
            "loaded": look["service"]["loaded"],
            "make_cli_directory": os.path.dirname(CLI) not in self.files,
            "link_cli": (self.files.get(CLI) or {}).get("target") != places["binary"],
            "remove_releases": self.releases.outdated + self.failed,
        }

    def _changes(self, steps):
        """In the order in which they are done, for people."""
        wish, owned = self.wish, ", ".join(entry["path"] for entry in steps["directories"])
        said = [
            (not self.releases.complete, "fetch Ollama %s" % wish.version),
            (steps["other_stores"] or steps["move_noted"], "judge the models in %s" % (" and ".join(steps["other_stores"]) or wish.models_dir)),
            (steps["create_user"], "create user %s" % wish.user),
            (owned, "give %s to user %s" % (owned, wish.user)),
            *((file.differs, "write %s" % file.path) for file in self.written),
            (self.door["differs"], "load the firewall rules of port %d" % wish.port),
            (self.current != wish.version, "run %s instead of %s" % (wish.version, self.current or "nothing")),
            (self.restart, "start %s" % LABEL),
            (steps["link_cli"], "link %s" % CLI),
            (self.door["remove"], "stop the guard of port %d" % wish.port),
            *((True, "remove release %s" % name) for name in steps["remove_releases"]),
        ]
        return [sentence for needed, sentence in said if needed]


# ---- what this host cannot do


def _old_system(self):
    version = self.look["os_version"]
    if int(re.match(r"\d*", version).group() or 0) < OLDEST_SYSTEM:
        yield Problem(
            "system_old", "", "This Mac runs macOS %s, but Ollama needs %d or newer; update it or take it out of the group ollama." % (version, OLDEST_SYSTEM),
        )


def _intel(self):
    planned = self.around.gpu_models
    if planned and release.architecture(self.look["architecture"]) != "arm64":
        yield Problem(
            "gpu_planned", "llm_vram_override",
            "This is an Intel Mac, on which Ollama uses the CPU only, but the plan puts %s on a GPU; remove llm_vram_override for this host and set "
            "allow_cpu to true in llm_policy." % ", ".join(planned),
        )


def _desktop_app(self):
    if self.look["desktop_app"]:
        yield Problem(
            "desktop_app", "",
            "The Ollama app is installed (%s) and stops every other server when it is opened; move it to the trash (models in ~/.ollama stay) and run "
            "this again, or take this host out of the group ollama." % self.look["desktop_app"],
        )


def _brew(self):
    if self.look["brew_service"]:
        yield Problem(
            "brew_service", "",
            'Homebrew runs an Ollama service of its own (%s) that fights for the port; stop it with "brew services stop ollama" and run this again.'
            % self.look["brew_service"],
        )


def _cli(self):
    if (self.files.get(CLI) or {}).get("kind") == "file":
        yield Problem("cli_of_others", "", "%s is a file of another installation; remove it and run this again." % CLI)


def _port(self):
    if self.look["port_owner"]:
        yield Problem(
            "port_taken", "ollama_port",
            "Port %d is held by %s; stop that program or set ollama_port to another port." % (self.wish.port, self.look["port_owner"]),
        )


def _volume(self):
    store, models = self.look["store"], self.wish.models_dir
    if store["missing_mount"]:
        yield Problem(
            "missing_mount", "ollama_models_dir",
            "ollama_models_dir is %s, but that volume is not mounted; mount it or write another directory." % models,
        )
    if store["ownerless_volume"]:
        yield Problem(
            "ownerless_volume", "ollama_models_dir",
            "ollama_models_dir is %s, but %s ignores owners, so the store cannot be given to %s; run diskutil enableOwnership \"%s\" there (APFS or HFS+) "
            "or write another directory." % (models, store["ownerless_volume"], self.wish.user, store["ownerless_volume"]),
        )
    if store["closed_parent"]:
        yield Problem(
            "closed_parent", "ollama_models_dir",
            "User %s (ollama_user) cannot enter %s, which leads to ollama_models_dir %s; run chmod a+x %s there or write another directory."
            % (self.wish.user, store["closed_parent"], models, store["closed_parent"]),
        )


def _newer_store(self):
    return store_of.problems(self.wish, self.files, _newer_names(self.wish))


def _read_only(self):
    # A path that is not there yet may be one of the sealed system's that a firmlink leads away from.
    return store_of.read_only(self.wish, self.look) if self.wish.models_dir in self.files else []


def _packet_filter(self):
    if self.guarded and not self.look["door"]["calls_us"]:
        yield Problem(
            "door_not_asked", "ollama_firewall",
            'The packet filter\'s main ruleset has no anchor "com.apple/*", so the door of ollama_firewall would not be asked; put that line back into '
            "/etc/pf.conf, or set ollama_host to 127.0.0.1.",
        )


def _install_dir(self):
    path = self.wish.install_dir
    entry = self.files.get(path) or {}
    owner, mode = entry.get("owner") or "root", int(entry.get("mode") or "0", 8)
    # The mode of a link says nothing.
    if owner != "root" or (mode & 0o002 and entry["kind"] == "directory"):
        yield Problem(
            "install_dir_of_others", "ollama_install_dir",
            "ollama_install_dir (%s) can be exchanged by %s, and root and the service run what lies there; run chown root:wheel %s && chmod go-w %s there, "
            "or write another directory." % (path, "user %s" % owner if owner != "root" else "everybody", path, path),
        )


def _links(self):
    return unlinkable(self.wish.install_dir, self.files, self.places["current"])


def _disk(self):
    free = self.look["install"]["free_bytes"] or 0
    if not self.releases.complete and free < RELEASE_BYTES:
        yield Problem(
            "install_dir_full", "ollama_install_dir",
            "ollama_install_dir (%s) has %s free, but a release needs %s; free some space or write another directory."
            % (self.wish.install_dir, gib(free), gib(RELEASE_BYTES)),
        )


_HOST_CHECKS = (
    _old_system, _intel, _desktop_app, _brew, _cli, _port, _volume, _newer_store, _read_only, _packet_filter, _install_dir, _links, _disk,
)


def _whole(path, name, parts):
    """The directory, if it is the one that the role itself makes; of one that the inventory names, only what the role puts there."""
    return [path] if path == wishes.PLACES["macos"][name] else [os.path.join(path, part) for part in parts]


def remove(wish, look):
    """For a host that shall not have it: exactly what the role made goes. Models, key and user stay unless purge says so."""
    files, places = by_path(look), _places(wish)
    releases = ["%s/%s" % (wish.install_dir, name) for name in look["install"]["releases"]]
    loaded = [label for label, there in ((LABEL, look["service"]["loaded"]), (DOOR_LABEL, look["door"]["loaded"])) if there]
    paths = [DAEMON, DOOR_DAEMON, RULES]
    if (files.get(CLI) or {}).get("target") == places["binary"]:
        paths.append(CLI)
    made = [places["current"], places["logs"], *releases]
    if wish.purge:
        made = [*_whole(wish.models_dir, "models_dir", STORE), *_whole(wish.install_dir, "install_dir", (*made, places["home"], places["moving"])), PROOFS]
    paths += made
    if look["change"]["record"]:
        paths.append(places["record"])
    steps = {
        "stop": loaded, "drop_rules": door_command("release"), "release_door": _door_is_there(files, look["door"]), "remove": paths,
        # One that the inventory names may have been there before.
        "remove_user": wish.purge and look["user"]["exists"] and wish.user == wishes.PLACES["macos"]["user"],
    }
    said = [
        *((True, "stop %s" % label) for label in loaded),
        (steps["release_door"], "drop the firewall rules"),
        *((path in files or path in releases, "remove %s" % path) for path in paths),
        (steps["remove_user"], "remove user %s" % wish.user),
    ]
    return Service(version=wish.version, steps=steps, changes=[sentence for needed, sentence in said if needed])
