# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is decided of a Mac, as tables: each refusal, each file, and what one difference on the host changes.

Deleted, a Mac would be changed half-way and fail with whatever launchd or pf says, or a run would pass over what somebody broke there.
"""

from __future__ import annotations

import dataclasses
import hashlib
import plistlib
import re

import pytest
from ansible_collections.llmfleet.ollama.plugins.plugin_utils import look_schema
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.service import macos
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.service.contract import Around, Problem, Wish
from looks import bare, there

WISH = Wish(
    version="0.32.15", install_dir="/opt/ollama", models_dir="/opt/ollama/models", user="_ollama", group="_ollama", allowed_cidrs=("10.20.0.0/16",),
)
AROUND = Around(host="here", address="mac.test", controller="192.0.2.1")
DAEMON, DOOR, RULES = (
    "/Library/LaunchDaemons/net.llmfleet.ollama.plist", "/Library/LaunchDaemons/net.llmfleet.ollama-door.plist", "/etc/pf.anchors/net.llmfleet.ollama-door",
)
BIN, CLI = "/usr/local/bin", "/usr/local/bin/ollama"
OPEN_FILES = [DAEMON, RULES, DOOR]


def wishing(**changed):
    return dataclasses.replace(WISH, **changed)


def decide(look, wish=WISH, around=AROUND):
    """A decision about a look that the controller would believe."""
    assert look_schema.complaint("here", look) is None
    return macos.decide(wish, look, around)


def left(wish=WISH, around=AROUND, **changed):
    """A Mac as the role leaves it."""
    made = decide(bare("macos"), wish, around)
    files = [
        there(file.path, mode=file.mode, group="wheel", sha256=hashlib.sha256(file.content.encode("utf-8")).hexdigest()) for file in made.files
    ]
    files += [
        there(BIN, "directory"), there(CLI, "link", target="/opt/ollama/current/ollama"), there("/opt/ollama/current", "link", target="/opt/ollama/0.32.15"),
        there(wish.models_dir, "directory", owner=wish.user), there("/opt/ollama/logs", "directory", owner=wish.user, mode="0750"),
    ]
    guarded = made.door["guarded"]
    look = bare(
        "macos", files=files, user={"exists": True}, service={"path": DAEMON, "loaded": True, "running": True}, api={"version": "0.32.15"},
        own_listener="*:11434", install={"releases": ["0.32.15"]}, door={"loaded": guarded, "enabled": guarded, "rules": 3 if guarded else 0},
    )
    for name, value in changed.items():
        look[name] = {**look[name], **value} if isinstance(value, dict) else value
    return look


def without(path, look):
    return {**look, "files": [entry for entry in look["files"] if entry["path"] != path]}


def with_file(look, path, **said):
    kept = without(path, look)["files"]
    return {**look, "files": [*kept, {**next((entry for entry in look["files"] if entry["path"] == path), there(path)), **said}]}


REFUSED = {
    "system_old": (
        {"os_version": "13.7.8"}, {}, {}, "", "This Mac runs macOS 13.7.8, but Ollama needs 14 or newer; update it or take it out of the group ollama.",
    ),
    "gpu_planned": (
        {"architecture": "x86_64"}, {}, {"gpu_models": ("deepseek-r1:14b", "qwen3:8b")}, "llm_vram_override",
        "This is an Intel Mac, on which Ollama uses the CPU only, but the plan puts deepseek-r1:14b, qwen3:8b on a GPU; remove llm_vram_override for this host "
        "and set allow_cpu to true in llm_policy.",
    ),
    "desktop_app": (
        {"desktop_app": "/Applications/Ollama.app"}, {}, {}, "",
        "The Ollama app is installed (/Applications/Ollama.app) and stops every other server when it is opened; move it to the trash (models in ~/.ollama "
        "stay) and run this again, or take this host out of the group ollama.",
    ),
    "brew_service": (
        {"brew_service": "/Users/ann/Library/LaunchAgents/homebrew.mxcl.ollama.plist"}, {}, {}, "",
        "Homebrew runs an Ollama service of its own (/Users/ann/Library/LaunchAgents/homebrew.mxcl.ollama.plist) that fights for the port; stop it with "
        '"brew services stop ollama" and run this again.',
    ),
    "cli_of_others": (
        {"files": [there(CLI)]}, {}, {}, "", "/usr/local/bin/ollama is a file of another installation; remove it and run this again.",
    ),
    "port_taken": (
        {"port_owner": "nginx"}, {"port": 8080}, {}, "ollama_port", "Port 8080 is held by nginx; stop that program or set ollama_port to another port.",
    ),
    "missing_mount": (
        {"store": {"missing_mount": "/Volumes/models"}}, {"models_dir": "/Volumes/models/ollama"}, {}, "ollama_models_dir",
        "ollama_models_dir is /Volumes/models/ollama, but that volume is not mounted; mount it or write another directory.",
    ),
    "ownerless_volume": (
        {"store": {"ownerless_volume": "/Volumes/Stick"}}, {"models_dir": "/Volumes/Stick/models"}, {}, "ollama_models_dir",
        "ollama_models_dir is /Volumes/Stick/models, but /Volumes/Stick ignores owners, so the store cannot be given to _ollama; run diskutil enableOwnership "
        '"/Volumes/Stick" there (APFS or HFS+) or write another directory.',
    ),
    "closed_parent": (
        {"store": {"closed_parent": "/Users/ann"}}, {"models_dir": "/Users/ann/models"}, {}, "ollama_models_dir",
        "User _ollama (ollama_user) cannot enter /Users/ann, which leads to ollama_models_dir /Users/ann/models; run chmod a+x /Users/ann there or write "
        "another directory.",
    ),
    "store_read_only": (
        {"files": [there("/Volumes/models/ollama", "directory")], "read_only": ["/Volumes/models/ollama"]}, {"models_dir": "/Volumes/models/ollama"}, {},
        "ollama_models_dir", "ollama_models_dir /Volumes/models/ollama is on a file system that is mounted read-only; mount it writable (its system may have "
        "closed it after an error on the disk), or choose another directory.",
    ),
    "link_taken": (
        {"files": [there("/opt/ollama/current", "directory")]}, {}, {}, "ollama_install_dir",
        "/opt/ollama/current is a directory, where role ollama keeps a link to a release; move it away, or write another ollama_install_dir than /opt/ollama.",
    ),
    "store_newer": (
        {"files": [there("/Volumes/models/ollama/manifests-v2", "directory")]}, {"models_dir": "/Volumes/models/ollama"}, {}, "ollama_version",
        "The models in ollama_models_dir /Volumes/models/ollama were written by Ollama 0.40 or later; 0.32.15 (ollama_version) reads part of them and removes "
        "at its start what it does not know; keep a release since 0.40, choose another directory, or set OLLAMA_NOPRUNE to true in ollama_environment, which "
        "keeps all of it.",
    ),
    "door_not_asked": (
        {"door": {"calls_us": False}}, {}, {}, "ollama_firewall",
        'The packet filter\'s main ruleset has no anchor "com.apple/*", so the door of ollama_firewall would not be asked; put that line back into '
        "/etc/pf.conf, or set ollama_host to 127.0.0.1.",
    ),
    "install_dir_of_others": (
        {"files": [there("/opt/ollama", "directory", owner="ann")]}, {}, {}, "ollama_install_dir",
        "ollama_install_dir (/opt/ollama) can be exchanged by user ann, and root and the service run what lies there; run chown root:wheel /opt/ollama && "
        "chmod go-w /opt/ollama there, or write another directory.",
    ),
    "install_dir_full": (
        {"install": {"free_bytes": 1 << 30}}, {}, {}, "ollama_install_dir",
        "ollama_install_dir (/opt/ollama) has 1.0 GiB free, but a release needs 2.0 GiB; free some space or write another directory.",
    ),
    "environment_value": (
        {}, {"environment": {"OLLAMA_NOPRUNE": "perhaps"}}, {}, "ollama_environment",
        "ollama_environment: OLLAMA_NOPRUNE is a switch, but its value is 'perhaps'; write true or false.",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_mac_cannot_give_is_refused(name):
    seen, wished, around, variable, say = REFUSED[name]
    made = decide(bare("macos", **seen), wishing(**wished), dataclasses.replace(AROUND, **around))
    assert made.problems == [Problem(name, variable, say)]
    assert not made.changes


@pytest.mark.parametrize("entry, refused", [({"mode": "0777"}, True), ({"mode": "0775"}, False), ({}, False)])
def test_a_folder_that_everybody_may_write_to_holds_no_releases(entry, refused):
    made = decide(bare("macos", files=[there("/opt/ollama", "directory", **entry)]))
    assert [problem.id for problem in made.problems] == (["install_dir_of_others"] if refused else [])
    link = decide(bare("macos", files=[there("/opt/ollama", "link", target="/Users/ann/o", owner="ann", mode="0777")]))
    assert [problem.id for problem in link.problems] == ["install_dir_of_others"]


def test_without_root_nothing_else_is_said():
    assert macos.not_root(AROUND) == Problem(
        "not_root", "ansible_become", "The role works as root on macOS, but ansible_become is off for this host; set it to true.",
    )


def test_several_faults_are_told_at_once():
    """A fleet is repaired in one round, not one fault at a time."""
    made = decide(bare("macos", port_owner="nginx", os_version="12.0"), wishing(environment={"A": None}))
    assert [problem.id for problem in made.problems] == ["environment_value", "system_old", "port_taken"]


# Each would be refused by a check that looks at less.
FINE = {
    "an Intel Mac whose plan uses the CPU": ({"architecture": "x86_64"}, {}, {}),
    "Rosetta, which the kernel does not have": ({}, {}, {"gpu_models": ("qwen3:8b",)}),
    "a link of ours": ({"files": [there(CLI, "link", target="/opt/ollama/current/ollama")]}, {}, {}),
    "no anchor where no door is": ({"door": {"calls_us": False}}, {"host": "127.0.0.1"}, {}),
    "a full disk that has the release": ({"install": {"free_bytes": 0, "releases": ["0.32.15"]}}, {}, {}),
    "spaces in a path": ({}, {"install_dir": "/opt/my ollama", "models_dir": "/Volumes/My Disk/models"}, {}),
    "a newer store under a newer release": ({"files": [there("/opt/ollama/models/manifests-v2", "directory")]}, {"version": "0.40.2"}, {}),
    "a newer store of which nothing is removed": (
        {"files": [there("/opt/ollama/models/manifests-v2", "directory")]}, {"environment": {"OLLAMA_NOPRUNE": True}}, {},
    ),
    "macOS 26": ({"os_version": "26.0"}, {}, {}),
}


@pytest.mark.parametrize("name", FINE)
def test_what_is_no_fault_is_not_refused(name):
    seen, wished, around = FINE[name]
    assert decide(bare("macos", **seen), wishing(**wished), dataclasses.replace(AROUND, **around)).problems == []


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("models_dir", "/Volumes/My Disk /models"), ("models_dir", "/Volumes/Größe"), ("models_dir", "/Volumes/a&b"), ("install_dir", "opt/ollama"),
        ("install_dir", "/opt/ollama/"),
    ],
)
def test_paths_that_launchd_cannot_carry_are_named(name, path):
    assert macos.path_problems(wishing(**{name: path})) == [Problem(
        "path_letters", "ollama_" + name,
        f'ollama_{name} is "{path}"; write an absolute path of ASCII letters, digits, spaces and ._@+- only, such as /Volumes/models/ollama, because the model '
        "runner fails on others.",
    )]


def test_a_bare_mac_gets_everything_in_this_order():
    made = decide(bare("macos"))
    assert made.changes == [
        "fetch Ollama 0.32.15", "create user _ollama", "give /opt/ollama/models, /opt/ollama/home, /opt/ollama/logs to user _ollama",
        "write " + DAEMON, "write " + RULES, "write " + DOOR, "load the firewall rules of port 11434", "run 0.32.15 instead of nothing",
        "start net.llmfleet.ollama", "link /usr/local/bin/ollama",
    ]
    assert [(file.path, file.mode, file.part, file.secret) for file in made.files] == [
        (DAEMON, "0600", "service", True), (RULES, "0644", "door", False), (DOOR, "0644", "door", False),
    ]
    assert [archive.name for archive in made.archives] == ["ollama-darwin.tgz"] and not made.complete and made.restart and made.before is None
    assert made.archives[0].url == "https://github.com/ollama/ollama/releases/download/v0.32.15/ollama-darwin.tgz"
    assert made.addresses == {
        "bind": "0.0.0.0:11434", "local": "http://127.0.0.1:11434", "cli": "127.0.0.1:11434", "url": "http://mac.test:11434",
    }
    assert made.steps["directories"] == [
        {"path": "/opt/ollama/models", "mode": "0755"}, {"path": "/opt/ollama/home", "mode": "0700"}, {"path": "/opt/ollama/logs", "mode": "0750"},
    ]
    assert made.to_dict()["release"]["version"] == "0.32.15"


@pytest.mark.parametrize("wished", [{}, {"host": "127.0.0.1"}, {"models_dir": "/Volumes/My Disk/models", "environment": {"A_TOKEN": "a&b"}}])
def test_a_converged_mac_gets_nothing(wished):
    wish = wishing(**wished)
    made = decide(left(wish), wish)
    assert made.changes == [] and not made.restart and made.complete and made.before == {"version": "0.32.15", "url": "http://127.0.0.1:11434"}


# What one difference on the host or in the wish changes, and nothing else with it.
START, GIVE = "start net.llmfleet.ollama", "give /opt/ollama/models, /opt/ollama/home, /opt/ollama/logs to user _ollama"
LOAD = "load the firewall rules of port 11434"
DIFFERENCES = {
    "the daemon is not loaded": (left(service={"loaded": False}), {}, [START]),
    "nobody answers": (left(api={"version": None}), {}, [START]),
    "another version answers": (left(api={"version": "0.31.0"}), {}, [START]),
    "the daemon's file is gone": (without(DAEMON, left()), {}, [GIVE, "write " + DAEMON, START]),
    "the daemon's file is another": (with_file(left(), DAEMON, sha256="0" * 64), {}, [GIVE, "write " + DAEMON, START]),
    "others may read its secrets": (with_file(left(), DAEMON, mode="0644"), {}, [GIVE, "write " + DAEMON, START]),
    "it belongs to somebody else": (with_file(left(), DAEMON, owner="ann"), {}, [GIVE, "write " + DAEMON, START]),
    "it is a link": (with_file(left(), DAEMON, kind="link"), {}, [GIVE, "write " + DAEMON, START]),
    "the rules are others": (with_file(left(), RULES, sha256="0" * 64), {}, ["write " + RULES, LOAD]),
    "the door's daemon is gone": (without(DOOR, left()), {}, ["write " + DOOR, LOAD]),
    "pf is off": (left(door={"enabled": False}), {}, [LOAD]),
    "the rules were flushed": (left(door={"rules": 0}), {}, [LOAD]),
    "the door is not loaded": (left(door={"loaded": False}), {}, [LOAD]),
    "the store is somebody else's": (with_file(left(), "/opt/ollama/models", owner="ann"), {}, [GIVE]),
    "others may read the log": (with_file(left(), "/opt/ollama/logs", mode="0755"), {}, [GIVE]),
    "the command line is gone": (without(CLI, left()), {}, ["link " + CLI]),
    "it leads elsewhere": (with_file(left(), CLI, target="/opt/homebrew/bin/ollama"), {}, ["link " + CLI]),
    "the link to the release is gone": (without("/opt/ollama/current", left()), {}, ["run 0.32.15 instead of nothing", START]),
    "the release is gone": (left(install={"releases": []}), {}, ["fetch Ollama 0.32.15"]),
    "a setting": (left(), {"environment": {"OLLAMA_KEEP_ALIVE": "24h"}}, [GIVE, "write " + DAEMON, START]),
    "who may come in": (left(), {"allowed_cidrs": ("10.20.0.0/16", "10.30.0.1")}, ["write " + RULES, LOAD]),
    "loopback only": (left(), {"host": "127.0.0.1"}, [GIVE, "write " + DAEMON, START, "stop the guard of port 11434"]),
    "a release": (
        left(install={"releases": ["0.30.0", "0.31.0", "0.32.15", "0.33.0.new"]}), {"version": "0.33.0"},
        ["fetch Ollama 0.33.0", "run 0.33.0 instead of 0.32.15", START, "remove release 0.30.0", "remove release 0.31.0"],
    ),
    "another store": (
        left(store={"other_stores": [{"path": "/old", "size_bytes": None}]}), {}, ["judge the models in /old"],
    ),
    "a move that was cut off": (left(install={"moving": True}), {}, ["judge the models in /opt/ollama/models"]),
}


@pytest.mark.parametrize("name", DIFFERENCES)
def test_only_what_differs_is_done(name):
    look, wished, changes = DIFFERENCES[name]
    made = decide(look, wishing(**wished))
    assert made.problems == [] and made.changes == changes
    assert made.restart == (START in changes)


def test_a_cut_off_download_is_cleared_but_that_of_this_release():
    """fetch.sh begins its own anew and would only find the names."""
    made = decide(bare("macos", install={"releases": ["0.30.0.new", "0.30.0.tgz", "0.31.0", "0.32.15.new", "0.32.15.tgz"]}))
    assert made.steps["unfinished"] == ["0.30.0.new", "0.30.0.tgz"] and made.steps["previous_version"] == ""


def test_the_release_to_go_back_to_is_told_and_kept():
    made = decide(left(install={"releases": ["0.30.0", "0.31.0", "0.32.15"]}))
    assert made.steps["previous_version"] == "0.31.0" and made.steps["remove_releases"] == []


AWKWARD = {"A_TOKEN": "a&b<c>%PATH%^|\"' !d", "OLLAMA_ORIGINS": ["http://a.test", "app://*"], "OLLAMA_NOPRUNE": True, "OLLAMA_KEEP_ALIVE": -1}


def test_launchd_reads_every_value_as_it_was_written():
    made = decide(bare("macos"), wishing(environment=AWKWARD, install_dir="/opt/my ollama", user="ann", group="staff"))
    daemon = plistlib.loads(made.files[0].content.encode("utf-8"))
    assert daemon["EnvironmentVariables"] == {
        "A_TOKEN": AWKWARD["A_TOKEN"], "OLLAMA_ORIGINS": "http://a.test,app://*", "OLLAMA_NOPRUNE": "true", "OLLAMA_KEEP_ALIVE": "-1",
        "OLLAMA_HOST": "0.0.0.0:11434", "OLLAMA_MODELS": "/opt/ollama/models", "HOME": "/opt/my ollama/home",
        "OLLAMA_NO_CLOUD": "true",
    }
    assert daemon["ProgramArguments"] == ["/opt/my ollama/current/ollama", "serve"]
    assert (daemon["UserName"], daemon["GroupName"], daemon["WorkingDirectory"]) == ("ann", "staff", "/opt/my ollama/home")
    assert "RunAtLoad" not in daemon and daemon["KeepAlive"] == {"PathState": {"/var/run/net.llmfleet.ollama-door.token": True}}
    assert daemon["StandardErrorPath"] == daemon["StandardOutPath"] == "/opt/my ollama/logs/server.log"


def test_the_door_is_a_program_that_launchd_and_sh_read():
    daemon = plistlib.loads(decide(bare("macos")).files[2].content.encode("utf-8"))
    shell, option, program, *rest = daemon["ProgramArguments"]
    assert (shell, option) == ("/bin/sh", "-c") and "pfctl -E" in program and program == program.rstrip("\n")
    assert rest == ["door", "hold", "com.apple/net.llmfleet.ollama-door", RULES, "/var/run/net.llmfleet.ollama-door.token"]
    assert daemon["RunAtLoad"] is True and daemon["StartInterval"] == 300


def test_rules_admit_in_order_and_block_the_rest():
    """pf takes the first `quick` rule: the block must be the last and the loopback the first."""
    look = bare("macos", resolved=[{"name": "web", "addresses": ["10.40.0.9"]}])
    made = decide(look, wishing(port=8080, allowed_cidrs=("10.20.0.0/16", "10.20.3.4", "fd00::/8")))
    assert [line for line in made.files[1].content.splitlines() if not line.startswith("#")] == [
        "pass in quick on lo0 proto tcp from any to any port 8080",
        *(f"pass in quick proto tcp from {address} to any port 8080" for address in ("10.20.0.0/16", "10.40.0.9", "192.0.2.1", "fd00::/8")),
        "block drop in quick proto tcp from any to any port 8080",
    ]


def test_an_open_port_has_no_door():
    made = decide(bare("macos"), wishing(firewall="none", accept_open_port=True))
    assert [file.path for file in made.files] == [DAEMON] and made.door["guarded"] is made.door["differs"] is made.door["remove"] is False


def test_the_look_is_asked_for_all_that_is_decided_on():
    """A path that is not asked for would always differ."""
    around = dataclasses.replace(AROUND, groups={"open_webui": ("here", "web", "far")}, addresses={"web": "10.40.0.9", "far": ""})
    asked = macos.question(WISH, around)
    assert {entry["path"] for entry in left()["files"]} <= set(asked.paths)
    assert asked.names == ("10.40.0.9", "far") and (asked.user, asked.url, asked.settings) == ("_ollama", "http://127.0.0.1:11434", DAEMON)


def removed(look, **wished):
    return macos.remove(wishing(state="absent", **wished), look)


def test_removal_keeps_models_and_user():
    made = removed(left(install={"releases": ["0.31.0", "0.32.15"]}))
    assert made.changes == [
        "stop net.llmfleet.ollama", "stop net.llmfleet.ollama-door", "drop the firewall rules", "remove " + DAEMON, "remove " + DOOR, "remove " + RULES,
        "remove " + CLI, "remove /opt/ollama/current", "remove /opt/ollama/logs", "remove /opt/ollama/0.31.0", "remove /opt/ollama/0.32.15",
    ]
    assert made.steps["release_door"] and not made.steps["remove_user"]
    assert not any(re.search(r"models|home", path) for path in made.steps["remove"])


def test_purge_takes_models_key_proofs_and_user():
    made = removed(with_file(left(), macos.PROOFS), purge=True)
    assert made.steps["remove_user"] and made.steps["remove"][-3:] == ["/opt/ollama/models", "/opt/ollama", "/etc/ansible/facts.d/llmfleet.fact"]
    assert made.changes[-3:] == ["remove /opt/ollama/models", "remove /etc/ansible/facts.d/llmfleet.fact", "remove user _ollama"]


def test_purge_takes_by_name_what_lies_in_places_of_the_users():
    """Deleted: `ollama_models_dir: /Volumes/data` would lose all of that volume, and an account that was there before its home."""
    wished = {"purge": True, "models_dir": "/Volumes/data", "install_dir": "/opt/tools", "user": "alice"}
    steps = removed(left(), **wished).steps
    assert not {"/Volumes/data", "/opt/tools"} & set(steps["remove"]) and not steps["remove_user"]
    assert {"/Volumes/data/blobs", "/Volumes/data/manifests", "/opt/tools/home", "/opt/tools/current", "/opt/tools/0.32.15"} <= set(steps["remove"])


def test_a_mac_without_it_has_nothing_to_remove():
    assert removed(bare("macos")).changes == [] and removed(bare("macos"), purge=True).changes == []


def test_a_command_line_of_somebody_else_stays():
    assert CLI not in removed(with_file(left(), CLI, target="/opt/homebrew/bin/ollama")).steps["remove"]


# ---- a run that was cut off

URL = "http://127.0.0.1:11434"
CUT = {
    "since": 1764280800, "by": "anna@desk", "asked": "9.1.2", "tried": ["9.1.2"], "missing": [],
    "before": {"release": "0.31.0", "previous": "", "version": "0.31.0", "url": URL, "had_server": True, "releases": ["0.31.0", "0.32.15"]},
}


def test_the_record_says_what_a_mac_goes_back_to():
    """The link names the release that does not work; taken for the old one, that would be started again and called back."""
    look = left(install={"releases": ["0.31.0", "0.32.15", "9.1.2"]}, change={"record": CUT}, api={"version": None})
    look = with_file(look, "/opt/ollama/current", kind="link", target="/opt/ollama/9.1.2")
    made = decide(look)
    steps = made.steps
    assert made.changes[0] == "finish what anna@desk began at 2025-11-27 22:00 UTC" and "nothing answers" in made.warnings[0] and made.restart
    assert (steps["old_version"], steps["previous_version"], steps["had_server"], steps["open"]) == ("0.31.0", "0.31.0", True, True)
    assert steps["remove_releases"] == ["9.1.2"] and made.before == {"version": "0.31.0", "url": URL} and steps["record"] == "/opt/ollama/.before"
    gone = decide(look, dataclasses.replace(WISH, version="0.31.0")).steps
    assert (gone["previous_version"], gone["remove_releases"]) == ("0.32.15", ["9.1.2"]), "the old one is asked for again"


def test_the_way_back_of_a_mac_is_written_down():
    steps = decide(left()).steps
    assert steps["change"]["paths"] == ["/opt/ollama/current", DAEMON, macos.RULES, macos.DOOR_DAEMON] and not steps["open"]
    assert steps["change"]["before"]["release"] == "0.32.15" and steps["change"]["before"]["had_server"]
    removed = macos.remove(WISH, left(change={"record": CUT})).steps["remove"]
    assert "/opt/ollama/.before" in removed and "/opt/ollama/.before" not in macos.remove(WISH, left()).steps["remove"]


SERVED = {
    "on the wanted port": ({}, {"version": "0.32.15", "url": URL}),
    "on another port": ({"own_listener": "*:11500", "api": {"version": None}}, {"version": "", "url": "http://127.0.0.1:11500"}),
    "as its answer alone tells": ({"own_listener": None}, {"version": "0.32.15", "url": URL}),
    "without an answer": ({"api": {"version": None}}, {"version": "", "url": URL}),
    "not at all": ({"own_listener": None, "api": {"version": None}}, None),
}


@pytest.mark.parametrize("case", SERVED)
def test_the_way_back_of_a_mac_asks_where_the_server_was(case):
    """Deleted, a way back from a change of the port would ask the new one, and call a server dead that serves."""
    seen, before = SERVED[case]
    made = decide(left(**seen))
    assert made.before == before and made.steps["back_url"] == (before or {"url": ""})["url"]
    assert {name: made.steps["change"]["before"][name] for name in ("version", "url")} == (before or {"version": "", "url": ""})
