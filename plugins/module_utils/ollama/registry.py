# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks a registry for a model's manifest: the few hundred bytes that say whether a pull would change anything."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from urllib.parse import urlsplit

from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.api import authorities, describe
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.manifest import LIST, LISTS_SINCE, MAX_MANIFEST, PLAIN, Manifest
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.version import version_tuple


class Lookup:
    """What a registry said about a name: a manifest, or the kind of its refusal."""

    def __init__(self, kind, words="", manifest=None):
        self.kind = kind  # found | missing | too_new | refused | unreachable
        self.words = words
        self.manifest = manifest


class HttpsStays(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but never from https down to http."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        if urlsplit(req.full_url).scheme == "https" and urlsplit(newurl).scheme != "https":
            raise urllib.error.URLError("it redirects from https to %s" % newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class RegistryClient:
    """Manifests of a registry; one that does not answer is asked once in a run, not once for each model."""

    def __init__(
        self, registry, version, https_proxy="", no_proxy="", timeout=15, tries=2, pause=1.0, sleep=time.sleep, lists=None, runners=None,
        known=lambda digest: None,
    ):
        self.registry = registry
        # runners: of the server that the answers are for, where it is not this machine's. known: the bytes of a list's child by its digest, where somebody has
        # them.
        self.runners, self.known = runners, known
        # Whether it asks as a release does that takes lists; a registry may answer each generation with another manifest.
        self.lists = version_tuple(version) >= LISTS_SINCE if lists is None else lists
        self.timeout = timeout
        self.tries = tries
        self.pause = pause
        self.sleep = sleep
        self.silent = {}
        # An unknown client gets 412 from the public registry for some tags.
        self.agent = "ollama/%s (amd64 linux) Go/go1.24" % (version or "0.0.0")
        # Never getproxies(): on macOS it calls a framework that does not survive a fork.
        self.proxies = dict(urllib.request.getproxies_environment())
        if https_proxy:
            self.proxies["https"] = https_proxy
        if no_proxy:
            self.proxies["no"] = no_proxy

    def _opener(self, host):
        proxies = {} if urllib.request.proxy_bypass_environment(host, self.proxies) else self.proxies
        proxies = {scheme: url for scheme, url in proxies.items() if scheme in ("http", "https")}
        return urllib.request.build_opener(
            urllib.request.ProxyHandler(proxies), urllib.request.HTTPSHandler(context=authorities()), HttpsStays
        )

    def manifest(self, name):
        """Lookup for a model's name, as a server of this version would be answered; of a list, with the child that it would choose."""
        lookup = self._lookup(self.registry.manifest_url(name), self.lists)
        if lookup.kind == "found" and lookup.manifest.children:
            self._choose(name, lookup.manifest)
        return lookup

    def of_other_generation(self, name):
        """What a server of the other generation would be given, None where nobody says."""
        return self._lookup(self.registry.manifest_url(name), not self.lists).manifest

    def _choose(self, name, manifest):
        """Reads the chosen child, so that its layers are known before the pull. A registry that does not give it says nothing against the pull."""
        child = manifest.choose(self.runners)
        if child is None:
            return
        url = self.registry.manifest_url(name).rpartition("/manifests/")[0] + "/blobs/sha256:" + child.digest
        try:
            body = child.body or self.known(child.digest) or self.get(url, urlsplit(url).netloc, "*/*")
            manifest.take(child, body)
        except (OSError, http.client.HTTPException, ValueError):
            return

    def _lookup(self, url, lists):
        host = urlsplit(url).netloc
        if host in self.silent:
            return Lookup("unreachable", self.silent[host])
        for attempt in range(self.tries):
            if attempt:
                self.sleep(self.pause)
            lookup = self._ask(url, host, lists)
            if lookup.kind != "unreachable":
                return lookup
        self.silent[host] = lookup.words
        return lookup

    def get(self, url, host, accept):
        """The bytes behind an address, within a size and a time."""
        request = urllib.request.Request(url, headers={"Accept": accept, "User-Agent": self.agent})
        deadline = time.monotonic() + 2 * self.timeout
        with self._opener(host).open(request, timeout=self.timeout) as answer:
            return _read(answer, deadline)

    def _ask(self, url, host, lists):
        try:
            body = self.get(url, host, "%s, %s" % (LIST, PLAIN) if lists else PLAIN)
        except urllib.error.HTTPError as exc:
            words = "HTTP %d" % exc.code
            kind = {404: "missing", 412: "too_new", 429: "unreachable"}.get(exc.code, "unreachable" if exc.code >= 500 else "refused")
            return Lookup(kind, words)
        except urllib.error.URLError as exc:
            reason = exc.reason
            return Lookup("unreachable", describe(reason) if isinstance(reason, Exception) else str(reason))
        except (OSError, http.client.HTTPException, ValueError) as exc:
            return Lookup("unreachable", describe(exc))
        try:
            return Lookup("found", manifest=Manifest(body))
        except ValueError as exc:
            return Lookup("refused", "it sent %s" % exc)


def _read(answer, deadline):
    """The whole body, within a size and a time, however slowly it drips."""
    body = b""
    while True:
        chunk = answer.read1(1 << 16)
        if not chunk:
            return body
        body += chunk
        if len(body) > MAX_MANIFEST:
            raise ValueError("it sent more than %d bytes" % MAX_MANIFEST)
        if time.monotonic() > deadline:
            raise ValueError("no answer in time")
