# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The shell scripts for macOS run for real, with the Mac's own programs played by small ones that answer as documented.

The simulated Mac of the Molecule scenario does not run them: without these tests nothing would.
"""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import tarfile

import pytest
from support import ROOT, needs, servers

ROLE = ROOT / "roles/ollama"
PROGRAMS = {
    "xattr": "exit 1",
    # It says nothing of a signature that holds.
    "codesign": '''case "$1 $2 $3 $4" in "--verify --strict -R =anchor apple generic and "*'OU] = "3MU9H2V9Y9"') ;; *) exit 64 ;; esac; [ -x "$5" ]''',
    "sudo": '[ "$1 $2 $3" = "-n -u nobody" ] || exit 64; shift 3; RAN_AS=nobody exec "$@"',
}


@pytest.fixture
def mac(tmp_path):
    """A directory that stands for / of a Mac, and a way to run one of the role's scripts in it."""
    tools = tmp_path / "tools"
    tools.mkdir()

    def run(script, *arguments, programs=tuple(PROGRAMS), stdin="", paths=True, **environment):
        for name in programs:
            (tools / name).write_text("#!/bin/sh\n" + PROGRAMS[name] + "\n", encoding="utf-8")
            (tools / name).chmod(0o755)
        text = (ROLE / "files/macos" / script).read_text(encoding="utf-8")
        assert not paths or "export PATH=/usr/bin:/bin:/usr/sbin:/sbin" in text
        text = text.replace("export PATH=/usr/bin", f"export PATH={tools}:/usr/bin")
        return subprocess.run(
            ["/bin/sh", "-c", text, "name", *map(str, arguments)], input=stdin, capture_output=True, text=True,
            env={**os.environ, **environment}, check=False,
        )

    run.root = tmp_path
    return run


# ---- door.sh

PFCTL = """
case "$*" in
"-s References") echo 'TOKENS:'; cat "$STATE/references" ;;
"-a anchor -f $STATE/rules") cat "$STATE/rules" >"$STATE/anchor" ;;
"-a anchor -F all") : >"$STATE/anchor" ;;
-E) echo "2150     pfctl                        18446744073709551609     0 days 00:00:12" >>"$STATE/references"
    printf 'No ALTQ support in kernel\nALTQ related functions disabled\npf enabled\nToken : 18446744073709551609\n' >&2 ;;
-X*) grep -qw "$2" "$STATE/references" || exit 1
    grep -vw "$2" "$STATE/references" >"$STATE/left"; mv "$STATE/left" "$STATE/references" ;;
*) exit 1 ;;
esac"""


@pytest.fixture
def door(mac, tmp_path):
    """The script with a pf whose references are lines of a file; gives what is left after an action."""
    references = tmp_path / "references"
    references.write_text("99     vpn     7     9 days 00:00:00\n", encoding="utf-8")
    (tmp_path / "rules").write_text("block drop in quick\n", encoding="utf-8")

    def act(action):
        (tmp_path / "tools/pfctl").write_text("#!/bin/sh" + PFCTL + "\n", encoding="utf-8")
        (tmp_path / "tools/pfctl").chmod(0o755)
        result = mac("door.sh", action, "anchor", tmp_path / "rules", tmp_path / "token", programs=(), STATE=str(tmp_path))
        assert result.returncode == 0, result.stderr
        tokens = [line.split()[2] for line in references.read_text(encoding="utf-8").splitlines()]
        return tokens, (tmp_path / "anchor").read_text(encoding="utf-8")

    act.references, act.token = references, tmp_path / "token"
    return act


OURS = "18446744073709551609"


def test_door_holds_pf_once_and_gives_it_back(door):
    """Without the token pf would stay on after an uninstall; without the look at the list each round of the daemon would take one more."""
    assert door("hold") == (["7", OURS], "block drop in quick\n")
    assert door("hold") == (["7", OURS], "block drop in quick\n")
    assert door.token.stat().st_mode & 0o777 == 0o600
    assert door("release") == (["7"], ""), "the reference of somebody else must stay"
    assert not door.token.exists()


def test_door_takes_a_new_reference_where_the_old_one_is_gone(door):
    """`pfctl -d` and a start of the Mac drop every reference, and the port would stand open."""
    door("hold")
    door.references.write_text("", encoding="utf-8")
    assert door("hold")[0] == [OURS]


def test_the_server_is_let_start_by_a_pf_that_is_on(door, monkeypatch, tmp_path):
    """launchd starts it by the file (KeepAlive): written before pf is on, or by one that did not come on, it would let an open port answer."""
    works = PFCTL
    monkeypatch.setitem(globals(), "PFCTL", works.replace("-E) echo", '-E) [ ! -e "$STATE/token" ] || touch "$STATE/early"; echo'))
    door.token.write_text("of the start before\n", encoding="utf-8")
    door("hold")
    assert not (tmp_path / "early").exists() and door.token.read_text(encoding="utf-8") == OURS + "\n"
    door("release")
    monkeypatch.setitem(globals(), "PFCTL", works.replace("-E) echo", "-E) exit 1; echo"))
    with pytest.raises(AssertionError):
        door("hold")
    assert not door.token.exists()


def test_door_releases_nothing_that_it_does_not_hold(door):
    """`pfctl -X` with an old number would be an error, or another's reference."""
    door.token.write_text("12345\n", encoding="utf-8")
    assert door("release") == (["7"], "")


def test_load_waits_for_the_end_of_what_it_replaces(mac, monkeypatch):
    """bootout answers before it is done: without another try every change of a setting on a Mac would end in error 37."""
    busy = mac.root / "busy"
    busy.write_text("xx")
    monkeypatch.setitem(PROGRAMS, "sleep", "true")
    monkeypatch.setitem(
        PROGRAMS,
        "launchctl",
        f"""[ "$1 $2 $3" = "bootstrap system /a b.plist" ] || exit 64
[ -s {busy} ] || exit 0
printf %s "$(cut -c 2- {busy})" >{busy}
echo "Bootstrap failed: 37: Operation already in progress" >&2
exit 37""",
    )
    result = mac("load.sh", "/a b.plist", programs=("launchctl", "sleep"))
    assert (result.returncode, result.stdout, result.stderr, busy.read_text()) == (0, "", "", "")
    busy.write_text("x" * 100)
    result = mac("load.sh", "/a b.plist", programs=("launchctl", "sleep"))
    assert (result.returncode, result.stderr) == (37, "Bootstrap failed: 37: Operation already in progress\n")
    assert len(busy.read_text()) == 70, "it is tried for half a minute"


def test_last_words_hold_no_environment(mac):
    """Ollama logs its whole environment when it starts, and the message of a failed play is read by many."""
    log = mac.root / "server.log"
    log.write_text("old\n" * 20 + 'msg="server config" env="map[HTTPS_PROXY:http://a:secret@b]"\nError: bind\n', encoding="utf-8")
    result = mac("last_words.sh", log, programs=(), paths=False)
    assert result.stdout.splitlines() == ["old"] * 5 + ["Error: bind"]


# ---- fetch.sh


def archive(version="0.32.15", server=True, uid=0):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for name in ["ollama"] + (["llama-server"] if server else []):
            text = f"#!/bin/sh\necho ollama version is {version}${{RAN_AS:- and ran as root}} | sed s/nobody$//\n".encode()
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.uid, entry.gid = len(text), 0o755, uid, uid
            tar.addfile(entry, io.BytesIO(text))
    return stream.getvalue()


@pytest.fixture
def releases():
    """A server of files that is a proxy as well; `releases.files` maps paths to bytes."""

    class Handler(servers.Quiet):
        def do_GET(self):
            server.asked.append(self.path)
            found = server.files.get("/" + self.path.split("//", 1)[1].split("/", 1)[1] if "//" in self.path else self.path)
            self.answer(404 if found is None else 200, found or b"")

    server = servers.Server(Handler)
    server.files, server.asked = {}, []
    yield server
    server.end()


def publish(releases, data, listed=None, version="0.32.15"):
    releases.files[f"/v{version}/ollama-darwin.tgz"] = data
    releases.files[f"/v{version}/sha256sum.txt"] = f"{listed or hashlib.sha256(data).hexdigest()}  ./ollama-darwin.tgz\n".encode()


def fetch(mac, releases, checksum="", needs="yes", **more):
    return mac("fetch.sh", mac.root / "opt/ollama", "0.32.15", more.pop("base", releases.url), checksum, needs, programs=tuple(PROGRAMS), **more)


def left(mac):
    return sorted(path.name for path in (mac.root / "opt/ollama").iterdir())


def test_what_was_downloaded_is_not_run_as_root(mac, releases, monkeypatch):
    """Deleted: the first run of a binary of whoever owns the release server would be root's, on every Mac."""
    monkeypatch.setitem(PROGRAMS, "sudo", "exit 7")
    publish(releases, archive())
    result = fetch(mac, releases)
    assert result.returncode != 0 and "does not run on this Mac" in result.stderr and left(mac) == ["0.32.15.new"]


def test_a_program_that_somebody_else_has_signed_is_not_even_run(mac, releases, monkeypatch):
    """Deleted: whoever owns the release server and its list of checksums would choose what every Mac runs, though Windows asks who signed it."""
    monkeypatch.setitem(PROGRAMS, "codesign", "echo test-requirement: code failed >&2; exit 3")
    monkeypatch.setitem(PROGRAMS, "sudo", "touch ran; exit 7")
    publish(releases, archive())
    result = fetch(mac, releases)
    assert result.returncode != 0 and left(mac) == ["0.32.15.new"] and "does not run" not in result.stderr
    assert "is not signed by Ollama's makers (Infra Technologies, 3MU9H2V9Y9): test-requirement: code failed" in result.stderr


@needs.root
def test_fetch_gives_a_release_to_root(mac, releases):
    """Deleted: the binary that the service runs would belong to uid 501, the number of the archive's maker and of the first user of a Mac."""
    publish(releases, archive(uid=501))
    assert fetch(mac, releases).returncode == 0
    assert {path.stat().st_uid for path in (mac.root / "opt/ollama/0.32.15").iterdir()} == {0}


def test_fetch_takes_a_whole_release(mac, releases):
    publish(releases, archive())
    (mac.root / "opt/ollama/0.32.15.new").mkdir(parents=True)
    (mac.root / "opt/ollama/0.32.15.new/half-of-it").touch()
    result = fetch(mac, releases)
    assert result.returncode == 0, result.stderr
    assert left(mac) == ["0.32.15"]
    assert sorted(path.name for path in (mac.root / "opt/ollama/0.32.15").iterdir()) == ["llama-server", "ollama"]


@pytest.mark.parametrize(
    ("data", "listed", "needs", "expected"),
    [
        (archive(), "0" * 64, "yes", "instead of " + "0" * 64),
        (archive(server=False), None, "yes", "holds no llama-server"),
        (archive(version="0.9.9"), None, "yes", 'says "ollama version is 0.9.9" instead of 0.32.15'),
        (b"not an archive", None, "yes", ""),
    ],
    ids=["checksum", "engine", "version", "archive"],
)
def test_fetch_gives_a_bad_release_no_name(mac, releases, data, listed, needs, expected):
    publish(releases, data, listed)
    result = fetch(mac, releases, needs=needs)
    assert result.returncode != 0 and expected in result.stderr
    assert "0.32.15" not in left(mac)


def test_fetch_says_what_could_not_be_downloaded(mac, releases):
    result = fetch(mac, releases)
    assert result.returncode == 1
    assert "Could not download " + releases.url + "/v0.32.15/ollama-darwin.tgz (ollama_version, ollama_download_base_url)." in result.stderr


def test_fetch_takes_an_old_release_without_engine(mac, releases):
    publish(releases, archive(server=False))
    assert fetch(mac, releases, needs="no").returncode == 0


@pytest.mark.parametrize("form", ["hex", "URL"])
def test_fetch_uses_the_checksum_of_the_user(mac, releases, form):
    data = archive()
    publish(releases, data, listed="0" * 64)
    digest = hashlib.sha256(data).hexdigest()
    releases.files["/mine.txt"] = f"{digest}  ollama-darwin.tgz\n".encode()
    checksum = "sha256:" + (digest if form == "hex" else releases.url + "/mine.txt")
    assert fetch(mac, releases, checksum).returncode == 0


def test_fetch_goes_through_the_proxy_that_stands_in_no_argument(mac, releases):
    publish(releases, archive())
    result = fetch(mac, releases, base="http://releases.invalid", stdin=f'proxy = "{releases.url}"')
    assert result.returncode == 0, result.stderr
    assert all(path.startswith("http://releases.invalid/v0.32.15/") for path in releases.asked)
