# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Linux host in a folder, looked at by the real readers.

Deleted, nothing would show that a converged host looks converged, that somebody's link or pipe is not followed, or that a dead share, a silent
systemd or a hanging server costs its own fields only.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import socket
import threading
import time
import types

import pytest
from ansible_collections.llmfleet.ollama.plugins.module_utils.change import lock, record
from ansible_collections.llmfleet.ollama.plugins.module_utils.look import common, linux
from ansible_collections.llmfleet.ollama.plugins.module_utils.look.host import Unasked
from ansible_collections.llmfleet.ollama.plugins.plugin_utils import look_schema
from support import servers

SYSTEMCTL = """[ "$1 $2 $3" = "show ollama.service -p" ] || exit 9
cat <<END
MainPID=4711
ExecMainStartTimestamp=Wed 2026-11-25 15:11:27 UTC
Environment=%s
User=%s
LoadState=%s
ActiveState=active
FragmentPath=/etc/systemd/system/ollama.service
UnitFileState=enabled
NeedDaemonReload=%s
END"""


def systemd(machine, environment="", user="ollama", loaded="loaded", reload="no"):
    machine.folder("run/systemd/system")
    machine.tool("systemctl", SYSTEMCTL % (environment, user, loaded, reload))


def why(found, field):
    return [row["why"] for row in found["failed"] if row["field"] == field]


# -- an empty host -------------------------------------------------------------------------------------------------------


def test_nothing_is_there(machine):
    """A host without systemd, nftables, user and store is a whole look: the refusals that follow need every field."""
    found = machine.look(user="no-such-user")
    assert found["failed"] == [] and found["files"] == [] and found["proofs"] is None
    assert found["service"] == {"path": None, "loaded": False, "enabled": None, "running": False, "pid": None, "started_at": None, "needs_reload": False}
    assert found["door"] == {"error": None, "id": None} and found["port_owner"] is None and found["own_listener"] is None
    assert found["user"] == {"exists": False, "groups": []}
    assert found["install"]["releases"] == [] and found["install"]["moving"] is False and found["install"]["free_bytes"] > 0
    store = found["store"]
    assert (store["has_entries"], store["denied"], store["other_stores"], store["manifests"]) == (False, False, [], [])
    assert found["api"] == {"version": None, "models": None, "running": None}
    assert found["service_manager"] == "unknown" and found["observation"]["system"] == "Linux"


def test_a_system_that_nobody_asked_about(machine):
    """A FreeBSD host in group ollama must end in a sentence."""
    with pytest.raises(Unasked, match="runs FreeBSD, and was asked only what linux tells; take it out"):
        machine.look(uname=type("Uname", (), {"sysname": "FreeBSD", "machine": "amd64", "release": "14"}))


# -- the machine ---------------------------------------------------------------------------------------------------------


def test_the_machine(machine):
    text = 'ID=raspbian\nID_LIKE="debian"\nNAME="Debian GNU/Linux"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_ID="12"\n'
    machine.write("usr/lib/os-release", text)
    machine.link("etc/os-release", "../usr/lib/os-release")
    machine.write("etc/nv_tegra_release", "# R36 (release), REVISION: 4.3, GCID: 38968081\n")
    machine.write("proc/1/comm", "openrc-init\n")
    for address, vendor in (("0000:01:00.0", "0x10de"), ("0000:02:00.0", "0x10de"), ("0000:03:00.0", "0x1002"), ("0000:04:00.0", "0x1af4")):
        for name, text in (("class", "0x030000"), ("vendor", vendor)):
            machine.write(f"sys/bus/pci/devices/{address}/{name}", text + "\n")
    found = machine.look()
    assert (found["os_name"], found["os_version"], found["l4t"]) == ("Debian GNU/Linux 12 (bookworm)", "12", 36)
    assert found["display_vendors"] == ["amd", "nvidia"] and found["architecture"] == "x86_64" and found["kernel"] == "6.1.0-30-amd64"
    assert found["service_manager"] == "openrc-init" and found["os_like"] == ["raspbian", "debian"]


def test_where_the_controller_comes_from(machine):
    """sudo takes SSH_CLIENT out of our own environment; it stands in that of the shell above."""
    for pid, above, variables in ((30, 20, "HOME=/root\0"), (20, 10, "SSH_CLIENT=10.20.0.4 50112 22\0LANG=C\0"), (10, 1, "SSH_CLIENT=10.9.9.9 1 2\0")):
        machine.write(f"proc/{pid}/environ", variables)
        machine.write(f"proc/{pid}/status", f"Name:\tsh\nPPid:\t{above}\n")
    root = str(machine.root)
    assert linux.controller(root, 30) == "10.20.0.4" and linux.controller(root, 4711) is None


# -- the service, the port, the door -------------------------------------------------------------------------------------


def test_the_service(machine):
    systemd(machine, reload="yes")
    assert machine.look()["service"] == {
        "path": "/etc/systemd/system/ollama.service", "loaded": True, "enabled": True, "running": True, "pid": 4711, "started_at": 1795619487,
        "needs_reload": True,
    }


def test_systemd_does_not_answer(machine):
    """Nothing is concluded from its silence: an empty answer would make the role install a second service."""
    machine.folder("run/systemd/system")
    machine.tool("systemctl", "exit 1")
    machine.tool("nft", "exit 0")
    found = machine.look()
    assert found["service"] is None and why(found, "service") == ["LookupError: systemd does not answer"]
    assert found["door"] == {"error": None, "id": None} and found["user"]["exists"], "the others had their turn"


@pytest.mark.parametrize(
    ("rows", "owner", "own"),
    [
        ([("00000000", 11434, 1, 4711)], None, "0.0.0.0:11434"),
        ([("0100007F", 8080, 1, 4711)], None, "127.0.0.1:8080"),
        # Go listens on both families with one socket.
        ([("0" * 32, 11434, 1, 4711)], None, "*:11434"),
        ([("00000000", 11434, 2, 4711), ("0" * 32, 11434, 1, 4711)], None, "0.0.0.0:11434"),
        ([("0000000000000000FFFF00000100007F", 11434, 1, 4711)], None, "[::ffff:127.0.0.1]:11434"),
        ([("0" * 24 + "01000000", 11434, 1, 4711)], None, "[::1]:11434"),
        ([("00000000", 11434, 1, 99)], "nginx", None),
        ([("0100007F", 11434, 1, None)], "a process without a name", None),
        ([("00000000", 80, 1, 99)], None, None),
        # Two processes with one socket: a child of ours is no stranger.
        ([("00000000", 11434, 1, 4711), ("00000000", 11434, 1, 99)], None, "0.0.0.0:11434"),
        ([("0100007F", 11434, 1, 4711), ("0A00007F", 11434, 2, 99)], "nginx", "127.0.0.1:11434"),
    ],
)
def test_who_listens(machine, rows, owner, own):
    """A stranger on the port must stop the role, and our own server must not."""
    systemd(machine)
    for address, port, inode, pid in rows:
        machine.listener(address, port, inode, pid)
    found = machine.look()
    assert (found["port_owner"], found["own_listener"]) == (owner, own)


@pytest.mark.parametrize(
    ("script", "door"),
    [
        ("""printf 'table inet llmfleet_ollama {\\n iif "lo" accept comment "llmfleet 0a1b2c3d4e5f"\\n}\\n'""", {"error": None, "id": "0a1b2c3d4e5f"}),
        ("""[ "$2" = tables ] && exit 0; echo 'Error: No such file or directory' >&2; exit 1""", {"error": None, "id": None}),
        ("echo 'Error: cache initialization failed: Operation not permitted' >&2; exit 1",
         {"error": "Error: cache initialization failed: Operation not permitted", "id": None}),
        ("echo 'table inet llmfleet_ollama { }'", {"error": None, "id": None}),
    ],
)
def test_the_door(machine, script, door):
    """Rules that somebody flushed, or that are not ours, are no door; nftables that does not work is told in its own words."""
    machine.tool("nft", '[ "$1" = list ] || exit 9\n' + script)
    assert machine.look()["door"] == door


# -- files ---------------------------------------------------------------------------------------------------------------


def test_files(machine):
    """Only what exists, in the order asked for, each with what a comparison needs."""
    machine.write("etc/unit", "text\n", 0o640)
    machine.folder("opt/ollama")
    machine.link("opt/ollama/current", "0.32.15")
    machine.write("opt/big", b"x" * common.LARGEST_FILE)
    os.utime(machine.root / "etc/unit", (5, 1700000000))
    found = machine.look(paths=["/opt/ollama/current", "/nowhere", "/etc/unit/below", "/etc/unit", "/opt/ollama", "/opt/big"])["files"]
    assert [row["path"] for row in found] == ["/opt/ollama/current", "/etc/unit", "/opt/ollama", "/opt/big"]
    link, unit, folder, big = found
    assert (link["kind"], link["target"], link["sha256"]) == ("link", "0.32.15", None)
    assert (unit["kind"], unit["mode"], unit["sha256"]) == ("file", "0640", hashlib.sha256(b"text\n").hexdigest())
    assert (unit["changed_at"], unit["size_bytes"]) == (1700000000, 5)
    assert (folder["kind"], folder["mode"], folder["target"], folder["sha256"]) == ("directory", "0755", None, None)
    assert (big["sha256"], big["size_bytes"]) == (None, common.LARGEST_FILE)


def test_a_file_from_the_future_has_no_time(machine):
    """Deleted: after a clock that was ahead every run would find the server older than its files, and restart it."""
    for name, ahead in (("now", -1), ("ahead", 3600)):
        machine.write("etc/" + name, "text\n")
        os.utime(machine.root / "etc" / name, (0, int(time.time()) + ahead))
    now, ahead = machine.look(paths=["/etc/now", "/etc/ahead"])["files"]
    assert now["changed_at"] and ahead["changed_at"] is None


def test_what_somebody_put_there_is_not_followed(machine):
    """A link to the host's secrets gives no digest of them, and a pipe holds nobody."""
    machine.write("etc/shadow", "secret\n")
    machine.link("opt/ollama/.moving", machine.root / "etc/shadow")
    machine.link("etc/ansible/facts.d/llmfleet.fact", machine.write("tmp/theirs", '{"proofs": {"x": {"ok": true}}}'))
    os.mkfifo(machine.root / "pipe")
    found = machine.look(paths=["/opt/ollama/.moving", "/pipe"])
    assert [(row["kind"], row["sha256"]) for row in found["files"]] == [("link", None), ("other", None)]
    assert found["proofs"] is None and found["store"]["other_stores"] == [] and found["install"]["moving"] is True
    assert common.read_file(str(machine.root / "pipe")) is None


def test_what_is_ours_says_so(machine):
    """A removal takes what says that the role made it, and nothing by a link that somebody put there."""
    machine.write("etc/ours", "# Managed by llmfleet (role ollama).\n")
    machine.write("etc/theirs", "[Service]\n")
    machine.link("etc/link", machine.root / "etc/ours")
    found = machine.look(paths=["/etc/ours", "/etc/theirs", "/etc/link"])["files"]
    assert [row["ours"] for row in found] == [True, False, None]


def test_what_the_role_made_among_other_things(machine):
    """ollama_install_dir may name a directory with other things in it, of which no removal may take any: /opt has 3com, google and the like."""
    assert machine.look()["install"]["ours"] == []
    theirs = ("3com/drivers", "google/archives", ".config/x", "previous/file")
    for name in ("1.0/archives", ".2.0.part/a.tgz", ".before/etc/x", ".before.new/1", ".moving", *theirs):
        machine.write("opt/ollama/" + name)
    machine.link("opt/ollama/current", "1.0")
    machine.link("opt/ollama/2.0", "google")
    assert machine.look()["install"]["ours"] == [".2.0.part", ".before", ".before.new", ".moving", "1.0", "current"]


def test_names_that_are_no_text(machine):
    """Linux takes any bytes for a name; a look that could not be written as JSON would cost the host its run."""
    machine.folder("opt/ollama")
    os.symlink(b"\xff\xfe", os.fsencode(machine.root) + b"/opt/ollama/current")
    os.mkdir(os.fsencode(machine.root) + b"/opt/ollama/0\xff")
    found = machine.look(paths=["/opt/ollama/current"])
    assert found["files"][0]["target"] == "\ufffd\ufffd" and found["install"]["releases"] == ["0\ufffd"]


# -- places --------------------------------------------------------------------------------------------------------------


def test_releases(machine):
    for name in ("0.32.15", "0.31.0", "0.33.0.new", "home", ".0.33.0.part"):
        machine.folder("opt/ollama/" + name)
    assert machine.look()["install"]["releases"] == ["0.31.0", "0.32.15", "0.33.0.new"]


@pytest.mark.parametrize(
    ("fstab", "mounts", "missing"),
    [
        ("UUID=1 /srv ext4 defaults 0 2\n", "", "/srv"),
        ("UUID=1 /srv/ ext4 defaults 0 2\n", "/dev/sdb1 /srv ext4 rw 0 0\n", None),
        ("# UUID=1 /srv ext4 defaults 0 2\nUUID=2 none swap sw 0 0\n", "", None),
        ("UUID=1 /sr ext4 defaults 0 2\nUUID=2 /srv/models/deeper ext4 defaults 0 2\n", "", None),
        ("UUID=1 / ext4 defaults 0 1\n", "overlay / overlay rw 0 0\n", None),
        ("UUID=1 /srv/my\\040disk ext4 defaults 0 2\n", "", "/srv/my disk"),
        ("UUID=1 /srv/my\\040disk ext4 defaults 0 2\n", "/dev/sdb1 /srv/my\\040disk ext4 rw 0 0\n", None),
    ],
)
def test_a_disk_that_is_not_mounted(machine, fstab, mounts, missing):
    """Models would fill the system disk, and be hidden when the disk comes back."""
    machine.write("etc/fstab", fstab)
    machine.write("proc/self/mounts", mounts)
    store = "/srv/my disk/models" if "my" in fstab else "/srv/models"
    assert machine.look(models_dir=store)["store"]["missing_mount"] == missing


@pytest.mark.parametrize("flags, closed", [(os.ST_RDONLY | os.ST_NOSUID, True), (os.ST_NOSUID, False)])
def test_a_file_system_that_is_mounted_read_only(tmp_path, monkeypatch, flags, closed):
    """F12. Deleted, a person would be told to give a folder away that nobody may write to."""
    asked = []
    monkeypatch.setattr(common.os, "statvfs", lambda path: asked.append(path) or types.SimpleNamespace(f_flag=flags))
    assert common.read_only("/srv/models", str(tmp_path)) is closed and asked == [str(tmp_path) + "/"], "what is not there yet lies where its parent does"


def test_the_store(machine):
    """A new disk comes with lost+found and holds nothing; the file system has the name that coreutils give it."""
    machine.tool("stat", '[ "$1 $2 $3" = "-f -c %T" ] && echo nfs')
    machine.folder("srv/models/lost+found")
    assert machine.look()["store"]["has_entries"] is False
    machine.folder("srv/models/blobs")
    store = machine.look()["store"]
    assert store["has_entries"] is True and store["filesystem"] == "nfs" and store["free_bytes"] > 0


@pytest.mark.parametrize(
    ("drop_in", "environment", "moving", "expected"),
    [
        ('[Service]\nEnvironment="OLLAMA_MODELS=/old/a"\nEnvironment="OLLAMA_MODELS=/old/100%% \\"b\\""\n', "", "", ['/old/100% "b"']),
        ("[Service]\n", "OLLAMA_MODELS=/old/a", "", []),
        (None, 'A=1 "OLLAMA_MODELS=/old/with space" B=2', "", ["/old/with space"]),
        (None, "A=1 OLLAMA_MODELS=/old/a B=2", "", ["/old/a"]),
        (None, "A=1", "", ["HOME/.ollama/models"]),
        (None, "OLLAMA_MODELS=/srv/models", "/old/empty\n/old/a\n/srv/models\n/old/a\nold/b\n", ["/old/a"]),
    ],
)
def test_models_that_would_be_left_behind(machine, monkeypatch, drop_in, environment, moving, expected):
    """Where the service keeps them by our drop-in, by another's unit, in its user's home, or where a move was cut off."""
    monkeypatch.setattr(common, "home", {"ollama": "/home/ollama"}.get)
    systemd(machine, environment)
    if drop_in is not None:
        machine.write(machine.question["settings"], drop_in)
    machine.write("opt/ollama/.moving", moving)
    for store in ("/old/a", "/old/100% \"b\"", "/old/with space", "/home/ollama/.ollama/models", "/srv/models", "old/b"):
        machine.blob(store, "0")
    machine.folder("old/empty/blobs")
    wanted = [path.replace("HOME", "/home/ollama") for path in expected]
    assert machine.look()["store"]["other_stores"] == [{"path": path, "size_bytes": None} for path in wanted]


LAYERS = [{"digest": "sha256:" + "a" * 64, "size": 3, "mediaType": "application/vnd.ollama.image.model"}]
MANIFEST = json.dumps({"config": {"digest": "sha256:" + "c" * 64, "size": 1}, "layers": LAYERS})


def test_models_of_the_store(machine):
    """Ollama trusts any file of the right name; a model whose blob was cut or lost must not look like one that is there."""
    machine.write("srv/models/manifests/registry.ollama.ai/library/llama3.2/1b", MANIFEST)
    machine.write("srv/models/manifests/mirror.test:5000/ann/x/latest", "{}")
    machine.write("srv/models/manifests/registry.ollama.ai/library/too/deep/1b", MANIFEST)
    machine.link("srv/models/manifests/registry.ollama.ai/library/linked/1b", machine.write("tmp/theirs", MANIFEST))
    machine.blob("srv/models", "c")
    machine.blob("srv/models", "a", 2)
    digest = "sha256:" + hashlib.sha256(MANIFEST.encode()).hexdigest()
    expected = {"name": "registry.ollama.ai/library/llama3.2:1b", "digest": digest, "bad_blobs": ["sha256:" + "a" * 64]}
    assert machine.look()["store"]["manifests"] == [expected]
    machine.blob("srv/models", "a", 3)
    assert machine.look()["store"]["manifests"] == [dict(expected, bad_blobs=[])]


def test_a_user_that_does_not_exist_yet(machine):
    """It will be in nobody's group, so what others may decides."""
    machine.folder("srv/models")
    machine.folder("srv", 0o750)
    found = machine.look(user="no-such-user")["store"]
    assert found["closed_parent"] == "/srv" and found["denied"] is True
    machine.folder("srv", 0o711)
    assert machine.look(user="no-such-user")["store"]["closed_parent"] is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_user_that_cannot_enter(machine, tmp_path, monkeypatch):
    """The child really becomes the user: rights of groups and of access lists count as the kernel counts them."""
    monkeypatch.undo()
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)
    machine.folder("srv/models", 0o755)
    machine.folder("srv", 0o700)
    machine.root.chmod(0o755)
    found = machine.look(user="nobody")["store"]
    assert found["closed_parent"] == "/srv" and found["denied"] is True
    machine.folder("srv", 0o755)
    machine.folder("srv/models", 0o777)
    found = machine.look(user="nobody")["store"]
    assert found["closed_parent"] is None and found["denied"] is False
    assert os.geteuid() == 0, "this process is still who it was"


def test_the_disks_of_release_and_models_are_measured(machine):
    """The plan asks the fact vram for the room of the store, whatever the task listed."""
    machine.folder("opt/ollama")
    assert [row["path"] for row in machine.look()["observation"]["filesystems"]] == ["/srv/models", "/opt/ollama"]


def test_tools_and_names(machine):
    """A name that nobody knows admits nobody and is told so; it costs the others nothing."""
    machine.tool("zstd", "exit 0")
    found = machine.look(tools=["zstd", "no-such-tool"], names=["127.0.0.1", "::1", "no-such-name.invalid"])
    assert found["tools"] == ["zstd"]
    assert found["resolved"][0] == {"name": "127.0.0.1", "addresses": ["127.0.0.1"]}
    assert found["resolved"][2] == {"name": "no-such-name.invalid", "addresses": []} and found["failed"] == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [('{"proofs": {"a@b": {"ok": true}}, "other": 1}', {"a@b": {"ok": True}}), ("{", None), ("[]", None), ('{"proofs": []}', None), ("[" * 100000, None)],
)
def test_proofs(machine, text, expected):
    """What was spoilt by hand counts as no proof, and stops nobody."""
    machine.write("etc/ansible/facts.d/llmfleet.fact", text)
    assert machine.look()["proofs"] == expected


# -- what hangs ----------------------------------------------------------------------------------------------------------


def test_a_dead_share_costs_its_own_fields(machine, monkeypatch):
    """stat() of a share whose server is gone does not return; the look does, and says which field it owes."""
    monkeypatch.setattr(common, "has_entries", lambda path, root: time.sleep(60))
    systemd(machine)
    began = time.monotonic()
    found = machine.look(paths=["/opt"])
    assert time.monotonic() - began < 7, "timeout is 5"
    assert found["store"]["has_entries"] is None and found["store"]["free_bytes"] is None and why(found, "store") == ["no answer in time"]
    assert found["store"]["other_stores"] == [] and found["service"]["running"] is True, "what came before and after it is there"


# -- the server ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def server():
    """An Ollama that answers what a test says: {path: (status, body)}; a body may be a function that writes by itself."""
    answers = {}

    class Handler(servers.Quiet):
        def do_GET(self):
            status, body = answers.get(self.path, (404, b"{}"))
            self.send_response(status)
            self.end_headers()
            if callable(body):
                body(self.wfile)
            else:
                self.wfile.write(body if isinstance(body, bytes) else json.dumps(body).encode())

    with servers.serving(Handler) as url:
        yield url, answers


TAG = {"name": "llama3.2:1b", "model": "llama3.2:1b", "digest": "d" * 64, "size": 7, "modified_at": "2026-01-01T00:00:00Z"}


def test_what_the_server_says(machine, server):
    """The fields that the roles use, by Ollama's own names, and nothing of another type."""
    url, answers = server
    answers["/api/version"] = 200, {"version": "0.32.15"}
    answers["/api/tags"] = 200, {"models": [dict(TAG, details={"family": "llama"}), "odd", {"name": 5, "size": True}]}
    answers["/api/ps"] = 200, {"models": None}
    found = machine.look(url=url)["api"]
    assert found == {"version": "0.32.15", "models": [TAG, {}], "running": []}


def drip(stream):
    with contextlib.suppress(ConnectionError):
        for _piece in range(100):
            stream.write(b" ")
            stream.flush()
            time.sleep(0.1)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((200, b"<html>"), "it answers with something that isn't JSON"),
        ((200, [1]), "it answers as Ollama does not (HTTP 200)"),
        ((500, {"error": "x"}), "it answers as Ollama does not (HTTP 500)"),
        ((200, b"[" * 100000), "it answers with something that isn't JSON"),
        ((200, b" " * 5000), "it answers with more than 4096 bytes"),
        ((200, drip), "it does not answer in time"),
    ],
    ids=["html", "list", "error", "deep", "long", "drip"],
)
def test_another_server_on_the_port(server, answer, words):
    """Whatever listens there, the look ends, with a bounded answer."""
    url, answers = server
    answers["/api/version"] = answer
    with pytest.raises(common.Silent) as silent:
        common.get(url, "/api/version", 0.5, limit=4096)
    assert str(silent.value) == words or (answer[1] == b"[" * 100000 and "more than" in str(silent.value))


def test_a_server_that_speaks_no_http():
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet():
            connection = listener.accept()[0]
            connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
            connection.close()

        threading.Thread(target=greet, daemon=True).start()
        with pytest.raises(common.Silent, match="does not speak HTTP"):
            common.get("http://127.0.0.1:%d" % listener.getsockname()[1], "/api/version", 2)


def test_a_server_that_is_cut_off_after_its_version(machine, server):
    """Then models are unknown, which is not the same as none."""
    url, answers = server
    answers["/api/version"] = 200, {"version": "0.32.15"}
    assert machine.look(url=url)["api"] == {"version": "0.32.15", "models": None, "running": None}


def test_a_change_that_was_not_ended(machine):
    """As module host_change leaves it: what the decision is told has to pass the controller's schema."""
    assert machine.look()["change"] == {"record": None, "holder": None}
    before = {"release": "1.0", "previous": "", "version": "", "url": "", "had_server": True, "releases": ["1.0"]}
    record.begin(str(machine.root / "opt/ollama/.before"), before, "2.0", "anna@desk", 100, [str(machine.root / "etc/none")])
    me = {"token": "a", "who": "anna@desk", "doing": "Ollama 2.0", "controller": "desk 1", "process": "1", "started": "then"}
    lock.take(str(machine.root / "run/llmfleet-change"), me, common.clock())
    found = machine.look()
    assert found["change"]["record"]["before"] == before and found["change"]["record"]["by"] == "anna@desk"
    assert found["change"]["holder"]["doing"] == "Ollama 2.0" and found["change"]["holder"]["silent_seconds"] >= 0
    assert look_schema.complaint("here", {**found, "is_root": True}) is None
