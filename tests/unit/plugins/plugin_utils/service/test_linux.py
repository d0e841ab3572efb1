# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is decided for a Linux host: refusals, files, restart, door, and that a host that is as it shall be has nothing to do.

Deleted, a converged host would be entered again, a changed file overlooked, or a cut-off run left half done.
"""

from __future__ import annotations

import copy
import dataclasses
import posixpath

import pytest
from ansible_collections.llmfleet.ollama.plugins.plugin_utils import look_schema
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.service import linux, wish
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.service.contract import Around
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.service.decide import decide, serves, settled
from looks import STORE, bare, left_behind, running, there

AROUND = Around("here", "10.0.0.1", account="me", groups={"ollama": ["here"]})


def decided(look, **variables):
    return decide("here", {"ollama_version": "0.32.15", **variables}, look, AROUND)


def converged(variables=None, **changed):
    """The host that the decision leaves behind."""
    return left_behind(decided(bare("linux", **changed), **variables or {}), **changed)


def without(look, path):
    return {**look, "files": [entry for entry in look["files"] if entry["path"] != path]}


def with_file(look, path, **changed):
    """The same host, but for one file."""
    look = copy.deepcopy(look)
    entry = next((entry for entry in look["files"] if entry["path"] == path), None)
    if entry is None:
        entry = there(path)
        look["files"].append(entry)
    entry.update(changed)
    return look


# ---- nothing to do

WISHES = {
    "today": {}, "loopback": {"ollama_host": "127.0.0.1"}, "own port": {"ollama_port": 11500}, "secrets": {"ollama_environment": {"A_TOKEN": "x"}},
    "somebody else's door": {"ollama_firewall": "none", "ollama_accept_open_port": True}, "an older release": {"ollama_version": "0.30.11"},
}


@pytest.mark.parametrize("name", WISHES)
@pytest.mark.parametrize("vendors", [[], ["nvidia", "amd"]], ids=["no card", "cards"])
def test_a_converged_host_has_nothing_to_do(name, vendors):
    made = decided(converged(WISHES[name], display_vendors=vendors), **WISHES[name])
    assert (made.problems, made.warnings, made.changes, made.restart, made.complete) == ([], [], [], False, True)
    assert made.before == {"version": made.version, "url": made.addresses["local"]}


def test_only_a_host_with_nothing_to_do_is_settled():
    """The role is not entered there. What is wrong, odd or unfinished is for the role to say; deleted, it could be left out on a host that it has to mend."""
    wish_of = {"ollama_version": "0.32.15"}
    made = settled("here", wish_of, converged(), AROUND)
    assert serves(made) == {"version": "0.32.15", "previous_version": "", "url": made.addresses["url"], "rolled_back": False, "warnings": []}
    older = decided(with_file(converged(), "/opt/ollama/current", target="0.31.0"))
    assert (serves(older)["version"], serves(older, check_mode=True)["version"]) == ("0.32.15", "0.31.0")
    stale = converged()
    for look, said in (
        (bare("linux"), {}), (without(converged(), linux.UNIT), {}), ({**stale, "is_root": False}, {}), ({"schema": 1, "system": "linux"}, {}),
        (stale, {"ollama_port": 11500}), (stale, {"ollama_state": "absent"}), (stale, {"ollama_port": 0}), (stale, {"ollama_wait_seconds": "soon"}),
        (converged(service=running(running=False)), {}),
    ):
        assert settled("here", {**wish_of, **said}, look, AROUND) is None, said


def test_a_bare_host_gets_everything():
    made = decided(bare("linux"))
    assert made.changes == [
        "fetch Ollama 0.32.15", "write " + linux.UNIT, "write " + linux.DROP_IN, "write " + linux.RULES,
        "write " + linux.DOOR_PROGRAM, "write " + linux.DOOR_UNIT, "write " + linux.DOOR_WATCH, "write " + linux.NFTABLES,
        "create user ollama", "make /usr/share/ollama", "make " + STORE, "run 0.32.15 instead of nothing", "load the firewall rules of port 11434",
        "restart ollama.service", "link /usr/local/bin/ollama",
    ]
    assert made.before is None and made.steps["had_server"] is False


# ---- each thing that differs, and what follows

ARCHIVES, PROGRAM, CURRENT = "/opt/ollama/0.32.15/archives", "/opt/ollama/0.32.15/bin/ollama", "/opt/ollama/current"
BASE = converged()
DIFFERENCES = {
    "unit by a byte": (with_file(BASE, linux.UNIT, sha256="0" * 64), ["write " + linux.UNIT, "restart ollama.service"]),
    "unit by its owner": (with_file(BASE, linux.UNIT, owner="me"), ["write " + linux.UNIT, "restart ollama.service"]),
    "unit by its group": (with_file(BASE, linux.UNIT, group="people"), ["write " + linux.UNIT, "restart ollama.service"]),
    "drop-in by its mode": (with_file(BASE, linux.DROP_IN, mode="0666"), ["write " + linux.DROP_IN, "restart ollama.service"]),
    "drop-in is a link": (with_file(BASE, linux.DROP_IN, kind="link", target="/x"), ["write " + linux.DROP_IN, "restart ollama.service"]),
    "rules": (with_file(BASE, linux.RULES, sha256=None), ["write " + linux.RULES, "load the firewall rules of port 11434"]),
    "door's unit is gone": (without(BASE, linux.DOOR_UNIT), ["write " + linux.DOOR_UNIT, "load the firewall rules of port 11434"]),
    "somebody flushed the rules": ({**BASE, "door": {"error": None, "id": None}}, ["load the firewall rules of port 11434"]),
    "other rules are loaded": ({**BASE, "door": {"error": None, "id": "0123456789ab"}}, ["load the firewall rules of port 11434"]),
    "the door does not start with the host": (without(BASE, linux.DOOR_ENABLED), ["load the firewall rules of port 11434"]),
    "half a release": (without(BASE, ARCHIVES), ["fetch Ollama 0.32.15", "restart ollama.service"]),
    "a release of other archives": (with_file(BASE, ARCHIVES, sha256="0" * 64), ["fetch Ollama 0.32.15", "restart ollama.service"]),
    "a release without its program": (without(BASE, PROGRAM), ["fetch Ollama 0.32.15", "restart ollama.service"]),
    "another release": (with_file(BASE, CURRENT, target="0.31.0"), ["run 0.32.15 instead of 0.31.0", "restart ollama.service"]),
    "no link": (without(BASE, CURRENT), ["run 0.32.15 instead of nothing", "restart ollama.service"]),
    "needs a reload": ({**BASE, "service": running(needs_reload=True)}, ["restart ollama.service"]),
    "older than its drop-in": (with_file(BASE, linux.DROP_IN, changed_at=201), ["restart ollama.service"]),
    "older than its release": (with_file(BASE, ARCHIVES, changed_at=201), ["restart ollama.service"]),
    "older than its link": (with_file(BASE, CURRENT, changed_at=201), ["restart ollama.service"]),
    "stopped": ({**BASE, "service": running(running=False)}, ["start ollama.service"]),
    "no answer": ({**BASE, "api": {"version": None, "models": None, "running": None}}, ["prove that 0.32.15 answers"]),
    "another version answers": ({**BASE, "api": {"version": "0.31.0", "models": None, "running": None}}, ["prove that 0.32.15 answers"]),
    "does not start with the host": ({**BASE, "service": running(enabled=False)}, ["start ollama.service"]),
    "no user": ({**BASE, "user": {"exists": False, "groups": []}}, ["create user ollama"]),
    "a new group of GPUs": ({**BASE, "gpu_groups": ["render", "video"]}, ["let user ollama use the GPUs (render, video)"]),
    "no home": (without(BASE, linux.HOME), ["make " + linux.HOME]),
    "no store": (without(BASE, STORE), ["make " + STORE]),
    "a program of another installer": (
        with_file(BASE, linux.CLI, kind="file", target=None), ["move /usr/local/bin/ollama aside", "link /usr/local/bin/ollama"],
    ),
    "a link elsewhere": (with_file(BASE, linux.CLI, target="/x"), ["link /usr/local/bin/ollama"]),
    "a profile that is no longer needed": (with_file(BASE, linux.PROFILE), ["remove " + linux.PROFILE]),
    "a GPU unit that is no longer needed": (with_file(BASE, linux.GPU_UNIT, changed_at=1), ["remove " + linux.GPU_UNIT]),
    "models elsewhere": (
        {**BASE, "store": {**BASE["store"], "other_stores": [{"path": "/old", "size_bytes": None}]}}, ["judge the models in /old"],
    ),
    "a move that was cut off": (with_file(BASE, "/opt/ollama/.moving"), ["judge the models in " + STORE]),
}


@pytest.mark.parametrize("name", DIFFERENCES)
def test_what_follows_from_each_difference(name):
    look, changes = DIFFERENCES[name]
    made = decided(look)
    assert made.changes == changes
    assert made.restart == ("restart ollama.service" in changes)
    assert [file.path for file in made.files if file.differs] == [text.split(" ", 1)[1] for text in changes if text.startswith("write ")]
    assert made.complete == (not changes[0].startswith("fetch"))


def test_a_door_that_is_no_longer_wanted_is_removed():
    wishes = {"ollama_host": "127.0.0.1"}
    made = decided(BASE, **wishes)
    assert made.steps["stop_door"] and made.steps["remove"] == [linux.RULES, linux.DOOR_PROGRAM, linux.DOOR_UNIT, linux.DOOR_WATCH, linux.NFTABLES]
    assert not made.door["guarded"] and "load_door" not in [name for name, value in made.steps.items() if value]


def test_the_way_back_is_known_before_the_first_change():
    """Of everything that the change may write; the link first, so that a full disk or one that is closed does not keep the old release from coming back."""
    look = without(with_file(BASE, CURRENT, target="0.31.0"), linux.NFTABLES)
    made = decided({**look, "install": {**look["install"], "releases": ["0.31.0", "0.32.15"]}})
    steps = made.steps
    assert steps["record"] == steps["change"]["record"] == "/opt/ollama/.before" and not steps["open"] and steps["change"]["asked"] == "0.32.15"
    assert steps["change"]["paths"] == [CURRENT, *linux.CHANGED] and {file.path for file in made.files if file.part != "profile"} <= set(linux.CHANGED)
    assert steps["change"]["before"] == {
        "release": "0.31.0", "previous": "", "version": "0.32.15", "url": "http://127.0.0.1:11434", "had_server": True, "releases": ["0.31.0", "0.32.15"],
    }
    assert made.steps["old_version"] == "0.31.0" and made.before["url"] == "http://127.0.0.1:11434" and made.steps["had_server"]
    assert steps["failed_releases"] == [], "it was there before"


@pytest.mark.parametrize("current, previous, moved, told, removed", [
    ("0.31.0", None, True, "0.31.0", ""), ("0.31.0", "0.30.0", True, "0.31.0", "0.30.0"), ("0.32.15", "0.31.0", False, "0.31.0", ""),
    ("0.31.0", "0.32.15", True, "0.31.0", ""), ("0.31.0", "0.31.0", True, "0.31.0", ""), (None, None, False, "", ""),
])
def test_one_release_is_kept_to_go_back_to(current, previous, moved, told, removed):
    look = without(BASE, CURRENT)
    for path, target in ((CURRENT, current), ("/opt/ollama/previous", previous)):
        look = with_file(look, path, kind="link", target=target) if target else look
    steps = decided(look).steps
    assert (steps["moved"], steps["previous_version"], steps["remove_releases"]) == (moved, told, [removed] if removed else [])


STORES = {
    "missing": ({}, [], {}, "root"), "there": ({}, [there("/m", "directory", owner="ollama")], {}, ""),
    "an empty disk of root's": ({}, [there("/m", "directory")], {"denied": True}, "root"),
    "missing in the home": ({"ollama_models_dir": STORE}, [], {}, "user"),
    "there in the home": ({"ollama_models_dir": STORE}, [there(STORE, "directory")], {}, ""),
}


@pytest.mark.parametrize("name", STORES)
def test_who_makes_the_store(name):
    wishes, files, store, maker = STORES[name]
    assert decided(bare("linux", files=files, store=store), **{"ollama_models_dir": "/m", **wishes}).steps["make_store"] == maker


# ---- refusals: id, variable, words

REFUSALS = {
    "port": ({"port_owner": "nginx"}, [], "port_taken", "ollama_port", "is taken by nginx"),
    "mount": ({"store": {"missing_mount": "/m"}}, [], "missing_mount", "ollama_models_dir", "should lie on /m"),
    "closed": ({"store": {"closed_parent": "/srv"}}, [], "closed_parent", "ollama_models_dir", "chmod a+x /srv"),
    "somebody's store": ({"store": {"denied": True}}, [there("/m", "directory", owner="me")], "store_denied", "ollama_models_dir", "chown -R ollama /m"),
    "a store of an earlier life": (
        {"store": {"denied": True, "has_entries": True}, "user": {"exists": False, "groups": []}}, [there("/m", "directory", owner="998")], "store_denied",
        "ollama_models_dir", "run useradd --system --user-group --home-dir /usr/share/ollama --shell /bin/false ollama && chown -R ollama /m there",
    ),
    "a store of somebody's, with a user": (
        {"store": {"denied": True}, "user": {"exists": True}}, [there("/m", "directory", owner="me")], "store_denied", "ollama_models_dir", "; run chown -R",
    ),
    "a link as store": ({"store": {"denied": True}}, [there("/m", "link", target="/x")], "store_denied", "ollama_models_dir", "chown -R"),
    "a disk with files": ({"store": {"denied": True, "has_entries": True}}, [there("/m", "directory")], "store_denied", "ollama_models_dir", "chown -R"),
    "nftables": ({"door": {"error": "Operation not permitted"}}, [], "no_nftables", "ollama_firewall", "(Operation not permitted)"),
    "a newer store": ({}, [there("/m/manifests-v2", "directory")], "store_newer", "ollama_version", "were written by Ollama 0.40 or later; 0.32.15"),
    # F12: each was another module's raw words, after the first change.
    "a disk mounted read-only": (
        {"read_only": ["/m"], "store": {"denied": True, "has_entries": True}}, [there("/m", "directory", owner="ollama")], "store_read_only",
        "ollama_models_dir", "/m is on a file system that is mounted read-only; mount it writable",
    ),
    "no place for a release": ({"read_only": ["/opt/ollama"]}, [], "install_dir_read_only", "ollama_install_dir", "so Ollama 0.32.15 cannot be put there"),
    "no runuser": ({"tools": ["nft", "tar", "zstd"]}, [], "no_runuser", "ollama_models_dir", "install the package util-linux"),
    "a folder named current": (
        {}, [there("/opt/ollama/current", "directory")], "link_taken", "ollama_install_dir",
        "/opt/ollama/current is a directory, where role ollama keeps a link",
    ),
    "a file named previous": ({}, [there("/opt/ollama/previous")], "link_taken", "ollama_install_dir", "/opt/ollama/previous is a file, where"),
    "names": ({"resolved": [{"name": "ui", "addresses": []}]}, [], "unresolved", "ollama_allowed_groups", "cannot resolve ui"),
}
TEXTFILE_DIRS = {"/var/lib/numbers": "textfile_dir_missing", "/there": "", "numbers": "textfile_dir", "/a b": "textfile_dir", "/": "textfile_dir", "": ""}


@pytest.mark.parametrize("folder", TEXTFILE_DIRS)
def test_a_folder_of_the_node_exporter_that_cannot_be(folder):
    """Deleted, the run would fail after the models came, or a unit have a line that systemd reads otherwise."""
    made = decided(bare("linux", files=[there("/there", "directory")]), ollama_textfile_dir=folder)
    assert [problem.id for problem in made.problems] == list(filter(None, [TEXTFILE_DIRS[folder]]))
    assert folder in ("", *linux.question(wish.read({"ollama_version": "0.32.15", "ollama_textfile_dir": folder}, "linux")[0], AROUND).paths)


@pytest.mark.parametrize("owner, wishes, refused", [
    ("ann", {"ollama_models_dir": "/data/a/models"}, ["models_dir_behind_link"]), ("root", {"ollama_models_dir": "/data/a/models"}, []),
    ("ann", {"ollama_install_dir": "/data/a/ollama"}, ["install_dir_behind_link"]), ("ann", {}, []),
])
def test_a_place_behind_a_strangers_link_is_refused(owner, wishes, refused):
    """Deleted, root would make and give away a directory wherever that user turns the link."""
    made = decide("c0", {"ollama_version": "0.32.15", **wishes}, bare("linux", files=[there("/data", "link", target="/x", owner=owner)]), Around("c0", "c0"))
    assert [problem.id for problem in made.problems] == refused and all("behind the link /data, which user ann made" in one.say for one in made.problems)
    asked = linux.question(wish.read({"ollama_version": "0.32.15", "ollama_models_dir": "/data/a/models"}, "linux")[0], Around("c0", "c0"))
    assert {"/data", "/data/a", "/opt"} <= set(asked.paths)


@pytest.mark.parametrize("path, entry, who", [
    ("/srv/x/ollama", {"owner": "ann"}, "user ann"), ("/srv/x/ollama", {"mode": "0777"}, "everybody"), ("/srv/x/ollama", {"mode": "1777"}, "everybody"),
    ("/srv/x", {"owner": "ann"}, "user ann"), ("/srv/x", {"mode": "0777"}, "everybody"), ("/srv/x", {"mode": "1777"}, ""),
    ("/srv/x", {"mode": "2775", "group": "staff"}, ""), ("/srv/x/ollama", {}, ""),
])
def test_releases_that_others_could_exchange_are_refused(path, entry, who):
    """Deleted: whoever made the folder first, in a place where many may, would choose what the service and root's own `ollama` run, and root would remove
    and make files wherever he leads it."""
    look = bare("linux", files=[there(path, "directory", **entry)])
    for state in ("present", "absent"):
        made = decided(look, ollama_install_dir="/srv/x/ollama", ollama_state=state)
        assert [problem.id for problem in made.problems] == (["install_dir_of_others"] if who else []), state
        assert not who or "can be exchanged by %s, who may write to %s, and root" % (who, path) in made.problems[0].say
    link = bare("linux", files=[there("/srv/x/ollama", "link", target="/etc", owner="ann")])
    assert [problem.id for problem in decided(link, ollama_install_dir="/srv/x/ollama").problems] == ["install_dir_behind_link"]


@pytest.mark.parametrize("purge, refused", [(True, ["models_dir_behind_link"]), (False, [])])
def test_a_purge_behind_a_strangers_link_is_refused(purge, refused):
    """Deleted: root would remove another server's models, wherever that user turns the link."""
    look = leaving(files=[there("/data", "link", target="/x", owner="ann")])
    assert [problem.id for problem in left(look, ollama_purge=purge, ollama_models_dir="/data/models").problems] == refused


@pytest.mark.parametrize("name", REFUSALS)
def test_what_the_host_cannot_do_is_refused(name):
    changed, files, wanted, variable, words = REFUSALS[name]
    made = decided(bare("linux", files=files, **changed), ollama_models_dir="/m")
    assert [(problem.id, problem.variable) for problem in made.problems] == [(wanted, variable)] and words in made.problems[0].say
    assert (made.files, made.changes) == ([], []), "nothing is planned for a host that is refused"


def test_what_a_host_does_not_need_it_may_lack():
    """Deleted, a host that serves would be refused for what nobody will do there again."""
    assert decided({**BASE, "tools": [], "read_only": ["/opt/ollama"]}).problems == []


@pytest.mark.parametrize("files", [[], [there(linux.CLI)]])
def test_a_closed_folder_of_programs_keeps_no_models_from_a_host(files):
    """F12. Deleted: the run would fail behind its proof, at the link of the command line, and the models never come."""
    made = decided(bare("linux", files=files, read_only=[linux.CLI]))
    assert not made.steps["link_cli"] and not made.steps["move_cli_aside"] and [text for text in made.changes if linux.CLI in text] == []
    assert made.problems == [] and len(made.warnings) == 1 and made.warnings[0].endswith("is not on the path there; use /opt/ollama/current/bin/ollama.")
    assert decided({**BASE, "read_only": [linux.CLI]}).warnings == [], "it was linked before"


def test_a_newer_store_goes_with_a_newer_release_or_with_nothing_removed():
    """Deleted, a host could not be given 0.40 twice, or a way back be taken that loses nothing."""
    look = bare("linux", files=[there(STORE + "/manifests-v2", "directory")])
    for wishes in ({"ollama_version": "0.40.0"}, {"ollama_environment": {"OLLAMA_NOPRUNE": True}}):
        assert decided(look, **wishes).problems == []
    assert [problem.id for problem in decided(look, ollama_environment={"OLLAMA_NOPRUNE": "no"}).problems] == ["store_newer"]


def test_a_home_that_is_closed_does_not_close_the_store_in_it():
    assert decided(bare("linux", store={"closed_parent": "/usr/share/ollama"})).problems == []


def test_a_setting_that_fits_no_line_is_a_refusal_and_no_traceback():
    made = decided(bare("linux"), ollama_environment={"A": None})
    assert [(problem.id, problem.variable) for problem in made.problems] == [("environment_value", "ollama_environment")]


def test_without_root_nothing_else_is_said():
    made = decided({"schema": 1, "system": "linux", "is_root": False}, ollama_version="latest")
    assert [problem.id for problem in made.problems] == ["not_root"] and "but me does not become root" in made.problems[0].say


def test_wishes_are_refused_before_the_host_is():
    made = decided(bare("linux", port_owner="nginx"), ollama_port=0)
    assert [problem.id for problem in made.problems] == ["port"]


def test_an_odd_look_names_the_host():
    with pytest.raises(look_schema.BadLook, match=r"What here says of itself cannot be used: look.files is missing"):
        decided({key: value for key, value in bare("linux").items() if key != "files"})


# ---- what is written


def content(path, look=None, **variables):
    return {file.path: file for file in decided(look or bare("linux"), **variables).files}[path]


def test_the_unit_says_who_where_and_behind_which_door():
    text = content(linux.UNIT, bare("linux", display_vendors=["nvidia"]), ollama_user="llm", ollama_models_dir='/srv/a "b" 100%').content
    assert 'ExecStart="/opt/ollama/current/bin/ollama" serve\nUser=llm\nGroup=llm\n' in text
    assert 'RequiresMountsFor="/srv/a \\"b\\" 100%%"' in text and 'ReadWritePaths=/usr/share/ollama "/srv/a \\"b\\" 100%%"' in text
    assert "Requires=llmfleet-ollama-door.service" in text and "Wants=llmfleet-ollama-gpu.service" in text and "ProtectHome=yes" in text
    assert "llmfleet-ollama" not in content(linux.UNIT, ollama_host="127.0.0.1").content
    assert 'ProtectHome=tmpfs\nBindPaths="/home/me/m"' in content(linux.UNIT, ollama_models_dir="/home/me/m").content


def test_the_drop_in_quotes_values_and_hides_secrets():
    file = content(linux.DROP_IN, ollama_environment={"A_TOKEN": 'a"b%c\\d'}, ollama_service_options={"Nice": 5, "X": False, "Y": ["a", ["b"], None]})
    assert file.content.endswith("EnvironmentFile=/etc/llmfleet/ollama.env\nNice=5\nX=no\nY=a\nY=b\n")
    assert (file.mode, file.secret) == ("0600", True) and content(linux.DROP_IN).mode == "0644"
    quoted = content(linux.DROP_IN, ollama_environment={"A": 'a"b%c\\d'}).content
    assert 'Environment="A=a\\"b%%c\\\\d"\n' in quoted


def test_systemd_is_asked_in_vain_for_secrets():
    """Deleted: `systemctl show ollama` would tell everybody on the host the token and the proxy's password."""
    wishes = {"ollama_environment": {"A_TOKEN": 'a"b%c\\d$e', "hf_credentials": "x", "PLAIN": "1"}, "ollama_https_proxy": "http://u:p/a@ss@proxy:3128"}
    drop_in, hidden = content(linux.DROP_IN, **wishes).content, content(linux.SECRETS, **wishes)
    assert not any(word in drop_in for word in ("A_TOKEN", "hf_credentials", "p/a@ss")) and "PLAIN" in drop_in
    lines = ['A_TOKEN="a\\"b%c\\\\d\\$e"', 'HTTPS_PROXY="http://u:p/a@ss@proxy:3128"', 'hf_credentials="x"']
    assert (hidden.mode, hidden.secret) == ("0600", True) and hidden.content.splitlines()[1:] == lines
    assert linux.SECRETS in decided(with_file(BASE, linux.SECRETS)).steps["remove"], "a token that nobody wants any more would stay"


def test_a_store_on_the_network_is_not_pruned():
    assert decided(bare("linux", store={"filesystem": "nfs"})).environment["OLLAMA_NOPRUNE"] == "true"
    assert "OLLAMA_NOPRUNE" not in decided(bare("linux", store={"filesystem": "ext2/ext3"})).environment


def test_the_rules_admit_whom_they_name():
    look = bare("linux", controller="10.9.9.9", resolved=[{"name": "ui", "addresses": ["fd00::2"]}])
    text = content(linux.RULES, look, ollama_allowed_cidrs=["10.20.0.0/16"], ollama_port=11500).content
    assert "elements = { 10.9.9.9, 10.20.0.0/16 }" in text and "elements = { fd00::2 }" in text and "tcp dport 11500 jump door" in text
    assert "elements" not in content(linux.RULES).content


@pytest.mark.parametrize("target", ["../../victim", "/etc", "google", "", "0.30.0/../../x"])
def test_a_link_that_names_no_release_removes_nothing(target):
    """Deleted: whatever `previous` leads to would become part of a path that root removes."""
    look = with_file(with_file(BASE, CURRENT, target="0.31.0"), "/opt/ollama/previous", kind="link", target=target)
    assert decided(look).steps["remove_releases"] == []
    assert decided(with_file(BASE, CURRENT, target=target)).steps["old_version"] == ""


def test_an_ipv6_host_has_an_address_that_can_be_asked():
    """Deleted: verify.yml and a mirror would fail on a fleet of IPv6 addresses."""
    made = decide("here", {"ollama_version": "0.32.15"}, bare("linux"), Around("here", "fd00::5"))
    assert made.addresses["url"] == "http://[fd00::5]:11434"


def test_no_interface_is_admitted_by_a_pattern():
    """Deleted: a LAN that lies on br-lan or br-ex would be let in as if it were a network of containers."""
    text = content(linux.RULES).content
    assert "*" not in text.partition("chain door")[2] and "iifname @bridges accept" in text


@pytest.mark.parametrize("listener, ports", [("*:11434", [11500, 11434]), ("[::]:11434", [11500, 11434]), ("127.0.0.1:11434", [11500]), (None, [11500])])
def test_the_port_from_before_stays_guarded_until_the_new_one_is_proved(listener, ports):
    """Deleted: between the new rules and the restart, and for good if the run ends there, the old port would answer everybody."""
    made = decided(bare("linux", own_listener=listener), ollama_port=11500)
    rules = next(file for file in made.files if file.path == linux.RULES).content
    assert [line.split()[2] for line in rules.splitlines() if "jump door" in line] == [str(port) for port in ports]
    narrow = made.steps["narrow_door"]
    assert bool(narrow) == (len(ports) == 2) and "11434" not in narrow
    if narrow:
        # A run that is cut off before they are narrowed leaves rules that the next one sees.
        assert made.door["id"] in narrow and made.door["id"] not in rules
        assert decided(converged({"ollama_port": 11500}), ollama_port=11500).door["id"] == made.door["id"]


def test_rules_that_were_gone_are_told_of():
    """Deleted: a door that somebody flushed would be put back in silence, again and again."""
    made = decided(with_file(BASE, linux.DOOR_GONE, changed_at=86400))
    assert made.changes == [] and len(made.warnings) == 1
    assert "port 11434 (ollama_port)" in made.warnings[0] and "1970-01-02 00:00 UTC" in made.warnings[0]
    assert decided(with_file(BASE, linux.DOOR_GONE), ollama_host="127.0.0.1").warnings == []


def test_the_command_line_is_told_of_an_address_that_it_would_not_guess():
    assert 'OLLAMA_HOST:-10.0.0.5:11434}"' in content(linux.PROFILE, ollama_host="10.0.0.5").content
    assert linux.PROFILE not in [file.path for file in decided(bare("linux")).files]


def test_a_release_alone_is_judged_by_nothing_of_the_host():
    """Another host of the fleet is served from it: that the port is taken here does not matter."""
    look = bare("linux", port_owner="nginx", tools=[])
    made = decide("here", {"ollama_version": "0.32.15", "ollama_accelerators": []}, look, AROUND, release_only=True)
    assert (made.problems, made.files, made.changes) == ([], [], ["fetch Ollama 0.32.15"]) and made.steps["unpackers"] == ["tar", "zstd"]
    assert made.steps["take_in"][3:] == [
        "take_in", "/opt/ollama/.0.32.15.part", "/opt/ollama/0.32.15", "lib/ollama/llama-server", made.steps["archives_content"],
    ]
    assert decide("here", {"ollama_version": "0.32.15", "ollama_accelerators": []}, BASE, AROUND, release_only=True).changes == []


# ---- what the look is asked


def test_the_look_is_asked_for_all_that_is_decided_from():
    made, _problems = wish.read({"ollama_version": "0.32.15", "ollama_host": "::"}, "linux")
    asked = linux.question(made, AROUND).to_dict()
    assert asked["url"] == "http://[::1]:11434" and asked["settings"] == linux.DROP_IN and asked["models_dir"] == STORE
    assert {entry["path"] for entry in BASE["files"]} <= set(asked["paths"]) and set(bare("linux")["tools"]) == set(asked["tools"])


@pytest.mark.parametrize("version, tools, unpackers", [
    ("0.32.15", ["zstd"], ["tar"]), ("0.32.15", ["tar"], ["zstd"]), ("0.32.15", ["tar", "zstd"], []), ("0.9.3", ["tar"], []), ("0.9.3", [], ["tar"]),
])
def test_what_unpacks_an_archive_is_installed(version, tools, unpackers):
    look = bare("linux", tools=["nft", "runuser", *tools])
    assert decided(look, ollama_version=version, ollama_accept_vulnerable_version=True).steps["unpackers"] == unpackers


def test_in_check_mode_nothing_is_planned_that_it_cannot_foretell():
    """A user that is only foretold can own no directory, and a unit that is only foretold cannot be started: check mode would fail on a fresh host."""
    around = dataclasses.replace(AROUND, check_mode=True)
    look = with_file(bare("linux"), linux.CLI)
    foretold, real = (decide("here", {"ollama_version": "0.32.15"}, look, near) for near in (around, AROUND))
    assert foretold.changes == real.changes
    differs = {name: value for name, value in foretold.steps.items() if value != real.steps[name]}
    assert differs == {"owner": "", "group": "", "move_cli_aside": False, "load_rules": False, "start": False}
    older = converged({"ollama_version": "0.24.0"})
    foretold = decide("here", {"ollama_version": "0.32.15"}, with_file(older, linux.UNIT, sha256="0" * 64), around)
    assert (foretold.steps["moved"], foretold.steps["start"], foretold.steps["owner"]) == (False, True, "ollama")


# ---- what goes away

FILES = [linux.UNIT, linux.DROP_IN, linux.DOOR_UNIT, linux.DOOR_WATCH, linux.NFTABLES, linux.RULES, linux.DOOR_PROGRAM]


def left(look=None, **wished):
    return decided(look or leaving(), ollama_state="absent", **wished)


def leaving(**changed):
    """A host with all that the role made."""
    files = [there(path, ours=True) for path in FILES] + [there(linux.CLI, "link", target="/opt/ollama/current/bin/ollama")]
    return bare("linux", **{"files": files, "install": {"ours": ["0.32.15", "current"]}, "user": {"exists": True}, **changed})


def test_exactly_what_the_role_made_goes_and_the_models_stay():
    steps = left().steps
    assert steps["stop"] == ["ollama.service", "llmfleet-ollama-door.service"] and steps["purge"] is False
    assert steps["remove"] == [*FILES, linux.CLI, "/opt/ollama/0.32.15", "/opt/ollama/current"]
    assert left(bare("linux")).changes == [] and left(bare("linux")).steps["remove"] == []


THEIRS = {
    "a unit of another installer": (linux.UNIT, {"ours": False}), "a file that cannot be read": (linux.RULES, {"ours": None}),
    "a program of their own": (linux.CLI, {"kind": "file", "target": None}), "a link elsewhere": (linux.CLI, {"target": "/usr/bin/other"}),
}


@pytest.mark.parametrize("name", THEIRS)
def test_what_somebody_else_made_stays(name):
    path, changed = THEIRS[name]
    made = left(with_file(leaving(), path, **changed))
    assert path not in made.steps["remove"] and posixpath.basename(path) not in made.steps["stop"]


def test_a_purge_takes_the_proofs_and_the_home_with_the_key():
    look = leaving()
    look["files"].append(there("/srv/m", "directory"))
    made = left(look, ollama_purge=True, ollama_models_dir="/srv/m")
    assert made.steps["purge"] and made.steps["remove_data"] == ["/etc/ansible/facts.d/llmfleet.fact"]
    assert made.steps["empty_home"][3:] == ["home", linux.HOME, "/proc/self/mountinfo"]
    assert made.steps["empty_store"][3:] == ["empty", "/srv/m", linux.HOME, "/proc/self/mountinfo"]
    assert made.steps["who"][3:] == ["ours", "ollama", "ollama", linux.HOME]
    assert made.changes[-2:] == ["remove /srv/m", "remove user ollama, if the role made it"]


def test_the_result_is_plain_and_of_the_documented_shape():
    made = decided(bare("linux")).to_dict()
    assert sorted(made) == [
        "addresses", "before", "changes", "door", "environment", "files", "problems", "release", "restart", "steps", "warnings",
    ]
    assert made["release"]["version"] == "0.32.15" and sorted(made["release"]["archives"][0]) == ["name", "proxied", "sha256", "url"]
    assert made["files"][0]["path"] == linux.UNIT and made["files"][0]["differs"] is True
