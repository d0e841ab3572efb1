# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Mac in a folder, looked at by the real readers, with the Mac's own programs played by small ones that answer as documented.

Deleted, nothing but a Mac would show a wrong reading of launchctl, lsof, pfctl or df. No Mac was at hand where this was written.
"""

from __future__ import annotations

import plistlib

import pytest
from ansible_collections.llmfleet.ollama.plugins.module_utils.look import common, macos

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


def test_a_server_whose_port_changes_is_found_where_its_daemon_says(mac):
    """Deleted, a way back would have nothing to prove that the old server is there again."""
    mac.write(DAEMON, plistlib.dumps({"EnvironmentVariables": {"OLLAMA_HOST": "0.0.0.0:11500"}}).decode())
    mac.tool("lsof", f'[ "$2" = -iTCP:11500 ] && printf "p812\\ncollama\\nL{mac.question["user"]}\\nn*:11500\\n"')
    found = mac.look("macos")
    assert (found["port_owner"], found["own_listener"]) == (None, "*:11500")


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


def test_a_program_that_does_not_end(mac):
    """Each has its end; what it would have said is unknown."""
    mac.tool("slow", "exec sleep 60")
    assert common.ask(["slow"], seconds=0.2, path=mac.path) is None and common.ask(["no-such-program"], path=mac.path) is None
