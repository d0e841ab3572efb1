# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host that exists only as a JSON file: state between calls, and a record of every call.

The file is named by the host variable `stub_state`; the record lies beside it as `<name>.calls.jsonl`. Files are entries of a
dict, so nothing of the machine that runs the test is touched.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import json
from pathlib import Path

# Arguments that carry a file's text or a password: the record keeps their hash, which is enough to see a change.
HASHED = {"content", "proxy_password", "stdin"}


class Refused(Exception):
    """The simulated host can't do that; the module fails with this text."""


def sha256(text):
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


class Host:
    """State of one simulated host, locked for the length of one module run."""

    separator = "/"
    # As look_schema calls it.
    system = ""

    def __init__(self, path, check=False):
        self.path = Path(path)
        self.lock = open(str(self.path) + ".lock", "w", encoding="utf-8")
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        self.state = json.loads(self.path.read_text(encoding="utf-8"))
        self.check = check
        # What the record shows instead of an argument that is a whole script.
        self.shown = {}

    def call(self, name, args, given):
        """One module run: do what the name says, note it, answer as a module does."""
        act = getattr(self, name.rpartition(".")[2], None)
        try:
            if act is None:
                raise Refused(f"the simulated host has no {name}")
            result = act(args) or {}
        except Refused as problem:
            result = {"failed": True, "msg": str(problem)}
        result.setdefault("changed", False)
        self.note(name, given, result)
        return result

    def note(self, name, given, result):
        record = {"module": name, "args": {}}
        for key, value in {**given, **self.shown}.items():
            record["args"][key] = f"sha256:{sha256(str(value))[:12]}" if key in HASHED else value
        if self.check:
            record["check"] = True
        record.update({key: True for key in ("changed", "failed", "skipped") if result.get(key)})
        with open(str(self.path).removesuffix(".json") + ".calls.jsonl", "a", encoding="utf-8") as log:
            log.write(json.dumps(record, sort_keys=True) + "\n")

    def close(self):
        if not self.check:
            self.path.write_text(json.dumps(self.state, indent=1, sort_keys=True), encoding="utf-8")
        self.lock.close()

    # -- what the machine says of itself ------------------------------------------------------------------------------
    def setup(self, _args):
        return {"ansible_facts": self.state["facts"]}

    def vram_probe(self, args):
        """The recorded observation of this machine, and the sizes of its own disks."""
        filesystems = [{"path": path, **self.disk(path)} for path in args["filesystems"]]
        return {"observation": {**self.state["observation"], "filesystems": filesystems}}

    win_vram_probe = vram_probe

    def look_probe(self, args):
        """The look as module look_probe or win_look_probe gives it, with the recorded observation of this machine."""
        asked = next(asked for asked in args["questions"] if asked["system"] == self.system)
        # The record needs no question that was not meant for this host.
        self.shown["questions"] = [asked]
        look, paths = self.look(asked), dict.fromkeys([*args["filesystems"], asked["models_dir"], asked["install_dir"]])
        filesystems = [{"path": path, **self.disk(path)} for path in paths]
        return {"look": {**look, "observation": {**self.state.get("observation", {}), "filesystems": filesystems}}}

    win_look_probe = look_probe

    def look(self, asked):
        """What one look says of this host, in the words of plugin_utils/look_schema.py. asked: a Question as a dict."""
        install, models = asked["install_dir"], asked["models_dir"]
        children = {name[len(install) + 1:].split(self.separator)[0] for name in self.under(install) if name != install}
        try:
            version = self.answer(asked["url"] + "/api/version")[1]["version"]
        except Refused:
            version = None
        listener = self.state["server"] and self.state["server"]["environment"]["OLLAMA_HOST"]
        return {
            "schema": 1, "system": asked["system"], "display_vendors": [], "l4t": None, "observation": self.state.get("observation"),
            "kernel": self.state["facts"]["ansible_kernel"], "os_like": [],
            "files": [self.looked_at(path, asked) for path in asked["paths"] if path in self.files],
            "user": {"exists": False, "groups": []}, "gpu_groups": [],
            "service": {**dict.fromkeys(("path", "enabled", "pid", "started_at")), **dict.fromkeys(("loaded", "running", "needs_reload"), False)},
            "port_owner": self.state["machine"].get("port_owner"), "own_listener": listener, "controller": None, "tools": [], "read_only": [],
            "resolved": [{"name": name, "addresses": [self.state["names"][name]]} for name in asked["names"]],
            "install": {
                **self.place_of(install), "releases": sorted(name for name in children if name[0].isdigit()), "moving": asked["moving"] in self.files,
                "ours": None,
            },
            "store": {
                **self.place_of(models), "ownerless_volume": None, "closed_parent": None, "denied": False, "has_entries": False,
                "other_stores": [], "manifests": None,
            },
            "desktop_app": self.state["machine"].get("desktop_app"), "brew_service": None,
            "api": {"version": version, "models": None, "running": None}, "proofs": self.proofs(), "failed": [],
            "change": {"record": None, "holder": None},
        }

    def looked_at(self, path, asked):
        entry = self.files[path]
        told = dict.fromkeys(("mode", "owner", "group", "sha256", "target", "changed_at", "size_bytes", "ours", "protected", "granted"))
        told.update({key: entry[key] for key in ("mode", "owner", "group", "sha256", "target") if key in entry})
        return {"path": path, "kind": entry["type"], **told}

    # -- files ------------------------------------------------------------------------------------------------------
    @property
    def files(self):
        return self.state["files"]

    def parent(self, path):
        return path.rpartition(self.separator)[0]

    def under(self, path):
        return [name for name in self.files if name == path or name.startswith(path + self.separator)]

    def resolve(self, path):
        """Follow links in the middle of a path, as an operating system does."""
        for name in sorted(self.files, key=len):
            entry = self.files[name]
            if entry["type"] == "link" and path.startswith(name + self.separator):
                return self.resolve(entry["target"] + path[len(name):])
        return path

    def make_directory(self, path):
        changed = False
        parts = path.split(self.separator)
        for count in range(2, len(parts) + 1):
            step = self.separator.join(parts[:count])
            if step not in self.files:
                self.files[step] = {"type": "directory"}
                changed = True
        return changed

    def remove(self, path):
        found = self.under(path)
        for name in found:
            del self.files[name]
        return bool(found)

    def write(self, path, **entry):
        if self.parent(path) not in self.files:
            raise Refused(f"{self.parent(path)} does not exist")
        new = {"type": "file", **entry}
        changed = self.files.get(path) != new
        self.files[path] = new
        return changed

    def read(self, path):
        entry = self.files.get(self.resolve(path))
        if not entry or entry["type"] != "file":
            raise Refused(f"{path} does not exist")
        return entry

    # -- the network ------------------------------------------------------------------------------------------------
    def download(self, url):
        if url not in self.state["web"]:
            raise Refused(f"HTTP Error 404: Not Found: {url}")
        return self.state["web"][url]

    def published_checksum(self, url, name):
        for line in self.download(url)["text"].splitlines():
            digest, _space, listed = line.partition("  ")
            if listed.removeprefix("./") == name:
                return digest
        raise Refused(f"no checksum of {name} in {url}")

    def slurp(self, args):
        return {"content": base64.b64encode(self.read(args["src"])["text"].encode("utf-8")).decode("ascii"), "encoding": "base64"}

    def unpack(self, archive, destination):
        for name, entry in archive["holds"].items():
            path = f"{destination}{self.separator}{name.replace('/', self.separator)}"
            self.make_directory(self.parent(path))
            self.files[path] = {"type": "file", **entry}

    # -- the server -------------------------------------------------------------------------------------------------
    def wait_for_server(self, args):
        """The module of the collection, without its patience: a simulated server answers at once or never."""
        try:
            status, document = self.answer(args["url"])
        except Refused as problem:
            return {"failed": True, "msg": str(problem), "status": 0, "version": "", "ended": 0, "seconds": 0}
        version = document.get("version", "")
        return {"failed": args.get("version", "") not in ("", version), "status": status, "version": version, "ended": 0, "seconds": 0}

    def serve(self, executable, environment, usable):
        """Start Ollama if it can start: a release that dies at once, or a directory that it can't use, leaves nobody listening."""
        entry = self.files.get(self.resolve(executable))
        self.state["server"] = None
        broken = environment.get("OLLAMA_LLM_LIBRARY") == "broken"
        if not entry or entry.get("dies") or broken or not usable:
            return
        self.state["server"] = {"version": entry["version"], "environment": environment, "binary": self.resolve(executable)}

    def answer(self, url):
        """What GET url on this host gives: (status, document)."""
        server = self.state.get("server")
        address = url.split("//", 1)[1].split("/", 1)[0]
        if server:
            bound, _colon, port = server["environment"]["OLLAMA_HOST"].rpartition(":")
            host, _colon, asked = address.rpartition(":")
            reachable = {"0.0.0.0": ("127.0.0.1", "localhost"), "[::]": ("[::1]", "localhost")}.get(bound, (bound,))
            if asked == port and host in reachable:
                if url.endswith("/api/version"):
                    return 200, {"version": server["version"]}
                return 404, {}
        raise Refused(f"Connection refused: {url}")
