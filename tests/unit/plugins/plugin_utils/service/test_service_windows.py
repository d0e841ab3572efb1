# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is decided of a Windows host, as tables: each refusal, each file, and what one difference on the host changes.

Deleted, a host would be changed half-way and fail with whatever PowerShell says, or a run would pass over what somebody broke there.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re

import pytest
from ansible_collections.llmfleet.ollama.plugins.plugin_utils import look_schema
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.service import windows
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.service.contract import Around, Problem, Wish
from looks import bare, there

WISH = Wish(
    version="0.32.15", install_dir="C:\\ollama", models_dir="C:\\ollama\\models", user="LOCAL SERVICE", group="LOCAL SERVICE",
    allowed_cidrs=("10.20.0.0/16", "192.0.2.7"),
)
AROUND = Around(host="here", address="pc.test", connection="winrm")
LAUNCHER, CURRENT = "C:\\ollama\\service\\serve.cmd", "C:\\ollama\\current"
SERVICE, HOME, LOGS, MODELS = "C:\\ollama\\service", "C:\\ollama\\home", "C:\\ollama\\logs", "C:\\ollama\\models"
TASK = {
    "execute": "%SystemRoot%\\System32\\cmd.exe", "arguments": '/d /s /c ""C:\\ollama\\service\\serve.cmd""', "account": "S-1-5-19",
    "triggers": ["boot", "time PT1M"], "instances": "IgnoreNew", "limit": "PT0S", "batteries": False, "priority": 5, "enabled": True,
}
# Windows gives an address back as a network of one.
RULE = {"enabled": True, "inbound": True, "allow": True, "tcp": True, "port": "11434", "addresses": ["192.0.2.7/32", "10.20.0.0/16"]}


def host(**changed):
    """A bare look; NTFS on its drives."""
    for place in ("install", "store"):
        changed[place] = {"filesystem": "NTFS", **changed.get(place, {})}
    return bare("windows", **changed)


def wishing(**changed):
    return dataclasses.replace(WISH, **changed)


def decide(look, wish=WISH, around=AROUND):
    """A decision about a look that the controller would believe."""
    assert look_schema.complaint("here", look) is None
    return windows.decide(wish, look, around)


def directory(path, **rights):
    return there(path, "directory", **{"mode": None, "owner": "S-1-5-32-544", "group": None, "protected": False, "granted": False, **rights})


def left(wish=WISH, **changed):
    """A Windows host as the role leaves it."""
    made = decide(host(), wish)
    content = made.files[0].content
    files = [
        directory("C:\\ollama", protected=True, owner="S-1-5-32-544"), directory(SERVICE, protected=True), directory(HOME, protected=True, granted=True),
        directory(LOGS, protected=True, granted=True), directory(MODELS, granted=True), there(CURRENT, "link", target="C:\\ollama\\0.32.15"),
        there(LAUNCHER, mode=None, owner=None, group=None, sha256=hashlib.sha256(content.encode("utf-8")).hexdigest()),
    ]
    look = host(
        files=files, service={"path": "ollama", "loaded": True, "running": True}, api={"version": "0.32.15"}, install={"releases": ["0.32.15"]},
        on_path=True, machine_ollama_host=made.addresses["cli"],
    )
    look["task"] = dict(TASK)
    look["door"]["rule"] = dict(RULE) if made.door["guarded"] else None
    for name, value in changed.items():
        look[name] = {**look[name], **value} if isinstance(value, dict) else value
    return look


def without(path, look):
    return {**look, "files": [entry for entry in look["files"] if entry["path"] != path]}


def with_file(look, path, **said):
    kept = without(path, look)["files"]
    return {**look, "files": [*kept, {**next(entry for entry in look["files"] if entry["path"] == path), **said}]}


REFUSED = {
    "system_old": (
        {"os_name": "Microsoft Windows Server 2016 Standard", "os_build": 14393}, {}, "",
        "Microsoft Windows Server 2016 Standard (build 14393) is older than Windows Server 2019 or Windows 10 22H2, which Ollama needs; update it or take it "
        "out of the group ollama.",
    ),
    "user_unknown": (
        {}, {"user": "ann"}, "ollama_user", 'ollama_user is "ann"; on Windows write LOCAL SERVICE, NETWORK SERVICE or SYSTEM.',
    ),
    "desktop_app": (
        {"desktop_app": "D:\\Tools\\ollama app.exe"}, {}, "",
        "The Ollama desktop app is installed (D:\\Tools\\ollama app.exe) and stops every other server when it is opened; uninstall it as that user (Settings, "
        "Apps, Ollama; models stay) and run this again, or take this host out of the group ollama.",
    ),
    "port_taken": (
        {"port_owner": "nginx"}, {"port": 8080}, "ollama_port", "Port 8080 is held by nginx; stop that program or set ollama_port to another port.",
    ),
    "port_taken_in_wsl": (
        {"port_owner": "wslrelay"}, {}, "ollama_port",
        "Port 11434 is held by an Ollama inside WSL 2 (wslrelay); stop that one (sudo systemctl disable --now ollama in the distribution) or set ollama_port "
        "to another port.",
    ),
    "port_excluded": (
        {"port_excluded": True}, {}, "ollama_port",
        "Windows keeps port 11434 for Hyper-V or WinNAT (netsh int ipv4 show excludedportrange tcp); set ollama_port to a port outside the ranges, or restart "
        "winnat after reserving this one.",
    ),
    "install_dir_no_drive": (
        {"install": {"missing_mount": "Q:\\", "filesystem": None, "free_bytes": None}}, {"install_dir": "Q:\\ollama"}, "ollama_install_dir",
        "ollama_install_dir is Q:\\ollama, but this host has no such drive of its own; write a directory on a drive that it has.",
    ),
    "models_dir_no_drive": (
        {"store": {"missing_mount": "Q:\\", "filesystem": None, "free_bytes": None}}, {"models_dir": "Q:\\models"}, "ollama_models_dir",
        "ollama_models_dir is Q:\\models, but this host has no such drive of its own; write a directory on a drive that it has.",
    ),
    "install_dir_filesystem": (
        {"install": {"filesystem": "exFAT"}}, {"install_dir": "E:\\ollama"}, "ollama_install_dir",
        "ollama_install_dir is on a exFAT drive, which keeps neither links nor rights; write one on NTFS.",
    ),
    "models_dir_filesystem": (
        {"store": {"filesystem": "exFAT"}}, {"models_dir": "E:\\models"}, "ollama_models_dir",
        "ollama_models_dir is on a exFAT drive, which keeps no rights; write one on NTFS.",
    ),
    "models_left": (
        {"store": {"other_stores": [{"path": "C:\\old", "size_bytes": 8 << 30}]}}, {"models_dir": "D:\\models", "models_move": "move"}, "ollama_models_move",
        "ollama_models_dir is D:\\models, but C:\\old holds 8.0 GiB of models, which the role does not move on Windows, whatever ollama_models_move says; move "
        "them there by hand as docs/windows.md says, or set ollama_models_move to leave to start without them.",
    ),
    "store_newer": (
        {"files": [directory("D:\\models\\manifests-v2")]}, {"models_dir": "D:\\models"}, "ollama_version",
        "The models in ollama_models_dir D:\\models were written by Ollama 0.40 or later; 0.32.15 (ollama_version) reads part of them and removes at its "
        "start what it does not know; keep a release since 0.40, choose another directory, or set OLLAMA_NOPRUNE to true in ollama_environment, which keeps "
        "all of it.",
    ),
    "install_dir_owner": (
        {"files": [directory("C:\\ollama", owner="S-1-5-21-7")]}, {}, "ollama_install_dir",
        "ollama_install_dir (C:\\ollama) belongs to the account S-1-5-21-7, which keeps what it may do there; remove that directory or write another one.",
    ),
    "install_dir_of_others": (
        {"files": [directory("C:\\ollama", protected=True, owner="S-1-5-21-1")], "install": {"releases": ["0.30.0", "0.31.0"]}}, {}, "ollama_install_dir",
        "ollama_install_dir (C:\\ollama) holds 0.30.0, 0.31.0 already, and others than administrators may have put it there; remove that or write another "
        "directory.",
    ),
    "install_dir_full": (
        {"install": {"free_bytes": 1 << 30}}, {}, "ollama_install_dir",
        "ollama_install_dir (C:\\ollama) has 1.0 GiB free, but a release needs 8.0 GiB; free some space or write another directory.",
    ),
    "firewall_off": (
        {"door": {"off": ["private", "public"]}}, {}, "ollama_firewall",
        "Windows Firewall is off for the profile private, public, so the door would stand open; turn it on, set ollama_host to 127.0.0.1, or ollama_firewall "
        "to none and ollama_accept_open_port to true.",
    ),
    "firewall_open": (
        {"door": {"open": ["domain", "public"]}}, {}, "ollama_firewall",
        "Windows Firewall admits what no rule forbids in the profile domain, public (DefaultInboundAction), so the door would stand open; set it to block "
        "(Set-NetFirewallProfile -DefaultInboundAction Block), ollama_host to 127.0.0.1, or ollama_firewall to none and ollama_accept_open_port to true.",
    ),
    "environment_quote": (
        {}, {"environment": {"A_WORD": 'say "x"'}}, "ollama_environment",
        "ollama_environment: A_WORD holds a double quote, which cmd.exe cannot carry; write the value without it.",
    ),
    "environment_value": (
        {}, {"environment": {"OLLAMA_NOPRUNE": "perhaps"}}, "ollama_environment",
        "ollama_environment: OLLAMA_NOPRUNE is a switch, but its value is 'perhaps'; write true or false.",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_windows_host_cannot_give_is_refused(name):
    seen, wished, variable, say = REFUSED[name]
    made = decide(host(**seen), wishing(**wished))
    assert made.problems == [Problem(name, variable, say)]
    assert not made.changes


def test_without_an_administrator_nothing_else_is_said():
    assert windows.not_root(AROUND) == Problem(
        "not_root", "ansible_user",
        "The account in ansible_user has no administrator rights on this host; name one that has, or set ansible_become with runas.",
    )


def test_several_faults_are_told_at_once():
    """A fleet is repaired in one round, not one fault at a time."""
    made = decide(host(port_owner="nginx", port_excluded=True, os_build=14393), wishing(environment={"A": None}))
    assert [problem.id for problem in made.problems] == ["environment_value", "system_old", "port_taken", "port_excluded"]


# Each would be refused by a check that looks at less.
FINE = {
    "the oldest client": ({"is_server": False, "os_build": 19045}, {}),
    "a server that is younger than a client": ({"os_build": 17763}, {}),
    "an account in small letters": ({}, {"user": "network service"}),
    "a range that holds the port on which it serves": ({"port_excluded": True, "api": {"version": "0.32.15"}}, {}),
    "ReFS": ({"install": {"filesystem": "ReFS"}, "store": {"filesystem": "ReFS"}}, {}),
    "models that shall stay": ({"store": {"other_stores": [{"path": "C:\\old", "size_bytes": None}]}}, {"models_move": "leave"}),
    "no firewall where no door is": ({"door": {"off": ["public"], "open": ["domain"], "others": ["x"]}}, {"host": "127.0.0.1"}),
    "rules of somebody else": ({"door": {"others": ["Allow all"]}}, {}),
    "a full disk that has the release": (
        {"files": [directory("C:\\ollama", protected=True, owner="S-1-5-18")], "install": {"free_bytes": 0, "releases": ["0.32.15"]}}, {},
    ),
    "a newer store under a newer release": ({"files": [directory(MODELS + "\\manifests-v2")]}, {"version": "0.40.2"}),
    "a newer store of which nothing is removed": (
        {"files": [directory(MODELS + "\\manifests-v2")]}, {"environment": {"OLLAMA_NOPRUNE": True}},
    ),
    "spaces in a path": ({}, {"install_dir": "C:\\Program Files\\ollama", "models_dir": "D:\\My Models"}),
}


@pytest.mark.parametrize("name", FINE)
def test_what_is_no_fault_is_not_refused(name):
    seen, wished = FINE[name]
    assert decide(host(**seen), wishing(**wished)).problems == []


@pytest.mark.parametrize(
    "path",
    [
        "C:\\ollama ", "D:\\my  models", "D:\\Modèles", "D:\\a&b", "D:models", "D:\\models\\", "\\\\server\\share\\models", "D:\\100%models",
        "/opt/ollama",
    ],
)
def test_paths_that_cmd_cannot_carry_are_named(path):
    assert windows.path_problems(wishing(models_dir=path)) == [Problem(
        "path_letters", "ollama_models_dir",
        f'ollama_models_dir is "{path}"; write a directory on a drive, of ASCII letters, digits, spaces and _.+- only, such as D:\\ollama, because the '
        "launcher and the model runner fail on others.",
    )]


RIGHTS = {
    SERVICE: ["/inheritance:r", "/grant:r", "*S-1-5-18:(OI)(CI)F", "*S-1-5-32-544:(OI)(CI)F", "*S-1-5-19:(OI)(CI)RX"],
    HOME: ["/inheritance:r", "/grant:r", "*S-1-5-18:(OI)(CI)F", "*S-1-5-32-544:(OI)(CI)F", "*S-1-5-19:(OI)(CI)M"],
    LOGS: ["/inheritance:r", "/grant:r", "*S-1-5-18:(OI)(CI)F", "*S-1-5-32-544:(OI)(CI)F", "*S-1-5-19:(OI)(CI)M"],
    MODELS: ["/grant", "*S-1-5-19:(OI)(CI)M"],
}


def test_a_bare_host_gets_everything_in_this_order():
    made = decide(host())
    assert made.changes == [
        "fetch Ollama 0.32.15", f"give {SERVICE}, {HOME}, {LOGS}, {MODELS} to LOCAL SERVICE", "write " + LAUNCHER, "define task ollama",
        "write firewall rule llmfleet ollama", "run 0.32.15 instead of nothing", "start task ollama", "put C:\\ollama\\current on the machine's PATH",
        "set the machine's OLLAMA_HOST to 127.0.0.1:11434",
    ]
    assert [(file.path, file.mode, file.secret) for file in made.files] == [(LAUNCHER, None, True)]
    assert not made.complete and made.restart and made.before is None
    assert made.steps["task"] == TASK and made.steps["run_level"] == "limited"
    assert made.steps["directories"] == list(RIGHTS) and made.steps["rights"] == [["icacls.exe", path, *rights] for path, rights in RIGHTS.items()]
    assert made.steps["change"]["rights"] == (
        "O:BAG:BAD:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;0x1200a9;;;BU)(A;OICI;0x1200a9;;;S-1-5-19)"
    ), "at once, so that no right that somebody gave himself there outlives it"
    archive = made.archives[0]
    assert made.steps["downloads"] == [{
        "name": archive.name, "url": archive.url, "path": "C:\\ollama\\0.32.15-" + archive.name, "proxied": False, "checksum": archive.sha256,
        "checksum_url": "",
    }]
    listed = decide(host(), wishing(download_checksum="list")).steps["downloads"][0]
    assert (listed["checksum"], listed["checksum_url"]) == ("", "https://github.com/ollama/ollama/releases/download/v0.32.15/sha256sum.txt")
    assert made.to_dict()["release"]["version"] == "0.32.15"


def test_only_system_runs_with_the_highest_rights():
    made = decide(host(), wishing(user="System"))
    assert made.steps["run_level"] == "highest" and made.steps["task"]["account"] == "S-1-5-18"


ARCHIVES = {
    ("AMD64", (), ("auto",)): ["ollama-windows-amd64.zip"],
    ("AMD64", ("amd", "nvidia"), ("auto",)): ["ollama-windows-amd64.zip", "ollama-windows-amd64-rocm.zip"],
    # What the fact vram says wins over the look at the bus.
    ("AMD64", ("amd",), ("nvidia",)): ["ollama-windows-amd64.zip"],
    ("AMD64", (), ("amd",)): ["ollama-windows-amd64.zip", "ollama-windows-amd64-rocm.zip"],
    ("ARM64", ("amd",), ("auto",)): ["ollama-windows-arm64.zip"],
}


@pytest.mark.parametrize(("machine", "names"), ARCHIVES.items())
def test_archives_are_those_of_the_machine(machine, names):
    architecture, vendors, accelerators = machine
    made = decide(host(architecture=architecture, display_vendors=list(vendors)), wishing(accelerators=accelerators))
    assert [archive.name for archive in made.archives] == names


@pytest.mark.parametrize("wished", [{}, {"host": "127.0.0.1"}, {"environment": {"A_TOKEN": "a&b%"}, "accelerators": ("amd",)}])
def test_a_converged_host_gets_nothing(wished):
    wish = wishing(**wished)
    made = decide(left(wish), wish)
    assert made.changes == [] and not made.restart and made.complete and made.before == {"version": "0.32.15", "url": "http://127.0.0.1:11434"}


# What one difference on the host or in the wish changes, and nothing else with it.
START, WRITE_RULE = "start task ollama", "write firewall rule llmfleet ollama"
HOST_8080 = "set the machine's OLLAMA_HOST to 127.0.0.1:8080"
DIFFERENCES = {
    "the task does not run": (left(service={"running": False}), {}, [START]),
    "nobody answers": (left(api={"version": None}), {}, [START]),
    "another version answers": (left(api={"version": "0.31.0"}), {}, [START]),
    "the launcher is gone": (without(LAUNCHER, left()), {}, ["write " + LAUNCHER, START]),
    "the launcher is another": (with_file(left(), LAUNCHER, sha256="0" * 64), {}, ["write " + LAUNCHER, START]),
    "the task is gone": (left(task=None), {}, ["define task ollama", START]),
    "the task is another": (left(task={"priority": 7}), {}, ["define task ollama", START]),
    "somebody switched it off": (left(task={"enabled": False}), {}, ["define task ollama", START]),
    "the rule is gone": (left(door={"rule": None}), {}, [WRITE_RULE]),
    "the rule admits more": (left(door={"rule": {**RULE, "addresses": ["*"]}}), {}, [WRITE_RULE]),
    "the rule is switched off": (left(door={"rule": {**RULE, "enabled": False}}), {}, [WRITE_RULE]),
    "others may write into the service": (with_file(left(), SERVICE, protected=False), {}, [f"give {SERVICE} to LOCAL SERVICE"]),
    "somebody else owns the service": (with_file(left(), SERVICE, owner="S-1-5-21-7"), {}, [f"give {SERVICE} to LOCAL SERVICE"]),
    "the key's directory is gone": (without(HOME, left()), {}, [f"give {HOME} to LOCAL SERVICE"]),
    "others may read the log": (with_file(left(), LOGS, protected=False), {}, [f"give {LOGS} to LOCAL SERVICE"]),
    "the account may not write models": (with_file(left(), MODELS, granted=False), {}, [f"give {MODELS} to LOCAL SERVICE"]),
    "the path": (left(on_path=False), {}, ["put C:\\ollama\\current on the machine's PATH"]),
    "the machine's OLLAMA_HOST": (left(machine_ollama_host="0.0.0.0"), {}, ["set the machine's OLLAMA_HOST to 127.0.0.1:11434"]),
    "the link to the release is gone": (without(CURRENT, left()), {}, ["run 0.32.15 instead of nothing", START]),
    "the release is gone": (left(install={"releases": []}), {}, ["fetch Ollama 0.32.15"]),
    "a setting": (left(), {"environment": {"OLLAMA_KEEP_ALIVE": "24h"}}, ["write " + LAUNCHER, START]),
    "who may come in": (left(), {"allowed_cidrs": ("10.20.0.0/16",)}, [WRITE_RULE]),
    # Windows admits nobody without a rule.
    "nobody may come in": (left(), {"allowed_cidrs": ()}, ["remove firewall rule llmfleet ollama"]),
    "a port": (left(), {"port": 8080}, ["write " + LAUNCHER, WRITE_RULE, START, HOST_8080]),
    "loopback only": (left(), {"host": "127.0.0.1"}, ["write " + LAUNCHER, START, "remove firewall rule llmfleet ollama"]),
    "a release": (
        left(install={"releases": ["0.30.0", "0.31.0", "0.32.15", "0.33.0.new"]}), {"version": "0.33.0"},
        ["fetch Ollama 0.33.0", "run 0.33.0 instead of 0.32.15", START, "remove release 0.30.0", "remove release 0.31.0"],
    ),
}


@pytest.mark.parametrize("name", DIFFERENCES)
def test_only_what_differs_is_done(name):
    look, wished, changes = DIFFERENCES[name]
    made = decide(look, wishing(**wished))
    assert made.problems == [] and made.changes == changes
    assert made.restart == (START in changes)


def test_what_a_look_says_beside_is_of_no_account():
    """A newer look may tell more of a task or a rule; that is no difference."""
    assert decide(left(task={"state": "Running"}, door={"rule": {**RULE, "profiles": 7}})).changes == []


def test_a_whole_archive_of_this_release_is_kept():
    """It is not downloaded again."""
    names = ["0.31.0.new", "0.32.15-ollama-windows-amd64.zip", "0.32.15-ollama-windows-arm64.zip", "0.32.15.new"]
    look = host(files=[directory("C:\\ollama", protected=True, owner="S-1-5-18")], install={"releases": names})
    assert decide(look).steps["unfinished"] == ["0.31.0.new", "0.32.15-ollama-windows-arm64.zip", "0.32.15.new"]


def test_the_release_to_go_back_to_is_told_and_kept():
    made = decide(left(install={"releases": ["0.30.0", "0.31.0", "0.32.15"]}))
    assert made.steps["previous_version"] == "0.31.0" and made.steps["remove_releases"] == []


def cmd_settings(text):
    """What `set "NAME=VALUE"` lines of a batch file leave in the environment, with delayed expansion off."""
    found = {}
    for line in text.split("\r\n"):
        assert "\n" not in line, "cmd.exe loses its place in files without carriage returns"
        match = re.fullmatch(r'set "(\w+)=(.*)"', line)
        if match:
            assert "%" not in match[2].replace("%%", ""), f"{match[1]} would be expanded"
            found[match[1]] = match[2].replace("%%", "%")
    return found


AWKWARD = {"A_TOKEN": "a&b<c>%PATH%^|' !d", "OLLAMA_ORIGINS": ["http://a.test", "app://*"], "OLLAMA_NOPRUNE": True, "OLLAMA_KEEP_ALIVE": -1}


def test_cmd_hands_over_every_value_as_it_was_written():
    text = decide(host(), wishing(environment=AWKWARD, install_dir="D:\\Program Files\\ollama")).files[0].content
    assert cmd_settings(text) == {
        "A_TOKEN": AWKWARD["A_TOKEN"], "OLLAMA_ORIGINS": "http://a.test,app://*", "OLLAMA_NOPRUNE": "true", "OLLAMA_KEEP_ALIVE": "-1",
        "OLLAMA_HOST": "0.0.0.0:11434", "OLLAMA_MODELS": MODELS, "USERPROFILE": "D:\\Program Files\\ollama\\home",
        "LOG": "D:\\Program Files\\ollama\\logs\\server.log", "OLLAMA_NO_CLOUD": "true",
    }
    assert text.startswith("@echo off\r\n") and text.isascii() and "setx" not in text.lower()
    assert text.rstrip().splitlines()[-1] == '"D:\\Program Files\\ollama\\current\\ollama.exe" serve >> "%LOG%" 2>&1'


@pytest.mark.parametrize(("bound", "dialled"), [("0.0.0.0", "127.0.0.1:8080"), ("10.20.0.5", "10.20.0.5:8080"), ("::", "[::1]:8080")])
def test_the_command_line_gets_an_address_that_it_can_dial(bound, dialled):
    """The CLI dials what OLLAMA_HOST says, and 0.0.0.0 fails on Windows."""
    assert decide(host(), wishing(host=bound, port=8080)).addresses["cli"] == dialled


def test_web_interface_and_controller_are_admitted():
    """A web interface that the firewall drops is the most frequent complaint of all."""
    look = host(resolved=[{"name": "web", "addresses": ["10.40.0.9"]}])
    made = decide(look, around=dataclasses.replace(AROUND, controller="10.50.0.1"))
    assert made.door["rule"]["addresses"] == ["10.20.0.0/16", "10.40.0.9", "10.50.0.1", "192.0.2.7"] and made.door["rule"]["port"] == "11434"


def test_the_look_is_asked_for_all_that_is_decided_on():
    """A path that is not asked for would always differ."""
    around = dataclasses.replace(AROUND, groups={"open_webui": ("here", "web")}, addresses={"web": "10.40.0.9"})
    asked = windows.question(WISH, around)
    assert {entry["path"] for entry in left()["files"]} <= set(asked.paths)
    assert asked.names == ("10.40.0.9",) and (asked.user, asked.service, asked.door) == ("S-1-5-19", "ollama", "llmfleet ollama")


def removed(look, **wished):
    return windows.remove(wishing(state="absent", **wished), look)


def test_removal_keeps_models_and_key():
    made = removed(left(install={"releases": ["0.31.0", "0.32.15"]}))
    assert made.changes == [
        "stop Ollama", "remove task ollama", "remove firewall rule llmfleet ollama", "take C:\\ollama\\current off the machine's PATH",
        "remove the machine's OLLAMA_HOST", "remove C:\\ollama\\0.31.0", "remove C:\\ollama\\0.32.15", "remove C:\\ollama\\service", "remove C:\\ollama\\logs",
    ]
    assert not any(re.search(r"models|home", path) for path in made.steps["remove"])


def test_purge_takes_models_key_and_proofs():
    made = removed(left(), purge=True)
    assert made.steps["remove"] == [MODELS, "C:\\ProgramData\\llmfleet.fact", "C:\\ollama"] and made.changes[-2:] == [f"remove {MODELS}", "remove C:\\ollama"]


def test_a_host_without_it_has_nothing_to_remove():
    assert removed(host()).changes == [] and removed(host(), purge=True).changes == []


def test_what_the_role_never_closed_is_somebody_elses():
    made = removed(host(files=[directory("C:\\ollama")], install={"releases": ["0.31.0"]}, machine_ollama_host="10.0.0.9:11434"))
    assert made.steps["remove"] == [] and made.changes == []


def test_purge_takes_by_name_what_lies_in_places_of_the_users():
    """Deleted: `ollama_models_dir: D:\\data` would lose all of D:\\data."""
    look = left()
    look["files"] = [{**entry, "path": entry["path"].replace("C:\\ollama", "D:\\tools")} for entry in look["files"]]
    paths = removed(look, purge=True, models_dir="D:\\data", install_dir="D:\\tools").steps["remove"]
    assert not {"D:\\data", "D:\\tools"} & set(paths)
    assert {"D:\\data\\blobs", "D:\\data\\manifests", "D:\\tools\\home", "D:\\tools\\service", "D:\\tools\\0.32.15"} <= set(paths)


def test_a_folder_of_the_service_that_somebody_made_first_is_refused():
    """Deleted: a local user could make C:\\ollama\\service before the role, and the service would run what that user writes there."""
    look = host(files=[directory("C:\\ollama", owner="S-1-5-32-544"), directory(SERVICE, protected=True, owner="S-1-5-21-7")])
    made = decide(look)
    assert [problem.id for problem in made.problems] == ["install_dir_of_others"] and "holds service already" in made.problems[0].say
    assert decide(host(files=[directory("C:\\ollama", owner="S-1-5-32-544")])).problems == [], "a run that was cut off before it closed the directory"


def test_what_the_owner_of_a_folder_of_the_service_gave_himself_is_taken_away():
    """Deleted: /grant:r changes the accounts that it names, and whoever has made the folder would write the launcher of the service."""
    made = decide(with_file(left(), SERVICE, owner="S-1-5-21-7"))
    assert made.steps["rights"] == [
        ["icacls.exe", SERVICE, "/setowner", "*S-1-5-32-544"], ["icacls.exe", SERVICE, "/reset"], ["icacls.exe", SERVICE, *RIGHTS[SERVICE]],
    ]
    assert decide(left()).steps["change"]["rights"] == "", "it is closed already"


def test_other_rules_that_admit_to_the_port_are_named():
    """Deleted, a rule for all programs would let everybody in past ours, and nobody would say so."""
    look = host(door={"off": [], "open": [], "others": ["Allow all", "ollama.exe"], "rule": None})
    assert "(ollama_port) as well: Allow all, ollama.exe; switch them off" in decide(look).warnings[-1]
    assert not any("Other rules" in said for said in decide(look, wishing(host="127.0.0.1")).warnings)
