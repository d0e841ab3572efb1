# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what the inventory wants of a gateway, what the plans of the fleet say, and what its host holds, to what has to be done."""

from __future__ import annotations

import hashlib
import json

from ansible_collections.llmfleet.ollama.plugins.plugin_utils.gateway import config
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.gateway.fleet import Fleet, recorded
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.gateway.wish import read_keys, wrong_wishes
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.problems import found
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.service.address import EVERYWHERE

# The oldest HAProxy that has what the configuration uses; it is Debian 12's.
OLDEST_HAPROXY = (2, 6)
RECORD, LOADED, CONFIGURATION = "fleet.json", "loaded", "haproxy.cfg"
# What an earlier run may have written for a key that is gone.
OF_A_KEY = ("models-", "tags-")


def decide(wish: dict, fleet: Fleet, paths: dict, address: str, seen: dict | None = None, service_mgr: str = "systemd") -> dict:
    """The plan of one gateway.

    wish: the role's variables without their prefix; paths: folder, unit, haproxy, socket; address: under which others reach the host;
    seen: what module gateway_probe found, none before the look.
    """
    keys, problems = ([], []) if wish["state"] == "absent" else read_keys(wish["keys"])
    plan = {
        "problems": wrong_wishes(wish, service_mgr) + problems,
        "warnings": [],
        "changes": [],
        "look": _look(wish, paths),
        "url": url(wish, address),
    }
    if not seen or plan["problems"]:
        return plan
    if wish["state"] == "absent":
        plan["has_unit"] = paths["unit"] in seen["files"]
        plan["changes"] = [path for path in (paths["unit"], paths["folder"]) if path in seen["files"]]
        return plan
    plan["problems"] += _wrong_host(wish, fleet, keys, seen)
    plan["warnings"] = _warnings(wish, fleet, keys, seen)
    if plan["problems"]:
        return plan
    texts = config.files(wish, keys, fleet, paths, config.room(wish, seen["memory_bytes"]))
    configuration = texts.pop(CONFIGURATION)
    texts[RECORD] = json.dumps(recorded(fleet), indent=1, sort_keys=True) + "\n"
    folder = paths["folder"]
    plan["files"] = [_file("%s/%s" % (folder, name), text, seen) for name, text in sorted(texts.items())]
    plan["configuration"] = _file("%s/%s" % (folder, CONFIGURATION), configuration, seen)
    plan["unit"] = _file(paths["unit"], config.unit(paths), seen)
    plan["links"] = _links(wish, folder, seen)
    plan["obsolete"] = ["%s/%s" % (folder, name) for name in seen["listing"] if name.startswith(OF_A_KEY) and name.endswith(".json") and name not in texts]
    # What HAProxy has taken in, the certificate's content included; written after the reload, so that one which never came is made up for.
    taken = hashlib.sha256(json.dumps([sorted(texts.items()), configuration, seen["certificate"]["digest"]]).encode()).hexdigest()
    plan["loaded"] = _file("%s/%s" % (folder, LOADED), taken + "\n", seen)
    plan["install"] = not seen["version"]
    plan["changes"] = [
        *([paths["haproxy"]] if plan["install"] else []),
        *(file["path"] for file in (*plan["files"], plan["configuration"], plan["unit"], *plan["links"]) if file["differs"]),
        *plan["obsolete"],
        *([plan["loaded"]["path"]] if plan["loaded"]["differs"] else []),
    ]
    plan["models"] = {model: [host.name for host, _held in held] for model, held in fleet.holders().items()}
    plan["probe_url"] = "%s/healthz" % url(wish, _local(wish))
    return plan


def url(wish: dict, address: str) -> str:
    """Where clients find it, without a path."""
    host = address if wish["host"] in EVERYWHERE else wish["host"]
    return "%s://%s:%d" % ("https" if wish["tls_certificate"] else "http", "[%s]" % host if ":" in host else host, wish["port"])


def _local(wish: dict) -> str:
    return EVERYWHERE.get(wish["host"], wish["host"]).strip("[]")


def _look(wish: dict, paths: dict) -> dict:
    """What module gateway_probe is asked for. Before a removal the port may be anybody's."""
    present = wish["state"] == "present"
    return {
        "folder": paths["folder"],
        "record": "%s/%s" % (paths["folder"], RECORD),
        "watch": [paths["unit"], paths["folder"]],
        "ports": [wish["port"], wish["metrics_port"]] if present else [],
        "certificate": wish["tls_certificate"] if present else "",
        "key": wish["tls_key"] if present else "",
    }


def _file(path: str, content: str, seen: dict) -> dict:
    digest = hashlib.sha1(content.encode(), usedforsecurity=False).hexdigest()
    return {"path": path, "content": content, "differs": seen["files"].get(path) != digest}


def _links(wish: dict, folder: str, seen: dict) -> list:
    """HAProxy finds the key beside the certificate by its name, so both stay where they are and are renewed there."""
    if not wish["tls_certificate"]:
        return []
    return [
        {"path": path, "target": target, "differs": seen["links"].get(path) != target}
        for path, target in (
            ("%s/tls/gateway.pem" % folder, wish["tls_certificate"]),
            ("%s/tls/gateway.pem.key" % folder, wish["tls_key"]),
        )
    ]


def _wrong_host(wish: dict, fleet: Fleet, keys: list, seen: dict) -> list:
    taken = ["%s (%s)" % (port, owner) for port, owner in sorted(seen["taken"].items())]
    version = tuple(seen["version"][:2])
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
            version and version < OLDEST_HAPROXY,
            "old_haproxy",
            "gateway_state",
            "HAProxy %s of this host is older than %d.%d: choose a host with a newer distribution for the group gateway."
            % (".".join(map(str, seen["version"])), *OLDEST_HAPROXY),
        ),
        (
            seen["certificate"]["error"],
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
            holders and mistaken,
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
        *(["The gateway's certificate ends in %d days." % left] if left is not None and left < 21 else []),
        *(["gateway_keys is empty: whoever reaches %s may use every model." % wish["host"]] if not keys else []),
    ]
