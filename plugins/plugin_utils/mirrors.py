# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mirrors of an inventory (group model_mirror): which one llm_registry means, where each is filled from, and whose models it holds.

A mirror is filled with what plans name, so that it lacks a tag says nothing of the tag: the place at the end of the way does.
"""

from __future__ import annotations

import collections

from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.names import BadName
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.registry_address import parse_registry

# host: its name in the inventory; port: where it listens; own_names, own_port: whether the inventory says by which names and where
Mirror = collections.namedtuple("Mirror", "host names own_names upstream port own_port")
# An address under which a mirror is asked. variable: who wrote it
Stop = collections.namedtuple("Stop", "host address port")
# stops: the mirrors on the way, the nearest first; upstream: the registry behind them; over: the last mirror's host, which reaches it
Way = collections.namedtuple("Way", "stops upstream over")


class BadTree(ValueError):
    """Mirrors that fill each other, or an upstream that is no address."""


def _host(text, variable):
    """(host in small letters, port or None) of an address; ('', None) for none and for the public registry."""
    try:
        registry = parse_registry(text)
    except BadName as problem:
        raise BadTree(str(problem).replace("llm_registry", variable))
    if registry.is_default:
        return "", None
    host, colon, port = registry.host.lower().rpartition(":")
    return (host, int(port)) if colon and port.isdigit() else (registry.host.lower(), None)


def _text(value):
    return "" if value is None else str(value)


class Tree:
    """groups and hostvars as Ansible gives them; nothing else is read."""

    def __init__(self, groups, hostvars):
        self.hostvars = hostvars
        self.clients = list(groups.get("ollama") or [])
        self.mirrors = [self._mirror(host, hostvars[host]) for host in groups.get("model_mirror") or []]

    @staticmethod
    def _mirror(host, variables):
        names = [host, _text(variables.get("ansible_host"))]
        stated = variables.get("model_mirror_server_names")
        names += [_text(name) for name in stated or []]
        stated_port = variables.get("model_mirror_port")
        port = stated_port or (443 if variables.get("model_mirror_tls_certificate") else 80)
        upstream = _text(variables.get("model_mirror_upstream"))
        _host(upstream, "model_mirror_upstream of %s" % host)
        return Mirror(host, {name.lower() for name in names if name}, bool(stated), upstream, int(port), bool(stated_port))

    def named(self, address, variable="llm_registry"):
        """The mirror that an address means, or None.

        A name that no mirror has is another name of the only one, as its role takes it: but for where that one is filled from.
        """
        host, port = _host(address, variable)
        if not host:
            return None
        machines = [mirror for mirror in self.mirrors if host in mirror.names]
        for mirror in machines:
            # At another port of the machine something else listens; but a play of one's own may give the role a port that the inventory does not know.
            if port in (None, mirror.port) or (variable == "llm_registry" and not mirror.own_port):
                return mirror
        only = self.mirrors[0] if len(self.mirrors) == 1 and not machines and variable == "llm_registry" else None
        if only and not only.own_names and (host, port) != _host(only.upstream, "model_mirror_upstream"):
            return only
        return None

    def chain(self, mirror):
        """The mirror, the one that it is filled from, and so on. One that names itself is told so by its role."""
        found = [mirror]
        while True:
            following = self.named(found[-1].upstream, "model_mirror_upstream")
            if following is None or following is found[-1]:
                return found
            if following in found:
                raise BadTree(
                    "model_mirror_upstream goes in a circle (%s): let one of them be filled from outside of the group model_mirror"
                    % " <- ".join([link.host for link in found] + [following.host])
                )
            found.append(following)

    def way(self, registry):
        """How a plan asks for a model when llm_registry is this address."""
        mirror = self.named(registry)
        if not mirror:
            return Way((), registry, "")
        chain = self.chain(mirror)
        addresses = [registry] + [link.upstream for link in chain]
        stops = tuple(Stop(link.host, address, _host(address, "llm_registry")[1] or link.port) for link, address in zip(chain, addresses))
        upstream = chain[-1].upstream
        return Way(stops, "" if self.named(upstream, "model_mirror_upstream") else upstream, chain[-1].host)

    # -- what each mirror is for

    def _registry(self, host):
        return _text(self.hostvars[host].get("llm_registry"))

    def describe(self):
        """For role model_mirror and the playbooks: a dict for each mirror by its name in the inventory."""
        found = {}
        for mirror in self.mirrors:
            try:
                found[mirror.host] = {"level": len(self.chain(mirror)) - 1, "circle": ""}
            except BadTree as problem:
                found[mirror.host] = {"level": 0, "circle": str(problem)}
            itself = self.named(mirror.upstream, "model_mirror_upstream") is mirror
            found[mirror.host].update(itself=itself, registries=[], model_hosts=[], release_hosts=[])
        for host in [*self.clients, *found]:
            registry = self._registry(host)
            mirror = self.named(registry)
            if mirror and registry not in found[mirror.host]["registries"]:
                found[mirror.host]["registries"].append(registry)
            if host not in self.clients:
                continue
            for link in self._chain_or_self(mirror):
                found[link.host]["model_hosts"].append(host)
            # As role ollama chooses: the mirror that llm_registry names, else the first. Each mirror fetches its releases itself.
            if self.mirrors:
                found[(mirror or self.mirrors[0]).host]["release_hosts"].append(host)
            # A host that names no registry may name the only mirror tomorrow.
            if not mirror and not registry and len(self.mirrors) == 1:
                found[self.mirrors[0].host]["model_hosts"].append(host)
        return found

    def _chain_or_self(self, mirror):
        if not mirror:
            return []
        try:
            return self.chain(mirror)
        except BadTree:
            return [mirror]
