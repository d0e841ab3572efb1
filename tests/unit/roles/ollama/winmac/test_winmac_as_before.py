# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The decision in Python is the one that the role's variables make, on simulated hosts in every state.

Deleted while both are there, the two could part. It goes with the variables.
"""

from __future__ import annotations

import copy
import functools
import hashlib

import pytest
from winmac_play import SYSTEMS

WISHES = {
    "as it comes": {},
    "loopback": {
        "ollama_host": "127.0.0.1", "ollama_version": "0.29.0", "ollama_download_checksum": "sha256:" + "0" * 64,
        "ollama_environment": {
            "A_TOKEN": "a&b<c>%PATH%^|' !d", "OLLAMA_ORIGINS": ["http://a.test", "app://*"], "OLLAMA_NOPRUNE": True, "OLLAMA_KEEP_ALIVE": -1,
        },
        "ollama_plan_environment": {"OLLAMA_CONTEXT_LENGTH": "8192", "OLLAMA_KEEP_ALIVE": "5m"},
        "ollama_https_proxy": "http://fleet:secret@proxy.test:3128", "llm_registry": "http://mirror.test:5080",
    },
    "admitted": {
        "ollama_allowed_cidrs": ["10.40.0.0/16", "10.40.3.4", "192.0.2.7", "fd00::/8"], "ollama_port": 8080, "ollama_host": "10.20.0.5",
        "groups": {"all": ["here", "web"], "open_webui": ["web", "here"]}, "hostvars": {"web": {"ansible_host": "10.20.0.9"}, "here": {}},
        "ollama_accelerators": ["amd", "nvidia"], "ollama_environment": {"OLLAMA_NO_SUCH": "1"},
    },
    "open": {"ollama_host": "::", "ollama_firewall": "none", "ollama_accept_open_port": True, "ansible_host": "127.0.0.1"},
    "controller": {"ansible_host": "127.0.0.1", "ansible_connection": "winrm"},
}
SPACES = {
    "macos": {"ollama_install_dir": "/opt/my ollama", "ollama_models_dir": "/Volumes/My Disk/models", "ollama_user": "ann", "ollama_group": "staff"},
    "windows": {"ollama_install_dir": "D:\\Program Files\\ollama", "ollama_models_dir": "D:\\My Models", "ollama_user": "system"},
}
CASES = [(platform, name) for platform in SPACES for name in [*WISHES, "spaces"]]


def file(text, **more):
    return {"type": "file", "text": text, "sha256": hashlib.sha256(text.encode("utf-8")).hexdigest(), **more}


def installed(platform, play, version):
    """Changes a simulated host to one on which the role has been."""
    wish = play.wish()
    install, models = wish.install_dir, wish.models_dir
    slash = SYSTEMS[platform]._places(wish)["current"][len(install)]

    def change(state):
        files, texts = state["files"], {name: play.of(name) for name in INSTALLED[platform]}
        files[install] = {"type": "directory", "acl": {"protected": True, "owner": "S-1-5-32-544", "grants": {}}}
        for name in (version, "0.29.9", "0.30.0.new"):
            files[install + slash + name] = {"type": "directory"}
        files[install + slash + "current"] = {"type": "link", "target": install + slash + version}
        binary = install + slash + version + slash + "ollama"
        files[binary] = {"type": "file"}
        state["server"] = {"version": version, "environment": play.of("__ollama_merged")["environment"], "binary": binary}
        INSTALL[platform](state, play, wish, texts)
        files.setdefault(models, {"type": "directory", "owner": wish.user})

    return change


def install_mac(state, play, wish, texts):
    files, root = state["files"], {"owner": "root", "group": "wheel"}
    files[play.of("__ollama_daemon_path")] = file(texts["__ollama_daemon"], mode="0600", **root)
    if play.of("__ollama_guarded"):
        files[play.of("__ollama_door_path")] = file(texts["__ollama_door"], mode="0644", **root)
        files[play.of("__ollama_rules_path")] = file(texts["__ollama_rules"], mode="0644", **root)
        state["pf"].update(references=["1"], anchors={play.of("__ollama_anchor"): [{}]})
        state["loaded"][play.of("__ollama_door_label")] = play.of("__ollama_door_path")
    state["loaded"][play.of("__ollama_label")] = play.of("__ollama_daemon_path")
    state["users"].append(wish.user)
    files.update({"/usr/local/bin": {"type": "directory"}, "/usr/local/bin/ollama": {"type": "link", "target": wish.install_dir + "/current/ollama"}})


def install_windows(state, play, wish, texts):
    files, sid = state["files"], play.of("__ollama_account_sid")
    granted = {"protected": True, "grants": {sid: "M"}}
    for path in (wish.install_dir + "\\service", wish.install_dir + "\\home", wish.install_dir + "\\logs", wish.models_dir):
        files[path] = {"type": "directory", "acl": granted}
    files[play.of("__ollama_launcher_path")] = file(texts["__ollama_launcher"])
    state["tasks"]["\\llmfleet\\ollama"] = {**texts["__ollama_task_wanted"], "state": "Running"}
    rule = texts["__ollama_rule_wanted"]
    if play.of("__ollama_guarded") and rule["addresses"]:
        # As Windows gives them back.
        rule["addresses"] = [entry if "/" in entry else entry + ("/128" if ":" in entry else "/32") for entry in reversed(rule["addresses"])]
        state["firewall"]["rules"]["llmfleet ollama"] = rule
    state["path"].append(wish.install_dir + "\\current")
    state["environment"]["OLLAMA_HOST"] = play.of("__ollama_cli_host")


INSTALL = {"macos": install_mac, "windows": install_windows}
INSTALLED = {
    "macos": ("__ollama_daemon", "__ollama_door", "__ollama_rules"),
    "windows": ("__ollama_launcher", "__ollama_task_wanted", "__ollama_rule_wanted"),
}


def decided(play):
    return SYSTEMS[play.platform].decide(play.wish(), play.look, play.around())


def old_archives(play):
    found = []
    for name in play.of("__ollama_archives"):
        play.variables["__ollama_archive"] = name
        checksum = play.of("__ollama_archive_checksum").removeprefix("sha256:")
        found.append([name, play.of("__ollama_archive_url"), checksum, bool(play.of("__ollama_archive_proxy"))])
    return found


def compare(play):
    """Everything that both decide."""
    made, of = decided(play), functools.cache(play.of)
    assert [problem.say for problem in made.problems] == [text for text in of("__ollama_host_problems") if text]
    if made.problems:
        return made
    assert made.environment == of("__ollama_merged")["environment"]
    unknown = of("__ollama_merged")["unknown"]
    assert bool(unknown) == bool(made.warnings) and all(entry["name"] in made.warnings[0] for entry in unknown)
    assert [[entry.name, entry.url, entry.sha256, entry.proxied] for entry in made.archives] == old_archives(play)
    assert made.complete == (of("__ollama_release") in of("__ollama_releases"))
    assert made.addresses["bind"] == of("__ollama_bind") and made.addresses["local"] == of("__ollama_local_url") and made.addresses["url"] == of("__ollama_url")
    assert made.door["guarded"] == of("__ollama_guarded")
    assert {key: made.door[key] for key in ("ipv4", "ipv6")} == {key: of("__ollama_admitted")[key] for key in ("ipv4", "ipv6")}
    assert made.restart == of("__ollama_must_start")
    assert made.steps["old_version"] == of("__ollama_current")
    release, current, releases, leftovers = (of("__ollama_" + name) for name in ("release", "current", "releases", "leftovers"))
    others = [name for name in releases if name not in [release, *leftovers]]
    assert made.steps["remove_releases"] == ([name for name in others if name != current] if current not in ("", release) else [])
    assert made.steps["previous_version"] == (current if current != release else (others or [""])[-1])
    (compare_mac if play.platform == "macos" else compare_windows)(made, play, of)
    return made


def compare_mac(made, play, of):
    seen = play.variables["__ollama_seen"]
    files = {entry.path: entry for entry in made.files}
    daemon = files[of("__ollama_daemon_path")]
    assert daemon.content == of("__ollama_daemon") and daemon.differs == of("__ollama_daemon_differs")
    assert made.door["remove"] == (not of("__ollama_guarded") and of("__ollama_door_is_there"))
    if of("__ollama_guarded"):
        assert files[of("__ollama_door_path")].content == of("__ollama_door") and files[of("__ollama_rules_path")].content == of("__ollama_rules")
        assert made.door["differs"] == of("__ollama_door_differs")
    else:
        assert len(files) == 1 and not made.door["differs"]
    assert made.steps["create_user"] == (seen["user_exists"] == "no")
    assert bool(made.steps["directories"]) == (of("__ollama_daemon_differs") or seen["models_owner"] != of("ollama_user"))
    assert made.steps["link_cli"] == (seen["cli"] != of("ollama_install_dir") + "/current/ollama")
    assert made.steps["make_cli_directory"] == (seen["cli_directory"] == "no")
    assert made.steps["other_stores"] == of("__ollama_other_stores") and made.steps["move_noted"] == of("__ollama_move_noted")


def compare_windows(made, play, of):
    seen = play.variables["__ollama_seen"]
    assert [entry.path for entry in made.files] == [of("__ollama_launcher_path")]
    assert made.files[0].content == of("__ollama_launcher") and made.files[0].differs == of("__ollama_launcher_differs")
    assert made.steps["task"] == of("__ollama_task_wanted") and made.steps["task_differs"] == of("__ollama_task_differs")
    needed = of("__ollama_guarded") and bool(of("__ollama_rule_wanted")["addresses"])
    assert made.door["rule"] == of("__ollama_rule_wanted") and made.door["differs"] == (needed and of("__ollama_rule_differs"))
    assert made.door["remove"] == (not needed and bool(seen["rule"]))
    assert made.steps["directories"] == [
        {"path": entry["path"], "rights": entry["rights"]} for entry in of("__ollama_directories") if not entry["ready"]
    ]
    assert made.steps["close_install_dir"] == ([] if seen["protected"] else made.steps["close_install_dir"]) and bool(
        made.steps["close_install_dir"]
    ) != seen["protected"]
    assert made.addresses["cli"] == of("__ollama_cli_host") and made.steps["set_machine_host"] == (seen["machine_ollama_host"] != of("__ollama_cli_host"))
    assert made.steps["add_path"] == (not seen["on_path"])


def without(state, end):
    for path in [path for path in state["files"] if path.endswith(end)]:
        del state["files"][path]


DAMAGES = {
    "macos": [
        lambda state: state["loaded"].pop("net.llmfleet.ollama"),
        lambda state: state.update(server=None),
        lambda state: without(state, "/current"),
        lambda state: without(state, "LaunchDaemons/net.llmfleet.ollama.plist"),
        lambda state: without(state, "bin/ollama"),
        lambda state: state["loaded"].pop("net.llmfleet.ollama-door", None),
        lambda state: state["pf"].update(references=[]),
        lambda state: state["pf"].update(anchors={}),
        lambda state: without(state, "pf.anchors/net.llmfleet.ollama-door"),
    ],
    "windows": [
        lambda state: state["tasks"]["\\llmfleet\\ollama"].update(state="Ready"),
        lambda state: state["tasks"]["\\llmfleet\\ollama"].update(priority=7),
        lambda state: state.update(server=None),
        lambda state: without(state, "\\current"),
        lambda state: without(state, "\\serve.cmd"),
        lambda state: state.update(path=[]),
        lambda state: state["environment"].clear(),
        lambda state: without(state, "\\home"),
        lambda state: state["firewall"]["rules"].clear(),
        lambda state: [rule.update(port="1") for rule in state["firewall"]["rules"].values()],
    ],
}


@pytest.mark.parametrize(("platform", "name"), CASES)
def test_both_decide_alike(host_of, platform, name):
    """On a bare host, on one that the role has left as it should be, and on one that it left with another release."""
    given = {"ollama_accept_vulnerable_version": True, **({**WISHES, "spaces": SPACES[platform]}[name])}

    def host(change=None):
        return host_of(platform, change, **copy.deepcopy(given))

    bare = host()
    assert compare(bare).changes
    assert compare(host(installed(platform, bare, bare.of("ollama_version")))).changes == []
    older = compare(host(installed(platform, bare, "0.28.0")))
    assert older.restart and older.steps["remove_releases"] == ["0.29.9"]


@pytest.mark.parametrize(("platform", "number"), [(platform, number) for platform, damages in DAMAGES.items() for number in range(len(damages))])
def test_both_see_the_same_damage(host_of, platform, number):
    """Something of it is gone, or was changed by somebody else."""
    admitted = {"ollama_allowed_cidrs": ["10.20.0.0/16"]}
    bare = host_of(platform, **admitted)
    whole = installed(platform, bare, bare.of("ollama_version"))
    assert compare(host_of(platform, lambda state: (whole(state), DAMAGES[platform][number](state)), **admitted)).changes
