# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings the models of one Ollama to what is wanted. The same code runs on the host and, for Windows hosts, on the controller."""

from __future__ import annotations

import time

from ansible_collections.llmfleet.ollama.plugins.module_utils.bytes import gib
from ansible_collections.llmfleet.ollama.plugins.module_utils.errors import Failure
from ansible_collections.llmfleet.ollama.plugins.module_utils.models.local import Local, weights
from ansible_collections.llmfleet.ollama.plugins.module_utils.models.prove import Prover
from ansible_collections.llmfleet.ollama.plugins.module_utils.models.pull import Pull, Puller
from ansible_collections.llmfleet.ollama.plugins.module_utils.models.refusals import refusal, said_once
from ansible_collections.llmfleet.ollama.plugins.module_utils.models.wants import as_words, downloads, parse_parameters, read_wants
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.api import ApiUnreachable, OllamaApi, OllamaError
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.manifest import CONVERTED, LISTS_SINCE, as_told, from_told, is_same
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.names import parse_name
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.registry import RegistryClient
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.registry_address import parse_registry
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.store import Store
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.version import version_tuple

MANAGED_SINCE = (0, 5, 5)


class Converger:
    """Looks, decides, acts. `look()` changes nothing; `act()` does the rest and reports through `progress`."""

    def __init__(self, options, check_mode=False, progress=None, sleep=time.sleep, clock=time.monotonic):
        self.options = options
        self.check_mode = check_mode
        self.progress = progress or (lambda state: None)
        self.sleep = sleep
        self.clock = clock
        self.warnings = []
        self.state = options["state"]
        self.wants = read_wants(options["models"], options["prove_gpu"])
        if not self.wants and self.state == "exact" and not options.get("accept_empty"):
            raise Failure(
                "models is empty and state is 'exact', which would remove every model of the host: name the models to keep, "
                "or use state 'absent' with the names to remove"
            )
        try:
            self.registry = parse_registry(options["registry"])
            self.api = OllamaApi(options["api_url"])
        except ValueError as exc:
            raise Failure(str(exc))
        self.store = Store(options["models_dir"]) if options["models_dir"] else None
        self.local = Local(self.api)
        self.prover = Prover(self.local, self.wants, options)
        self.version, self.before = None, {}
        # Manifests that this run has asked for, for whoever asks for a whole fleet.
        self.asked = []
        self.pulls = []
        self.creates = []
        self.copies = []
        self.removals = []
        self.done = {}
        self.removed = []
        self.added = []
        self.copied = []

    # -- looking -----------------------------------------------------------------------------------------------------

    def look(self):
        """Asks the server, the store and the registry, and decides. Raises Failure before anything is changed."""
        try:
            self.version = self.api.version()
            if self.store:
                self.store.read_by(self.version)
            self.local.read()
            if self.state == "absent":
                named = [name.key for want in self.wants.values() for name in (want.name, *want.aliases)]
                self.removals = [self.local.models[key]["short"] for key in named if key in self.local.models]
                self.before = self.local.listing()
                return self
            self.before = self.local.listing()
            self._decide_pulls()
            self._decide_creates()
            self._decide_copies()
            self._decide_removals()
            self._check_disk()
            self.prover.decide(self.version, {pull.key for pull in self.pulls} | set(self.creates))
        except ApiUnreachable as exc:
            if self.check_mode:
                self._foresee(exc)
                return self
            raise Failure(
                "Ollama does not answer at %s (%s): start its service, or set api_url to where it listens" % (self.api.url, exc.message)
            )
        except OllamaError as exc:
            raise Failure("Ollama at %s answered with an error: %s" % (self.api.url, exc.message))
        return self

    def _foresee(self, exc):
        """Check mode before the service is there: everything would be new, and nothing can be compared."""
        self.warnings.append("Ollama does not answer at %s (%s), so all models are taken as missing there" % (self.api.url, exc.message))
        if self.state != "absent":
            self.pulls = [Pull(name) for name, _pin in downloads(self.wants).values()]
            self.creates = [key for key, want in self.wants.items() if want.base is not None]
            self.copies = [(alias, want) for want in self.wants.values() for alias in want.aliases]

    @property
    def told(self):
        return [told for told in self.asked if told is not None]

    @property
    def changes(self):
        """Whether models come or go; a look, or a load to prove one, is no change."""
        return bool(self.pulls or self.creates or self.copies or self.removals)

    @property
    def long_work(self):
        """Whether minutes may pass: a pull, or a load to prove a model."""
        return bool(self.pulls or self.prover.unproved)

    def _decide_pulls(self):
        client = RegistryClient(
            self.registry, self.version, self.options["https_proxy"], self.options["no_proxy"],
            timeout=min(15, self.options["timeout"]), sleep=self.sleep,
        )
        problems, notes = [], []
        for key, (name, pin) in downloads(self.wants).items():
            local = self.local.models.get(key)
            held = self.store.manifest(name) if self.store and local else None
            bad = self.store.bad_blobs(held) if held else []
            if local and pin and not bad and pin in local["digests"] | (held.identities if held else set()):
                continue
            if local and not pin and not bad and self._is_told_current(key, local, held, client.lists):
                continue
            lookup = client.manifest(name)
            remote = lookup.manifest
            if remote is not None:
                self.asked.append(as_told(name, client.lists, remote))
            problem, note = refusal(self.registry, self.version, name, pin, local, lookup, client.of_other_generation)
            if note:
                notes.append((name.short, note))
            if problem:
                problems.append((name.short, problem))
                continue
            if local and not bad and (remote is None or self._is_current(local, held, remote)):
                continue
            self.pulls.append(Pull(name, pin, remote, local["digest"] if local else None, bad))
        self.warnings += said_once(notes)
        if problems:
            raise Failure("; ".join(said_once(problems)))

    def _is_told_current(self, key, local, held, lists):
        """Whether somebody has asked for the whole fleet, and nothing has moved. Before anything is pulled, this host asks for itself."""
        for told in self.options.get("manifests") or []:
            try:
                if parse_name(told["name"]).key == key and told["lists"] == lists and self._is_current(local, held, from_told(told)):
                    return True
            except ValueError:
                # What is no name or no manifest says nothing.
                continue
        return False

    def _is_current(self, local, held, remote):
        if local["digests"] & remote.identities:
            return True
        if held is not None:
            return is_same(held, remote)
        if version_tuple(self.version) >= LISTS_SINCE and local["runner"] == "llamacpp":
            # Converted perhaps, and the store is out of reach: then the server still has all that was pulled, and under no other name.
            others = [entry for entry in self.local.models.values() if entry is not local and entry["digests"] & remote.identities]
            return not others and bool(remote.layers) and all(self.api.has_blob(digest) for digest in remote.layers)
        if version_tuple(self.version) >= (0, 19):
            return False
        # An old server whose store is out of reach: the blob of the weights is all that can be compared.
        return self.local.weights_of(local["name"]) in remote.model_layers

    def _decide_removals(self):
        keep = set(self.wants) | {name.key for want in self.wants.values() for name in (want.base, *want.aliases) if name}
        if self.state == "exact":
            surplus = set(self.local.models) - keep
        else:
            # A mirror's name that a broken run left beside the plain one.
            surplus = {self.registry.pull_name(name).key for name, _pin in downloads(self.wants).values()} & set(self.local.models) - keep
        # A pull takes the mirror's name away itself, and finds what is there already.
        surplus -= {self.registry.pull_name(pull.name).key for pull in self.pulls}
        self.removals = sorted(self.local.models[key]["short"] for key in surplus)

    def _check_disk(self):
        layers = {}
        for pull in self.pulls:
            pull.look_for_layers(self.api)
            layers.update(pull.missing)
        if not layers or self.store is None:
            return
        need = sum(max(0, size - self.store.partial_bytes(digest)) for digest, size in layers.items())
        # Ollama writes a second copy of such weights at their first load, and keeps the first one.
        second = self._bytes_of_second_copies()
        need += second
        free = self.store.free_bytes()
        reserve = self.options["reserve_bytes"]
        if free is None or need + reserve <= free:
            return
        freed = sum(entry["size"] for entry in self.local.models.values() if entry["short"] in self.removals)
        hint = " (removing %s would free up to %s)" % (", ".join(self.removals), gib(freed)) if freed else ""
        raise Failure(
            "%s would not fit on the disk of %s: %s to download%s and %s to keep free, but only %s are free, %s too few%s; "
            "make room, set ollama_models_dir to a bigger disk, or lower reserve_bytes"
            % (
                ", ".join(pull.name.short for pull in self.pulls),
                self.store.path,
                gib(need - second),
                ", %s for the copy that Ollama %s converts" % (gib(second), self.version) if second else "",
                gib(reserve),
                gib(free),
                gib(need + reserve - free),
                hint,
            )
        )

    def _bytes_of_second_copies(self):
        if version_tuple(self.version) < LISTS_SINCE:
            return 0
        plain = [pull.remote for pull in self.pulls if pull.remote is not None and not pull.remote.children]
        # Those that an older release has left may be loaded while the pull goes on.
        pulled = {pull.key for pull in self.pulls}
        left = [self.local.models[key] for key in self.wants if key in self.local.models and key not in pulled]
        left = [entry for entry in left if entry["runner"] != "llamacpp" and entry["family"] in CONVERTED]
        plain += [held for held in (self.store.manifest(entry["name"]) for entry in left) if held is not None and not held.children]
        return sum(size for size in {digest: remote.layers[digest] for remote in plain for digest in remote.model_layers}.values())

    def _decide_creates(self):
        pulled = {pull.key for pull in self.pulls}
        for key, want in self.wants.items():
            if want.base is None:
                continue
            if version_tuple(self.version) < MANAGED_SINCE:
                raise Failure(
                    "%s is made from %s, which needs Ollama 0.5.5, and this host has %s: raise ollama_version"
                    % (want.name.short, want.base.short, self.version)
                )
            if key not in self.local.models or want.base.key in pulled or not self._same_content(want):
                self.creates.append(key)

    def _same_content(self, want):
        """A managed model is compared by what is in it: weights, template, system and parameters."""
        made, base = self.api.show(want.name.short), self.api.show(want.base.short)
        expected = dict(parse_parameters(base.get("parameters")), **{name: as_words(value) for name, value in want.parameters.items()})
        return (
            weights(made) == weights(base)
            and parse_parameters(made.get("parameters")) == expected
            and all((made.get(field) or "") == (base.get(field) or "") for field in ("template", "system"))
        )

    def _decide_copies(self):
        """Aliases that are not there, or are copies of something else: a model that moves takes its aliases along."""
        moving = {pull.key for pull in self.pulls} | set(self.creates)
        self.copies = [
            (alias, want) for want in self.wants.values() for alias in want.aliases if want.name.key in moving or not self._is_copy(alias, want)
        ]

    def _is_copy(self, alias, want):
        """By digest, of any of the manifests that a name has since 0.40."""
        copy, model = (self.local.models.get(name.key) for name in (alias, want.name))
        return bool(copy and model and copy["digests"] & model["digests"])

    # -- acting ------------------------------------------------------------------------------------------------------

    def act(self):
        """Does what look() decided. Always gives a result; a failure is in it, with what was done before it."""
        try:
            if not self.check_mode:
                self._pull_all()
                self._create_all()
                self._copy_all()
                self._remove_all()
                self.local.read()
                self.prover.run(self.progress)
        except Failure as exc:
            return dict(self.result(), failed=True, msg=str(exc))
        except OllamaError as exc:
            return dict(self.result(), failed=True, msg="Ollama at %s failed on the way: %s" % (self.api.url, exc.message))
        return self.result()

    def _pull_all(self):
        puller = Puller(
            self.local, self.store, self.registry, self.version, self.options, len(self.pulls), self.progress, sleep=self.sleep, clock=self.clock
        )
        for index, pull in enumerate(self.pulls):
            try:
                puller.run(pull, index)
            finally:
                if pull.done:
                    self.done[pull.key] = pull.done
                if pull.added:
                    self.added.append(pull.name.short)

    def _create_all(self):
        for key in self.creates:
            want = self.wants[key]
            started = self.clock()
            old = self.local.models[key]["digest"] if key in self.local.models else None
            body = {"model": want.name.short, "from": want.base.short, "parameters": want.parameters, "stream": True}
            said = ""
            for message in self.api.stream("/api/create", body, lambda: self.options["timeout"]):
                said = message.get("status")
            if said != "success":
                raise Failure("%s could not be made from %s: Ollama's answer ended with '%s'" % (want.name.short, want.base.short, said))
            self.local.read()
            self.done[key] = {
                "downloaded": 0,
                "seconds": round(self.clock() - started, 1),
                "attempts": 1,
                "changed": key in self.local.models and self.local.models[key]["digest"] != old,
            }
            if old is None:
                self.added.append(want.name.short)

    def _copy_all(self):
        """A copy is a manifest: no weights are read or written. A pull that brought nothing new leaves the aliases as they are."""
        if self.copies:
            self.local.read()
        for alias, want in self.copies:
            if self._is_copy(alias, want):
                continue
            if alias.key not in self.local.models:
                self.added.append(alias.short)
            self.api.copy(want.name.short, alias.short)
            self.copied.append(alias.short)

    def _remove_all(self):
        for short in self.removals:
            try:
                self.api.delete(short)
            except ApiUnreachable:
                raise
            except OllamaError as exc:
                # Somebody else was faster.
                if exc.status != 404:
                    raise
            self.removed.append(short)

    # -- telling -----------------------------------------------------------------------------------------------------

    def result(self):
        changed = any(entry["changed"] for entry in self.done.values()) or bool(self.removed or self.copied)
        if self.check_mode:
            changed = bool(self.pulls or self.creates or self.copies or self.removals)
        after = self._predicted() if self.check_mode else self.local.listing()
        spilled = [proof for proof in self.prover.proved if not proof["ok"]]
        result = {
            "changed": changed,
            "ollama_version": self.version,
            "models": [self._model_result(key, want) for key, want in self.wants.items()] if self.state != "absent" else [],
            # The report names them; `exact` removes them, so then there are none.
            "others": self._others(after) if self.state != "absent" else [],
            "removed": self.removed,
            "to_remove": self.removals if self.check_mode else [],
            "to_pull": [pull.name.short for pull in self.pulls] if self.check_mode else [],
            "proved": self.prover.proved,
            "spilled": [proof["name"] for proof in spilled],
            "downloaded_bytes": sum(entry["downloaded"] for entry in self.done.values()),
            "missing_bytes": sum(sum(pull.missing.values()) for pull in self.pulls) if self.check_mode else 0,
            "asked": self.told,
            "warnings": self.warnings,
            "diff": {"before": _lines(self.before), "after": _lines(after), "before_header": "models", "after_header": "models"},
        }
        if self.state != "absent":
            result["ansible_facts"] = {"ollama_models": {
                "added": self.added,
                "proved": self.prover.proved,
                "spilled": spilled,
                "proofs": self.prover.remembered,
            }}
        return result

    def _others(self, listing):
        named = {name.short for want in self.wants.values() for name in (want.name, want.base, *want.aliases) if name}
        return sorted(set(listing) - named)

    def _model_result(self, key, want):
        entry = self.local.models.get(key)
        done = self.done.get(key, {"downloaded": 0, "seconds": 0, "attempts": 0, "changed": False})
        changing = self.check_mode and (key in self.creates or any(pull.key == key for pull in self.pulls))
        return {
            "name": want.name.short,
            "digest": "sha256:" + entry["digest"] if entry else None,
            "size_bytes": entry["size"] if entry else None,
            "changed": done["changed"] or changing,
            "downloaded_bytes": done["downloaded"],
            "seconds": done["seconds"],
            "attempts": done["attempts"],
        }

    def _predicted(self):
        after = {short: digest for short, digest in self.before.items() if short not in self.removals}
        for pull in self.pulls:
            after[pull.name.short] = "sha256:" + pull.remote.digest if pull.remote else "to be pulled"
        for key in self.creates:
            after[self.wants[key].name.short] = "to be made from %s" % self.wants[key].base.short
        for alias, want in self.copies:
            after[alias.short] = after.get(want.name.short)
        return after


def _lines(listing):
    return "".join("%s %s\n" % item for item in sorted(listing.items()))
