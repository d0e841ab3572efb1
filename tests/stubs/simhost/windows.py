# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a Windows host would do: files with rights, scheduled tasks, one firewall, machine environment, and Ollama behind them.

The scripts of the role are recognised by their hash, so an edited script stops the tests until its effect here was looked at.
"""

from __future__ import annotations

import ipaddress
import json
import re

from ansible_collections.llmfleet_stubs.host.plugins.plugin_utils.host import Host, Refused, sha256

# What the real module closes: for SYSTEM and the administrators.
CLOSED = {"protected": True, "owner": "S-1-5-32-544", "grants": {"S-1-5-18": "F", "S-1-5-32-544": "F"}}
SIDS = {"SY": "S-1-5-18", "BA": "S-1-5-32-544", "BU": "S-1-5-32-545"}
RIGHTS = {"FA": "F", "0x1200a9": "RX"}
SERVICE_SIDS = {"S-1-5-18", "S-1-5-19", "S-1-5-20"}
LAUNCH = re.compile(r'^"(?P<binary>[^"]+\\ollama\.exe)" serve >> "(?P<log>[^"]+)" 2>&1$')
# What `cmd.exe /s /c` runs: the text without its first and its last quote.
CALL = re.compile(r'^/d /s /c ""(?P<launcher>[^"]+)""$')
SETTING = re.compile(r'^set "(?P<name>\w+)=(?P<value>.*)"$')


def rights_of(text):
    """What a text of SDDL gives whom."""
    owner, flags, rules = re.fullmatch(r"O:(\w\w)G:BAD:(\w*)((?:\([^)]+\))+)", text).groups()
    grants = dict(reversed(rule.split(";")[2::3]) for rule in re.findall(r"\(([^)]+)\)", rules))
    return {"protected": "P" in flags, "owner": SIDS[owner], "grants": {SIDS.get(sid, sid): RIGHTS[right] for sid, right in grants.items()}}


class Windows(Host):
    separator = "\\"
    system = "windows"

    def call(self, name, args, given):
        if self.state["machine"].get("no_powershell"):
            # What ansible-core's own bootstrap says, whatever the module.
            result = {"failed": True, "msg": "Ansible requires PowerShell v5.1"}
            self.note(name, given, result)
            return result
        return super().call(name, args, given)

    def proofs(self):
        remembered = self.files.get("C:\\ProgramData\\llmfleet.fact")
        return json.loads(remembered["text"]).get("proofs") if remembered else None

    def disk(self, path):
        drive = self.state["drives"].get(path[:1])
        if not drive:
            return {"error": f"Could not find the drive '{path[:3]}'."}
        return {"mount_point": path[:3], "fstype": drive["format"], "total_bytes": 2 * drive["free_bytes"], "free_bytes": drive["free_bytes"]}

    def place_of(self, path):
        drive = self.state["drives"].get(path[:1].upper())
        if not drive:
            return {"missing_mount": path[:3], "filesystem": None, "free_bytes": None}
        return {"missing_mount": None, "filesystem": drive["format"], "free_bytes": drive["free_bytes"]}

    def look(self, asked):
        machine, firewall = self.state["machine"], self.state["firewall"]
        if not machine["is_admin"]:
            return {"schema": 1, "system": "windows", "is_root": False}
        seen = super().look(asked)
        task = dict(self.state["tasks"].get("\\llmfleet\\" + asked["service"]) or {})
        state = task.pop("state", None)
        seen.update(
            {key: machine[key] for key in ("architecture", "os_name", "os_build", "is_server")}, is_root=True, service_manager="windows",
            os_version=self.state["facts"]["ansible_kernel"], display_vendors=machine["accelerators"],
            port_excluded=any(low <= asked["port"] <= high for low, high in machine["excluded_ports"]),
            task=task or None, on_path=asked["install_dir"] + "\\current" in self.state["path"],
            machine_ollama_host=self.state["environment"].get("OLLAMA_HOST"),
            door={"off": firewall["off"], "open": [], "others": [], "rule": firewall["rules"].get(asked["door"])},
        )
        seen["service"].update(path=asked["service"] if task else None, loaded=bool(task), running=state == "Running")
        other = self.other_store(self.files.get(asked["settings"]), asked["models_dir"])
        seen["store"]["other_stores"] = [{"path": other["path"], "size_bytes": other["bytes"]}] if other else []
        text = self.record_text(asked["record"])
        seen["change"] = {"record": text or None, "holder": self.state.get("holder") or None, **self.clock()}
        return seen

    def looked_at(self, path, asked):
        rights = self.files[path].get("acl", {})
        told = super().looked_at(path, asked)
        # What the role makes belongs to the administrators, as what everybody of them makes.
        told["owner"] = rights.get("owner", "S-1-5-32-544" if rights else None)
        told.update(protected=rights.get("protected", False), granted=self.may_write(path, asked["user"]))
        return told

    # -- a change of the host -----------------------------------------------------------------------------------------
    def clock(self):
        return {"since_start": self.state.get("since_start", 0), "now": 1764280800}

    def record_text(self, folder):
        named = folder and self.files.get(folder + "\\record.json")
        return named["text"] if named and self.files[folder].get("acl") == CLOSED else ""

    def win_host_change(self, args):
        """Who comes is another one each time, so the record of calls has what of it is always the same."""
        given = {**dict.fromkeys(("expect", "holder", "record", "text", "rights"), ""), "swap": False, "act": "none", "paths": [], **args}
        taken = {True: "somebody", False: "nobody"}
        self.shown.update({name: taken[bool(given[name])] for name in ("expect", "holder") if name in args})
        if "text" in args:
            said = json.loads(args["text"])
            self.shown["text"] = {name: said[name] for name in ("asked", "tried", "before", "kept", "missing", "rule")}
        result = {"is_root": self.state["machine"]["is_admin"], "swapped": False, "changed": False}
        if not result["is_root"]:
            return result
        if given["swap"] and not self.check and self.state.get("holder", "") == given["expect"]:
            if given["act"] != "none":
                result["changed"] = bool(getattr(self, "record_" + given["act"])(given["record"], given))
            self.state["holder"] = given["holder"]
            result["swapped"] = True
        kinds = {"file": "file", "directory": "other", "link": "other"}
        found = [{"path": path, "kind": kinds[self.files[path]["type"]] if path in self.files else "missing"} for path in given["paths"]]
        return {**result, "holder": self.state.get("holder", ""), "record": self.record_text(given["record"]), "found": found, **self.clock()}

    def record_keep(self, folder, given):
        parent = self.parent(folder)
        if given["rights"]:
            if self.under(parent)[1:]:
                raise Refused(f"others than administrators may have put {self.under(parent)[1:]} into {parent}")
            self.make_directory(parent)
            self.files[parent]["acl"] = rights_of(given["rights"])
        self.remove(folder)
        self.make_directory(folder)
        self.files[folder]["acl"] = dict(CLOSED)
        for row in given["kept"]:
            self.files[folder + "\\" + row["copy"]] = dict(self.read(row["path"]))
        task = self.state["tasks"].get("\\llmfleet\\" + given["task"])
        if task:
            self.files[folder + "\\task.xml"] = {"type": "file", "task": {key: value for key, value in task.items() if key != "state"}}
        self.record_tell(folder, given)

    def record_tell(self, folder, given):
        self.files[folder + "\\record.json"] = {"type": "file", "text": given["text"]}

    def record_restore(self, folder, given):
        if not self.record_text(folder):
            raise Refused(f"there is no record of what served before in {folder}")
        changed = [self.write(row["path"], **{**self.read(folder + "\\" + row["copy"])}) for row in given["kept"]]
        changed += [self.remove(path) for path in given["missing"]]
        kept = self.files.get(folder + "\\task.xml")
        if kept:
            self.state["tasks"]["\\llmfleet\\" + given["task"]].update(kept["task"])
        if given["rule"]:
            self.state["firewall"]["rules"].pop(given["rule"], None)
            if given["rule_port"]:
                self.state["firewall"]["rules"][given["rule"]] = {
                    "enabled": True, "inbound": True, "allow": True, "tcp": True, "port": given["rule_port"], "addresses": given["rule_addresses"],
                }
        return any(changed) or bool(given["rule"])

    def record_remove(self, folder, _given):
        self.remove(folder)

    # -- files ------------------------------------------------------------------------------------------------------
    def write(self, path, **entry):
        if self.check and self.parent(path) not in self.files:
            # win_copy doesn't look for the directory in check mode.
            return True
        return super().write(path, **entry)

    def win_file(self, args):
        path = args["path"]
        if args["state"] == "directory":
            return {"changed": self.make_directory(path)}
        if args["state"] == "absent":
            return {"changed": self.remove(path)}
        raise Refused(f"win_file state {args['state']} is not simulated")

    def win_copy(self, args):
        result = {}
        before = self.files.get(args["dest"])
        if args["remote_src"]:
            entry = self.read(args["src"])
        else:
            entry = {"text": args["content"], "sha256": sha256(args["content"])}
        if args["backup"] and before and before != {"type": "file", **entry} and not self.check:
            result["backup_file"] = args["dest"] + ".20260101-000000.bak"
            self.files[result["backup_file"]] = before
        result["changed"] = self.write(args["dest"], **{key: value for key, value in entry.items() if key != "type"})
        return result

    def win_command(self, args):
        argv = args["argv"]
        if self.check:
            return {"skipped": True}
        if argv[0] != "icacls.exe":
            raise Refused(f"the simulated host has no {argv[0]}")
        path = argv[1]
        if path not in self.files:
            raise Refused(f"{path}: The system cannot find the file specified.")
        rights = self.files[path].setdefault("acl", {"protected": False, "grants": {}})
        rest = argv[2:]
        if rest[0] == "/reset":
            rights["protected"], rights["grants"] = False, {}
            return {"changed": True, "rc": 0}
        if rest[0] == "/setowner":
            rights["owner"] = rest[1].removeprefix("*")
            return {"changed": True, "rc": 0}
        if rest[0] == "/inheritance:r":
            rights["protected"], rights["grants"] = True, {}
            rest = rest[1:]
        if rest[0] not in ("/grant:r", "/grant"):
            raise Refused(f"icacls: Invalid parameter {rest[0]}")
        for grant in rest[1:]:
            sid, _colon, right = grant.removeprefix("*").partition(":")
            rights["grants"][sid] = right.rpartition(")")[2]
        return {"changed": True, "rc": 0}

    def grant(self, path, sid):
        """The right that a SID has in a path: its own entry or the nearest parent's, as inheritance goes."""
        while path:
            rights = self.files.get(path, {}).get("acl", {})
            if sid in rights.get("grants", {}):
                return rights["grants"][sid]
            if rights.get("protected"):
                return None
            path = self.parent(path)
        return "F" if sid == "S-1-5-18" else None

    def may_write(self, path, sid):
        return path in self.files and self.grant(path, sid) in ("M", "F")

    # -- releases ---------------------------------------------------------------------------------------------------
    def win_get_url(self, args):
        name = args["url"].rpartition("/")[2]
        wanted = args["checksum"]
        if args["checksum_url"]:
            wanted = self.published_checksum(args["checksum_url"], name)
        item = self.download(args["url"])
        if wanted != item["sha256"]:
            raise Refused(f"The checksum for {args['url']} did not match '{wanted}', it was '{item['sha256']}'")
        return {"changed": self.write(args["dest"], sha256=item["sha256"], archive=item)}

    def win_unzip(self, args):
        archive = self.read(args["src"])["archive"]
        self.make_directory(args["dest"])
        self.unpack(archive, args["dest"])
        if args["delete_archive"]:
            self.remove(args["src"])
        return {"changed": True}

    # -- machine ----------------------------------------------------------------------------------------------------
    def win_path(self, args):
        changed = False
        for element in args["elements"]:
            there = element in self.state["path"]
            if args["state"] == "present" and not there:
                self.state["path"].append(element)
            elif args["state"] == "absent" and there:
                self.state["path"].remove(element)
            else:
                continue
            changed = True
        return {"changed": changed}

    def win_environment(self, args):
        if args["level"] != "machine":
            raise Refused("only the machine's environment is simulated")
        wanted = dict(args["variables"] or {})
        if args["name"]:
            wanted[args["name"]] = args["value"] if args["state"] == "present" else None
        before = dict(self.state["environment"])
        for name, value in wanted.items():
            self.state["environment"].pop(name, None)
            if value is not None:
                self.state["environment"][name] = value
        return {"changed": before != self.state["environment"]}

    def win_firewall_rule(self, args):
        rules, name = self.state["firewall"]["rules"], args["name"]
        if args["state"] == "absent":
            return {"changed": rules.pop(name, None) is not None}
        addresses = [str(ipaddress.ip_network(item)) for item in args["remoteip"].split(",")]
        rule = {
            "enabled": args["enabled"], "inbound": args["direction"] == "in", "allow": args["action"] == "allow",
            "tcp": args["protocol"] == "tcp", "port": args["localport"], "addresses": sorted(addresses),
        }
        changed = rules.get(name) != rule
        rules[name] = rule
        return {"changed": changed}

    # -- the service ------------------------------------------------------------------------------------------------
    def win_scheduled_task(self, args):
        tasks, name = self.state["tasks"], args["path"] + "\\" + args["name"]
        if args["state"] == "absent":
            return {"changed": tasks.pop(name, None) is not None}
        if args["logon_type"] == "service_account" and args["username"] not in SERVICE_SIDS:
            raise Refused("logon_type service_account needs SYSTEM, LOCAL SERVICE or NETWORK SERVICE")
        triggers = []
        for trigger in args["triggers"]:
            if trigger["type"] == "time" and not trigger["start_boundary"]:
                raise Refused("a time trigger needs start_boundary")
            interval = (trigger["repetition"] or {}).get("interval")
            triggers.append(f"{trigger['type']} {interval or ''}".strip())
        task = {
            "execute": args["actions"][0]["path"], "arguments": args["actions"][0]["arguments"], "account": args["username"],
            "triggers": triggers, "instances": ("Parallel", "Queue", "IgnoreNew", "StopExisting")[args["multiple_instances"]],
            "limit": args["execution_time_limit"], "batteries": args["disallow_start_if_on_batteries"],
            "priority": args["priority"], "enabled": args["enabled"],
        }
        before = dict(tasks.get(name, {}))
        state = before.pop("state", "Ready")
        tasks[name] = {**task, "state": state}
        return {"changed": before != task}

    def start(self, name):
        """Run the task's launcher as cmd.exe would: settings first, then the server."""
        task = self.state["tasks"][name]
        task["state"] = "Ready"
        call = CALL.match(task["arguments"])
        if not call:
            raise Refused(f"cmd.exe: {task['arguments']} is not recognized as an internal or external command")
        launcher = self.read(call["launcher"])["text"]
        if "\n" in launcher.replace("\r\n", ""):
            raise Refused("the launcher has lines that end without a carriage return")
        environment = {}
        for line in launcher.split("\r\n"):
            setting = SETTING.match(line)
            if setting:
                environment[setting["name"]] = setting["value"].replace("%%", "%")
            launch = LAUNCH.match(line)
            if launch:
                log = launch["log"].replace("%LOG%", environment.get("LOG", ""))
                writable = [self.parent(log), environment["USERPROFILE"], environment["OLLAMA_MODELS"]]
                self.serve(launch["binary"], environment, all(self.may_write(path, task["account"]) for path in writable))
        if self.state["server"]:
            task["state"] = "Running"

    def reaches(self, address, port):
        """What Windows Firewall would say of a connection: nobody is admitted without a rule."""
        rule = self.state["firewall"]["rules"].get("llmfleet ollama")
        return bool(rule) and rule["port"] == str(port) and any(
            ipaddress.ip_address(address) in ipaddress.ip_network(network) for network in rule["addresses"]
        )

    def boot(self):
        """What happens at a start of the machine: nobody logs in, and tasks with a boot trigger run."""
        self.state["server"] = None
        self.state.update(holder="", since_start=0)
        for name, task in self.state["tasks"].items():
            if task["enabled"] and "boot" in task["triggers"]:
                self.start(name)

    def crash(self):
        """The server ends by itself; a minute later the clock trigger starts it again."""
        self.state["server"] = None
        for name, task in self.state["tasks"].items():
            task["state"] = "Ready"
            if task["enabled"] and any(trigger.startswith("time PT") for trigger in task["triggers"]):
                self.start(name)

    def win_uri(self, args):
        status, document = self.answer(args["url"])
        if status not in [int(code) for code in args["status_code"]]:
            raise Refused(f"Status code of request '{status}' is not in list of valid status codes")
        return {"json": document, "status_code": status}

    # -- the role's scripts -----------------------------------------------------------------------------------------
    def win_powershell(self, args):
        name = self.state["scripts"].get(sha256(args["script"].strip()))
        if name is None:
            raise Refused("this script is not one of the role's, or it was edited and its effect here must be looked at")
        self.shown["script"] = name
        if self.check:
            # None of the role's scripts supports ShouldProcess: the real module doesn't run them in check mode.
            return {"changed": True, "skipped": True}
        result = getattr(self, "script_" + name.removesuffix(".ps1"))(args["parameters"])
        if name == "wait.ps1":
            wanted = args["parameters"]["Version"] or result["version"]
            return {"failed": wanted in ("", None) or result["version"] != wanted, "changed": False, "result": result}
        return {"changed": True, "result": result}

    def other_store(self, launcher, wanted):
        settings = [SETTING.match(line) for line in launcher["text"].split("\r\n")] if launcher else []
        served = [setting["value"].replace("%%", "%") for setting in settings if setting and setting["name"] == "OLLAMA_MODELS"]
        if not served or served[0].lower() == wanted.lower():
            return None
        sizes = [self.files[path].get("bytes", 0) for path in self.under(served[0] + "\\blobs") if "sha256-" in path]
        return {"path": served[0], "bytes": sum(sizes)} if sizes else None

    def script_wait(self, given):
        try:
            return {"version": self.answer(given["Url"])[1].get("version", "")}
        except Refused:
            return {"version": ""}

    def script_take_in(self, given):
        binary = self.files.get(given["Unpacked"] + "\\ollama.exe")
        if not binary:
            raise Refused("The archive holds no ollama.exe")
        if given["NeedsLlamaServer"] and given["Unpacked"] + "\\lib\\ollama\\llama-server.exe" not in self.files:
            raise Refused("The archive holds no llama-server.exe")
        if given["Publisher"] and binary["signed_by"] != given["Publisher"]:
            raise Refused(f"ollama.exe is not signed by {given['Publisher']}")
        if self.under(given["Release"]):
            raise Refused(f"{given['Release']} exists already")
        for name in self.under(given["Unpacked"]):
            self.files[given["Release"] + name[len(given["Unpacked"]):]] = self.files.pop(name)
        return {"release": given["Release"]}

    def script_switch(self, given):
        name = "\\llmfleet\\" + given["TaskName"]
        self.state["server"] = None
        if name in self.state["tasks"]:
            self.state["tasks"][name]["state"] = "Ready"
        link = given["InstallDir"] + "\\current"
        self.files.pop(link, None)
        if given["Release"]:
            self.files[link] = {"type": "link", "target": given["InstallDir"] + "\\" + given["Release"]}
            self.state["tasks"][name]["enabled"] = True
            self.start(name)
        return {"last_words": ["Error: listen tcp: bind"]}
