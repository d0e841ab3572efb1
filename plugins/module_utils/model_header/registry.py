# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Manifest, config and header of a model, asked of a registry that speaks Ollama's protocol (the public one, mirrors, Hugging Face)."""

from __future__ import annotations

import hashlib
import json

from ansible_collections.llmfleet.ollama.plugins.module_utils.model_header import gguf
from ansible_collections.llmfleet.ollama.plugins.module_utils.model_header.http_client import HttpError
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.manifest import BLOB_DIGEST, MAX_LAYERS, MAX_MANIFEST, PLAIN
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.registry_address import parse_registry

_MODEL = "application/vnd.ollama.image.model"
_PROJECTOR = "application/vnd.ollama.image.projector"
_PARAMS = "application/vnd.ollama.image.params"
_UNSIZABLE = ("application/vnd.ollama.image.tensor",)
_MAX_CONFIG = 1024**2


class RegistryError(Exception):
    """One sentence with the model and the address. final: asking later would not help. silent: how the whole host fails to answer.

    missing: it answers and has no such model.
    """

    def __init__(self, sentence, final=False, silent=None, missing=False):
        super().__init__(sentence)
        self.final, self.silent, self.missing = final, silent, missing

    def as_dict(self):
        return {"sentence": str(self), "final": self.final, "silent": self.silent, "missing": self.missing}


def base_url(name, registry):
    """Where the parts of a model lie: https://host/v2/namespace/model. registry: llm_registry."""
    return parse_registry(registry).manifest_url(name).rpartition("/manifests/")[0]


def place_of(name, registry):
    """What a person calls that place: registry.ollama.ai, http://10.20.0.10."""
    return base_url(name, registry).split("/v2/", 1)[0].replace("https://", "", 1)


def packed(header):
    """A header as it is kept and as a module sends it."""
    keys, tensors, length = header
    return {"keys": keys, "tensors": [[t["name"], t["type"], t["shape"], t["bytes"]] for t in tensors], "header_bytes": length}


class HeaderReader:
    def __init__(self, client, registry=""):
        self.client, self.registry = client, registry

    def _fail(self, name, problem):
        ways = {
            "missing": "%s does not exist at %s: check the tag, or the mirror",
            "sign_in": "%s needs a sign-in at %s: use a public model, or a mirror that has it",
            "too_new": "%s needs a newer Ollama, says %s: raise ollama_version",
            "busy": "%s could not be read, since %s asks to slow down (HTTP 429): try later, or set llm_registry to a mirror",
        }
        if problem.kind in ways:
            raise RegistryError(
                ways[problem.kind] % (name.short, problem.url), problem.kind in ("missing", "too_new"), missing=problem.kind == "missing"
            )
        if problem.kind == "unreachable":
            # The same words for each model: a fleet reads them once.
            raise RegistryError("%s %s" % (place_of(name, self.registry), problem.words), silent=problem.words)
        raise RegistryError("%s could not be read: %s %s" % (name.short, problem.url, problem.words))

    def manifest(self, name):
        """The parts of a model: digest of the manifest, layers, config and parameters."""
        base = base_url(name, self.registry)
        url = "%s/manifests/%s" % (base, name.tag)
        try:
            body = self.client.small(url, MAX_MANIFEST, {"Accept": PLAIN})
        except HttpError as problem:
            self._fail(name, problem)
        found = self._parse(name, url, body)
        found["config"] = self._document(name, base, found["config_digest"])
        found["parameters"] = self._document(name, base, found["params_digest"]) if found["params_digest"] else {}
        self._refuse(name, url, found)
        found["blob_url"] = "%s/blobs/%s" % (base, found["blob_digest"])
        return found

    def _parse(self, name, url, body):
        if body.lstrip()[:1] == b"<":
            raise RegistryError("%s: %s answers with a web page instead of a manifest (a proxy's login page?)" % (name.short, url))
        try:
            content = json.loads(body.decode("utf-8"))
            layers = [(str(part["mediaType"]), str(part["digest"]), int(part["size"])) for part in content["layers"]]
            config = content.get("config") or {}
            config_digest = str(config["digest"]) if config.get("digest") else None
            config_size = int(config.get("size") or 0)
        except (UnicodeDecodeError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise RegistryError("%s: %s is no manifest: %r" % (name.short, url, body[:60].decode("utf-8", "replace")))
        digests = [digest for _kind, digest, _size in layers] + ([config_digest] if config_digest else [])
        if len(layers) > MAX_LAYERS or not all(BLOB_DIGEST.match(digest) for digest in digests) or any(layer[2] < 0 for layer in layers):
            raise RegistryError("%s: %s is a manifest with impossible layers" % (name.short, url))
        models = [layer for layer in layers if layer[0] == _MODEL]
        if not models:
            if any(layer[0] in _UNSIZABLE for layer in layers):
                raise RegistryError("%s is stored as safetensors, which cannot be sized: take a tag in GGUF format" % name.short, True)
            raise RegistryError("%s: the manifest at %s has no model layer" % (name.short, url), True)
        params = [layer for layer in layers if layer[0] == _PARAMS]
        return {
            "digest": "sha256:" + hashlib.sha256(body).hexdigest(),
            "download_bytes": sum({digest: size for _kind, digest, size in layers}.values()) + config_size,
            "blob_digest": models[0][1],
            "blob_bytes": models[0][2],
            "projector_bytes": sum(size for kind, _digest, size in layers if kind == _PROJECTOR),
            "config_digest": config_digest,
            "params_digest": params[0][1] if params else None,
        }

    def _document(self, name, base, digest):
        """A small JSON blob. Its absence loses comfort only (quantization, requires), never the sizes."""
        if not digest:
            return {}
        try:
            content = json.loads(self.client.small("%s/blobs/%s" % (base, digest), _MAX_CONFIG).decode("utf-8"))
        except HttpError as problem:
            if problem.kind == "unreachable":
                self._fail(name, problem)
            return {}
        except (UnicodeDecodeError, ValueError, RecursionError):
            return {}
        return content if isinstance(content, dict) else {}

    @staticmethod
    def _refuse(name, url, found):
        config = found["config"]
        if config.get("remote_host") or config.get("remote_model"):
            raise RegistryError("%s runs in the cloud, not on this host: take a tag that is downloaded" % name.short, True)
        if config.get("model_format") not in (None, "", "gguf"):
            raise RegistryError(
                "%s is stored as %s, which cannot be sized: take a tag in GGUF format" % (name.short, config["model_format"]), True
            )

    def header(self, name, found):
        """Keys and tensor table of the model's file, by ranges."""
        url, size = found["blob_url"], found["blob_bytes"]

        def fetch(offset, length):
            body, whole = self.client.part(url, offset, length)
            if whole is not None and whole != size:
                raise RegistryError("%s: %s has %d bytes, its manifest says %d" % (name.short, url, whole, size))
            return body

        try:
            keys, tensors, length = gguf.read_header(fetch, size)
        except HttpError as problem:
            self._fail(name, problem)
        except gguf.BadHeader as problem:
            raise RegistryError("%s: the file at %s cannot be sized: %s" % (name.short, url, problem))
        return keys, tensors, length
