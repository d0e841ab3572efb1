# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which host of the fleet holds which model, under which address and for how many requests at once: read from the plans of all hosts."""

from __future__ import annotations

import dataclasses
import re

from ansible_collections.llmfleet.ollama.plugins.module_utils.defaults import PORT
from ansible_collections.llmfleet.ollama.plugins.module_utils.gateway.runtime import server_name
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.names import BadName, parse_name
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.service.address import EVERYWHERE, is_address, is_loopback

# Role open_webui's.
PAGE_PORT = 3000
_ADDRESS = re.compile(r"[A-Za-z0-9_.-]+:\d+|\[[0-9A-Fa-f:.]+\]:\d+")


@dataclasses.dataclass(frozen=True)
class Model:
    """A model as a host holds it. name: short, in small letters; parallel: requests at once that the plan counts on; aliases: names of its copies."""

    name: str
    parallel: int = 1
    parameter_size: str = ""
    quantization: str = ""
    digest: str = ""
    aliases: tuple = ()


@dataclasses.dataclass(frozen=True)
class Host:
    """remembered: its plan is of an earlier run, since it took no part in this one."""

    name: str
    address: str
    models: tuple = ()
    remembered: bool = False

    @property
    def server(self) -> str:
        return server_name(self.name)


@dataclasses.dataclass(frozen=True)
class Fleet:
    """hosts: those with an address and models; unknown: those of which no plan is known, neither of this run nor of an earlier one, or no address;
    closed: those that listen on their own loopback."""

    hosts: tuple = ()
    unknown: tuple = ()
    closed: tuple = ()
    # Hosts of web UIs: checksum of the key of each, and their addresses.
    web_uis: dict = dataclasses.field(default_factory=dict)
    admitted: tuple = ()
    # (server, address) of each.
    pages: tuple = ()

    def holders(self) -> dict:
        """Model by its short name or an alias -> [(host, model)]."""
        found: dict = {}
        for host in self.hosts:
            for model in host.models:
                for name in (model.name, *model.aliases):
                    found.setdefault(name, []).append((host, model))
        return dict(sorted(found.items()))

    def served_as(self) -> dict:
        """Each of the holders' names -> the one whose backend it has. An alias that means one model, on all hosts which hold that, shares the model's, so
        that both together ask a host for no more than its plan's parallel."""
        holders = self.holders()
        own = {model.name for host in self.hosts for model in host.models}
        return {name: name if name in own else next((model for model in sorted(own) if holders[model] == holders[name]), name) for name in holders}


def proxy_names(models) -> dict:
    """A name of a backend for each model: the model's own, so that metrics tell it, with what HAProxy refuses replaced."""
    found: dict = {}
    for model in sorted(models):
        name = server_name(model)
        while name in found.values():
            name += "_"
        found[model] = name
    return found


def address_of(variables, me: bool) -> str:
    """Where the gateway asks a host. me: it is the gateway itself, whose own server may listen on the loopback alone."""
    host, port = variables.get("ollama_host") or "0.0.0.0", int(variables.get("ollama_port") or PORT)
    name = variables.get("ansible_host") or variables["inventory_hostname"]
    if me or variables.get("ansible_connection") == "local":
        name = EVERYWHERE.get(host, host)
    elif host not in EVERYWHERE:
        name = host
    name = str(name).strip("[]")
    return "%s:%d" % ("[%s]" % name if ":" in name else name, port)


def _models(plan: dict) -> tuple:
    found = {}
    for entry in plan.get("models") or ():
        try:
            name, *aliases = (parse_name(text).short.lower() for text in (entry["name"], *(entry.get("aliases") or ())))
        except BadName:
            continue
        found[name] = Model(
            name,
            max(1, int(entry.get("parallel") or 1)),
            str(entry.get("parameter_size") or ""),
            str(entry.get("quantization") or ""),
            str(entry.get("digest") or ""),
            tuple(aliases),
        )
    return tuple(found.values())


def web_uis_of(groups, hostvars, known: dict | None) -> dict:
    """Host of each web UI -> checksum of its key: of this run, or as an earlier one wrote it down."""
    found = {}
    for name in groups.get("open_webui") or ():
        told = (hostvars[name].get("ansible_facts") or {}).get("open_webui_gateway") or {}
        digest = told.get("digest") or (known or {}).get(name)
        if digest:
            found[name] = str(digest)
    return found


def pages_of(groups, hostvars, me: str) -> tuple:
    """Where the gateway finds the web UIs; one that listens on another host's loopback is out of reach."""
    found = []
    for name in groups.get("open_webui") or ():
        variables = hostvars[name]
        bind, port = str(variables.get("open_webui_bind_address") or "0.0.0.0"), int(variables.get("open_webui_port") or PAGE_PORT)
        if (variables.get("open_webui_state") or "present") != "present" or (name != me and is_loopback(bind)):
            continue
        address = EVERYWHERE.get(bind, bind) if name == me else variables.get("ansible_host") or name if bind in EVERYWHERE else bind
        address = str(address).strip("[]")
        place = "%s:%d" % ("[%s]" % address if ":" in address else address, port)
        if _ADDRESS.fullmatch(place):
            found.append((server_name(name), place))
    return tuple(found)


def fleet_of(groups, hostvars, me: str, record: dict | None, known: dict | None = None) -> Fleet:
    """groups and hostvars as Ansible gives them; record, known: what an earlier run wrote down of hosts (see recorded) and of web UIs."""
    hosts, unknown, closed = [], [], []
    for name in groups.get("ollama") or []:
        variables = hostvars[name]
        if name != me and is_loopback(str(variables.get("ollama_host") or "")) and variables.get("ansible_connection") != "local":
            closed.append(name)
            continue
        address = address_of(variables, name == me)
        if not _ADDRESS.fullmatch(address):
            unknown.append(name)
            continue
        plan = (variables.get("ansible_facts") or {}).get("model_plan") or {}
        if plan.get("ok"):
            models, remembered = _models(plan), False
        elif name in (record or {}):
            models, remembered = _models({"models": record[name]}), True
        else:
            unknown.append(name)
            continue
        if models:
            hosts.append(Host(name, address, models, remembered))
    addresses = [str(hostvars[name].get("ansible_host") or "") for name in groups.get("open_webui") or ()]
    admitted = tuple(address for address in addresses if address and is_address(address) and address != "localhost")
    return Fleet(tuple(hosts), tuple(unknown), tuple(closed), web_uis_of(groups, hostvars, known), admitted, pages_of(groups, hostvars, me))


def recorded(fleet: Fleet) -> dict:
    """What the gateway keeps, so that a host that is off or left out by --limit keeps its routes."""
    return {host.name: [dataclasses.asdict(model) for model in host.models] for host in fleet.hosts}
