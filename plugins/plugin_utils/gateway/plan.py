# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what the inventory wants of a gateway, what the plans of the fleet say, and what its host holds, to what has to be done."""

from __future__ import annotations

import dataclasses
import hashlib
import ipaddress
import json

from ansible_collections.llmfleet.ollama.plugins.module_utils.gateway.host import RECORD, WEB_UIS
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.gateway import config
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.gateway.fleet import Fleet, recorded
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.gateway.wish import certificate_of, read_keys, with_web_uis, wrong_wishes
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.problems import found
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.service.address import EVERYWHERE, is_address

# The oldest HAProxy that has what the configuration uses; it is Debian 12's.
OLDEST_HAPROXY = (2, 6)
# Before its end a certificate of our own is renewed, and one that was given is told.
RENEW_DAYS = 30
OWN = (config.FOLDER + "/tls/own.pem", config.FOLDER + "/tls/own.key")
LOADED, CONFIGURATION = "loaded", "haproxy.cfg"
# What an earlier run may have written for a key that is gone.
OF_A_KEY = ("models-", "tags-")


@dataclasses.dataclass(frozen=True)
class Here:
    """name: of the host in the inventory; address: under which others reach it; authority: the host that signs certificates."""

    name: str
    address: str
    authority: str


def decide(wish: dict, fleet: Fleet, here: Here, seen: dict | None = None, service_mgr: str = "systemd", check_mode: bool = False) -> dict:
    """The plan of one gateway.

    wish: the role's variables without their prefix; seen: what module gateway_probe found, none before the look; service_mgr: of the host; check_mode:
    nothing will be written.
    """
    keys, problems = ([], []) if wish["state"] == "absent" else read_keys(wish["keys"])
    plan = {
        "problems": wrong_wishes(wish, service_mgr) + problems,
        "changes": [],
        "look": _look(wish),
        # For the report.
        "fact": {"url": "", "removed": True} if wish["state"] == "absent" else {"url": url(wish, here.address), "removed": False, "authority": ""},
    }
    if not seen or plan["problems"]:
        return plan
    if wish["state"] == "absent":
        plan["has_unit"] = config.UNIT in seen["files"]
        plan["changes"] = [path for path in (config.UNIT, config.FOLDER) if path in seen["files"]]
        return plan
    plan["problems"] += _wrong_host(wish, fleet, keys, seen)
    if plan["problems"]:
        return plan
    texts = config.files(wish, with_web_uis(keys, fleet.web_uis), fleet, config.room(wish, seen["memory_bytes"]), seen["certificate"]["ends"])
    texts[RECORD] = json.dumps(recorded(fleet), indent=1, sort_keys=True) + "\n"
    if fleet.web_uis:
        texts[WEB_UIS] = json.dumps(fleet.web_uis, indent=1, sort_keys=True) + "\n"
    configuration = texts.pop(CONFIGURATION)
    # What HAProxy has taken in, the certificate's content included; written after the reload, so that one which never came is made up for.
    taken = hashlib.sha256(json.dumps([sorted(texts.items()), configuration, config.unit(), seen["certificate"]["digest"]]).encode()).hexdigest()
    files = [
        *(_file(_path(name), text) for name, text in sorted(texts.items())),
        _file(_path(CONFIGURATION), configuration, validate="%s -c -f %%s" % config.HAPROXY),
        _file(config.UNIT, config.unit(), mode="0644"),
    ]
    loaded = _file(_path(LOADED), taken + "\n")
    # A dry run compares files where there is a folder for them.
    plan["first"] = check_mode and config.FOLDER not in seen["files"]
    own = certificate_of(wish) == "own"
    plan["fact"].update(authority=seen["authority"] if own else "", traffic=seen["traffic"])
    plan["names"], plan["authority"] = names(wish, here) if own else [], here.authority
    lacks_certificate = own and _must_be_issued(seen["certificate"], plan["names"])
    plan["issue"] = lacks_certificate and not check_mode
    plan["fresh"] = not seen["version"]
    plan["packages"] = [*(["haproxy"] if plan["fresh"] else []), *(["python3-cryptography"] if lacks_certificate else [])]
    plan["install"] = bool(plan["packages"]) and not check_mode
    plan["folders"] = [] if plan["first"] else [config.FOLDER, config.FOLDER + "/tls"]
    plan["links"] = [link for link in _links(wish) if seen["links"].get(link["path"]) != link["target"]]
    plan["files"] = [file for file in files if _differs(file, seen)]
    plan["obsolete"] = [_path(name) for name in seen["listing"] if name.startswith(OF_A_KEY) and name.endswith(".json") and name not in texts]
    # A reload also brings back hosts that an upgrade which was cut off has left out.
    plan["loaded"], plan["reload"] = loaded, _differs(loaded, seen) or bool(seen["drained"])
    plan["changes"] = [
        *([] if seen["version"] else [config.HAPROXY]),
        *([OWN[0]] if lacks_certificate else []),
        *(entry["path"] for entry in (*plan["links"], *plan["files"])),
        *plan["obsolete"],
        *([loaded["path"]] if plan["reload"] else []),
    ]
    plan["writes"] = bool(plan["changes"]) and not plan["first"]
    plan["say"] = [*_warnings(wish, fleet, keys, seen), *(["Would write %s." % ", ".join(plan["changes"])] if plan["first"] else [])]
    plan["models"] = {model: [host.name for host, _held in held] for model, held in fleet.holders().items()}
    plan["probe_url"] = "http://127.0.0.1:%d/healthz" % wish["metrics_port"]
    return plan


def url(wish: dict, address: str) -> str:
    """Where clients find it, without a path."""
    host = address if wish["host"] in EVERYWHERE else wish["host"]
    return "%s://%s:%d" % ("https" if config.encrypted(wish) else "http", "[%s]" % host if ":" in host else host, wish["port"])


def proved_url(wish: dict, address: str) -> str:
    """As somebody asks it who looks at its certificate: one that was given is for the first of gateway_tls_names, not for an address."""
    given = certificate_of(wish) == "given" and wish["tls_names"]
    return url(wish, given[0] if given else address)


def local_url(wish: dict) -> str:
    """Where the host itself finds it, under a name of its certificate."""
    return url(wish, "127.0.0.1" if wish["host"] == "0.0.0.0" else "localhost")


def names(wish: dict, here: Here) -> list:
    """Of a certificate by the fleet's own authority, as certificates write them."""
    host = [] if wish["host"] in EVERYWHERE else [wish["host"]]
    given = dict.fromkeys([here.name, here.address, *host, "localhost", "127.0.0.1", *wish["tls_names"]])
    return ["%s:%s" % ("IP" if is_address(name) and name != "localhost" else "DNS", name) for name in given]


def _must_be_issued(certificate: dict, wanted: list) -> bool:
    """A Python that cannot read certificates leaves days and names unknown, and one that is there is kept."""
    if certificate["error"]:
        return True
    ends = certificate["days_left"] is not None and certificate["days_left"] < RENEW_DAYS
    return ends or (certificate["names"] is not None and set(map(str.lower, certificate["names"])) != {_as_read(name).lower() for name in wanted})


def _as_read(name: str) -> str:
    kind, _colon, value = name.partition(":")
    return "%s:%s" % (kind, ipaddress.ip_address(value) if kind == "IP" else value)


def _pair(wish: dict) -> tuple:
    """Paths of certificate and key, empty for none."""
    return {"given": (wish["tls_certificate"], wish["tls_key"]), "own": OWN, "none": ("", "")}[certificate_of(wish)]


def _path(name: str) -> str:
    return "%s/%s" % (config.FOLDER, name)


def _look(wish: dict) -> dict:
    """What module gateway_probe is asked for. Before a removal the port may be anybody's."""
    present = wish["state"] == "present"
    return {
        "watch": [config.UNIT, config.FOLDER],
        "ports": [port for port in (wish["port"], wish["metrics_port"], wish["redirect_port"]) if port] if present else [],
        "haproxy": config.HAPROXY,
        "certificate": _pair(wish)[0] if present else "",
        "key": _pair(wish)[1] if present else "",
    }


def _file(path: str, content: str, mode: str = "0600", validate: str = "") -> dict:
    """validate: a command that must take the new file before it takes the old one's place."""
    return {"path": path, "content": content, "mode": mode, "validate": validate}


def _differs(file: dict, seen: dict) -> bool:
    return seen["files"].get(file["path"]) != hashlib.sha1(file["content"].encode(), usedforsecurity=False).hexdigest()


def _links(wish: dict) -> list:
    """HAProxy finds the key beside the certificate by its name, so both stay where they are and are renewed there."""
    certificate, key = _pair(wish)
    there = _path("tls/gateway.pem")
    return [{"path": there, "target": certificate}, {"path": there + ".key", "target": key}] if certificate else []


def _wrong_host(wish: dict, fleet: Fleet, keys: list, seen: dict) -> list:
    taken = ["%s (%s)" % (port, owner) for port, owner in sorted(seen["taken"].items())]
    version = seen["version"] or seen["offered"]
    holders = fleet.holders()
    mistaken = sorted({model for key in keys for model in key.models if model not in holders})
    return found(
        (not seen["root"], "no_root", "ansible_become", "The gateway is set up with root's rights: set ansible_become to true for this host."),
        (
            taken,
            "port_taken",
            "gateway_port",
            "A port of the gateway is taken by another program: %s. Stop it, or set gateway_port or gateway_metrics_port to a free one." % ", ".join(taken),
        ),
        (
            version and tuple(version[:2]) < OLDEST_HAPROXY,
            "old_haproxy",
            "gateway_state",
            "HAProxy %s of this host%s is older than %d.%d: choose a host with a newer distribution for the group gateway, or install a newer HAProxy there."
            % (".".join(map(str, version)), "" if seen["version"] else "'s packages", *OLDEST_HAPROXY),
        ),
        (
            seen["selinux"],
            "selinux",
            "gateway_state",
            "SELinux of this host lets HAProxy reach a web server's ports and none of Ollama's: run setsebool -P haproxy_connect_any on there.",
        ),
        (
            certificate_of(wish) == "given" and seen["certificate"]["error"],
            "certificate",
            "gateway_tls_certificate",
            "gateway_tls_certificate and gateway_tls_key cannot be used: %s." % seen["certificate"]["error"],
        ),
        (
            not holders,
            "no_models",
            "llm_models",
            "No plan names a model, and the gateway remembers none of an earlier run: run the playbook for the hosts of group ollama, too.",
        ),
        (
            wish["web_ui"] and not fleet.pages,
            "no_page",
            "gateway_web_ui",
            "gateway_web_ui is true, and the gateway reaches no host of group open_webui: put one into it, on the gateway's own host or one that listens on "
            "more than its loopback, or set gateway_web_ui to false.",
        ),
        (
            holders and mistaken and not fleet.unknown,
            "key_model",
            "gateway_keys",
            "gateway_keys allows %s, which no host holds: write names of the plans, such as %s." % (", ".join(mistaken), next(iter(holders), "")),
        ),
    )


def _warnings(wish: dict, fleet: Fleet, keys: list, seen: dict) -> list:
    left = seen["certificate"]["days_left"]
    return [
        *(["Hosts without a plan have no route: %s." % ", ".join(fleet.unknown)] if fleet.unknown else []),
        *(["%s listens on the loopback alone (ollama_host), so the gateway has no route to it." % host for host in fleet.closed]),
        *(["The gateway's certificate ends in %d days." % left] if certificate_of(wish) == "given" and left is not None and left < RENEW_DAYS else []),
        *(["gateway_keys is empty: whoever reaches %s may use every model." % wish["host"]] if not keys else []),
    ]
