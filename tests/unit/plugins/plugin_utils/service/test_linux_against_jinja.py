# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The decision in Python and the role's variables in Jinja agree, as long as there are both.

Deleted, the two could drift apart while one is written and the other still acts. It goes when the Jinja goes.
"""

from __future__ import annotations

import copy
import functools
import hashlib
import json
import re
from pathlib import Path

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.service import linux, wish
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.service.contract import Around
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.service.decide import decide
from looks import bare, there

ROLE = Path(__file__).parents[5] / "roles/ollama"
DEFAULTS = {"ollama_version": "0.32.15", "ollama_no_proxy": ["localhost", "127.0.0.1", "::1", "0.0.0.0", "here"]}
VENDOR_IDS = {"nvidia": "0x10de", "amd": "0x1002", "intel": "0x8086"}
GROUPS = {"all": ["here", "ui", "named"], "open_webui": ["ui", "named", "here"], "ollama": ["here"]}
HOSTVARS = {"here": {"ansible_host": "10.0.0.1"}, "ui": {"ansible_host": "10.0.0.2"}, "named": {}}


def around(devices=()):
    addresses = {host: HOSTVARS[host].get("ansible_host", "") for host in GROUPS["all"]}
    return Around("here", "10.0.0.1", groups=GROUPS, addresses=addresses, devices=devices)


class Host:
    """A made-up host in the words of the look and in those of files/linux/discover.sh; contents: of its files, by path."""

    def __init__(self, files=(), contents=None, **changed):
        self.contents = contents or {}
        for entry in files:
            if entry["path"] in self.contents:
                entry["sha256"] = hashlib.sha256(self.contents[entry["path"]].encode()).hexdigest()
        self.look = bare("linux", files=list(files), **changed)

    def words(self):
        look, service, store = self.look, self.look["service"], self.look["store"]
        return {
            "files": [self._line(entry) for entry in look["files"]], "root": "yes", "user": " ".join(look["user"]["groups"]) if look["user"]["exists"] else "",
            "gpu_groups": " ".join(look["gpu_groups"]), "unit_path": service["path"] or "", "pid": str(service["pid"] or ""),
            "stale_in_systemd": "yes" if service["needs_reload"] else "no", "started": service["started_at"] or 0,
            "other_listener": look["port_owner"] or "", "own_listener": look["own_listener"] or "", "nft": "/usr/sbin/nft" if "nft" in look["tools"] else "",
            "nft_error": look["door"]["error"] or "", "door": look["door"]["id"] or "", "zstd": "yes" if "zstd" in look["tools"] else "",
            "tegra": str(look["l4t"] or ""), "display_vendors": " ".join(VENDOR_IDS[name] for name in look["display_vendors"]),
            "missing_mount": store["missing_mount"] or "", "store_filesystem": store["filesystem"] or "", "closed_parent": store["closed_parent"] or "",
            "models_denied": "yes" if store["denied"] else "", "models_entries": "yes" if store["has_entries"] else "",
            "resolved": look["resolved"] or None, "controller": look["controller"] or "", "other_stores": [s["path"] for s in store["other_stores"]] or None,
        }

    def _line(self, entry):
        path = entry["path"]
        if entry["kind"] == "link":
            state = "link %s" % entry["target"]
        elif entry["kind"] == "directory":
            state = "%(mode)s %(owner)s %(group)s directory" % entry
        else:
            digest = hashlib.sha1(self.contents.get(path, "").encode(), usedforsecurity=False).hexdigest()
            state = "%s %s %s %s" % (entry["mode"], entry["owner"], entry["group"], digest)
        return {"path": path, "is": "%s %s" % (state, path), "target": entry["target"] or "", "changed": entry["changed_at"] or 0}


@functools.cache
def role_variables():
    loader, found = DataLoader(), {}
    loader.set_basedir(str(ROLE))
    for name in ("defaults/main.yml", "vars/main.yml", "vars/linux.yml"):
        found.update(loader.load_from_file(str(ROLE / name), trusted_as_template=True))
    return loader, found


class Jinja:
    """Variables of the role, evaluated as in a play, without a play."""

    def __init__(self, host, wishes, devices):
        self.loader, written = role_variables()
        self.variables = dict(written)
        facts = {key: host.look[key] for key in ("architecture", "kernel")}
        facts.update(os_family="Debian", service_mgr=host.look["service_manager"])
        if devices is not None:
            facts["vram"] = {"devices": devices}
        self.variables.update(
            ansible_facts=facts, role_path=str(ROLE), groups=GROUPS, hostvars=HOSTVARS, inventory_hostname="here", ansible_host="10.0.0.1",
            ansible_search_path=[str(ROLE)], __ollama_seen=host.words(), **wishes,
        )

    def of(self, name):
        """Its value, which is kept: each of them would else be made anew wherever it is named."""
        templar = Templar(loader=self.loader, variables=self.variables)
        self.variables[name] = json.loads(json.dumps(templar.template(self.variables[name])))
        return self.variables[name]

    def decision(self):
        problems = [text for name in ("__ollama_platform_problems", "__ollama_wish_problems") for text in self.of(name) if text]
        problems = problems or [text for text in self.of("__ollama_host_problems") if text]
        if problems:
            return {"problems": problems}
        merged = self.of("__ollama_merged")
        for name in ("vendors", "admitted", "door_id", "unit_file", "drop_in_file", "service_files", "door_files", "found", "link_targets"):
            self.of("__ollama_" + name)
        files = self.of("__ollama_files")
        service = [file["path"] for file in self.of("__ollama_service_files")]
        stale = sorted(self.of("__ollama_stale_paths"))
        link = self.of("__ollama_current_line") not in self.of("__ollama_found")
        complete, outdated = self.of("__ollama_release_complete"), self.of("__ollama_outdated")
        return {
            "problems": [],
            "environment": merged["environment"],
            "unread": [entry["name"] for entry in merged["unknown"]],
            "addresses": [self.of("__ollama_" + name) for name in ("bind", "local_url", "url")],
            "guarded": self.of("__ollama_guarded"),
            "door": self.of("__ollama_door_id"),
            "archives": list(self.of("__ollama_archives")),
            "complete": complete,
            "files": [[file["path"], file["mode"], file["content"]] for file in files + self.of("__ollama_profile_files")],
            "stale": stale,
            "link": link,
            "restart": not complete or link or any(path in service for path in stale) or outdated,
            "old": [self.of("__ollama_old_version"), self.of("__ollama_old_url")],
            "drivers": self.of("__ollama_old_drivers")["warning"],
            "names": self.of("__ollama_door_names"),
        }


def python(host, wishes, devices):
    variables = {**DEFAULTS, **wishes}
    if devices is not None:
        variables.setdefault("ollama_accelerators", sorted({card["vendor"] for card in devices}))
    made = decide("here", variables, host.look, around(devices or ()))
    if made.problems:
        return {"problems": [problem.say for problem in made.problems]}
    decided = made.to_dict()
    return {
        "problems": [],
        "environment": decided["environment"],
        "unread": [part.split(":")[0] for text in made.warnings if text.startswith("WARNING") for part in text[len("WARNING: "):].split("; ")],
        "addresses": [decided["addresses"][name] for name in ("bind", "local", "url")],
        "guarded": decided["door"]["guarded"],
        "door": decided["door"]["id"],
        "archives": [archive["name"] for archive in decided["release"]["archives"]],
        "complete": decided["release"]["complete"],
        "files": [[file["path"], file["mode"], file["content"]] for file in decided["files"]],
        "stale": sorted(file["path"] for file in decided["files"] if file["differs"] and file["part"] != "profile"),
        "link": decided["steps"]["link"],
        "restart": decided["restart"],
        "old": [decided["steps"]["old_version"], (decided["before"] or {"url": ""})["url"]],
        "drivers": " ".join(text for text in made.warnings if not text.startswith("WARNING")),
        "names": list(linux.question(wish.read(variables, "linux")[0], around()).names),
    }


def converged(wishes, **changed):
    """The host that the decision leaves behind."""
    resolved = [{"name": "10.0.0.2", "addresses": ["10.0.0.2"]}, {"name": "named", "addresses": ["10.0.0.3", "fd00::3"]}]
    changed = {"resolved": resolved, "controller": "10.0.0.100", **changed}
    made = decide("here", {**DEFAULTS, **wishes}, bare("linux", **changed), around())
    contents = {file.path: file.content for file in made.files}
    files = [there(file.path, mode=file.mode, changed_at=100) for file in made.files]
    release = "/opt/ollama/" + made.version
    contents[release + "/archives"] = made.steps["archives_content"]
    files += [there(release + "/archives", changed_at=90), there(release + "/bin/ollama", mode="0755", changed_at=90)]
    files += [there("/opt/ollama/current", "link", target=made.version, changed_at=95), there(linux.CLI, "link", target="/opt/ollama/current/bin/ollama")]
    files += [there(path, "directory") for path in ("/usr/share/ollama", "/usr/share/ollama/.ollama/models", linux.DROP_IN.rpartition("/")[0])]
    files += [there(linux.DOOR_ENABLED, "link", target="../x")] if made.door["guarded"] else []
    service = {"path": linux.UNIT, "loaded": True, "enabled": True, "running": True, "pid": 17, "started_at": 200}
    user = {"exists": True, "groups": ["ollama"]}
    return Host(files, contents, **{
        "service": service, "user": user, "own_listener": "0.0.0.0:11434", "door": {"id": made.door["id"]}, **changed,
    })


def card(driver="570.86", vendor="nvidia", capability="8.6"):
    return {"vendor": vendor, "name": "card", "driver": {"name": vendor, "version": driver}, "compute_capability": capability}


WISHES = {
    "today": {},
    "loopback": {"ollama_host": "127.0.0.1"},
    "IPv6": {"ollama_host": "::", "ollama_port": 11500},
    "one address": {"ollama_host": "10.0.0.1", "ollama_allowed_cidrs": ["10.0.0.0/8", "10.1.0.0/16", "fd00::/8"]},
    "own door": {"ollama_firewall": "none", "ollama_accept_open_port": True, "ollama_allowed_groups": []},
    "no controller": {"ollama_admit_controller": False, "ollama_allowed_groups": ["all"]},
    "old": {"ollama_version": "0.9.3", "ollama_accept_vulnerable_version": True, "ollama_environment": {"OLLAMA_VULKAN": True}},
    "secrets": {"ollama_environment": {"OLLAMA_API_KEY": 'a"b%c\\d', "OLLAMA_ORIGINS": ["a", "b"]}},
    "proxy": {"ollama_https_proxy": "http://me:pw@proxy:3128", "llm_registry": "http://mirror.lan:5080/"},
    "options": {"ollama_service_options": {"MemoryDenyWriteExecute": False, "ReadWritePaths": ["/a", ["/b"]], "Nice": 5}},
    "plan": {"ollama_plan_environment": {"OLLAMA_NUM_PARALLEL": 2, "OLLAMA_MYTH": "x"}, "ollama_environment": {"OLLAMA_NUM_PARALLEL": 3}},
    "store at home": {"ollama_models_dir": "/home/me/my models"},
    "store elsewhere": {"ollama_models_dir": "/srv/100%", "ollama_user": "llm", "ollama_group": "people"},
    "pre-release": {"ollama_version": "0.33.0-rc2"},
}
REFUSED = {
    "latest": {"ollama_version": "latest"},
    "v": {"ollama_version": "v0.32.15"},
    "vulnerable": {"ollama_version": "0.23.2"},
    "binary": {"ollama_version": "0.3.6"},
    "scheme": {"ollama_host": "http://0.0.0.0"},
    "network": {"ollama_host": "10.0.0.0/8"},
    "relative": {"ollama_models_dir": "models"},
    "port 0": {"ollama_port": 0},
    "port 70000": {"ollama_port": 70000},
    "open": {"ollama_firewall": "none"},
    "cidrs": {"ollama_allowed_cidrs": ["10.0.0.0/33", "webui"]},
    "groups": {"ollama_allowed_groups": ["open_webui", "people"]},
    "checksum": {"ollama_download_checksum": "md5:1"},
    "owned": {"ollama_environment": {"OLLAMA_HOST": "x", "HTTP_PROXY": "y"}},
    "many": {"ollama_version": "1", "ollama_port": -1, "ollama_host": "nowhere"},
}
UNRESOLVED = [{"name": "named", "addresses": []}]
HOSTS = {
    "bare": Host(),
    "port taken": Host(port_owner="nginx"),
    "no mount": Host(store={"missing_mount": "/srv"}),
    "closed": Host(store={"closed_parent": "/srv"}),
    "denied": Host([there("/usr/share/ollama/.ollama/models", "directory", owner="me")], store={"denied": True}),
    "fresh disk in the home": Host([there("/usr/share/ollama/.ollama/models", "directory")], store={"denied": True}),
    "no nft": Host(door={"error": "Operation not permitted"}, tools=[]),
    "unresolved": Host(resolved=UNRESOLVED),
    "nfs": Host(store={"filesystem": "nfs"}),
    "openrc": Host(service_manager="openrc"),
    "WSL 1": Host(service_manager="init", kernel="4.4.0-19041-Microsoft"),
    "WSL 2": Host(service_manager="init", kernel="5.15.90.1-microsoft-standard-WSL2"),
    "riscv": Host(architecture="riscv64"),
    "jetpack": Host(architecture="aarch64", l4t=36),
    "nvidia and amd": Host(display_vendors=["amd", "nvidia"]),
    "converged": converged({}),
    "another release before": converged({"ollama_version": "0.31.0"}),
    "needs a reload": converged({}, service={
        "path": linux.UNIT, "loaded": True, "enabled": True, "running": True, "pid": 17, "started_at": 200, "needs_reload": True,
    }),
    "started before the drop-in": converged({}, service={"path": linux.UNIT, "loaded": True, "running": True, "pid": 17, "started_at": 99}),
    "another controller": converged({}, controller="10.9.9.9"),
}
CARDS = {
    "none": [], "two vendors": [card(), card(vendor="amd", driver=None)], "535": [card("535.183")], "560 Pascal": [card("560.35", capability="6.1")],
    "560 Ampere": [card("560.35")], "silent": [card(None)], "odd": [card("R550")],
}
CASES = {
    **{("wish", name): (HOSTS["bare"], given, None) for name, given in REFUSED.items()},
    **{("kept", name): (converged(given), given, None) for name, given in WISHES.items()},
    **{("host", name): (host, {}, None) for name, host in HOSTS.items()},
    **{("cards", name): (HOSTS["bare"], {}, cards) for name, cards in CARDS.items()},
    ("cards", "525, older release"): (HOSTS["bare"], {"ollama_version": "0.24.0"}, [card("525.60"), card("525.60")]),
    ("host", "a fresh disk"): (
        Host([there("/srv/m", "directory")], store={"denied": True}), {"ollama_models_dir": "/srv/m"}, None,
    ),
    ("host", "a disk with somebody's files"): (
        Host([there("/srv/m", "directory")], store={"denied": True, "has_entries": True}), {"ollama_models_dir": "/srv/m"}, None,
    ),
}


@pytest.mark.parametrize("name", CASES, ids=" ".join)
def test_both_decide_alike(name):
    host, wishes, devices = CASES[name]
    jinja, made = Jinja(host, wishes, devices).decision(), python(host, wishes, devices)
    for key, value in jinja.items():
        if key == "problems":
            # Ansible's set filters have no order: which of two names comes first changes from run to run.
            assert sorted(re.findall(r"\w+", " ".join(made[key]))) == sorted(re.findall(r"\w+", " ".join(value)))
        else:
            assert made[key] == value, key
    if name[0] == "kept":
        assert made["stale"] == [] and not made["restart"] and made["complete"], "a host that is as it shall be"


def test_each_file_that_differs_is_seen_by_both():
    """A mode, an owner and a byte are three ways to differ."""
    jinja = Jinja(HOSTS["converged"], {}, None)
    jinja.decision()
    lazy = {name: role_variables()[1][name] for name in ("__ollama_found", "__ollama_found_paths", "__ollama_stale_paths", "__ollama_release_complete")}
    for path in [file["path"] for file in HOSTS["converged"].look["files"] if file["kind"] == "file"]:
        for change in ({"mode": "0600"}, {"owner": "me"}, {"group": "people"}, {"sha256": "0" * 64}):
            host = copy.deepcopy(HOSTS["converged"])
            entry = next(file for file in host.look["files"] if file["path"] == path)
            entry.update(change)
            if "sha256" in change:
                host.contents[path] = "something else"
            jinja.variables.update(lazy, __ollama_seen=host.words())
            made = python(host, {}, None)
            assert (made["stale"], made["complete"]) == (sorted(jinja.of("__ollama_stale_paths")), jinja.of("__ollama_release_complete")), (path, change)
