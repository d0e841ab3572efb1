# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a Mac would do: files with owners, launchd that reads its plists, the packet filter, and Ollama behind them.

Plists are read by plistlib and rules line by line, so a template that its reader would refuse stops the tests.
"""

from __future__ import annotations

import ipaddress
import json
import plistlib
import re

from ansible_collections.llmfleet_stubs.host.plugins.plugin_utils.host import Host, Refused, sha256

RULE = re.compile(
    r"^(?P<action>pass|block drop) in quick (?:on (?P<interface>\w+) )?proto tcp"
    r" from (?P<source>any|[0-9a-f.:/]+) to any port (?P<port>\d+)$"
)
WRITE_FOR_OTHERS = 0o022


class Failed(Exception):
    """A command that ends with a code of its own."""

    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


class MacOS(Host):
    system = "macos"

    def setup(self, args):
        local = {"llmfleet": json.loads(self.local_facts.read_text(encoding="utf-8"))} if self.local_facts.exists() else {}
        return {"ansible_facts": {**self.state["facts"], "ansible_local": local}}

    @property
    def local_facts(self):
        """/etc/ansible/facts.d/llmfleet.fact: the real module ollama_models writes it beside the state (callback/stub_hosts.py)."""
        return self.path.with_suffix(".facts")

    def proofs(self):
        return json.loads(self.local_facts.read_text(encoding="utf-8")).get("proofs") if self.local_facts.exists() else None

    def disk(self, path):
        size = self.state["machine"]["free_kib"] * 1024
        return {"mount_point": "/", "fstype": "apfs", "total_bytes": 2 * size, "free_bytes": size}

    def place_of(self, path):
        volume = "/".join(path.split("/")[:3])
        lost = path.startswith("/Volumes/") and volume not in self.files
        return {"missing_mount": volume if lost else None, "filesystem": "apfs", "free_bytes": self.state["machine"]["free_kib"] * 1024}

    def look(self, asked):
        machine, pf, loaded, models = self.state["machine"], self.state["pf"], self.state["loaded"], asked["models_dir"]
        if not machine["is_root"]:
            return {"schema": 1, "system": "macos", "is_root": False}
        seen = super().look(asked)
        seen.update(
            architecture="arm64" if machine["apple_silicon"] else "x86_64", os_name="macOS", service_manager="launchd", is_root=True,
            os_version=self.state["facts"]["ansible_distribution_version"], brew_service=machine.get("brew_service"),
            user={"exists": asked["user"] in self.state["users"], "groups": []},
            door={
                "loaded": asked["door"] in loaded, "enabled": self.pf_enabled, "calls_us": pf["calls_us"],
                "rules": len(pf["anchors"].get("com.apple/" + asked["door"], [])),
            },
        )
        seen["service"].update(path=loaded.get(asked["service"]), loaded=asked["service"] in loaded, running=bool(self.state["server"]))
        seen["store"].update(
            ownerless_volume=next((volume for volume in machine.get("ownerless", []) if models.startswith(volume + "/")), None),
            closed_parent=self.closed_parent(models, asked["user"]) or None,
            other_stores=[{"path": store, "size_bytes": None} for store in self.other_stores(asked["install_dir"], models, asked["service"])],
        )
        return seen

    def looked_at(self, path, asked):
        told = super().looked_at(path, asked)
        if told["kind"] != "link":
            # What nobody changed belongs to root.
            told.update(mode=told["mode"] or ("0755" if told["kind"] == "directory" else "0644"), owner=told["owner"] or "root", group=told["group"] or "wheel")
        return told

    # -- files ------------------------------------------------------------------------------------------------------
    def owned(self, args):
        for kind, known in (("owner", self.state["users"]), ("group", self.state["groups"])):
            if args.get(kind) and args[kind] not in known:
                raise Refused(f"chown failed: failed to look up {kind} {args[kind]}")
        return {key: args[key] for key in ("owner", "group", "mode") if args.get(key) is not None}

    def file(self, args):
        path = args["path"]
        if args["state"] == "absent":
            if path == "/etc/ansible/facts.d/llmfleet.fact" and self.local_facts.exists() and not self.check:
                self.local_facts.unlink()
                return {"changed": True}
            return {"changed": self.remove(path)}
        if args["state"] == "directory":
            if self.check and path not in self.files:
                return {"changed": True}
            attributes = self.owned(args)
            before = dict(self.files.get(path, {}))
            self.make_directory(path)
            self.files[path].update(attributes)
            return {"changed": before != self.files[path]}
        if args["state"] == "link":
            link = {"type": "link", "target": args["src"]}
            there = self.files.get(path)
            if there and there["type"] != "link":
                raise Refused(f"refusing to convert from {there['type']} to symlink for {path}")
            if self.resolve(args["src"]) not in self.files and not args["force"]:
                raise Refused(f"src file does not exist, use force=yes: {args['src']}")
            self.files[path] = link
            return {"changed": there != link}
        raise Refused(f"file state {args['state']} is not simulated")

    def copy(self, args):
        result = {}
        before = self.files.get(args["dest"])
        if args["remote_src"]:
            text = self.read(args["src"])["text"]
        else:
            text = args["content"]
        if args["validate"]:
            self.validated(args["validate"], text)
        entry = {"text": text, "sha256": sha256(text), **self.owned(args)}
        if args["backup"] and before and before != {"type": "file", **entry} and not self.check:
            result["backup_file"] = args["dest"] + ".1.2026-01-01@00:00:00~"
            self.files[result["backup_file"]] = before
        result["changed"] = self.write(args["dest"], **entry)
        return result

    def validated(self, command, text):
        if "%s" not in command:
            raise Refused("validate must contain %s")
        if "plutil -lint" in command:
            plistlib.loads(text.encode("utf-8"))
        elif "pfctl -n -f" in command:
            self.rules_of(text)
        else:
            raise Refused(f"no such validator on this host: {command}")

    def rules_of(self, text):
        rules = []
        for line in text.splitlines():
            if line and not line.startswith("#"):
                rule = RULE.match(line)
                if not rule:
                    raise Refused(f"pfctl: syntax error: {line}")
                rules.append(rule.groupdict())
        return rules

    # -- people -----------------------------------------------------------------------------------------------------
    def group(self, args):
        return self.member("groups", args)

    def user(self, args):
        if args["state"] == "present" and args["group"] not in self.state["groups"] and not self.check:
            raise Refused(f"Group {args['group']} does not exist")
        return self.member("users", args)

    def member(self, kind, args):
        there = args["name"] in self.state[kind]
        if args["state"] == "present" and not there:
            self.state[kind].append(args["name"])
        elif args["state"] == "absent" and there:
            self.state[kind].remove(args["name"])
        return {"changed": there != (args["state"] == "present")}

    # -- commands ---------------------------------------------------------------------------------------------------
    def command(self, args):
        argv = args["argv"]
        script = self.state["scripts"].get(sha256(argv[2].strip())) if argv[:2] == ["/bin/sh", "-c"] else None
        if script:
            self.shown["argv"] = ["sh", script, *argv[4:]]
        if args["creates"] and self.under(args["creates"]):
            return {"changed": False, "rc": 0, "stdout": "skipped, since it exists"}
        if self.check:
            # As the real module answers; it runs nothing. tests/unit/roles/ollama/winmac compares the two: with rc null, cores before 2.21 fail the task.
            return {"rc": 0, "changed": True} if args["creates"] else {"rc": 0, "changed": False, "skipped": True}
        if script == "fetch.sh":
            return self.fetch(*argv[4:])
        if script == "door.sh":
            try:
                self.door(*argv[4:])
            except Refused as problem:
                return {"failed": True, "rc": 1, "msg": "non-zero return code", "stderr": str(problem), "changed": True}
            return {"changed": True, "rc": 0, "stdout": "", "stdout_lines": [], "stderr": ""}
        if script == "last_words.sh":
            return {"changed": True, "rc": 0, "stdout": "Error: bind", "stdout_lines": ["Error: bind"], "stderr": ""}
        program = argv[0].rpartition("/")[2]
        act = self.run_load if script == "load.sh" else getattr(self, f"run_{program}", None)
        if act is None or script is None and program == "sh":
            raise Refused(f"No such file or directory, or a script that is not the role's: {argv[0]}")
        try:
            output = act(argv) or ""
        except Failed as failure:
            result = {"failed": True, "rc": failure.code, "msg": "non-zero return code", "stderr": str(failure)}
            return {**result, "stdout": "", "stdout_lines": [], "changed": True}
        return {"changed": True, "rc": 0, "stdout": output, "stdout_lines": output.splitlines(), "stderr": ""}

    def fetch(self, install, version, base, checksum, needs_server):
        """What fetch.sh does; the script itself runs for real in tests/unit/roles/ollama/winmac."""
        url = f"{base}/v{version}/ollama-darwin.tgz"
        item = self.download(url)
        wanted = checksum.removeprefix("sha256:") or f"{base}/v{version}/sha256sum.txt"
        if "://" in wanted:
            wanted = self.published_checksum(wanted, "ollama-darwin.tgz")
        self.make_directory(install)
        if item["sha256"] != wanted:
            return {"failed": True, "rc": 1, "stderr": f"The checksum of {url} is {item['sha256']} instead of {wanted}", "changed": True}
        self.unpack(item, f"{install}/{version}")
        if needs_server == "yes" and f"{install}/{version}/llama-server" not in self.files:
            self.remove(f"{install}/{version}")
            return {"failed": True, "rc": 1, "stderr": f"The archive of {url} holds no llama-server", "changed": True}
        return {"rc": 0, "changed": True, "stderr": "", "stdout": ""}

    def door(self, action, anchor, rules, keep):
        """What door.sh does; the script itself runs for real in tests/unit/roles/ollama/winmac."""
        pf = self.state["pf"]
        token = self.files.get(keep, {}).get("text", "")
        if action == "hold":
            pf["anchors"][anchor] = self.rules_of(self.read(rules)["text"])
            if token not in pf["references"]:
                token = str(1000 + len(pf["references"]))
                pf["references"].append(token)
                self.write(keep, text=token, mode="0600")
                self.appeared()
        elif action == "release":
            pf["anchors"].pop(anchor, None)
            if token in pf["references"]:
                pf["references"].remove(token)
            self.remove(keep)
        else:
            raise Refused(f"door.sh: {action}")

    @property
    def pf_enabled(self):
        return bool(self.state["pf"]["references"])

    def run_launchctl(self, argv):
        loaded = self.state["loaded"]
        if argv[1] == "enable":
            return
        if argv[1] == "bootout":
            label = argv[2].removeprefix("system/")
            if label not in loaded:
                raise Failed(3, "Boot-out failed: 3: No such process")
            loaded.pop(label)
            if self.state["server"] and self.state["server"]["label"] == label:
                self.state["server"] = None
            return
        raise Refused(f"launchctl {argv[1]} is not simulated")

    def run_load(self, argv):
        """What load.sh does; the script itself runs for real in tests/unit/roles/ollama/winmac."""
        self.load(argv[4])

    # -- launchd ----------------------------------------------------------------------------------------------------
    def load(self, path):
        entry = self.read(path)
        daemon = plistlib.loads(entry["text"].encode("utf-8"))
        label = daemon["Label"]
        if label in self.state["loaded"]:
            raise Failed(37, "Bootstrap failed: 37: Operation already in progress")
        if entry.get("owner") != "root" or int(entry.get("mode", "0644"), 8) & WRITE_FOR_OTHERS:
            raise Failed(5, "Bootstrap failed: 5: Input/output error")
        self.state["loaded"][label] = path
        if daemon.get("RunAtLoad") or self.kept_alive(daemon):
            self.launch(daemon)

    def kept_alive(self, daemon):
        """KeepAlive: always, or as long as paths are there."""
        wanted = daemon.get("KeepAlive")
        if not isinstance(wanted, dict):
            return bool(wanted)
        return any((path in self.files) == there for path, there in wanted["PathState"].items())

    def appeared(self):
        """launchd watches the paths of its jobs."""
        for path in list(self.state["loaded"].values()):
            daemon = plistlib.loads(self.read(path)["text"].encode("utf-8"))
            if isinstance(daemon.get("KeepAlive"), dict) and self.kept_alive(daemon) and not self.state["server"]:
                self.launch(daemon)

    def launch(self, daemon):
        program = daemon["ProgramArguments"]
        if program[:2] == ["/bin/sh", "-c"]:
            if self.state["scripts"].get(sha256(program[2].strip())) != "door.sh":
                raise Refused(f"sh: {program[2]}")
            self.door(*program[4:])
            return
        user = daemon["UserName"]
        if user not in self.state["users"]:
            return
        environment = daemon["EnvironmentVariables"]
        writable = [environment["OLLAMA_MODELS"], environment["HOME"], daemon["StandardErrorPath"].rpartition("/")[0]]
        if not self.pf_enabled and not environment["OLLAMA_HOST"].startswith("127."):
            self.state["pf"]["open"] = True
        self.serve(program[0], environment, all(self.files.get(path, {}).get("owner") == user for path in writable))
        if self.state["server"]:
            self.state["server"]["label"] = daemon["Label"]

    def boot(self):
        """A start of the machine: nobody logs in, pf is off, its anchors and /var/run are empty, every daemon is loaded."""
        self.state["server"] = None
        self.state["loaded"] = {}
        self.state["pf"].update(references=[], anchors={})
        for path in self.under("/var/run")[1:]:
            self.remove(path)
        # In the worst order: launchd promises none, and the door's daemon comes before the server's by name.
        for path in sorted(self.files, reverse=True):
            if path.startswith("/Library/LaunchDaemons/") and path.endswith(".plist"):
                self.load(path)

    def crash(self):
        """The server ends by itself; KeepAlive starts it again."""
        self.state["server"] = None
        for path in list(self.state["loaded"].values()):
            daemon = plistlib.loads(self.read(path)["text"].encode("utf-8"))
            if self.kept_alive(daemon):
                self.launch(daemon)

    def reaches(self, address, port):
        """What pf would say of a packet from an address, first match first (every rule is `quick`)."""
        for name, rules in self.state["pf"]["anchors"].items():
            if not (self.pf_enabled and self.state["pf"]["calls_us"] and name.startswith("com.apple/")):
                continue
            for rule in rules:
                if rule["interface"] or int(rule["port"]) != port:
                    continue
                if rule["source"] == "any" or ipaddress.ip_address(address) in ipaddress.ip_network(rule["source"]):
                    return rule["action"] == "pass"
        return True

    def closed_parent(self, path, user):
        closed = ""
        while path:
            path = self.parent(path)
            entry = self.files.get(path, {})
            if entry.get("owner", "root") != user and not int(entry.get("mode", "0755"), 8) & 1:
                closed = path
        return closed

    # -- the models -------------------------------------------------------------------------------------------------
    def other_stores(self, install, models, label):
        daemon = self.files.get(f"/Library/LaunchDaemons/{label}.plist")
        served = [plistlib.loads(daemon["text"].encode("utf-8"))["EnvironmentVariables"]["OLLAMA_MODELS"]] if daemon else []
        noted = self.files.get(f"{install}/.moving", {}).get("text", "").split("\n")
        return [store for store in dict.fromkeys([*served, *noted]) if store and store != models and self.blobs(store)]

    def blobs(self, store):
        return [path for path in self.under(store + "/blobs") if "sha256-" in path]

    def model(self):
        """Somebody pulls a model."""
        store = self.state["server"]["environment"]["OLLAMA_MODELS"]
        self.make_directory(store + "/blobs")
        self.files[store + "/blobs/sha256-" + "0" * 64] = {"type": "file", "owner": "_ollama", "text": "", "sha256": sha256("")}

    def ollama_store_move(self, args):
        """What the real module does, tests/unit/plugins/module_utils/models; here, that the role calls it at the right moments."""
        stores = [store for store in args["sources"] if self.blobs(store)]
        if args["state"] == "judged":
            if stores and args["word"] == "refuse":
                raise Refused(f"ollama_models_dir is {args['dest']}, but {stores[0]} holds models; set ollama_models_move to true")
            return {"changed": False, "stores": stores, "bytes": 0, "copy_bytes": 0}
        for store in stores:
            for path in self.blobs(store):
                if args["state"] == "brought":
                    self.make_directory(args["dest"] + "/blobs")
                    self.files[args["dest"] + path[len(store):]] = self.files[path]
                else:
                    self.remove(path)
        return {"changed": bool(stores), "stores": stores, "bytes": 0, "stays": []}
