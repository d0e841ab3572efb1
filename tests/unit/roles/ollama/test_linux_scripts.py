# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shell programs of role ollama on Linux, run for real on a made-up tree.

Deleted, a way back that loses a mode or a file, or half a release under its name, would show only on a host whose new server fails.
"""

from __future__ import annotations

import os
import subprocess

import pytest
from support import ROOT, needs

pytestmark = needs.linux  # the tools of coreutils
SCRIPTS = ROOT / "roles/ollama/files/linux"


def sh(script, *arguments, tools=None):
    """As the role runs them: the text behind -c, then a name."""
    path = os.pathsep.join([str(tools)] * bool(tools) + [os.environ["PATH"]])
    return subprocess.run(
        ["/bin/sh", "-c", (SCRIPTS / script).read_text(encoding="utf-8"), script, *map(str, arguments)],
        capture_output=True, text=True, check=False, timeout=60, env={"PATH": path},
    )


def write(path, text="", mode=0o644):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


@pytest.mark.parametrize("engine, there, said", [
    ("lib/ollama/llama-server", ["bin/ollama", "lib/ollama/llama-server"], ""), ("", ["bin/ollama"], ""),
    ("lib/ollama/llama-server", ["bin/ollama"], "the archive has no program lib/ollama/llama-server\n"), ("", [], "the archive has no program bin/ollama\n"),
])
def test_a_release_gets_its_name_only_when_it_is_whole(tmp_path, engine, there, said):
    for name in there:
        write(tmp_path / ".part/tree" / name, mode=0o755)
    (tmp_path / ".part/tree").mkdir(parents=True, exist_ok=True)
    write(tmp_path / "1.0/archives", "half")
    done = sh("take_in.sh", tmp_path / ".part", tmp_path / "1.0", engine, "a.tgz\nb.tgz\n")
    assert (done.returncode, done.stderr) == (int(bool(said)), said)
    assert (tmp_path / "1.0/archives").read_text() == ("half" if said else "a.tgz\nb.tgz\n")
    assert (tmp_path / "1.0/bin/ollama").exists() is not bool(said)


@pytest.mark.parametrize(
    ("enforced", "label", "wanted"),
    [
        (True, "system_u:object_r:bin_t:s0", ["restorecon -R {}"]), (True, "system_u:object_r:var_t:s0", ["restorecon -R {}", "chcon -R -t bin_t {}"]),
        (False, "", []),
    ],
    ids=["below /opt", "below /srv", "no SELinux"],
)
def test_a_release_has_the_labels_of_programs_where_selinux_is(tmp_path, enforced, label, wanted):
    """Deleted: systemd would start no Ollama in a place whose files are no programs to the policy (203/EXEC), such as the one that fills a mirror."""
    for name, text in (("selinuxenabled", "exit %d" % (not enforced)), ("matchpathcon", "echo '%s'" % label)):
        write(tmp_path / "tools" / name, "#!/bin/sh\n%s\n" % text, 0o755)
    for name in ("restorecon", "chcon"):
        write(tmp_path / "tools" / name, '#!/bin/sh\necho "%s $*"\n' % name, 0o755)
    write(tmp_path / ".part/tree/bin/ollama", mode=0o755)
    done = sh("take_in.sh", tmp_path / ".part", tmp_path / "1.0", "", "a.tgz\n", tools=tmp_path / "tools")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [line.format(tmp_path / "1.0") for line in wanted]


@pytest.mark.parametrize("stale", ["yes", "no"])
@pytest.mark.parametrize("empty", [True, False])
def test_a_folder_that_somebody_else_uses_stays(tmp_path, empty, stale):
    """Deleted: a removal that was cut off would leave empty folders for ever, or each one that finds nothing would have systemd read its units."""
    write(tmp_path / "used/file")
    if empty:
        (tmp_path / "empty").mkdir()
    write(tmp_path / "bin/systemctl", '#!/bin/sh\n[ "$1" != show ] || echo NeedDaemonReload=%s\n[ "$1" = show ] || echo "$@"\n' % stale, 0o755)
    done = sh("tidy.sh", tmp_path / "empty", tmp_path / "used", tmp_path / "gone", tools=tmp_path / "bin")
    assert not (tmp_path / "empty").exists() and (tmp_path / "used/file").exists()
    said = ([str(tmp_path / "empty")] if empty else []) + (["daemon-reload"] if empty or stale == "yes" else [])
    assert (done.returncode, done.stdout.split()) == (0, said)


@pytest.mark.parametrize("mounted", [True, False])
@pytest.mark.parametrize("other", ["photos/one", None])
def test_only_models_leave_their_store(tmp_path, mounted, other):
    """Deleted: purge with ollama_models_dir: /srv/data would take all of /srv/data."""
    write(tmp_path / "bin/mountpoint", "#!/bin/sh\nexit %d\n" % (not mounted), 0o755)
    write(tmp_path / "bin/stat", "#!/bin/sh\ncat %s/owner\n" % tmp_path, 0o755), write(tmp_path / "owner", "ollama\n")
    write(tmp_path / "bin/chown", "#!/bin/sh\necho root >%s/owner\n" % tmp_path, 0o755)
    store = tmp_path / "store"
    write(store / "blobs/one"), write(tmp_path / "etc/passwd")
    (store / "manifests").symlink_to(tmp_path / "etc")
    if mounted:
        write(store / "lost+found/kept")
    if other:
        write(store / other)
    done = sh("empty.sh", store, tmp_path / "home", "/proc/self/mountinfo", tools=tmp_path / "bin")
    gone = [str(store / "blobs"), str(store / "manifests")] + ([] if other else [str(store)])
    assert done.returncode == 0 and done.stdout.splitlines() == gone
    assert (tmp_path / "etc/passwd").exists() and not (store / "blobs").exists()
    assert store.exists() is bool(other or mounted) and (not other or (store / other).exists()) and (not mounted or (store / "lost+found/kept").exists())
    assert (tmp_path / "owner").read_text() == ("root\n" if mounted and not other else "ollama\n"), "no user has the number any more"
    assert sh("empty.sh", store, tmp_path / "home", "/proc/self/mountinfo", tools=tmp_path / "bin").stdout == "", "a second uninstall would report a change"


@pytest.mark.parametrize("mount, stays", [("{}/home/.ollama/models", True), ("{}/home", True), ("{}/home2", False), ("/", False)])
def test_a_home_with_a_disk_in_it_stays(tmp_path, mount, stays):
    """Deleted, a purge would remove all files of a disk, or of another folder, that somebody mounted where the models lie."""
    write(tmp_path / "home/.ollama/id_ed25519"), write(tmp_path / "mounts", "36 25 8:17 / %s rw,relatime - ext4 /dev/sdb1 rw\n" % mount.format(tmp_path))
    done = sh("home.sh", tmp_path / "home", tmp_path / "mounts")
    assert (tmp_path / "home").exists() is stays and bool(done.returncode) is stays and ("is a mount in it; unmount that" in done.stderr) is stays
    assert sh("home.sh", tmp_path / "gone", tmp_path / "mounts").stdout == ""


@pytest.mark.parametrize("mount, stays", [
    ("{}/a\\040b/blobs", True), ("{}/a\\040b/manifests/deep", True), ("{}/a\\040b", False), ("{}/a\\040b/photos", False), ("{}/a\\040b/blobs2", False),
])
def test_a_store_with_a_disk_in_it_stays(tmp_path, mount, stays):
    """Deleted, a purge would remove all files of a disk that somebody mounted for the blobs alone."""
    write(tmp_path / "a b/blobs/one"), write(tmp_path / "mounts", "36 25 8:17 / %s rw,relatime - ext4 /dev/sdb1 rw\n" % mount.format(tmp_path))
    (tmp_path / "way").symlink_to(tmp_path)
    done = sh("empty.sh", tmp_path / "way/a b", tmp_path / "home", tmp_path / "mounts")
    assert (tmp_path / "a b/blobs/one").exists() is stays and bool(done.returncode) is stays and ("is a mount in it; unmount that" in done.stderr) is stays


def test_a_store_in_the_home_goes_with_it(tmp_path):
    """Deleted: root would walk through links that the service's user can put into its home."""
    write(tmp_path / "home/.ollama/models/blobs/one")
    done = sh("empty.sh", tmp_path / "home/.ollama/models", tmp_path / "home", "/proc/self/mountinfo")
    assert done.stdout == "" and (tmp_path / "home/.ollama/models/blobs/one").exists()


@pytest.mark.parametrize("passwd, group, says", [
    ("ollama:x:998:997::/usr/share/ollama:/bin/false", "ollama:x:997:", "user group"),
    ("ollama:x:998:100::/usr/share/ollama:/bin/false", "ollama:x:997:", "user"),
    ("alice:x:1000:1000::/home/alice:/bin/bash", "alice:x:1000:", ""), ("", "", ""),
])
def test_only_a_user_as_the_role_makes_it_is_the_roles(tmp_path, passwd, group, says):
    """Deleted: `ollama_user: alice` and a purge would remove alice."""
    program = '#!/bin/sh\nif [ "$1" = passwd ]; then set -- "%s"; else set -- "%s"; fi\n[ -z "$1" ] || echo "$1"\n'
    write(tmp_path / "bin/getent", program % (passwd, group), 0o755)
    assert sh("ours.sh", "x", "x", "/usr/share/ollama", tools=tmp_path / "bin").stdout.split() == says.split()


@pytest.mark.parametrize("begun", [1764280800, None])
def test_the_last_words_are_of_this_change_and_without_the_environment(tmp_path, begun):
    """Deleted: somebody would be told why a release of last week had failed, or read a key in the output."""
    lines = 'Nov 25 15:11:27 host ollama[17]: INFO env="map[KEY:s3cret]" env=x\nNov 25 15:11:28 host ollama[17]: panic: broken\n'
    write(tmp_path / "bin/journalctl", "#!/bin/sh\necho \"$@\" >'%s/asked'\ncat <<'END'\n%sEND\n" % (tmp_path, lines), 0o755)
    if begun:
        write(tmp_path / ".before/record.json")
        os.utime(tmp_path / ".before/record.json", (0, begun))
    assert sh("last_words.sh", tmp_path / ".before", tools=tmp_path / "bin").stdout == "17 panic: broken\n"
    assert "--since @%d --lines" % (begun or 0) in (tmp_path / "asked").read_text()


# -- the door ------------------------------------------------------------------------------------------------------------

RULES = 'table inet llmfleet_ollama\ndelete table inet llmfleet_ollama\ntable inet llmfleet_ollama {\nset bridges {\ncomment "llmfleet 0123456789ab"\n'
NFT = """#!/bin/sh
here=$(dirname "$0")
case $* in
'list table'*) cat "$here/table" ;;
'list set'*) printf 'set bridges {\\n elements = { %s }\\n}\\n' "$(cat "$here/bridges")" ;;
'-f -') cat >"$here/said" ;;
-f*) cp "$2" "$here/table" ;;
esac
"""


@pytest.fixture
def door(tmp_path):
    """The door's program with an nft of the test, and a host whose network has these interfaces."""
    write(tmp_path / "bin/nft", NFT, 0o755), write(tmp_path / "bin/bridges"), write(tmp_path / "rules", RULES)
    net = tmp_path / "net"
    for bridge, port in (("docker0", "veth0"), ("br-0123456789ab", "veth1"), ("br-lan", "lan0"), ("br-ab0123456789", "eth0"), ("br-ba0123456789", "eth0.5")):
        (net / bridge / "bridge").mkdir(parents=True)
        (net / bridge / "brif" / port).mkdir(parents=True)
        (net / port).mkdir(exist_ok=True)
    (net / "podman").mkdir()
    (net / "eth0" / "device").mkdir()
    (net / "eth0.5" / "lower_eth0").symlink_to("../eth0")

    def run(verb="check"):
        return sh("door.sh", verb, tmp_path / "rules", tmp_path / "gone", net, tools=tmp_path / "bin")

    run.bin, run.gone, run.rules = tmp_path / "bin", tmp_path / "gone", tmp_path / "rules"
    return run


def test_only_bridges_of_containers_are_admitted(door):
    """Deleted: a bridge with a network card in it, or one that only sounds like Docker's, would let the LAN in."""
    assert door("load").returncode == 0
    assert (door.bin / "said").read_text().splitlines() == [
        "flush set inet llmfleet_ollama bridges", 'add element inet llmfleet_ollama bridges { "br-0123456789ab" }',
        'add element inet llmfleet_ollama bridges { "docker0" }',
    ]
    (door.bin / "said").unlink()
    (door.bin / "bridges").write_text('"docker0",\n\t\t"br-0123456789ab"')
    assert door().returncode == 0 and not (door.bin / "said").exists(), "a host where nothing changes would get a new ruleset every 20 seconds"


@pytest.mark.parametrize("table, comes_back, is_told", [
    ("", True, True), ('comment "llmfleet ba9876543210"', True, False), ('comment "llmfleet 0123456789ab"\nmore', False, False),
])
def test_a_door_that_somebody_took_away_comes_back_and_is_told_of(door, table, comes_back, is_told):
    """Deleted: after `nft -f /etc/nftables.conf` the port would be open to all until somebody runs Ansible. Rules that are only older are no loss."""
    (door.bin / "table").write_text(table)
    done = door()
    assert ((door.bin / "table").read_text() == door.rules.read_text()) is comes_back
    assert door.gone.exists() is is_told and ("Somebody removed" in done.stderr) is is_told
