# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The shell scripts for macOS run for real, with the Mac's own programs played by small ones that answer as documented.

The simulated Mac of the Molecule scenario does not run them: without these tests nothing would.
"""

from __future__ import annotations

import hashlib
import http.server
import io
import os
import subprocess
import tarfile
import threading

import pytest
from winmac_play import ROLE

LABEL, DOOR = "net.llmfleet.ollama", "net.llmfleet.ollama-door"
PLACES = ("/Library/LaunchDaemons", "/etc/pf.anchors", "/usr/local/bin", "/Applications", "/Users")
PROGRAMS = {
    "launchctl": 'for loaded in $LOADED; do [ "$2" = "system/$loaded" ] && exit 0; done; exit 113',
    "pfctl": """echo 'No ALTQ support in kernel' >&2
case "$*" in
"-s info") echo 'Status: Enabled for 0 days 01:02:03           Debug: Urgent' ;;
"-s rules") printf 'scrub-anchor "com.apple/*" all fragment reassemble\\nanchor "com.apple/*" all\\n' ;;
"-a com.apple/net.llmfleet.ollama-door -s rules") printf '%s' "$RULES" ;;
esac""",
    "dscacheutil": """[ "$5" = webui.test ] && printf 'name: webui.test\\nip_address: 10.20.0.10\\nipv6_address: fd00::10\\n'; true""",
    "lsof": 'printf "$LISTENERS"',
    "stat": 'case "$2" in %Su) echo _ollama ;; %Sp) ls -ld "$3" | cut -c 1-10 ;; esac',
    "sudo": '[ "$1 $2 $3 $4" = "-n -u _ollama test" ] && [ "$6" != "$CLOSED" ]',
    "mount": """printf '/dev/disk4s1 on %s (apfs, local, nodev, nosuid, journaled%s)\n' "$POINT" "$FLAGS" """,
    "plutil": """[ "$1 $2 $3 $4 $5" = "-extract EnvironmentVariables.OLLAMA_MODELS raw -o -" ] || exit 9
value=$(sed -n '/<key>OLLAMA_MODELS</{n;s/.*<string>\\(.*\\)<.*/\\1/p;}' "$6")
if [ "$value" ]; then echo "$value"; else echo "$6: Could not extract value, error: No value at that key path"; exit 1; fi""",
    "sysctl": '[ "$*" = "-n hw.optional.arm64" ] && echo 1',
    "curl": """printf '{"version":"0.32.15"}'""",
    "id": 'case "$2" in _ollama) echo 450 ;; "") echo 0 ;; *) exit 1 ;; esac',
    "xattr": "exit 1",
}


@pytest.fixture
def mac(tmp_path):
    """A directory that stands for / of a Mac, and a way to run one of the role's scripts in it."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for place in PLACES:
        (tmp_path / place.strip("/")).mkdir(parents=True)

    def run(script, *arguments, programs=tuple(PROGRAMS), stdin="", paths=True, **environment):
        for name in programs:
            (tools / name).write_text("#!/bin/sh\n" + PROGRAMS[name] + "\n", encoding="utf-8")
            (tools / name).chmod(0o755)
        text = (ROLE / "files/macos" / script).read_text(encoding="utf-8")
        assert not paths or "export PATH=/usr/bin:/bin:/usr/sbin:/sbin" in text
        text = text.replace("export PATH=/usr/bin", f"export PATH={tools}:/usr/bin")
        for place in PLACES:
            text = text.replace(place, str(tmp_path) + place)
        return subprocess.run(
            ["/bin/sh", "-c", text, "name", *map(str, arguments)], input=stdin, capture_output=True, text=True,
            env={**os.environ, **dict.fromkeys(("LOADED", "RULES", "LISTENERS", "CLOSED", "POINT", "FLAGS"), ""), **environment}, check=False,
        )

    run.root = tmp_path
    return run


def discover(mac, models="/opt/ollama/models", names=(), **environment):
    result = mac("discover.sh", mac.root / "opt/ollama", models, LABEL, DOOR, 11434, "http://127.0.0.1:11434", "_ollama", *names, **environment)
    assert result.returncode == 0 and result.stderr == "", result.stderr
    return dict(line.split("=", 1) for line in result.stdout.splitlines())


def test_discover_tells_what_the_simulated_mac_tells(mac, host_of):
    """Else the scenario would prove the role against answers that no Mac gives."""
    assert list(discover(mac)) == list(host_of("macos").variables["__ollama_seen"])


def test_discover_on_a_mac_without_anything(mac):
    found = discover(mac)
    assert {found[key] for key in ("current", "releases", "daemon_sha256", "cli", "desktop_app", "brew_service", "port_owner")} == {""}
    assert found["loaded"] == found["door_loaded"] == "no"
    assert found["pf_rules"] == "0" and found["pf_calls_us"] == "yes" and found["models_volume"] == "yes"
    assert int(found["install_free_kib"]) > 0 and found["is_root"] == "yes"


def test_discover_on_a_mac_that_runs_ollama(mac):
    install = mac.root / "opt/ollama"
    for name in ("0.31.0", "0.32.15", "0.33.0.new", "models"):
        (install / name).mkdir(parents=True)
    (install / "current").symlink_to(install / "0.32.15")
    (mac.root / "usr/local/bin/ollama").symlink_to("/opt/ollama/current/ollama")
    daemon = mac.root / f"Library/LaunchDaemons/{LABEL}.plist"
    daemon.write_text("<plist/>\n", encoding="utf-8")
    found = discover(mac, LOADED=f"{LABEL} {DOOR}", RULES="pass in quick proto tcp from any to any port = 11434\n" * 3)
    assert found["current"] == "0.32.15" and found["releases"] == "0.31.0 0.32.15 0.33.0.new"
    assert found["daemon_sha256"] == hashlib.sha256(daemon.read_bytes()).hexdigest()
    assert found["loaded"] == found["door_loaded"] == found["user_exists"] == "yes"
    assert found["pf_rules"] == "3" and found["cli"] == "/opt/ollama/current/ollama" and found["cli_is_file"] == "no"
    assert found["version"] == "0.32.15" and found["models_owner"] == "_ollama"


def test_discover_sees_who_else_wants_the_port(mac):
    (mac.root / "Applications/Ollama.app").mkdir()
    agents = mac.root / "Users/ann/Library/LaunchAgents"
    agents.mkdir(parents=True)
    (agents / "homebrew.mxcl.ollama.plist").touch()
    found = discover(mac, LISTENERS="p1\\ncollama\\nL_ollama\\nf3\\np2\\ncnginx\\nL_www\\nf5\\n")
    assert found["desktop_app"].endswith("/Applications/Ollama.app")
    assert found["brew_service"].endswith("/Users/ann/Library/LaunchAgents/homebrew.mxcl.ollama.plist")
    assert found["port_owner"] == "nginx", "our own server must not count"


def test_discover_resolves_names_and_keeps_addresses(mac):
    found = discover(mac, names=("10.1.2.3", "webui.test", "fd00::1", "nowhere.test"))
    assert found["resolved"].split() == ["10.1.2.3", "10.20.0.10", "fd00::1", "fd00::10"]


def test_discover_notices_a_volume_that_is_not_mounted(mac):
    """A path below /Volumes is a directory of the system disk while the volume is away: models would fill that."""
    assert discover(mac, models="/Volumes/no-such-volume/ollama")["models_volume"] == "no"


def test_discover_notices_a_disk_that_ignores_owners(mac):
    """The models could not be given to the service's user: each run would try again and report a change."""
    models = mac.root / "Volumes/My Disk/models"
    point = subprocess.run(["df", "-P", str(mac.root)], capture_output=True, text=True, check=True).stdout.splitlines()[1].split("% ", 1)[1]
    assert discover(mac, models=models, POINT=point, FLAGS=", noowners")["ownerless_volume"] == point
    assert discover(mac, models=models, POINT=point)["ownerless_volume"] == ""
    assert discover(mac, models=models, POINT="/somewhere/else", FLAGS=", noowners")["ownerless_volume"] == ""


def test_discover_finds_the_models_that_would_be_left_behind(mac):
    """The daemon names the store from before; a note names those of a move that was cut off."""
    stores = [mac.root / name for name in ("my models", "noted", "empty", "new")]
    for store in stores:
        (store / "blobs").mkdir(parents=True)
        if store.name != "empty":
            (store / "blobs" / ("sha256-" + "0" * 64)).touch()
    served, noted, empty, new = stores
    daemon = mac.root / f"Library/LaunchDaemons/{LABEL}.plist"
    daemon.write_text("<plist/>\n", encoding="utf-8")
    assert discover(mac, models=new)["other_stores"] == "", "what plutil complains of is no path"
    daemon.write_text(f"<key>OLLAMA_MODELS</key>\n    <string>{served}</string>\n", encoding="utf-8")
    assert discover(mac, models=new)["other_stores"] == f"{served}:"
    assert discover(mac, models=served)["other_stores"] == ""
    (mac.root / "opt/ollama").mkdir(parents=True)
    (mac.root / "opt/ollama/.moving").write_text(f"{noted}\n{empty}\n{new}\n", encoding="utf-8")
    found = discover(mac, models=new)
    assert found["other_stores"] == f"{served}:{noted}:" and found["move_noted"] == "yes"


@pytest.mark.parametrize("user", ["_ollama", "_not_yet_there"])
def test_discover_names_the_directory_that_the_service_cannot_enter(mac, user):
    """The home of a person is closed to others; the server would start again and again without a store."""
    home = mac.root / "Users/ann"
    (home / "models").mkdir(parents=True)
    mac.root.parent.chmod(0o755)
    mac.root.parent.parent.chmod(0o755)
    mac.root.chmod(0o755)
    home.chmod(0o700)
    arguments = (mac.root / "opt/ollama", home / "models", LABEL, DOOR, 11434, "http://127.0.0.1:11434", user)
    found = dict(line.split("=", 1) for line in mac("discover.sh", *arguments, CLOSED=str(home)).stdout.splitlines())
    assert found["closed_parent"] == str(home)


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
    result = mac("load.sh", "/a b.plist")
    assert (result.returncode, result.stdout, result.stderr, busy.read_text()) == (0, "", "", "")
    busy.write_text("x" * 100)
    result = mac("load.sh", "/a b.plist")
    assert (result.returncode, result.stderr) == (37, "Bootstrap failed: 37: Operation already in progress\n")
    assert len(busy.read_text()) == 70, "it is tried for half a minute"


def test_last_words_hold_no_environment(mac):
    """Ollama logs its whole environment when it starts, and the message of a failed play is read by many."""
    log = mac.root / "server.log"
    log.write_text("old\n" * 20 + 'msg="server config" env="map[HTTPS_PROXY:http://a:secret@b]"\nError: bind\n', encoding="utf-8")
    result = mac("last_words.sh", log, programs=(), paths=False)
    assert result.stdout.splitlines() == ["old"] * 5 + ["Error: bind"]


# ---- fetch.sh


def archive(version="0.32.15", server=True):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for name in ["ollama"] + (["llama-server"] if server else []):
            text = f"#!/bin/sh\necho ollama version is {version}\n".encode()
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(text), 0o755
            tar.addfile(entry, io.BytesIO(text))
    return stream.getvalue()


@pytest.fixture
def releases():
    """A server of files that is a proxy as well; `releases.files` maps paths to bytes."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            found = files.get("/" + self.path.split("//", 1)[1].split("/", 1)[1] if "//" in self.path else self.path)
            self.send_response(200 if found is not None else 404)
            self.send_header("Content-Length", str(len(found or b"")))
            self.end_headers()
            self.wfile.write(found or b"")

        def log_message(self, *_arguments):
            pass

    files, asked = {}, []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.files, server.asked, server.url = files, asked, f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def publish(releases, data, listed=None, version="0.32.15"):
    releases.files[f"/v{version}/ollama-darwin.tgz"] = data
    releases.files[f"/v{version}/sha256sum.txt"] = f"{listed or hashlib.sha256(data).hexdigest()}  ./ollama-darwin.tgz\n".encode()


def fetch(mac, releases, checksum="", needs="yes", **more):
    return mac("fetch.sh", mac.root / "opt/ollama", "0.32.15", more.pop("base", releases.url), checksum, needs, programs=("xattr",), **more)


def left(mac):
    return sorted(path.name for path in (mac.root / "opt/ollama").iterdir())


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
