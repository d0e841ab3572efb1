# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Mac in a folder, looked at by the real readers, with the Mac's own programs played by small ones that answer as documented.

Deleted, nothing but a Mac would show a wrong reading of launchctl, lsof, pfctl or df. No Mac was at hand where this was written.
"""

from __future__ import annotations

import hashlib
import plistlib
import subprocess
from pathlib import Path

import pytest
from ansible_collections.llmfleet.ollama.plugins.module_utils.look import common, macos

SCRIPT = Path(__file__).resolve().parents[5] / "roles/ollama/files/macos/discover.sh"
LABEL, DOOR = "net.llmfleet.ollama", "net.llmfleet.ollama-door"
DAEMON = f"/Library/LaunchDaemons/{LABEL}.plist"
PRINTED = """system/%s = {
\tactive count = 1
\tpath = /Library/LaunchDaemons/%s.plist
\ttype = LaunchDaemon
\tstate = running

\tprogram = /opt/ollama/current/ollama
\tendpoints = {
\t\tstate = not running
\t}
\tpid = 812
}
"""
PF = """echo 'No ALTQ support in kernel' >&2
case "$*" in
"-s info") echo 'Status: Enabled for 0 days 01:02:03           Debug: Urgent' ;;
"-s rules") printf 'scrub-anchor "com.apple/*" all fragment reassemble\\nanchor "com.apple/*" all\\n' ;;
"-a com.apple/%s -s rules") printf 'pass in quick proto tcp from any to any port = 11434\\nblock drop in quick proto tcp to any port = 11434\\n' ;;
*) exit 1 ;;
esac""" % DOOR
LISTENERS = "p812\\nc%s\\nL%s\\nf3\\nn*:11434\\np99\\ncnginx\\nLwww\\nf5\\nn127.0.0.1:11434\\n"
NAMES = """[ "$5" = webui.test ] && printf 'name: webui.test\\nip_address: 10.20.0.10\\n\\nname: webui.test\\nipv6_address: fd00::10\\n'; true"""


@pytest.fixture
def mac(machine):
    """A Mac as it comes: every program is there and has little to say."""
    machine.question.update(service=LABEL, door=DOOR, settings=DAEMON, models_dir="/opt/ollama/models")
    machine.tool("launchctl", "exit 113")
    machine.tool("pfctl", "echo 'No ALTQ support in kernel' >&2; [ \"$2\" = rules ] && echo 'anchor \"com.apple/*\" all'; true")
    machine.tool("lsof", "exit 1")
    machine.tool("dscacheutil", NAMES)
    machine.tool("sysctl", '[ "$*" = "-n hw.optional.arm64" ] && echo 1')
    machine.tool("sw_vers", '[ "$*" = -productVersion ] && echo 15.1')
    machine.tool("mount", "true")
    for folder in ("opt", "usr/local/bin", "Users", "Applications"):
        machine.folder(folder)
    machine.write("proc/meminfo", "")
    return machine


def running(mac, user):
    mac.tool("launchctl", f'case "$2" in system/{LABEL}) cat {mac.write("printed", PRINTED % (LABEL, LABEL))} ;; system/{DOOR}) ;; *) exit 113 ;; esac')
    mac.tool("pfctl", PF)
    mac.tool("lsof", 'printf "%s"' % LISTENERS.replace("%s", "ollama", 1).replace("%s", user))


def test_a_mac_as_it_comes(mac):
    found = mac.look("macos", user="_no_such_user")
    assert found["failed"] == [] and found["system"] == "macos" and found["service_manager"] == "launchd"
    assert (found["architecture"], found["os_name"], found["os_version"]) == ("arm64", "macOS", "15.1"), "a Python under Rosetta says x86_64"
    assert found["service"] == {
        "path": None, "loaded": False, "enabled": None, "running": False, "pid": None, "started_at": None, "needs_reload": False,
    }
    assert found["door"] == {"loaded": False, "enabled": False, "calls_us": True, "rules": 0}
    assert [found[name] for name in ("port_owner", "own_listener", "desktop_app", "brew_service", "controller", "proofs")] == [None] * 6
    assert found["install"]["releases"] == [] and found["install"]["free_bytes"] > 0 and found["user"] == {"exists": False, "groups": []}


def test_a_mac_that_runs_ollama(mac):
    mac.write(DAEMON, "<plist/>")
    running(mac, mac.question["user"])
    found = mac.look("macos")
    assert found["service"] == {
        "path": DAEMON, "loaded": True, "enabled": None, "running": True, "pid": 812, "started_at": None, "needs_reload": False,
    }
    assert found["door"] == {"loaded": True, "enabled": True, "calls_us": True, "rules": 2}
    assert (found["port_owner"], found["own_listener"]) == ("nginx", "*:11434"), "our own server is no stranger, and a stranger is not ours"


def test_launchctl_does_not_answer(mac):
    """Nothing is concluded from its silence: the role would load the daemon a second time."""
    (mac.tools / "launchctl").unlink()
    found = mac.look("macos")
    assert found["service"] is None and {row["field"]: row["why"] for row in found["failed"]}["service"] == "LookupError: launchctl does not answer"


def test_names(mac):
    found = mac.look("macos", names=["10.1.2.3", "webui.test", "fd00::1", "nowhere.test"])["resolved"]
    assert {row["name"]: row["addresses"] for row in found} == {
        "10.1.2.3": ["10.1.2.3"], "webui.test": ["10.20.0.10", "fd00::10"], "fd00::1": ["fd00::1"], "nowhere.test": [],
    }


def test_others_that_want_the_port(mac):
    mac.folder("Users/ann/Applications/Ollama.app")
    mac.write("Users/ann/Library/LaunchAgents/homebrew.mxcl.ollama.plist", "")
    found = mac.look("macos")
    assert found["desktop_app"] == "/Users/ann/Applications/Ollama.app"
    assert found["brew_service"] == "/Users/ann/Library/LaunchAgents/homebrew.mxcl.ollama.plist"


def test_volumes(mac):
    """A volume that is away, and one that ignores owners. Mount points with spaces and other volumes' options must not mislead."""
    assert mac.look("macos", models_dir="/Volumes/away/models")["store"]["missing_mount"] == "/Volumes/away"
    mac.folder("Volumes/My Disk")
    mac.tool("df", "printf 'Filesystem 512-blocks Used Available Capacity  Mounted on\\n/dev/disk4s1 9 1 8 12%%    /Volumes/My Disk\\n'")
    mac.tool("mount", """printf '/dev/disk3s1 on / (apfs, sealed)\n/dev/disk5s1 on /Volumes (apfs, noowners)
/dev/disk4s1 on /Volumes/My Disk (%s)\n' "$(cat "$0.options")" """)
    options = mac.write("options")
    mac.link("../tools/mount.options", options)
    options.write_text("apfs, local, nodev, nosuid, journaled, noowners", encoding="utf-8")
    store = mac.look("macos", models_dir="/Volumes/My Disk/models")["store"]
    assert (store["missing_mount"], store["filesystem"], store["ownerless_volume"]) == (None, "apfs", "/Volumes/My Disk")
    options.write_text("exfat, local", encoding="utf-8")
    store = mac.look("macos", models_dir="/Volumes/My Disk/models")["store"]
    assert (store["filesystem"], store["ownerless_volume"]) == ("exfat", None)


@pytest.mark.parametrize("kind", [plistlib.FMT_XML, plistlib.FMT_BINARY])
def test_models_that_would_be_left_behind(mac, kind):
    for store in ("old/my models", "old/noted", "opt/ollama/models"):
        mac.blob(store, "0")
    mac.write(DAEMON, plistlib.dumps({"EnvironmentVariables": {"OLLAMA_MODELS": "/old/my models"}}, fmt=kind))
    mac.write("opt/ollama/.moving", "/old/noted\n/old/empty\n/opt/ollama/models\n")
    found = mac.look("macos")
    assert [row["path"] for row in found["store"]["other_stores"]] == ["/old/my models", "/old/noted"] and found["install"]["moving"] is True


@pytest.mark.parametrize("text", ["", "<plist/>", "<plist><dict><key>", "bplist00", '<?xml version="1.0"?><plist><array/></plist>'])
def test_a_daemon_that_was_spoilt(mac, text):
    """Whatever stands there, it names no store and stops nobody."""
    mac.write(DAEMON, text)
    assert macos.stores(DAEMON, "/opt/ollama/.moving", str(mac.root)) == []


# -- as the script says it -----------------------------------------------------------------------------------------------

PLACES = ("/Library/LaunchDaemons", "/etc/pf.anchors", "/usr/local/bin", "/Applications", "/Users")
PATHS = [
    DAEMON, f"/Library/LaunchDaemons/{DOOR}.plist", f"/etc/pf.anchors/{DOOR}", "/usr/local/bin/ollama", "/usr/local/bin", "/opt/ollama/current",
    "/opt/ollama/models",
]
SCRIPTED = {
    "stat": '[ -e "$3" ] || exit 1; case "$2" in %%Su) echo %s ;; %%Sp) ls -ld "$3" | cut -c 1-10 ;; esac',
    "sudo": 'shift 3; exec "$@"',
    "id": 'case "$2" in %s) echo 450 ;; "") exec /usr/bin/id "$@" ;; *) exit 1 ;; esac',
    "curl": "exit 7",
    "plutil": "value=$(sed -n 's/.*<string>\\(.*\\)<.*/\\1/p' \"$6\") && [ \"$value\" ] && echo \"$value\"",
}


def said_by_the_script(mac):
    text, root, given = SCRIPT.read_text(encoding="utf-8"), str(mac.root), mac.question
    for place in PLACES:
        assert place in text
        text = text.replace(place, root + place)
    text = text.replace("export PATH=/usr/bin", f"export PATH={mac.tools}:/usr/bin")
    arguments = [root + given["install_dir"], root + given["models_dir"], LABEL, DOOR, "11434", given["url"], given["user"], *given["names"]]
    done = subprocess.run(["/bin/sh", "-c", text, "discover", *arguments], capture_output=True, text=True, check=True)
    return dict(line.split("=", 1) for line in done.stdout.replace(root, "").splitlines())


def as_the_script_says_it(look):
    """The look's answer in the words of the script; what roles read, see roles/ollama/vars/macos.yml."""

    def say(flag):
        return "yes" if flag else "no"

    files, store, door = {row["path"]: row for row in look["files"]}, look["store"], look["door"]
    cli = files.get("/usr/local/bin/ollama", {})
    return {
        "current": (files.get("/opt/ollama/current", {}).get("target") or "").rpartition("/")[2], "releases": " ".join(look["install"]["releases"]),
        "daemon_sha256": files.get(PATHS[0], {}).get("sha256", ""), "door_sha256": files.get(PATHS[1], {}).get("sha256", ""),
        "rules_sha256": files.get(PATHS[2], {}).get("sha256", ""), "loaded": say(look["service"]["loaded"]), "door_loaded": say(door["loaded"]),
        "pf_enabled": say(door["enabled"]), "pf_calls_us": say(door["calls_us"]), "pf_rules": str(door["rules"]),
        "resolved": "".join(address + " " for address in sorted({address for row in look["resolved"] for address in row["addresses"]})),
        "cli": cli.get("target") or "", "cli_directory": say("/usr/local/bin" in files), "cli_is_file": say(cli.get("kind") == "file"),
        "user_exists": say(look["user"]["exists"]), "models_owner": files.get("/opt/ollama/models", {}).get("owner", ""),
        "models_volume": say(not store["missing_mount"]), "ownerless_volume": store["ownerless_volume"] or "", "closed_parent": store["closed_parent"] or "",
        "other_stores": "".join(row["path"] + ":" for row in store["other_stores"]), "move_noted": say(look["install"]["moving"]),
        "install_free_kib": str(look["install"]["free_bytes"] // 1024 // 1024 // 100),
        "desktop_app": look["desktop_app"] or "", "brew_service": look["brew_service"] or "", "port_owner": look["port_owner"] or "",
        "is_root": say(look["is_root"]), "apple_silicon": say(look["architecture"] == "arm64"), "version": look["api"]["version"] or "",
    }


def bare(_mac):
    """As it comes."""


def converged(mac):
    running(mac, mac.question["user"])
    mac.write(DAEMON, "<plist><dict><key>EnvironmentVariables</key><dict><key>OLLAMA_MODELS</key>\n<string>/old/store</string>\n</dict></dict></plist>\n")
    mac.write(f"etc/pf.anchors/{DOOR}", "pass\n")
    mac.blob("old/store", "0")
    for name in ("0.31.0", "0.32.15", "0.33.0.new", "models", "home"):
        mac.folder("opt/ollama/" + name)
    mac.link("opt/ollama/current", "0.32.15")
    mac.link("usr/local/bin/ollama", "/opt/ollama/current/ollama")
    mac.folder("Applications/Ollama.app")


@pytest.mark.parametrize("host", [bare, converged])
def test_the_look_says_what_the_script_says(mac, host):
    """A field must not be lost or turn on the way from the script to the look, and a refusal with it."""
    mac.question["names"] = ["10.1.2.3", "webui.test"]
    for name, script in SCRIPTED.items():
        mac.tool(name, script % mac.question["user"] if name in ("stat", "id") else script)
    host(mac)
    daemon = mac.root / DAEMON.lstrip("/")
    kept = daemon.read_text(encoding="utf-8") if daemon.exists() else None
    if kept:
        # The script sees paths with the folder in front, the look without.
        daemon.write_text(kept.replace("/old", f"{mac.root}/old"), encoding="utf-8")
    said = said_by_the_script(mac)
    if kept:
        daemon.write_text(kept, encoding="utf-8")
        said["daemon_sha256"] = hashlib.sha256(kept.encode()).hexdigest()
    look = mac.look("macos", paths=PATHS)
    assert look["failed"] == []
    # In units of 100 MiB: the disk goes on working meanwhile.
    said["install_free_kib"] = str(int(said["install_free_kib"]) // 1024 // 100)
    ours = as_the_script_says_it(look)
    assert abs(int(said.pop("install_free_kib")) - int(ours.pop("install_free_kib"))) <= 2
    assert said == ours
    assert (said["loaded"], said["port_owner"]) == (("yes", "nginx") if host is converged else ("no", ""))


def test_a_program_that_does_not_end(mac):
    """Each has its end; what it would have said is unknown."""
    mac.tool("slow", "exec sleep 60")
    assert common.ask(["slow"], seconds=0.2, path=mac.path) is None and common.ask(["no-such-program"], path=mac.path) is None
