# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The look says what discover.sh of role ollama says, of the same host in a folder, with the same programs.

Deleted, a field could be lost or turn on the way from the script to the look, and a refusal with it.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

import pytest
import yaml

SCRIPT = Path(__file__).resolve().parents[5] / "roles/ollama/files/linux/discover.sh"
PATHS = [
    "/etc/systemd/system/ollama.service", "/etc/systemd/system/ollama.service.d", "/etc/systemd/system/ollama.service.d/10-llmfleet.conf",
    "/opt/ollama/current", "/opt/ollama/0.32.15", "/opt/ollama/big", "/opt/ollama/.moving", "/srv/models", "/nowhere",
]
PLACES = ("/proc/", "/etc/nv_tegra_release", "/etc/fstab", "/sys/bus/pci/")
SYSTEMCTL = """[ "$1 $2 $3" = "show ollama.service -p" ] || exit 9
IFS=,
for property in $4; do grep "^$property=" "%s" || echo "$property="; done"""
UNIT = {
    "FragmentPath": "/etc/systemd/system/ollama.service", "LoadState": "loaded", "ActiveState": "active", "UnitFileState": "enabled", "MainPID": "4711",
    "NeedDaemonReload": "no", "ExecMainStartTimestamp": "Wed 2026-11-25 15:11:27 UTC", "Environment": "", "User": "ollama",
}


def bare(machine):
    """As it comes from its installer."""


def converged(machine):
    machine.write("etc/systemd/system/ollama.service", "[Unit]\n")
    machine.write(machine.question["settings"], '[Service]\nEnvironment="OLLAMA_MODELS=/srv/models"\n', 0o600)
    machine.folder("opt/ollama/0.32.15")
    machine.link("opt/ollama/current", "0.32.15")
    machine.write("opt/ollama/big", b"x" * 1000001)
    machine.blob("srv/models", "0")
    machine.write("unit", "".join(f"{name}={value}\n" for name, value in UNIT.items()))
    machine.listener("0" * 32, 11434, 5, 4711, "ollama")
    machine.tool("ss", """echo 'LISTEN 0 4096 *:11434 *:* users:(("ollama",pid=4711,fd=3))'""")
    machine.tool("nft", """printf 'table {\\n iif "lo" accept comment "llmfleet 0a1b2c3d4e5f"\\n}\\n'""")
    machine.tool("zstd", "exit 0")


def troubled(machine):
    converged(machine)
    machine.write("unit", "".join(f"{name}={value}\n" for name, value in {**UNIT, "MainPID": "0", "NeedDaemonReload": "yes"}.items()))
    machine.listener("0100007F", 11434, 6, 99, "nginx")
    machine.tool("ss", """echo 'LISTEN 0 511 127.0.0.1:11434 0.0.0.0:* users:(("nginx",pid=99,fd=6))'""")
    machine.tool("nft", """[ "$2" = tables ] && echo 'Error: Operation not permitted' >&2; exit 1""")
    machine.write("etc/fstab", "UUID=1 /srv ext4 defaults 0 2\n")
    machine.write("etc/nv_tegra_release", "# R35 (release), REVISION: 4.1\n")
    machine.write("old/store/blobs/sha256-" + "1" * 64, "x")
    machine.write("opt/ollama/.moving", "/old/store\n/srv/models\n")
    for address, vendor in (("0000:01:00.0", "0x10de"), ("0000:02:00.0", "0x1002")):
        for name, text in (("class", "0x030000"), ("vendor", vendor)):
            machine.write(f"sys/bus/pci/devices/{address}/{name}", text + "\n")
    machine.folder("srv/models", 0o555)


def said_by_the_script(machine):
    root = str(machine.root)
    text = SCRIPT.read_text(encoding="utf-8")
    for place in PLACES:
        assert place in text
        text = text.replace(place, root + place)
    given = machine.question
    arguments = [given["user"], str(given["port"]), root + given["models_dir"], root + given["settings"], root + given["moving"]]
    done = subprocess.run(
        ["/bin/sh", "-c", text, "discover", *arguments, *given["names"], "--", *(root + path for path in PATHS)],
        capture_output=True, text=True, env={"PATH": machine.path}, check=True,
    )
    return yaml.safe_load(done.stdout)


def as_the_script_says_it(machine, look):
    """The look's answer in the words of the script; what roles read, see roles/ollama/vars/linux.yml."""
    root, store, service = str(machine.root), look["store"], look["service"]
    files = []
    for row in look["files"]:
        path = root + row["path"]
        rights = "%(mode)s %(owner)s %(group)s" % row
        data = Path(path).read_bytes() if row["kind"] == "file" else b""
        assert row["sha256"] in (None, hashlib.sha256(data).hexdigest())
        sha1 = hashlib.sha1(data).hexdigest() if row["sha256"] else ""
        words = {"link": f"link {row['target']}", "directory": f"{rights} directory", "file": f"{rights} {sha1}" if sha1 else "big file"}
        files.append({"path": path, "is": f"{words[row['kind']]} {path}", "target": row["target"] or "", "changed": row["changed_at"]})
    owner = look["port_owner"] or ""
    return {
        "resolved": look["resolved"] or None, "controller": look["controller"] or "", "files": files or None, "root": "yes" if look["is_root"] else "",
        "user": " ".join(look["user"]["groups"]), "gpu_groups": "".join(name + " " for name in look["gpu_groups"]),
        "unit_path": service["path"] or "", "pid": str(service["pid"] or (0 if service["path"] else "")), "started": service["started_at"] or 0,
        "stale_in_systemd": ("yes" if service["needs_reload"] else "no") if service["path"] else "",
        "other_listener": owner, "own_listener": look["own_listener"] or "",
        "nft": "nft" in look["tools"], "zstd": "zstd" in look["tools"], "nft_error": look["door"]["error"] or "", "door": look["door"]["id"] or "",
        "tegra": str(look["l4t"] or ""), "display_vendors": set(look["display_vendors"]),
        "missing_mount": store["missing_mount"] or "", "store_filesystem": store["filesystem"],
        "closed_parent": root + store["closed_parent"] if store["closed_parent"] else "", "models_denied": "yes" if store["denied"] else "",
        "models_entries": "yes" if store["has_entries"] else "", "other_stores": [row["path"] for row in store["other_stores"]] or None,
    }


# What the script alone says, and no role reads.
UNREAD = {"active", "enabled"}
VENDORS = {"0x10de": "nvidia", "0x1002": "amd", "0x8086": "intel"}


@pytest.mark.parametrize("host", [bare, converged, troubled])
def test_the_look_says_what_the_script_says(machine, host):
    machine.folder("run/systemd/system")
    machine.folder("srv")
    machine.write("unit")
    machine.tool("systemctl", SYSTEMCTL % (machine.root / "unit"))
    machine.tool("ss", "exit 0")
    # To become another user needs root; here it is the user of the test, in both.
    machine.tool("runuser", 'shift 3; exec "$@"')
    machine.tool("mountpoint", f'[ "$1" = -q ] && grep -q " $2 " {machine.root}/proc/self/mounts 2>/dev/null')
    machine.question["names"] = ["127.0.0.1", "no-such-name.invalid"]
    host(machine)
    # The script sees paths with the folder in front, the look without.
    own = [machine.root / path.lstrip("/") for path in ("etc/fstab", machine.question["moving"], machine.question["settings"])]
    texts = {file: file.read_text(encoding="utf-8") for file in own if file.exists()}
    for file, text in texts.items():
        file.write_text(text.replace("/srv", f"{machine.root}/srv").replace("/old", f"{machine.root}/old"), encoding="utf-8")
    said = said_by_the_script(machine)
    for file, text in texts.items():
        file.write_text(text, encoding="utf-8")
    look = machine.look(paths=PATHS, tools=["nft", "zstd"])
    assert look["failed"] == []
    assert said.keys() - UNREAD == as_the_script_says_it(machine, look).keys()
    for name in ("nft", "zstd"):
        said[name] = bool(said[name])
    # `"nginx",pid=99,fd=6`: people read the name.
    said["other_listener"] = said["other_listener"].partition(",")[0].strip('"')
    said["display_vendors"] = {VENDORS[number] for number in said["display_vendors"].split()}
    for name in ("missing_mount", "other_stores"):
        said[name] = json.loads(json.dumps(said[name]).replace(str(machine.root), ""))
    if look["service"]["pid"] is None:
        # When the last one that ran was started: a service that does not run has to be started, whatever that was.
        said["started"] = 0
    ours = as_the_script_says_it(machine, look)
    for side in (said, ours):
        side["files"] = [row for row in side["files"] or [] if row["path"] not in map(str, texts)]
    assert {name: value for name, value in said.items() if name not in UNREAD} == ours
    if host is troubled:
        assert (ours["missing_mount"], ours["other_listener"], ours["other_stores"], ours["tegra"]) == ("/srv", "nginx", ["/old/store"], "35")
