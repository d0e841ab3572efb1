# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Set up simulated hosts for a scenario, and compare what happened on them with what was recorded.

    stage.py prepare PLATFORM HOST[=VARIANT]...   make the stubs and new hosts; a VARIANT is a host of another kind
    stage.py compare PLATFORM HOST PHASE          compare calls since the last time, and the host now, with expected/
    stage.py event PLATFORM HOST boot|crash       let something happen to the host
    stage.py untouched PLATFORM HOST              fail if any call changed the host

`UPDATE_EXPECTED=1` writes the expectation instead; look at the difference in git before you commit it.
"""

from __future__ import annotations

import difflib
import importlib.util
import json
import os
import sys
import types
from pathlib import Path

import generate
import yaml

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[1]
sys.path.insert(0, str(PROJECT / "tests"))

from support import GIB, MIB  # noqa: E402

# Of one scenario: two of them may run at once.
CACHE = Path(os.environ.get("LLMFLEET_STUBS", PROJECT / ".cache/stubs"))
ROLE_FILES = PROJECT / "roles/ollama/files"
MACHINES = PROJECT / "tests/unit/plugins/module_utils/accelerators/machines"
SCRIPTS = {"windows": "*.ps1", "macos": "*.sh"}
BASE = "http://releases.test"

# Releases of the simulated download server: what is wrong with each.
RELEASES = {"0.31.0": "", "0.32.15": "", "0.33.0": "dies", "0.33.1": "checksum", "0.33.2": "unsigned", "0.33.3": "engine"}


def archives(platform, version, fault):
    """Archives of one release: name -> what unpacking gives."""
    server = {"version": version, "signed_by": "Somebody Else" if fault == "unsigned" else "Ollama Inc."}
    if fault == "dies":
        server["dies"] = True
    if platform == "macos":
        if fault == "engine":
            return {"ollama-darwin.tgz": {"ollama": server}}
        return {"ollama-darwin.tgz": {"ollama": server, "llama-server": {}}}
    main = {"ollama.exe": server, "lib/ollama/llama-server.exe": {}, "lib/ollama/cuda_v13/ggml-cuda.dll": {}}
    if fault == "engine":
        del main["lib/ollama/llama-server.exe"]
    return {"ollama-windows-amd64.zip": main, "ollama-windows-amd64-rocm.zip": {"lib/ollama/rocm_v7_2/ggml-hip.dll": {}}}


def download_server(platform, hashing):
    web = {}
    for version, fault in RELEASES.items():
        lines = []
        for name, holds in archives(platform, version, fault).items():
            digest = hashing(json.dumps([name, version, holds], sort_keys=True))
            web[f"{BASE}/v{version}/{name}"] = {"sha256": digest, "holds": holds}
            lines.append(f"{hashing('another file') if fault == 'checksum' else digest}  ./{name}")
        web[f"{BASE}/v{version}/sha256sum.txt"] = {"text": "\n".join(lines) + "\n"}
    return web


def windows():
    return {
        "facts": {"ansible_os_family": "Windows", "ansible_architecture": "64-bit", "ansible_kernel": "10.0.20348.0"},
        "machine": {
            "is_admin": True, "os_name": "Microsoft Windows Server 2022 Standard", "os_build": 20348,
            "is_server": True, "architecture": "AMD64", "accelerators": ["nvidia"], "excluded_ports": [[50000, 50059]],
        },
        "drives": {
            "C": {"free_bytes": 200 * GIB, "format": "NTFS"}, "D": {"free_bytes": 900 * GIB, "format": "NTFS"},
            "E": {"free_bytes": 900 * GIB, "format": "exFAT"},
        },
        "environment": {"OLLAMA_HOST": "0.0.0.0"},
        "path": ["C:\\Windows\\system32"],
        "tasks": {},
        "firewall": {"off": [], "rules": {}},
    }


def macos():
    return {
        "facts": {
            "ansible_os_family": "Darwin", "ansible_architecture": "arm64", "ansible_kernel": "24.6.0",
            "ansible_distribution_version": "15.6", "ansible_service_mgr": "launchd",
        },
        "machine": {"free_kib": 200 * MIB, "is_root": True, "apple_silicon": True, "ownerless": ["/Volumes/Stick"]},
        "users": ["root", "nobody"],
        "groups": ["wheel", "nobody"],
        "loaded": {},
        "pf": {"references": [], "calls_us": True, "anchors": {}},
    }


def machine(**different):
    return lambda state: state["machine"].update(different)


def observed(name):
    """What a machine that somebody really had said of itself."""
    return yaml.safe_load((MACHINES / f"{name}.yml").read_text(encoding="utf-8"))["observation"]


def stranger(state):
    """A directory that any user could have made before the role came, with a release in it."""
    state["files"].update({path: {"type": "directory"} for path in ("C:\\ollama", "C:\\ollama\\0.31.0")})


def newer(*paths):
    """A store that Ollama 0.40 has written."""
    return lambda state: state["files"].update({path: {"type": "directory"} for path in paths})


# Hosts that differ from the one above.
VARIANTS = {
    "windows": {
        "amd": lambda state: state.update(observation=observed("windows-rx-6700-xt")),
        # Its card holds less than was predicted for the first choice; a newer release takes less.
        "rtx-4070": lambda state: state.update(observation=observed("windows-rtx-4070-registry"), spills=["0.31.0", 8192]),
        "powershell": machine(no_powershell=True),
        "rights": machine(is_admin=False),
        "driver": lambda state: state.update(observation=observed("nvidia-rtx-2080-windows")),
        "old": machine(os_name="Microsoft Windows Server 2016 Standard", os_build=14393),
        "app": machine(desktop_app="C:\\Users\\ann\\AppData\\Local\\Programs\\Ollama\\ollama app.exe"),
        "open-app": machine(desktop_app="D:\\Tools\\ollama app.exe"),
        "busy": machine(port_owner="nginx"),
        "wsl": machine(port_owner="wslrelay"),
        "reserved": machine(excluded_ports=[[11400, 11499]]),
        "full": lambda state: state["drives"]["C"].update(free_bytes=GIB),
        "firewall-off": lambda state: state["firewall"].update(off=["public"]),
        "stranger": stranger,
        "newer": newer("D:\\My Models", "D:\\My Models\\manifests-v2"),
    },
    "macos": {
        "rights": machine(is_root=False),
        "old": lambda state: state["facts"].update(ansible_distribution_version="13.7.8"),
        "intel": lambda state: (machine(apple_silicon=False)(state), state["facts"].update(ansible_architecture="x86_64")),
        "app": machine(desktop_app="/Applications/Ollama.app"),
        "brew": machine(brew_service="/Users/ann/Library/LaunchAgents/homebrew.mxcl.ollama.plist"),
        "busy": machine(port_owner="nginx"),
        "cli": lambda state: state["files"].update({"/usr/local/bin": {"type": "directory"}, "/usr/local/bin/ollama": {"type": "file"}}),
        "pf-conf": lambda state: state["pf"].update(calls_us=False),
        # Its pf is held on by somebody else, too.
        "m2-max": lambda state: (state.update(observation=observed("apple-m2-max-96")), state["pf"].update(references=["7"])),
        "full": machine(free_kib=MIB),
        "newer": newer("/Volumes/My Disk/models", "/Volumes/My Disk/models/manifests-v2"),
    },
}
ROOTS = {
    "windows": ["C:", "C:\\Windows", "D:"],
    "macos": [
        "/", "/Library/LaunchDaemons", "/etc/pf.anchors", "/opt", "/usr/local", "/var/empty", "/var/run",
        "/Volumes/Stick", "/Volumes/My Disk", "/Users",
    ],
}
NEW = {"windows": windows, "macos": macos}


def new_state(platform, variant=""):
    """A host as it comes, or one that differs from it."""
    state = NEW[platform]()
    state["files"] = {path: {"type": "directory"} for path in ROOTS[platform]}
    if platform == "macos":
        state["files"]["/Users/ann"] = {"type": "directory", "owner": "ann", "mode": "0750"}
    state.update(web={}, scripts={}, names={"10.20.0.9": "10.20.0.9", "webui.test": "10.20.0.10"}, server=None)
    if variant:
        VARIANTS[platform][variant](state)
    return state


def state_file(platform, host):
    return CACHE / "hosts" / platform / f"{host}.json"


def calls_file(platform, host):
    return CACHE / "hosts" / platform / f"{host}.calls.jsonl"


def simulated(platform):
    """The simulated host's class and its module, under the names by which the stubs import them."""
    package = "ansible_collections.llmfleet_stubs.host.plugins.plugin_utils"
    parts = package.split(".")
    try:
        # Where Ansible is at work its own package must stay.
        importlib.import_module("ansible_collections")
    except ImportError:
        sys.modules["ansible_collections"] = types.ModuleType("ansible_collections")
    for count in range(2, len(parts) + 1):
        sys.modules.setdefault(".".join(parts[:count]), types.ModuleType(parts[count - 1]))
    for name in ("host", platform):
        full = f"{package}.{name}"
        if full not in sys.modules:
            spec = importlib.util.spec_from_file_location(full, HERE / "simhost" / f"{name}.py")
            sys.modules[full] = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(sys.modules[full])
    system = {"windows": "Windows", "macos": "MacOS"}[platform]
    return sys.modules[f"{package}.host"], getattr(sys.modules[f"{package}.{platform}"], system)


def prepare(platform, hosts):
    folder = CACHE / "hosts" / platform
    folder.mkdir(parents=True, exist_ok=True)
    generate.write(CACHE / "collections")
    module, _kind = simulated(platform)
    scripts = {
        module.sha256(path.read_text(encoding="utf-8").strip()): path.name
        for path in (ROLE_FILES / platform).glob(SCRIPTS[platform])
    }
    for entry in hosts:
        name, _equals, variant = entry.partition("=")
        state = new_state(platform, variant)
        state.update(web=download_server(platform, module.sha256), scripts=scripts)
        state_file(platform, name).write_text(json.dumps(state, indent=1, sort_keys=True), encoding="utf-8")
        calls_file(platform, name).unlink(missing_ok=True)


def calls_of(platform, host):
    path = calls_file(platform, host)
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def picture(platform, host):
    """The host as a test compares it: what the role can have changed, without the texts."""
    state = json.loads(state_file(platform, host).read_text(encoding="utf-8"))
    files = {}
    for path, entry in sorted(state["files"].items()):
        if entry["type"] == "link":
            files[path] = "-> " + entry["target"]
        else:
            acl = entry.get("acl")
            rights = [entry.get(key, "") for key in ("owner", "group", "mode")]
            if acl:
                rights = ["protected" if acl["protected"] else "inherits", acl.get("owner", "")]
                rights += [f"{sid}={right}" for sid, right in sorted(acl["grants"].items())]
            files[path] = " ".join([entry["type"], *filter(None, rights)])
    parts = ("tasks", "firewall", "environment", "path", "users", "groups", "loaded", "pf", "server")
    told = {key: state[key] for key in parts if key in state}
    server = state["server"]
    if server:
        values = {name: "(a secret)" if "s3cret" in value else value for name, value in server["environment"].items()}
        told["server"] = {**server, "environment": values}
    return {**told, "files": files}


def compare(platform, host, phase):
    found = {"calls": calls_of(platform, host), "host": picture(platform, host)}
    text = json.dumps(found, indent=1, sort_keys=True) + "\n"
    expected = HERE / "expected" / platform / f"{phase}.json"
    if os.environ.get("UPDATE_EXPECTED"):
        expected.parent.mkdir(parents=True, exist_ok=True)
        expected.write_text(text, encoding="utf-8")
    recorded = expected.read_text(encoding="utf-8") if expected.exists() else ""
    calls_file(platform, host).unlink(missing_ok=True)
    if recorded != text:
        lines = difflib.unified_diff(recorded.splitlines(), text.splitlines(), "expected", "found", lineterm="", n=4)
        raise SystemExit(f"{platform} {host}: {phase} is not as recorded in {expected.relative_to(PROJECT)}\n" + "\n".join(lines))


def untouched(platform, host):
    changing = [call for call in calls_of(platform, host) if call.get("changed") and not call.get("check")]
    calls_file(platform, host).unlink(missing_ok=True)
    if changing:
        raise SystemExit(f"{platform} {host} was changed: {json.dumps(changing, indent=1)}")


def event(platform, name, what):
    _module, system = simulated(platform)
    host = system(state_file(platform, name))
    getattr(host, what)()
    host.close()
    print((host.state["server"] or {}).get("version", "nobody answers"))


if __name__ == "__main__":
    arguments = sys.argv[1:]
    action = {"prepare": prepare, "compare": compare, "event": event, "untouched": untouched}.get(arguments[0] if arguments else "")
    if action is None or len(arguments) < 3:
        raise SystemExit(__doc__)
    if action is prepare:
        prepare(arguments[1], arguments[2:])
    else:
        action(*arguments[1:])
