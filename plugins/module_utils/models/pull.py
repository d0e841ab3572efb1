# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One model from a registry: what is to be done, and doing it."""

from __future__ import annotations

import time

from ansible_collections.llmfleet.ollama.plugins.module_utils.errors import Failure
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.api import ApiUnreachable, OllamaError, StreamCut, StreamSilent
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.manifest import is_same
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.pull_errors import explain, gave_up
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.pull_tracker import Tracker
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.version import version_tuple

LONGEST_PAUSE = 30


class Pull:
    """name: under which the model is wanted; pin: its wanted digest; remote: the registry's manifest, as far as it was told; old: the digest of
    what is here; bad: blobs of it that are spoilt; missing: layers to fetch, with their sizes; done: what became of it; added: it is new here."""

    def __init__(self, name, pin=None, remote=None, old=None, bad=()):
        self.name, self.pin, self.remote, self.old, self.bad = name, pin, remote, old, bad
        self.key = name.key
        self.missing = {}
        self.done = None
        self.added = False

    def look_for_layers(self, api):
        if self.remote is not None:
            self.missing = {digest: size for digest, size in self.remote.layers.items() if digest in self.bad or not api.has_blob(digest)}


class Puller:
    """Pulls one after the other; count: how many there are."""

    def __init__(self, local, store, registry, version, options, count, progress, sleep=time.sleep, clock=time.monotonic):
        self.local, self.store, self.registry, self.version, self.options = local, store, registry, version, options
        self.api = local.api
        self.count = count
        self.progress, self.sleep, self.clock = progress, sleep, clock

    def run(self, pull, index):
        """Raises Failure; what was done until then is in pull.done."""
        started = self.clock()
        for digest in pull.bad:
            # Ollama would take the spoilt file for the blob and say success.
            self.store.drop_blob(digest)
        fresh = [digest for digest in pull.missing if self.store and not self.store.partial_bytes(digest)]
        tracker = Tracker(self.options["timeout"], pull.missing, fresh, self.clock)
        pulled = self.registry.pull_name(pull.name)
        try:
            self._pull(pull, pulled, tracker, index)
            if pulled.key != pull.key:
                self._rename(pulled, pull.name)
        finally:
            seconds = round(self.clock() - started, 1)
            pull.done = {"downloaded": tracker.downloaded, "seconds": seconds, "attempts": tracker.attempts, "changed": False}
        self._settle(pull)

    def _pull(self, pull, pulled, tracker, index):
        failures = 0
        while True:
            tracker.begin()
            before = tracker.downloaded
            try:
                self._pull_once(pull, pulled, tracker, index)
                return
            except OllamaError as exc:
                # Bytes that came are progress, however often the line breaks; only tries that bring nothing are counted.
                failures = 1 if tracker.downloaded > before else failures + 1
                final, sentence = self._verdict(pull.name, exc, tracker)
                if final or failures > self.options["retries"]:
                    raise Failure(sentence)
            pause = min(2 ** failures, LONGEST_PAUSE)
            self._report(pull, tracker, index, "retry in %d s" % pause)
            self.sleep(pause)

    def _verdict(self, name, failed, tracker):
        """(whether another try is pointless, what to say after the last one)"""
        tries, words = self.options["retries"] + 1, failed.message
        # Who says nothing waits for the registry; who is not there, or in the middle no more, was ended.
        ended = self.api.url if isinstance(failed, ApiUnreachable) and not isinstance(failed, StreamSilent) else ""
        return explain(self.registry, name, self.version, tries, words) or (
            False,
            gave_up(self.registry, name, tries, words, tracker.completed, tracker.total, ended),
        )

    def _pull_once(self, pull, pulled, tracker, index):
        body = {"model": pulled.short, "stream": True, "insecure": self.registry.insecure_for(pulled)}
        for message in self.api.stream("/api/pull", body, tracker.silence):
            tracker.feed(message)
            if tracker.done:
                return
            if tracker.stalled():
                raise StreamSilent("nothing moved for %d seconds" % tracker.silence())
            self._report(pull, tracker, index)
        raise StreamCut("the stream ended before Ollama said success")

    def _report(self, pull, tracker, index, note=None):
        self.progress({
            "what": pull.name.short,
            "number": index + 1,
            "count": self.count,
            "status": note or tracker.status,
            "completed_bytes": tracker.completed,
            "total_bytes": tracker.total,
            "rate": tracker.rate,
            "seconds_left": tracker.seconds_left,
        })

    def _rename(self, pulled, name):
        """From the mirror's name to the plain one. Removing the old model first lets Ollama free its layers."""
        old = name.key in self.local.models
        self.local.read()
        if pulled.key not in self.local.models:
            # The work of a run that was killed pulled the same and was faster; what is there is judged next.
            return
        try:
            if old:
                self.api.delete(name.short)
            self.api.copy(pulled.short, name.short)
            self.api.delete(pulled.short)
        except OllamaError as exc:
            # Faster by a moment.
            if exc.status != 404:
                raise

    def _settle(self, pull):
        """After a pull: is the model there, and is it the one that was promised?"""
        name = pull.name
        self.local.read()
        entry = self.local.models.get(pull.key)
        if entry is None:
            raise Failure("Ollama said success, but does not list %s: look into its journal" % name.short)
        pull.done["changed"] = entry["digest"] != pull.old or bool(pull.bad)
        pull.added = pull.old is None
        held = self.store.manifest(name) if self.store else None
        known = entry["digests"] | (held.identities if held else set()) | (pull.remote.identities if pull.remote else set())
        if not pull.pin or (pull.pin in known and self._is_promised(pull, entry, held)):
            return
        if version_tuple(self.version) < (0, 19) and (held is None or held.same_layers(pull.remote)):
            # Before 0.19 Ollama writes the manifest anew; the layers that the pinned manifest names are what counts.
            return
        raise Failure(
            "%s is pinned to sha256:%s in llm_models, but the pull brought sha256:%s: the tag moved at %s meanwhile; run again"
            % (name.short, pull.pin[:12], entry["digest"][:12], self.registry.label(name))
        )

    def _is_promised(self, pull, entry, held):
        """Whether what the server lists is what the registry had offered; where it offered nothing, the pin has decided."""
        if pull.remote is None:
            return True
        return bool(entry["digests"] & pull.remote.identities) or (held is not None and is_same(held, pull.remote))
