# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Manifests as registries and stores have them, in both generations, and what makes two of them the same model.

Since 0.40 a tag may be a list with one manifest for each runner. Beside its own store such a release keeps, for the way back, an anchor where an older
one looks: the manifest, and layers that name the blobs of manifests. Sources: ollama's manifest/manifest.go and manifest/downgrade_test.go.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import platform
import re

PLAIN = "application/vnd.docker.distribution.manifest.v2+json"
LIST = "application/vnd.ollama.manifest.list.v2+json"
# The first release that asks for lists and keeps them.
LISTS_SINCE = (0, 40)
# Architectures that it may convert at a model's first load (migratorsByArchitecture of compatmigrate), which needs a quarter more than the weights.
CONVERTED = frozenset((
    "bert", "deepseekocr", "gemma3", "gemma3n", "gemma4", "glm4moelite", "glmocr", "gptoss", "laguna", "lfm2", "llama", "llama4", "mistral3",
    "nemotron_h_moe", "nemotron_h_omni", "olmo3", "qwen25vl", "qwen35", "qwen35moe", "qwen3next", "qwen3vl", "qwen3vlmoe",
))
MAX_MANIFEST = 4 << 20
MAX_LAYERS = 4096
MAX_TOLD = 64 << 10
BLOB_DIGEST = re.compile(r"^sha256:[0-9a-f]{64}$")


def preferences(system="", machine=""):
    """Runners of a machine's Ollama, by default this one's, the preferred one first (runnerPreferences of 0.40.1; what is ggml there was called ollama before
    it came out)."""
    if (system or platform.system()) == "Darwin" and (machine or platform.machine()) == "arm64":
        return ("mlx", "llamacpp", "ggml", "ollama")
    return ("llamacpp", "ggml", "ollama", "mlx")


class Child:
    """One manifest of a list."""

    def __init__(self, entry):
        self.runner = str(entry.get("runner") or "").lower()
        self.format = str(entry.get("format") or "").lower()
        # A list may hold the manifest itself in place of its digest; Ollama then hashes it as Go writes it.
        self.body = None
        if "layers" in entry:
            self.body = json.dumps(entry, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
            self.digest = hashlib.sha256(self.body).hexdigest()
        else:
            self.digest = str(entry["digest"]).replace("sha256:", "").replace("sha256-", "")
        if not BLOB_DIGEST.match("sha256:" + self.digest):
            raise ValueError("a list with an impossible digest")


class Manifest:
    """layers: {digest: size} of what a model is made of, for a list that of its chosen child once it is known (take()).

    digest: of the manifest itself. children: of a list, else empty. named: digests of manifests that an anchor keeps. also: other digests under which
    the store knows the same model. kept: sets of layers of which a store has the same model, too: the other manifests of its list, and what an anchor keeps.
    """

    def __init__(self, body):
        self.body = body
        self.digest = hashlib.sha256(body).hexdigest()
        self.layers, self.model_layers, self.children, self.named, self.also, self.kept = {}, [], (), (), set(), []
        self.chosen = None
        parts = []
        try:
            content = json.loads(body.decode("utf-8"))
            if content.get("mediaType") == LIST:
                self.children = tuple(Child(entry) for entry in content["manifests"])
            else:
                entries = content["layers"]
                self.named = tuple(str(part["digest"]) for part in entries if part.get("mediaType") in (PLAIN, LIST))
                parts = [content["config"]] + [part for part in entries if part.get("mediaType") not in (PLAIN, LIST)]
                self.layers = {str(part["digest"]): int(part["size"]) for part in parts}
                self.model_layers = [str(part["digest"]) for part in parts[1:] if part.get("mediaType") == "application/vnd.ollama.image.model"]
        except (UnicodeDecodeError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise ValueError("not a manifest: %r" % body[:80].decode("utf-8", "replace"))
        if len(parts) + len(self.children) > MAX_LAYERS or any(not BLOB_DIGEST.match(digest) or size < 0 for digest, size in self.layers.items()):
            raise ValueError("a manifest with impossible layers")

    def choose(self, wanted=None):
        """The child that a server of this machine runs, None where the list has none for it."""
        for runner in wanted or preferences():
            for child in self.children:
                if child.runner == runner:
                    return child
        return None

    def take(self, child, body):
        """The list from here on stands for this child, whose manifest is `body`. ValueError where that is another one."""
        manifest = Manifest(body)
        if manifest.children or manifest.digest != child.digest:
            raise ValueError("a list whose manifest is another one")
        self.chosen, self.layers, self.model_layers = child, manifest.layers, manifest.model_layers
        child.body = body

    @property
    def identities(self):
        """Every digest under which somebody may know this model: its own, those of a list's manifests, those that an anchor names."""
        return {self.digest, *(child.digest for child in self.children), *(digest.replace("sha256:", "") for digest in self.named)} | self.also

    @property
    def blobs(self):
        """Digests of all blobs that the store needs for it."""
        return set(self.layers) | set(self.named) | {"sha256:" + child.digest for child in self.children}

    def same_layers(self, other):
        """Ollama before 0.19 writes the JSON anew, and so does 0.40 when it converts: equal models may have unequal digests."""
        return bool(other.layers) and set(other.layers) in [set(self.layers), *self.kept]

    def told(self):
        """Its digest for people, with those of a list's manifests."""
        children = ", ".join("%s sha256:%s" % (child.runner or "any runner", child.digest[:12]) for child in self.children)
        return "sha256:%s%s" % (self.digest[:12], " (%s)" % children if children else "")


def as_told(name, lists, manifest):
    """What a registry gave, for others who would ask the same; None of what is no text or too much to send around."""
    told = {"name": name.short, "lists": lists, "manifest": manifest.body, "child": (manifest.chosen and manifest.chosen.body) or b""}
    try:
        told.update(manifest=told["manifest"].decode("utf-8"), child=told["child"].decode("utf-8"))
    except UnicodeDecodeError:
        return None
    return told if len(told["manifest"]) + len(told["child"]) <= MAX_TOLD else None


def from_told(told):
    """The Manifest of as_told(), without the layers of a child that a server of this machine would not choose. ValueError where it is none."""
    manifest = Manifest(told["manifest"].encode("utf-8"))
    child = manifest.choose()
    if child is not None:
        with contextlib.suppress(ValueError):
            manifest.take(child, child.body or told["child"].encode("utf-8"))
    return manifest


def is_same(held, remote):
    """Whether a model of a store is what a registry offers: the one definition for both generations on either side."""
    if remote.digest in held.identities or held.same_layers(remote):
        return True
    # A plain manifest is the model of a list that has it as a child; of two different lists only the layers count.
    return not held.children and held.digest in remote.identities
