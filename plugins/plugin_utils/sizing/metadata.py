# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Metadata of a model by its name: from its header, asked once for the whole fleet, else from the catalogue, else estimated."""

from __future__ import annotations

import os

from . import catalogue, gguf, names
from .cache import Cache
from .http import Client
from .registry import Registry, RegistryError, base_url

# A tag may be moved by its owner; a header, named by its digest, never changes.
MANIFEST_AGE = 24 * 3600
FAILURE_AGE = 120  # a registry that stalls is not asked again for each host of the fleet


class NotFound(Exception):
    """No source that was asked for has the model."""


class Headers:
    """Headers by name, through the controller's cache."""

    def __init__(self, registry="", cache=None, client=None):
        self.cache = cache or Cache()
        self.client = client or Client()
        self.registry = Registry(self.client, registry)
        self.address = registry
        self._remembered = {}

    def __call__(self, text):
        """(metadata, why not, whether that is final), as plan.make_plan wants it."""
        if text not in self._remembered:
            try:
                self._remembered[text] = (self.get(names.parse(text)), None, False)
            except RegistryError as problem:
                self._remembered[text] = (None, str(problem), problem.final)
        return self._remembered[text]

    def get(self, name):
        key = "%s:%s" % (base_url(name, self.address), name.tag)
        manifest = self.cache.get("manifest", key, MANIFEST_AGE)
        if manifest:
            header = self.cache.get("header", manifest["blob_digest"])
            if header:
                return _metadata(manifest, header)
        with self.cache.alone("manifest", key):
            return self._ask(name, key)

    def _ask(self, name, key):
        host = base_url(name, self.address).split("/v2/", 1)[0]
        failure = self.cache.get("failure", key, FAILURE_AGE) or self.cache.get("failure", host, FAILURE_AGE)
        manifest = self.cache.get("manifest", key, MANIFEST_AGE)
        if failure and not manifest:
            silent = "%s could not be read: %s %s" % (name.short, host, failure["silent"])  # remembered by another model's question
            raise RegistryError(silent if failure["silent"] else failure["sentence"], failure["final"])
        try:
            if not manifest:
                manifest = self.registry.manifest(name)
            header = self.cache.get("header", manifest["blob_digest"])
            if not header:
                with self.cache.alone("header", manifest["blob_digest"]):
                    header = self.cache.get("header", manifest["blob_digest"]) or self._header(name, manifest)
                    self.cache.put("header", manifest["blob_digest"], header)
        except RegistryError as problem:
            old = self.cache.get("manifest", key)
            kept = None if problem.final or not old else self.cache.get("header", old["blob_digest"])
            if kept:
                return _metadata(old, kept)  # the registry is silent: what it said before is better than nothing
            self.cache.put(
                "failure", host if problem.silent else key, {"sentence": str(problem), "final": problem.final, "silent": problem.silent}
            )
            raise
        self.cache.put("manifest", key, manifest)
        return _metadata(manifest, header)

    def _header(self, name, manifest):
        keys, tensors, length = self.registry.header(name, manifest)
        return {"keys": keys, "tensors": [[t["name"], t["type"], t["shape"], t["bytes"]] for t in tensors], "header_bytes": length}


def _metadata(manifest, header):
    config = manifest.get("config") or {}
    found = dict(header["keys"])
    found.update(
        {
            "tensors": [{"name": row[0], "type": row[1], "shape": row[2], "bytes": row[3]} for row in header["tensors"]],
            "header_bytes": header["header_bytes"],
            "blob_url": manifest["blob_url"],
            "digest": manifest["digest"],
            "blob_digest": manifest["blob_digest"],
            "blob_bytes": manifest["blob_bytes"],
            "download_bytes": manifest["download_bytes"],
            "projector_bytes": manifest["projector_bytes"],
            "parameters": manifest.get("parameters") or {},
            "quantization": config.get("file_type"),
            "parameter_size": config.get("model_type"),
            "requires": config.get("requires"),
            "source": "header",
        }
    )
    return found


def from_file(path):
    """Metadata of a GGUF file on the controller."""
    keys, tensors, length, size = gguf.read_file(path)
    found = dict(keys)
    found.update(
        {"tensors": tensors, "header_bytes": length, "digest": None, "blob_bytes": size, "download_bytes": size, "source": "header"}
    )
    return found


def lookup(text, sources, headers):
    """Metadata of one name or path from the first source that has it."""
    if text.endswith(".gguf") or (os.sep in text and os.path.isfile(text)):
        return from_file(text)
    name = names.parse(text)
    problems = []
    for source in sources:
        if source == "header":
            found, why, _final = headers(text)
            if found:
                return found
            problems.append(why)
        elif source == "catalogue":
            row = catalogue.find(name.model, name.tag) if names.is_library(name) else None
            if row:
                return dict(row.metadata)
            problems.append("the catalogue does not have %s" % name.short)
        elif source == "estimate":
            found = catalogue.estimate(name.model, name.tag)
            if found:
                return found
            problems.append("the tag of %s does not say how many parameters it has" % name.short)
    raise NotFound("; ".join(problems))
