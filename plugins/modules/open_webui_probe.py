#!/usr/bin/python
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: open_webui_probe
short_description: Look at everything that role open_webui decides on, in one run
version_added: 0.1.0
author: [llmfleet authors (@llmfleet)]
description:
  - Reads the container engine, the container, the image, the data, the secrets, the port and the Ollama servers, and changes nothing.
  - Needs Python's standard library only, so it can say what else a target lacks.
extends_documentation_fragment: [llmfleet.ollama.read_only, llmfleet.ollama.container_engine, llmfleet.ollama.linux]
options:
  name:
    description: Name of the container. The container that an upgrade has put aside is looked for as V(NAME-previous).
    type: str
    default: open-webui
  image:
    description: The image that is wanted, with tag or digest.
    type: str
    required: true
  data:
    description: Name of the volume or absolute path of the folder that holds Open WebUI's data.
    type: str
    default: open-webui
  port:
    description: The port that the web UI is wanted on.
    type: int
    default: 3000
  secrets_dir:
    description: Folder of the files C(secret_key) and C(environment).
    type: path
    default: /etc/open-webui/secrets
  secret_key:
    description: The secret key that is wanted; without it any key of 16 characters or more is right.
    type: str
  environment:
    description: The content that the file C(environment) should have.
    type: str
  database_host:
    description: Where the PostgreSQL of the web UI listens; empty for SQLite.
    type: str
    default: ""
  database_port:
    description: The port beside O(database_host).
    type: int
    default: 5432
  commands:
    description: Shell commands whose programs must be on the host.
    type: list
    elements: str
    default: []
  backends:
    description: Base URLs of Ollama servers to ask for their version.
    type: list
    elements: str
    default: []
  record:
    description: The folder of the record that a change of M(llmfleet.ollama.host_change) leaves until it is proved.
    type: path
    default: /etc/open-webui/.before
  door:
    description: Paths of the unit of the door of O(port) (C(unit)), and of the file that remembers when its rules were gone (C(gone)).
    type: dict
    default: {}
  timeout:
    description: Seconds that a server may take to answer.
    type: int
    default: 5
"""

EXAMPLES = r"""
- name: Look at Open WebUI
  llmfleet.ollama.open_webui_probe:
    image: ghcr.io/open-webui/open-webui:0.12.4
    backends: [http://10.0.0.5:11434]
  register: open_webui
"""

RETURN = r"""
engine:
  description:
    - V(error) is null when the engine answers. C(disk) is the file system that takes its images, also while there is no engine yet.
    - C(programs) are Docker's own programs on the host, whether or not an engine answers.
  type: dict
  returned: always
  sample: {error: null, installed: true, version: 26.1.5, root: /var/lib/docker, podman: false, programs: [docker, dockerd],
    disk: {path: /var/lib/docker, mount_point: /, fstype: ext4, total_bytes: 107374182400, free_bytes: 65498251264}}
requests:
  description: Whether a Python of the host has the library that community.docker needs.
  type: bool
  returned: always
python:
  description: The Python that has it, this one before the system's; null when there is none.
  type: str
  returned: always
  sample: /usr/bin/python3
apt:
  description: Whether packages come by apt, whose lists must be fetched before anything can be installed.
  type: bool
  returned: always
container:
  description:
    - The container, with its image, its release and the ports that it publishes.
    - C(managed) says whether the role has made it. For one that was made by hand, C(data) is the volume or folder under its data,
      C(database_elsewhere) whether it uses another database than SQLite, C(variables) the names of what was added to the image's environment, and
      C(key_weak) whether its secret key is shorter than any start script makes it.
    - C(holds_password) says whether its process was given the administrator's password.
  type: dict
  returned: always
record:
  description: What a change that was cut off has written down, C(stage) included; null without one.
  type: dict
  returned: always
previous:
  description: The container that an interrupted upgrade has put aside.
  type: dict
  returned: always
image:
  description: The wanted image, and the command that it would run.
  type: dict
  returned: always
data:
  description: Path, file system and content of the data, and what is mounted in it (C(mounts)).
  type: dict
  returned: always
  sample: {path: /var/lib/docker/volumes/open-webui/_data, filesystem: ext4, network: false, exists: true, owner: 10300, group: 10300,
    mounts: [], database: true, revision: c92da83b017f, chats: 12, users: 3, error: null}
port:
  description: Who listens on the port already; null when nobody or our own container does.
  type: dict
  returned: always
  sample: {used_by: nginx}
secrets:
  description: Whether the files are as wanted, and whether the running container is older than they are.
  type: dict
  returned: always
  sample: {key: true, key_weak: false, environment: true, stale: false}
door:
  description: Whether nftables is on the host, whether the door has its unit there, and when somebody had removed its rules, in seconds of Unix time.
  type: dict
  returned: always
  sample: {nft: true, unit: true, gone_at: null}
controller:
  description: The address that Ansible comes from; null where it runs on the host itself.
  type: str
  returned: always
database_error:
  description: Why nobody can be spoken to at O(database_host); null when somebody can, or when there is none.
  type: str
  returned: always
missing:
  description: Programs of O(commands) that are not on the host.
  type: list
  elements: str
  returned: always
backends:
  description: Each server with its version, or with the reason why there is none.
  type: list
  elements: dict
  returned: always
  sample: [{url: "http://10.0.0.5:11434", version: 0.32.15, error: null}]
"""

import os
import shutil
import sys

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.llmfleet.ollama.plugins.module_utils.change import record
from ansible_collections.llmfleet.ollama.plugins.module_utils.look.common import tools
from ansible_collections.llmfleet.ollama.plugins.module_utils.look.linux import controller
from ansible_collections.llmfleet.ollama.plugins.module_utils.open_webui.data import (
    NETWORK_FILESYSTEMS,
    SECRET,
    DataError,
    filesystem_of,
    look_into,
    mounts_in,
    volume_filesystem,
)
from ansible_collections.llmfleet.ollama.plugins.module_utils.open_webui.engine import (
    Engine,
    EngineError,
    describe_container,
    describe_image,
    is_podman,
    secret_key_of,
)
from ansible_collections.llmfleet.ollama.plugins.module_utils.open_webui.host import (
    ask_version,
    ask_versions,
    listener,
    missing_programs,
    python_with_requests,
    unreachable,
    was_given,
)
from ansible_collections.llmfleet.ollama.plugins.module_utils.probe.system import filesystem

# As many as the start script of older releases makes (96 random bits in base64).
SHORTEST_KEY = 16
# Where distributions put servers: root by su has the path of the user before.
SERVERS = ":/usr/sbin:/usr/local/sbin"


def disk_of(path: str) -> dict:
    try:
        return filesystem(path)
    except OSError as error:
        return {"path": path, "error": str(error)}


def probe_data(engine: Engine, data: str, root: str) -> dict:
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as source:
        mountinfo = source.read()
    if data.startswith("/"):
        path, exists, kind = data, os.path.isdir(data), filesystem_of(data, mountinfo)
    else:
        volume = engine.volume(data)
        exists = volume is not None
        path = volume["Mountpoint"] if volume else None
        kind = volume_filesystem(volume, mountinfo) if volume else filesystem_of(root, mountinfo)
    found = {"path": path, "exists": exists, "filesystem": kind, "network": kind in NETWORK_FILESYSTEMS, "error": None}
    found["mounts"] = mounts_in(path, mountinfo)
    found.update({"database": False, "revision": None, "chats": None, "users": None, "owner": None, "group": None})
    # Looking into a dead network mount would hang.
    if exists and not found["network"]:
        try:
            found.update(look_into(path))
        except DataError as error:
            found.update(database=True, error=str(error))
    return found


def probe_secrets(folder: str, secret_key, environment, started_at) -> dict:
    found = {"key": False, "key_weak": False, "environment": False, "stale": False}
    newest = 0.0
    for name, wanted, verdict in ((SECRET, secret_key, "key"), ("environment", environment, "environment")):
        path = os.path.join(folder, name)
        if not os.path.isfile(path):
            continue
        newest = max(newest, os.stat(path).st_mtime)
        with open(path, encoding="utf-8") as source:
            content = source.read()
        if name == SECRET and not wanted:
            found["key"] = True
            found["key_weak"] = len(content.strip()) < SHORTEST_KEY
        else:
            found[verdict] = content.rstrip("\n") == (wanted or "").rstrip("\n")
    found["stale"] = started_at is not None and newest > started_at
    return found


def probe_record(folder: str):
    said = record.read(folder)
    return None if said is None else dict(record.told(said), stage=record.stage_of(said))


def probe_door(paths: dict) -> dict:
    gone = paths.get("gone", "")
    return {
        "nft": bool(tools(["nft"])),
        "unit": os.path.exists(paths.get("unit", "")),
        "gone_at": int(os.stat(gone).st_mtime) if os.path.exists(gone) else None,
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "docker_host": {"type": "str", "default": "unix:///var/run/docker.sock"},
            "name": {"type": "str", "default": "open-webui"},
            "image": {"type": "str", "required": True},
            "data": {"type": "str", "default": "open-webui"},
            "port": {"type": "int", "default": 3000},
            "secrets_dir": {"type": "path", "default": "/etc/open-webui/secrets"},
            "secret_key": {"type": "str", "no_log": True},
            "environment": {"type": "str", "no_log": True},
            "database_host": {"type": "str", "default": ""},
            "database_port": {"type": "int", "default": 5432},
            "commands": {"type": "list", "elements": "str", "default": []},
            "backends": {"type": "list", "elements": "str", "default": []},
            "record": {"type": "path", "default": "/etc/open-webui/.before"},
            "door": {"type": "dict", "default": {}},
            "timeout": {"type": "int", "default": 5},
        },
        supports_check_mode=True,
    )
    wanted = module.params
    if sys.platform != "linux":
        module.fail_json(msg="Open WebUI's container needs a Linux host and this one is none; put a Linux host into the group open_webui in its place.")
    python = python_with_requests(module.run_command)
    result = {
        "changed": False,
        "requests": python is not None,
        "python": python,
        "apt": shutil.which("apt-get") is not None,
        "engine": {
            "error": None,
            "installed": os.path.exists(wanted["docker_host"].replace("unix://", "", 1)),
            "version": None,
            "root": None,
            "podman": False,
            "programs": [name for name in ("docker", "dockerd") if shutil.which(name, path=os.environ.get("PATH", "") + SERVERS)],
        },
        "container": describe_container(None),
        "record": probe_record(wanted["record"]),
        "previous": describe_container(None),
        "image": describe_image(None),
        "data": {
            "path": None, "exists": False, "filesystem": None, "network": False, "mounts": [], "database": False, "error": None, "revision": None,
        },
        "database_error": unreachable(wanted["database_host"], wanted["database_port"], wanted["timeout"]) if wanted["database_host"] else None,
        "door": probe_door(wanted["door"]),
        "controller": controller(),
        "missing": missing_programs(wanted["commands"], module.run_command),
        "backends": ask_versions(wanted["backends"], wanted["timeout"]),
    }
    try:
        engine = Engine(wanted["docker_host"])
        result["engine"]["podman"] = is_podman(engine.get("/version"))
        info = engine.get("/info") or {}
        result["engine"].update(version=info.get("ServerVersion"), root=info.get("DockerRootDir") or "/")
        inspected = engine.container(wanted["name"])
        result["container"] = describe_container(inspected, engine.image(inspected["Image"]) if inspected else None)
        if inspected and not result["container"]["managed"]:
            key, _source = secret_key_of(engine, inspected)
            result["container"]["key_weak"] = key is not None and len(key) < SHORTEST_KEY
        result["container"]["holds_password"] = was_given("WEBUI_ADMIN_PASSWORD", (inspected or {}).get("State", {}).get("Pid"))
        result["previous"] = describe_container(engine.container(wanted["name"] + "-previous"))
        result["image"] = describe_image(engine.image(wanted["image"]))
        result["data"] = probe_data(engine, wanted["data"], result["engine"]["root"])
    except EngineError as error:
        result["engine"]["error"] = str(error)
    result["engine"]["disk"] = disk_of(result["engine"]["root"] or ("/var/lib/containers" if "podman" in wanted["docker_host"] else "/var/lib/docker"))
    container = result["container"]
    if container["running"] and container["ports"] and not container["version"]:
        # Made by hand from a rolling tag: only the server knows which release it is.
        container["version"] = ask_version(f"http://127.0.0.1:{container['ports'][0]}", wanted["timeout"])["version"]
    ours = container["running"] and wanted["port"] in container["ports"]
    result["port"] = {"used_by": None if ours else listener(wanted["port"])}
    result["secrets"] = probe_secrets(
        wanted["secrets_dir"], wanted["secret_key"], wanted["environment"], container["started_at"] if container["running"] else None
    )
    module.exit_json(**result)


if __name__ == "__main__":
    main()
