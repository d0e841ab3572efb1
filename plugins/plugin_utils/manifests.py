# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a registry gives for the tags that a fleet has: asked once in a run, by the controller, or by one host where the controller gets no answer.

It can only spare requests: before a host pulls, it asks for itself (models/converge.py), so an answer that is wrong for a host costs one request more.
"""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
from urllib.parse import urlsplit

from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.manifest import LISTS_SINCE, MAX_TOLD, Manifest, as_told, preferences
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.names import parse_name
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.registry import RegistryClient
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.version import version_tuple

from .sizing.source.cache import Cache

# A registry that is far away answers within them; where none does, a host asks.
SECONDS = 5


class FleetManifests:
    """names: of the tags that one host has and wants. version: of its Ollama, since a registry may give each generation something else. run: names this
    run of Ansible, beyond which no answer counts. proxy: (https_proxy, no_proxy) where the controller is to use one that is not in its environment."""

    def __init__(self, registry, names, version, run, system="", machine="", proxy=("", ""), cache=None, seconds=SECONDS):
        self.registry, self.run, self.proxy = registry, run, proxy
        self.lists = version_tuple(version) >= LISTS_SINCE
        self.names = [name for name in names if not is_own(urlsplit(registry.manifest_url(name)).hostname)]
        self.cache = cache or Cache()
        runners = preferences(system, machine)
        self.client = RegistryClient(
            registry, version, *proxy, timeout=seconds, tries=1, lists=self.lists, runners=runners, known=self._child,
        )
        self._runners = runners[0]

    # -- what is known

    def known(self):
        """As option manifests of module ollama_models takes it."""
        return [entry["told"] for entry in map(self._entry, self.names) if entry and entry["told"]]

    def open(self):
        """Names of which nobody knows yet what the registry gives, or that it gives nothing."""
        return [name for name in self.names if not self._entry(name)]

    # -- asking

    def ask(self):
        """Ask from here for what is open. Hosts that come later wait, and find it known."""
        for name in self.open():
            place = urlsplit(self.registry.manifest_url(name)).netloc
            with self.cache.alone("tag", place):
                if self._entry(name) or self._is_silent(place):
                    continue
                lookup = self.client.manifest(name)
                if lookup.kind == "unreachable":
                    self.cache.put("tag-silence", self._silence_of(place), {"run": self.run})
                    continue
                self._keep(name, as_told(name, self.lists, lookup.manifest) if lookup.manifest else None)

    def turn(self):
        """One host after the other asks for what is open still."""
        return self.cache.alone("tag-over", self.registry.host)

    def keep(self, asked):
        """What that host has asked for, as the module returns it. Whatever it does not name each host asks for itself."""
        told = {}
        for answer in asked if isinstance(asked, list) else []:
            # What a host says is data of a stranger.
            with contextlib.suppress(ValueError, TypeError, KeyError, AttributeError):
                if answer["lists"] == self.lists and len(answer["manifest"]) + len(answer["child"]) <= MAX_TOLD:
                    Manifest(answer["manifest"].encode("utf-8"))
                    told[parse_name(answer["name"]).key] = {part: answer[part] for part in ("name", "lists", "manifest", "child")}
        for name in self.open():
            self._keep(name, told.get(name.key))

    # -- the controller's cache

    def _key(self, name):
        return "%s %s %s %s" % (self.registry.manifest_url(name), name.short, "lists" if self.lists else "plain", self._runners)

    def _entry(self, name):
        entry = self.cache.get("tag", self._key(name))
        return entry if entry and entry["run"] == self.run else None

    def _keep(self, name, told):
        self.cache.put("tag", self._key(name), {"run": self.run, "told": told})
        if told and told["child"]:
            self.cache.put("child", hashlib.sha256(told["child"].encode("utf-8")).hexdigest(), told["child"])

    def _child(self, digest):
        """A manifest that is named by its digest never changes."""
        text = self.cache.get("child", digest)
        return text.encode("utf-8") if isinstance(text, str) else None

    def _silence_of(self, place):
        # A proxy's address may hold a password, and the cache tells its keys.
        return "%s %s" % (place, hashlib.sha256(" ".join(self.proxy).encode("utf-8")).hexdigest())

    def _is_silent(self, place):
        silence = self.cache.get("tag-silence", self._silence_of(place))
        return bool(silence) and silence["run"] == self.run


def is_own(host):
    """Whether an address means another machine to each that asks."""
    if host in (None, "localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
