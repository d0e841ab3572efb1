# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Linux: units of systemd, a table of nftables, a link to the release."""

from __future__ import annotations

import datetime
import hashlib
import posixpath
import re

from ansible_collections.llmfleet.ollama.plugins.module_utils.defaults import path_of

from . import address, change, environment, release, warm
from . import found as found_of
from . import numbers as numbers_of
from . import store as store_of
from .contract import File, Problem, Question, Service
from .door import Door, identity
from .found import by_path
from .programs import command
from .render import render
from .wish import PLACES, numbers

UNIT = "/etc/systemd/system/ollama.service"
DROP_IN = UNIT + ".d/10-llmfleet.conf"
GPU_UNIT = "/etc/systemd/system/llmfleet-ollama-gpu.service"
DOOR = Door("ollama", "ollama", "Ollama", "ollama.service", "llmfleet.conf", "llmfleet", bridges=True)
DOOR_UNIT, DOOR_ENABLED, NFTABLES = DOOR.unit, DOOR.enabled, DOOR.nftables
# Those of the server's variables that are secret: everybody may ask systemd for what stands in a unit.
SECRETS = "/etc/llmfleet/ollama.env"
RULES, DOOR_WATCH, DOOR_PROGRAM, DOOR_GONE = DOOR.rules, DOOR.watch, DOOR.program, DOOR.gone
PROFILE = "/etc/profile.d/ollama.sh"
# What a change may write before its proof.
CHANGED = (UNIT, DROP_IN, SECRETS, GPU_UNIT, RULES, DOOR_PROGRAM, DOOR_UNIT, DOOR_WATCH, DOOR_ENABLED, NFTABLES)
CLI = "/usr/local/bin/ollama"
HOME = "/usr/share/ollama"
MOUNTS = "/proc/self/mountinfo"
TABLE = DOOR.table

# Several servers may use a store on the network, and each would remove at its start what the others are pulling. Names of coreutils' stat.
SHARED_FILESYSTEMS = ("afs", "ceph", "cifs", "fuseblk", "gpfs", "lustre", "nfs", "smb", "smb2", "v9fs")


class Paths:
    """Where things of one host lie."""

    def __init__(self, wish):
        inside = wish.install_dir
        self.current, self.previous = posixpath.join(inside, "current"), posixpath.join(inside, "previous")
        self.release = posixpath.join(inside, wish.version)
        self.inside = inside
        self.part = self.part_of(wish.version)
        # The record of a change, until the new server is proved or the old one is back.
        self.before = posixpath.join(inside, ".before")
        # Names the archives that a release was made of; written last, so a directory without it is half a tree.
        self.archives = posixpath.join(self.release, "archives")
        self.program, self.engine = posixpath.join(self.release, "bin/ollama"), posixpath.join(self.release, "lib/ollama/llama-server")
        # Names the stores of a move of the models, until the new one is proved and the old one empty.
        self.moving = posixpath.join(inside, ".moving")
        self.newer_names = posixpath.join(wish.models_dir, store_of.NEWER_NAMES)

    def part_of(self, version):
        """Where a release is unpacked before it gets its name."""
        return posixpath.join(self.inside, ".%s.part" % version)


def path_problems(_wish):
    """Paths that this system cannot carry: systemd quotes them all."""
    return []


def question(wish, around):
    paths = Paths(wish)
    watched = (
        UNIT, posixpath.dirname(DROP_IN), DROP_IN, GPU_UNIT, DOOR_UNIT, DOOR_ENABLED, posixpath.dirname(NFTABLES), NFTABLES, posixpath.dirname(RULES), RULES,
        DOOR_PROGRAM, DOOR_WATCH, DOOR_GONE, SECRETS,
        PROFILE, CLI, paths.current, paths.previous, paths.archives, paths.release, paths.program, paths.engine, HOME, wish.models_dir, paths.moving,
        paths.newer_names, warm.place("linux", wish.install_dir).list, numbers_of.LIST, *filter(None, [wish.textfile_dir]),
        *_above(wish.models_dir), *_above(wish.install_dir), wish.install_dir,
    )
    return Question(
        system="linux", user=wish.user, port=wish.port, url=address.addresses(wish, around)["local"], install_dir=wish.install_dir,
        models_dir=wish.models_dir, service="ollama.service", door=TABLE, settings=DROP_IN, moving=paths.moving, record=paths.before, paths=watched,
        names=address.door_names(wish, around), tools=("nft", "runuser", "tar", "zstd"),
    )


def _above(path):
    """The directories that lead to a path, but for those of the service's user, where root makes nothing."""
    found = []
    while posixpath.dirname(path) not in ("", "/", path):
        path = posixpath.dirname(path)
        found.append(path)
    return [path for path in found if not (path + "/").startswith(HOME + "/")]


def _in_strangers_hands(wish, seen, names):
    """Places that somebody else than root may exchange. Links among the folders of models; of releases, which root itself runs, every folder."""
    found = []
    for name in names:
        path = getattr(wish, name)
        entries = list(filter(None, map(seen.get, [*([path] if name == "install_dir" else []), *_above(path)])))
        links = [entry for entry in entries if entry["kind"] == "link" and entry["owner"] != "root"]
        if links:
            # Whoever made the link may lead root anywhere with it, also tomorrow.
            found.append(Problem(
                name + "_behind_link", "ollama_" + name,
                "ollama_%s %s lies behind the link %s, which user %s made and may turn elsewhere; write the place that it leads to, or have root make "
                "the link." % (name, path, links[0]["path"], links[0]["owner"]),
            ))
            continue
        theirs = [entry for entry in entries if name == "install_dir" and entry["kind"] == "directory" and _is_open(entry, entry["path"] == path)]
        if theirs:
            who = "user %s" % theirs[0]["owner"] if theirs[0]["owner"] != "root" else "everybody"
            found.append(Problem(
                "install_dir_of_others", "ollama_install_dir",
                "ollama_install_dir %s can be exchanged by %s, who may write to %s, and root runs what lies there; run chown root %s && chmod go-w %s there, "
                "or write a directory that only root may change, such as %s."
                % (path, who, theirs[0]["path"], theirs[0]["path"], theirs[0]["path"], PLACES["linux"]["install_dir"]),
            ))
    return found


def _is_open(entry, itself):
    """Whether somebody else than root may exchange what lies in a folder. In one like /tmp that is root's own names, which the others may not touch."""
    mode = int(entry["mode"], 8)
    return entry["owner"] != "root" or bool(mode & 0o002 and (itself or not mode & 0o1000))


def not_root(around):
    return Problem(
        "not_root", "ansible_become",
        "Role ollama works as root, but %s does not become root on this host; set ansible_become to true for it, and ansible_user to somebody who may "
        "use sudo." % (around.account or "the remote user"),
    )


def decide(wish, look, around):
    return _Decision(wish, look, around).made()


def decide_release(wish, look, around):
    """Only the release in its directory: no link, no user, no service, and so nothing of the host that could forbid it."""
    return _Decision(wish, look, around).release_only()


def remove(wish, look):
    """For a host that shall not have it: exactly what the role made goes, by name. Models, key and user stay unless purge says so."""
    files, paths = by_path(look), Paths(wish)
    problems = _in_strangers_hands(wish, files, ("models_dir", "install_dir") if wish.purge else ("install_dir",))
    if problems:
        return Service(problems=problems)
    written = (UNIT, DROP_IN, GPU_UNIT, DOOR_UNIT, DOOR_WATCH, NFTABLES, SECRETS, RULES, DOOR_PROGRAM, PROFILE)
    ours = [path for path in written if files.get(path, {}).get("ours")]
    removed = list(ours)
    if files.get(CLI, {}).get("target") == paths.current + "/bin/ollama":
        removed.append(CLI)
    # Never the directory itself: somebody may keep other things in it.
    removed += [posixpath.join(wish.install_dir, name) for name in look["install"]["ours"] or ()]
    steps = {
        # That of the GPU ran once and has ended, and the watch goes with the door.
        "stop": [posixpath.basename(path) for path in (UNIT, DOOR_UNIT) if path in ours],
        "remove": removed,
        "tidy": command("linux/tidy.sh", UNIT + ".d", posixpath.dirname(NFTABLES), posixpath.dirname(RULES), wish.install_dir),
        "purge": wish.purge, "empty_store": command("linux/empty.sh", wish.models_dir, HOME, MOUNTS), "empty_home": command("linux/home.sh", HOME, MOUNTS),
        "who": command("linux/ours.sh", wish.user, wish.group, HOME), "remove_data": [path_of("proofs")],
    }
    purged = [wish.models_dir, *steps["remove_data"], HOME] if wish.purge else []
    said = [
        *("stop %s" % name for name in steps["stop"]), *("remove %s" % path for path in removed),
        *("remove %s" % path for path in purged if path in files),
        *(["remove user %s, if the role made it" % wish.user] if wish.purge and look["user"]["exists"] else []),
    ]
    return Service(version=wish.version, steps=steps, changes=said)


class _Decision:
    """What follows from wish and look; each property one question."""

    def __init__(self, wish, look, around):
        self.wish, self.look, self.around = wish, look, around
        self.paths = Paths(wish)
        self.seen = {entry["path"]: entry for entry in look["files"]}
        self.vendors = look["display_vendors"] if wish.accelerators == ("auto",) else wish.accelerators
        self.addresses = address.addresses(wish, around)
        self.guarded = address.guarded(wish)
        self.store_in_home = (wish.models_dir + "/").startswith(HOME + "/")
        self.old = change.of_record(look) or self._old()

    def made(self):
        self._release()
        problems = self._problems()
        store = {"OLLAMA_NOPRUNE": "true"} if self.look["store"]["filesystem"] in SHARED_FILESYSTEMS else {}
        try:
            self.environment = environment.wanted(self.wish, self.addresses["bind"], {}, store)
        except environment.BadSetting as wrong:
            problems.append(Problem("environment_value", "ollama_environment", str(wrong)))
        if problems:
            return Service(problems=problems, warnings=[self._unfinished] if self.old.open else [])
        self._door()
        self.files = self._files()
        self.stale = [file for file in self.files if file.differs]
        steps = self._steps()
        changes = self._changes(steps)
        if self.around.check_mode:
            steps.update(self._foretold(steps))
        unread = environment.unread(self.environment, self.wish.version)
        return Service(
            warnings=[sentence for sentence in (unread, self._door_was_gone, self._cli_closed, self._unfinished) if sentence],
            version=self.wish.version, archives=release.sources(self.wish, self.around, self.archives),
            complete=self.complete, files=self.files, environment=self.environment, door=self.door, addresses=self.addresses, restart=self.restart,
            before=self._before(), changes=changes, steps=steps,
        )

    def release_only(self):
        self._release()
        return Service(
            version=self.wish.version, archives=release.sources(self.wish, self.around, self.archives), complete=self.complete,
            changes=[] if self.complete else [self._fetching], steps={**self._release_steps(), "old_version": ""},
        )

    @property
    def _unfinished(self):
        return change.unfinished(self.look, self.wish.version, self.addresses["local"], self.around.check_mode)

    # ---- what this host cannot have

    def _problems(self):
        wish, look, store = self.wish, self.look, self.look["store"]
        found = []

        def refuse(name, variable, text, *values):
            found.append(Problem(name, variable, text % values))

        if self.look["port_owner"]:
            refuse(
                "port_taken", "ollama_port", "Port %d (ollama_port) is taken by %s; stop that process or choose another port.",
                wish.port, self.look["port_owner"],
            )
        found += _in_strangers_hands(wish, self.seen, ("models_dir", "install_dir"))
        if store["missing_mount"]:
            refuse(
                "missing_mount", "ollama_models_dir",
                "ollama_models_dir %s should lie on %s, which /etc/fstab names and which is not mounted; mount it or choose another directory.",
                wish.models_dir, store["missing_mount"],
            )
        found += found_of.unlinkable(wish.install_dir, self.seen, self.paths.current, self.paths.previous)
        found += store_of.read_only(wish, look)
        if wish.install_dir in look["read_only"] and not self.complete:
            refuse(
                "install_dir_read_only", "ollama_install_dir",
                "ollama_install_dir %s is on a file system that is mounted read-only, so Ollama %s cannot be put there; mount it writable or choose another "
                "directory.", wish.install_dir, wish.version,
            )
        if self._make_store() and "runuser" not in look["tools"]:
            refuse(
                "no_runuser", "ollama_models_dir",
                "This host has no runuser, by which ollama_models_dir %s is made and tried as user %s; install the package util-linux.",
                wish.models_dir, wish.user,
            )
        if store["closed_parent"] and not self.store_in_home:
            refuse(
                "closed_parent", "ollama_models_dir",
                "User %s cannot enter %s, which leads to ollama_models_dir %s; run chmod a+x %s there or choose another directory.",
                wish.user, store["closed_parent"], wish.models_dir, store["closed_parent"],
            )
        if store["denied"] and not self._store_may_be_given and wish.models_dir not in look["read_only"]:
            refuse(
                "store_denied", "ollama_models_dir",
                "User %s cannot write to ollama_models_dir %s, which is there already; run %schown -R %s %s there, set ollama_user to its owner, or choose "
                "another directory.", wish.user, wish.models_dir, self._user_first, wish.user, wish.models_dir,
            )
        found += store_of.problems(wish, self.seen, self.paths.newer_names)
        if wish.textfile_dir and not numbers_of.FOLDER.fullmatch(wish.textfile_dir):
            refuse(
                "textfile_dir", "ollama_textfile_dir",
                "ollama_textfile_dir is \"%s\"; write the absolute path of a folder, of letters, digits and . _ + -, such as "
                "/var/lib/prometheus/node-exporter.", wish.textfile_dir,
            )
        elif wish.textfile_dir and wish.textfile_dir not in self.seen:
            refuse(
                "textfile_dir_missing", "ollama_textfile_dir",
                "ollama_textfile_dir %s is not there; install the node exporter, make the folder that its --collector.textfile.directory names, or leave the "
                "variable out.", wish.textfile_dir,
            )
        if self.guarded and self.look["door"]["error"]:
            refuse(
                "no_nftables", "ollama_firewall",
                "nftables does not work on this host (%s), so ollama_firewall cannot be managed; set ollama_host to 127.0.0.1, or guard the port by other "
                "means, set ollama_firewall to none and ollama_accept_open_port to true.", self.look["door"]["error"],
            )
        unresolved = [entry["name"] for entry in self.look["resolved"] if not entry["addresses"]]
        if unresolved:
            refuse(
                "unresolved", "ollama_allowed_groups",
                "This host cannot resolve %s, which its door admits (ollama_allowed_groups, or the gateway); give each an ansible_host that is an address.",
                ", ".join(unresolved),
            )
        return found

    @property
    def _user_first(self):
        """A disk of an earlier life: nobody can be given anything before there is such a user, as the role would make it."""
        user = self.wish.user
        return "" if self.look["user"]["exists"] else "useradd --system --user-group --home-dir %s --shell /bin/false %s && " % (HOME, user)

    @property
    def _store_may_be_given(self):
        """A fresh disk belongs to root and is given to the service. What somebody else made is not ours to give, and a link may lead anywhere."""
        entry = self.seen.get(self.wish.models_dir, {})
        is_roots = (entry.get("kind"), entry.get("owner"), entry.get("group")) == ("directory", "root", "root")
        return is_roots and not self.store_in_home and not self.look["store"]["has_entries"]

    # ---- the release

    def _release(self):
        version = numbers(self.wish.version)
        self.archives = release.archives(
            "linux", version, release.architecture(self.look["architecture"]), self.vendors, self.look["l4t"],
        )
        self.archives_content = "\n".join(self.archives) + "\n"
        self.complete = self._is_as(self.paths.archives, "0644", self.archives_content) and self.paths.program in self.seen
        self.engine = "lib/ollama/llama-server" if version >= release.FIRST_ENGINE else ""
        self.link_differs = self._target(self.paths.current) != self.wish.version

    def _release_of(self, link):
        """The release that a link names; '' for any other target: it becomes part of a path that is removed."""
        target = self._target(link) or ""
        return target if re.fullmatch(r"\d[0-9A-Za-z.+_-]*", target) else ""

    def _target(self, path):
        return self.seen.get(path, {}).get("target")

    def _is_as(self, path, mode, content):
        entry = self.seen.get(path)
        wanted = ("file", mode, "root", "root", hashlib.sha256(content.encode("utf-8")).hexdigest())
        return entry is not None and tuple(entry[key] for key in ("kind", "mode", "owner", "group", "sha256")) == wanted

    # ---- the door

    def _door(self):
        admitted = address.admitted(self.wish, self.around, self.look)
        self.door = {"guarded": self.guarded, "ipv4": admitted["ipv4"], "ipv6": admitted["ipv6"]}
        self.door["id"] = self._door_id((self.wish.port,))

    def _door_id(self, ports):
        return identity(*ports, self.door["ipv4"], self.door["ipv6"])

    @property
    def _old_port(self):
        """Where the server still listens while its port changes; None where it does not. It stays guarded until the new one is proved."""
        host, _colon, port = (self.look["own_listener"] or "").rpartition(":")
        return int(port) if port.isdigit() and int(port) != self.wish.port and not address.is_loopback(host.strip("[]")) else None

    @property
    def _door_was_gone(self):
        if not self.guarded or DOOR_GONE not in self.seen:
            return None
        when = datetime.datetime.fromtimestamp(self.seen[DOOR_GONE]["changed_at"] or 0, datetime.timezone.utc)
        return (
            "Somebody removed the firewall rules of port %d (ollama_port) on this host, and at %s its guard put them back; find out what flushes nftables "
            "there, and remove %s to be told of the next time only." % (self.wish.port, when.strftime("%Y-%m-%d %H:%M UTC"), DOOR_GONE)
        )

    @property
    def _cli_closed(self):
        if CLI not in self.look["read_only"] or self._cli_is_ours:
            return None
        return "%s is on a file system that is mounted read-only on this host, so the command ollama is not on the path there; use %s/bin/ollama." % (
            posixpath.dirname(CLI), self.paths.current,
        )

    @property
    def _cli_is_ours(self):
        return self._target(CLI) == self.paths.current + "/bin/ollama"

    def _rules(self, ports):
        return render("linux/ollama.nft.j2", ports=ports, id=self._door_id(ports), ipv4=self.door["ipv4"], ipv6=self.door["ipv6"])

    # ---- the files

    def _files(self):
        wish, files = self.wish, []

        def want(part, path, content, mode="0644", secret=False):
            files.append(File(path, mode, content, not self._is_as(path, mode, content), part, secret))

        hidden = environment.secrets(self.environment)
        secret = bool(hidden)
        nvidia = "nvidia" in self.vendors
        models = _unit_path(wish.models_dir)
        want("service", UNIT, render(
            "linux/ollama.service.j2", guarded=self.guarded, nvidia=nvidia, models=models, user=wish.user, group=wish.group,
            program=_unit_path(self.paths.current + "/bin/ollama"), writable=HOME if self.store_in_home else "%s %s" % (HOME, models),
            under_home=re.match(r"/(home|root|run/user)/", wish.models_dir) is not None,
        ))
        want("service", DROP_IN, render("linux/drop-in.conf.j2", lines=self._drop_in_lines(hidden)), "0600" if secret else "0644", secret)
        if hidden:
            want("service", SECRETS, render("linux/ollama.env.j2", lines=["%s=%s" % (name, _env_value(text)) for name, text in hidden.items()]), "0600", True)
        if nvidia:
            want("service", GPU_UNIT, render("linux/gpu.service.j2"))
        if self.guarded:
            for path, content in DOOR.files(self._rules((wish.port, self._old_port) if self._old_port else (wish.port,))):
                want("door", path, content)
        if self.addresses["cli"] not in ("127.0.0.1:11434", "localhost:11434"):
            want("profile", PROFILE, render("linux/profile.sh.j2", address=self.addresses["cli"]))
        return files

    def _drop_in_lines(self, hidden):
        lines = ["Environment=%s" % _unit_path("%s=%s" % setting) for setting in self.environment.items() if setting[0] not in hidden]
        lines += ["EnvironmentFile=%s" % SECRETS] if hidden else []
        for name, value in self.wish.service_options.items():
            for entry in _flat(value):
                lines.append("%s=%s" % (name, {True: "yes", False: "no"}[entry] if isinstance(entry, bool) else entry))
        return lines

    # ---- what has to be done

    @property
    def outdated(self):
        """Did the running server start before its configuration or its release came? Then an earlier run was cut off."""
        changed = [
            self.seen[path]["changed_at"] or 0 for path in (UNIT, DROP_IN, SECRETS, GPU_UNIT, self.paths.current, self.paths.archives) if path in self.seen
        ]
        service = self.look["service"]
        return service["needs_reload"] or (service["started_at"] or 0) < max(changed, default=0)

    @property
    def restart(self):
        # What a cut-off run has started may hang.
        silent = self.old.open and self.look["api"]["version"] != self.wish.version
        return not self.complete or self.link_differs or any(file.part == "service" for file in self.stale) or self.outdated or silent

    def _old(self):
        """The look asked the wanted address; a server that listens elsewhere has not told its version."""
        url = address.listener_url(self.look["own_listener"]) or ""
        version = self.look["api"]["version"] if url == self.addresses["local"] else None
        whole = self.paths.archives in self.seen
        return change.Before(
            release=self._release_of(self.paths.current), previous=self._release_of(self.paths.previous), version=version or "", url=url,
            had_server=self.look["service"]["path"] is not None,
            releases=tuple(name for name in self.look["install"]["releases"] if whole or name != self.wish.version),
            missing=tuple(path for path in (self.paths.current, *CHANGED) if path not in self.seen),
        )

    def _before(self):
        return {"version": self.old.version, "url": self.old.url} if self.old.url else None

    def _steps(self):
        wish, look, paths, before = self.wish, self.look, self.paths, self.old
        old, before_that = before.release, before.previous
        moved = (self.link_differs or before.open) and old not in ("", wish.version)
        service = [file.path for file in self.files if file.part != "profile"]
        unneeded = [path for path in (SECRETS, RULES, DOOR_PROGRAM, DOOR_UNIT, DOOR_WATCH, NFTABLES, GPU_UNIT, PROFILE) if path in self.seen]
        made_in = list(dict.fromkeys(posixpath.dirname(path) for path in (DROP_IN, SECRETS, RULES, NFTABLES) if path in service))
        user = look["user"]
        return {
            "create_user": not user["exists"],
            "join_groups": look["gpu_groups"] if not set(look["gpu_groups"]) <= set(user["groups"]) or not user["exists"] else [],
            "make_home": HOME not in self.seen,
            "make_store": self._make_store(),
            **self._release_steps(),
            "link": self.link_differs,
            "has_secrets": any(file.secret for file in self.files),
            **before.steps(paths.before, wish.version, [paths.current, *CHANGED]),
            "last_words": command("linux/last_words.sh", paths.before),
            "write": {part: [file for file in self.stale if file.part == part] for part in ("service", "door", "profile")},
            "owner": wish.user, "group": wish.group,
            "door_is_new": DOOR_UNIT in before.missing,
            "back_url": before.url, "prove_back": before.had_server and bool(before.url),
            "make_directories": [path for path in made_in if path not in self.seen],
            "install_nft": self.guarded and "nft" not in look["tools"],
            "load_door": self._load_door(), "load_rules": True,
            # After the proof: the rules without the port from before.
            "narrow_door": self._rules((wish.port,)) if self.guarded and self._old_port else "",
            "start": self.restart or not look["service"]["running"] or look["service"]["enabled"] is False,
            "state": "restarted" if self.restart else "started",
            "move_cli_aside": self.seen.get(CLI, {}).get("kind") in ("file", "directory", "other") and CLI not in look["read_only"],
            "link_cli": not self._cli_is_ours and CLI not in look["read_only"],
            "stop_door": not self.guarded and DOOR_UNIT in self.seen,
            # A fetch that was cut off behind its last act leaves what it fetched, and nobody would fetch again.
            "remove": [path for path in unneeded if path not in [file.path for file in self.files]] + [paths.part_of(name) for name in before.tried],
            "moved": moved,
            "remove_releases": self._superfluous(moved),
            # Where the server from before is back.
            "failed_releases": [name for name in dict.fromkeys((*before.tried, wish.version)) if name not in (*before.releases, old)],
            "old_version": old,
            "previous_version": old if moved else before_that,
            "previous_before": before_that,
            "had_server": before.had_server,
            "other_stores": [store["path"] for store in look["store"]["other_stores"]],
            "models_move": wish.models_move,
            "move_noted": paths.moving in self.seen,
        }

    def _release_steps(self):
        return {
            "unpackers": [
                name for name in ("tar", "zstd")
                if name not in self.look["tools"] and (name == "tar" or any(archive.endswith(".zst") for archive in self.archives))
            ],
            "archives_content": self.archives_content,
            "take_in": command("linux/take_in.sh", self.paths.part, self.paths.release, self.engine, self.archives_content),
            "would_fetch": "Would fetch %s of Ollama %s from %s." % (
                " and ".join(self.archives), self.wish.version, release.places(self.wish, self.around, self.archives),
            ),
            "sources": release.places(self.wish, self.around, self.archives),
            **release.mirror_steps(self.around, self.wish.version),
        }

    def _foretold(self, steps):
        """What is another thing in check mode: a user that is only foretold can own nothing, and what has no mode of its own is not done."""
        return {
            "owner": "" if steps["create_user"] else steps["owner"], "group": "" if steps["create_user"] else steps["group"],
            "move_cli_aside": False, "moved": False, "remove_releases": [], "narrow_door": "", "load_rules": not steps["door_is_new"],
            "start": steps["start"] and steps["had_server"],
        }

    def _superfluous(self, moved):
        """Once the new one is proved: the release before the previous one, and what cut-off runs have brought and nobody will use."""
        before, stays = self.old, {"", self.wish.version, self.old.release}
        gone = [before.previous] if moved else []
        return [name for name in (*gone, *(name for name in before.tried if name not in before.releases)) if name not in stays]

    def _make_store(self):
        """Who makes the model store: 'user' below the home, where that user may put a link anywhere, so root makes nothing; 'root'; '' for nobody."""
        missing = self.wish.models_dir not in self.seen
        if self.store_in_home:
            return "user" if missing else ""
        return "root" if missing or self.look["store"]["denied"] else ""

    def _load_door(self):
        if not self.guarded:
            return False
        stale = any(file.part == "door" for file in self.stale)
        return stale or self.look["door"]["id"] != self.door["id"] or DOOR_ENABLED not in self.seen

    @property
    def _fetching(self):
        return "fetch Ollama %s" % self.wish.version

    def _changes(self, steps):
        """In the order in which they are done, for people."""
        words = {
            "create_user": "create user %s" % self.wish.user,
            "make_home": "make %s" % HOME,
            "make_store": "make %s" % self.wish.models_dir,
            "link": "run %s instead of %s" % (self.wish.version, steps["old_version"] or "nothing"),
            "load_door": "load the firewall rules of port %d" % self.wish.port,
            "start": "restart ollama.service" if self.restart else "start ollama.service",
            "move_cli_aside": "move %s aside" % CLI,
            "link_cli": "link %s" % CLI,
            "stop_door": "stop the guard of port %d" % self.wish.port,
        }
        changes = [change.words(self.look)] if self.old.open else []
        changes += [] if self.complete else [self._fetching]
        if steps["other_stores"] or steps["move_noted"]:
            changes.append("judge the models in %s" % (" and ".join(steps["other_stores"]) or self.wish.models_dir))
        if steps["join_groups"] and not steps["create_user"]:
            changes.append("let user %s use the GPUs (%s)" % (self.wish.user, ", ".join(steps["join_groups"])))
        changes += ["write %s" % file.path for file in self.stale]
        changes += [text for name, text in words.items() if steps[name]]
        changes += ["remove %s" % path for path in steps["remove"] if path in self.seen]
        if not changes and self.look["api"]["version"] != self.wish.version:
            # The state of the unit proves nothing: another server may own the port, or this one be without an answer.
            changes.append("prove that %s answers" % self.wish.version)
        return changes


def _unit_path(text):
    """A text as systemd's unit files quote it."""
    return '"%s"' % text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")


def _env_value(text):
    """A value as systemd's environment files quote it; nothing is expanded there."""
    return '"%s"' % re.sub(r'(["\\`$])', r"\\\1", text)


def _flat(value):
    if isinstance(value, (list, tuple)):
        return [entry for inner in value for entry in _flat(inner)]
    return [] if value is None else [value]
