# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The address of a registry, as `llm_registry` writes it: where the plain names of models are pulled from."""

from __future__ import annotations

from collections import namedtuple

from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.names import DEFAULT_HOST, BadName, is_host


class RegistryAddress(namedtuple("RegistryAddress", "host insecure")):
    """Where the plain names are pulled from."""

    __slots__ = ()

    @property
    def is_default(self):
        return self.host.lower() == DEFAULT_HOST

    @property
    def has_port(self):
        return ":" in self.host

    def pull_name(self, name):
        """The name under which this registry serves a model. A name with a host of its own keeps it."""
        if self.is_default or name.host.lower() != DEFAULT_HOST:
            return name
        return name._replace(host=self.host)

    def serves(self, name):
        """Whether a pull of this name comes from here, and not from a host in the name."""
        return name.host.lower() in (DEFAULT_HOST, self.host.lower())

    def insecure_for(self, name):
        return self.insecure and self.serves(name)

    def manifest_url(self, name):
        pulled = self.pull_name(name)
        scheme = "http" if self.insecure_for(pulled) else "https"
        return "%s://%s/v2/%s/%s/manifests/%s" % ((scheme, pulled.host) + tuple(pulled[1:]))

    def label(self, name):
        """What to call the place in a message."""
        return self.pull_name(name).host


def parse_registry(text):
    """`mirror.example.net`, `https://…`, `http://host:5080` or nothing to a RegistryAddress."""
    value = (text or "").strip()
    insecure = False
    for scheme in ("http://", "https://"):
        if value.lower().startswith(scheme):
            insecure = scheme == "http://"
            value = value[len(scheme):]
            break
    value = value.rstrip("/")
    if not value:
        return RegistryAddress(DEFAULT_HOST, False)
    if not is_host(value):
        raise BadName("llm_registry '%s' is not a host: write 'mirror.example.net' or 'http://mirror.example.net', without a path" % text)
    return RegistryAddress(value, insecure)
