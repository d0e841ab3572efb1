# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Metadata of a model by its name: from its header, asked once for the whole fleet, else from the catalogue, else estimated."""

from __future__ import annotations

import os

from ansible_collections.llmfleet.ollama.plugins.module_utils.model_header import gguf
from ansible_collections.llmfleet.ollama.plugins.module_utils.model_header.http_client import HttpClient
from ansible_collections.llmfleet.ollama.plugins.module_utils.model_header.registry import HeaderReader, RegistryError, base_url, packed, place_of
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.names import parse_name
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.registry_address import parse_registry

from ...mirrors import Way
from .. import names
from . import catalogue
from .cache import Cache

# A tag may be moved by its owner; a header, named by its digest, never changes.
MANIFEST_AGE = 24 * 3600
FAILURE_AGE = 120  # a registry that stalls is not asked again for each host of the fleet


class NotFound(Exception):
    """No source that was asked for has the model."""


class Headers:
    """Headers by name, through the controller's cache.

    way: the inventory's mirrors on the way to the registry (mirrors.Way). What one of them lacks is asked of the next, and only the registry at the
    end knows what does not exist. run: names this run of Ansible; what the mirrors themselves answer is never kept beyond it.
    over: whether names that the controller cannot ask for shall be collected in `pending`, to be asked for over the last mirror's host.
    """

    def __init__(self, registry="", cache=None, client=None, way=None, run="", over=False, mirror_client=None):
        self.cache = cache or Cache()
        self.client = client or HttpClient()
        self.way = way or Way((), registry, "")
        self.registry = HeaderReader(self.client, self.way.upstream)
        self.mirror_client = mirror_client or HttpClient(timeout=10, tries=2)
        self.run, self.over = run, over
        self.pending = []
        self._remembered = {}

    @property
    def place(self):
        """What a person calls the registry, with the variable that names it."""
        stops = self.way.stops
        if stops:
            return "%s (model_mirror_upstream of %s)" % (self._upstream_place(), self.way.over)
        return self._upstream_place() + (" (llm_registry)" if self.way.upstream else "")

    def _upstream_place(self):
        return place_of(parse_name("x"), self.way.upstream)

    def __call__(self, text):
        """(metadata, why not, whether that is final), as plan.make_plan wants it."""
        if text not in self._remembered:
            try:
                self._remembered[text] = (self.get(names.parse(text)), None, False)
            except RegistryError as problem:
                self._remembered[text] = (None, str(problem), problem.final)
        return self._remembered[text]

    def get(self, name):
        stops = self.way.stops if self.registry_serves(name) else ()
        words = []
        for stop in stops:
            found, why = self._held(name, stop)
            if found:
                return found
            words.append("%s (%s, port %d) %s" % (stop.host, "llm_registry" if stop is stops[0] else "model_mirror_upstream", stop.port, why))
        try:
            return self._upstream(name)
        except RegistryError as problem:
            if stops and problem.missing:
                raise RegistryError("%s does not exist at %s: check the tag" % (name.short, self.place), True, missing=True)
            if stops and not problem.final:
                raise RegistryError(self._nobody(name, words, problem), silent=problem.silent)
            if problem.silent and self.registry_serves(name):
                raise RegistryError("%s %s" % (self.place, problem.silent), silent=problem.silent)
            raise

    @staticmethod
    def registry_serves(name):
        """A name with a host of its own is asked there, whatever llm_registry is."""
        return parse_registry("").serves(name)

    # -- a mirror of the inventory

    def _held(self, name, stop):
        """(metadata, why not) from one of the inventory's own mirrors."""
        place = place_of(name, stop.address)
        registry = HeaderReader(self.mirror_client, stop.address)
        try:
            with self.cache.alone("mirror", place):
                silence = self.cache.get("silence", place)
                if silence and silence["run"] == self.run:
                    return None, silence["words"]
                try:
                    manifest = registry.manifest(name)
                except RegistryError as problem:
                    if problem.silent:  # nobody shall wait for it once more in this run
                        self.cache.put("silence", place, {"run": self.run, "words": problem.silent})
                    raise
            return _metadata(manifest, self._header_of(registry, name, manifest), place), None
        except RegistryError as problem:
            if problem.final and not problem.missing:
                raise  # it holds the model, and no other copy could be sized either
            return None, problem.silent or ("does not hold it yet" if problem.missing else "answers, but not as a mirror does")

    # -- the registry at the end

    def _upstream(self, name):
        key = "%s:%s" % (base_url(name, self.way.upstream), name.tag)
        manifest = self.cache.get("manifest", key, MANIFEST_AGE)
        if manifest:
            header = self.cache.get("header", manifest["blob_digest"])
            if header:
                return self._told(name, manifest, header)
        with self.cache.alone("manifest", key):
            return self._ask(name, key)

    def _ask(self, name, key):
        host = base_url(name, self.way.upstream).split("/v2/", 1)[0]
        failure = self.cache.get("failure", key, FAILURE_AGE) or self.cache.get("failure", host, FAILURE_AGE)
        manifest = self.cache.get("manifest", key, MANIFEST_AGE)
        try:
            if failure and not manifest:
                raise RegistryError(failure["sentence"], failure["final"], failure["silent"], failure["missing"])
            if not manifest:
                manifest = self.registry.manifest(name)
            header = self._header_of(self.registry, name, manifest)
        except RegistryError as problem:
            if not failure:
                self.cache.put("failure", host if problem.silent else key, problem.as_dict())
            old = None if problem.final or self._may_ask_over(name) else self.cache.get("manifest", key)
            header = self.cache.get("header", old["blob_digest"]) if old else None
            if header:
                return self._told(name, old, header)  # the registry is silent: what it said before is better than nothing
            raise
        self.cache.put("manifest", key, manifest)
        return self._told(name, manifest, header)

    def _told(self, name, manifest, header):
        over = " over %s" % manifest["over"] if manifest.get("over") else ""
        return _metadata(manifest, header, place_of(name, self.way.upstream) + over)

    def _header_of(self, registry, name, manifest):
        """By its digest, so it does not matter which copy was read."""
        header = self.cache.get("header", manifest["blob_digest"])
        if not header:
            with self.cache.alone("header", manifest["blob_digest"]):
                header = self.cache.get("header", manifest["blob_digest"]) or packed(registry.header(name, manifest))
                self.cache.put("header", manifest["blob_digest"], header)
        return header

    # -- over the host of the last mirror

    def _over_note(self, name):
        """Why the mirror's host could not ask either, in this run; None where it was not asked."""
        for key in (over_key(self.way.over, self.way.upstream), over_key(self.way.over, self.way.upstream, name.short)):
            note = self.cache.get("over", key)
            if note and note["run"] == self.run:
                return note["words"]
        return None

    def _may_ask_over(self, name):
        return self.over and self.way.over and self._over_note(name) is None

    def _nobody(self, name, words, problem):
        if self._may_ask_over(name):
            self.pending.append({"over": self.way.over, "upstream": self.way.upstream, "name": name.short})
        note = self._over_note(name)
        whom = "answers neither this machine (%s) nor %s (%s)" % (problem.silent or problem, self.way.over, note) if note else str(
            problem.silent or problem
        )
        return "%s, and %s %s" % ("; ".join(words), self.place, whom)


def over_key(over, upstream, name=""):
    return "%s %s %s" % (over, upstream, name)


# -- what came over a mirror's host, as module model_headers gives it


def _key(want):
    name = parse_name(want["name"])
    return "%s:%s" % (base_url(name, want["upstream"]), name.tag)


def unanswered(wanted, cache, run):
    """What is still to be asked, each once."""
    left = []
    for want in wanted:
        notes = [cache.get("over", over_key(want["over"], want["upstream"], name)) for name in ("", want["name"])]
        failure = cache.get("failure", _key(want), FAILURE_AGE)
        known = cache.get("manifest", _key(want), MANIFEST_AGE) or (failure and failure["final"])
        if want not in left and not known and not any(note and note["run"] == run for note in notes):
            left.append(want)
    return left


def keep_unasked(wanted, words, cache, run):
    """The host itself cannot be asked, for this run."""
    for want in wanted:
        cache.put("over", over_key(want["over"], want["upstream"]), {"run": run, "words": words})


def keep_answers(answers, cache, run):
    """Manifests and headers as if the controller had read them; refusals of the registry too."""
    for answer in answers:
        problem = answer.get("problem")
        if not problem:
            cache.put("header", answer["manifest"]["blob_digest"], answer["header"])
            cache.put("manifest", _key(answer), dict(answer["manifest"], over=answer["over"]))
        elif problem["final"]:
            cache.put("failure", _key(answer), problem)
        else:
            whole = problem["silent"] is not None
            note = {"run": run, "words": problem["silent"] if whole else problem["sentence"]}
            cache.put("over", over_key(answer["over"], answer["upstream"], "" if whole else answer["name"]), note)


def _metadata(manifest, header, asked):
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
            "asked": asked,
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
