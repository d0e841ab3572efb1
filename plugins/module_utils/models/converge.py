# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings the models of one Ollama to what is wanted. The same code runs on the host and, for Windows hosts, on the controller."""

from __future__ import annotations

import datetime
import re
import time

from ansible_collections.llmfleet.ollama.plugins.module_utils.bytes import gib
from ansible_collections.llmfleet.ollama.plugins.module_utils.errors import Failure
from ansible_collections.llmfleet.ollama.plugins.module_utils.models.proof_file import ProofFile, settings_digest
from ansible_collections.llmfleet.ollama.plugins.module_utils.models.wants import as_words, parse_parameters, read_wants
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.api import ApiUnreachable, OllamaApi, OllamaError, StreamCut
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.names import BadName, parse_name
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.pull_errors import comes_from_mirror, explain, gave_up
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.pull_tracker import HASH_RATE, Tracker
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.registry import RegistryClient
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.registry_address import parse_registry
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.store import Store
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.version import version_tuple

MANAGED_SINCE = (0, 5, 5)
LONGEST_PAUSE = 30


def said_once(said):
    """Sentences about models, as (name, sentence): those that differ in the name alone become one with all the names."""
    names = {}
    for name, sentence in said:
        names.setdefault(sentence.replace(name, "\0"), []).append(name)
    return [sentence.replace("\0", ", ".join(found)) for sentence, found in names.items()]


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
        if not self.wants and self.state == "exact":
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
        self.proofs = ProofFile(options["proofs_path"]) if options["proofs_path"] else None
        self.pulls = []
        self.creates = []
        self.removals = []
        self.unproved = []
        self.done = {}
        self.removed = []
        self.added = []
        self.proved = []

    # -- looking -----------------------------------------------------------------------------------------------------

    def look(self):
        """Asks the server, the store and the registry, and decides. Raises Failure before anything is changed."""
        try:
            self.version = self.api.version()
            self._read_tags()
            if self.state == "absent":
                self.removals = [self.local[key]["short"] for key in self.wants if key in self.local]
                self.before = self._listing()
                return self
            self.before = self._listing()
            self._decide_pulls()
            self._decide_creates()
            self._decide_removals()
            self._check_disk()
            self._decide_proofs()
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
        self.version, self.local, self.before = None, {}, {}
        if self.state != "absent":
            self.pulls = [{"name": name, "key": key, "remote": None} for key, (name, _pin) in self._downloads().items()]
            self.creates = [key for key, want in self.wants.items() if want.base is not None]

    @property
    def long_work(self):
        """Whether minutes may pass: a pull, or a load to prove a model."""
        return bool(self.pulls or self.unproved)

    def _read_tags(self):
        self.local = {}
        for entry in self.api.tags():
            text = str(entry.get("model") or entry.get("name") or "")
            try:
                name = parse_name(text)
            except BadName:
                # A name that we can't read can't be wanted either, and what we can't name we don't remove.
                continue
            self.local[name.key] = {
                "name": name,
                "short": name.short,
                "digest": str(entry.get("digest") or "").replace("sha256:", ""),
                "size": entry.get("size") if isinstance(entry.get("size"), int) else 0,
            }

    def _listing(self):
        return {entry["short"]: "sha256:" + entry["digest"] for entry in self.local.values()}

    def _downloads(self):
        """(name, pin) of every model that comes from a registry: wanted ones and the bases of managed ones."""
        found = {}
        for key, want in self.wants.items():
            if want.base is None:
                found[key] = (want.name, want.digest)
        for want in self.wants.values():
            if want.base is not None:
                found.setdefault(want.base.key, (want.base, None))
        return found

    def _decide_pulls(self):
        client = RegistryClient(
            self.registry, self.version, self.options["https_proxy"], self.options["no_proxy"],
            timeout=min(15, self.options["timeout"]), sleep=self.sleep,
        )
        problems, notes = [], []
        for key, (name, pin) in self._downloads().items():
            local = self.local.get(key)
            held = self.store.manifest(name) if self.store and local else None
            bad = self.store.bad_blobs(held) if held else []
            if local and pin == local["digest"] and not bad:
                continue
            lookup = client.manifest(name)
            remote = lookup.manifest
            problem, note = self._refusal(name, pin, local, lookup)
            if note:
                notes.append((name.short, note))
            if problem:
                problems.append((name.short, problem))
                continue
            if local and not bad and (remote is None or self._is_current(local, held, remote)):
                continue
            self.pulls.append({"name": name, "key": key, "remote": remote, "old": local["digest"] if local else None, "bad": bad})
        self.warnings += said_once(notes)
        if problems:
            raise Failure("; ".join(said_once(problems)))

    def _refusal(self, name, pin, local, lookup):
        """(why a model can be neither kept nor pulled, what to know of one that can): a sentence or None each."""
        place = self.registry.label(name)
        if lookup.kind == "found":
            if pin and pin != lookup.manifest.digest:
                return (
                    "%s is pinned to sha256:%s in llm_models, but %s now serves sha256:%s: look into it, then pin that or no digest"
                    % (name.short, pin[:12], place, lookup.manifest.digest[:12])
                ), None
            return None, None
        if local and not pin:
            if lookup.kind == "unreachable":
                return None, (
                    "%s does not answer (%s): whether %s has moved there is not known, what is here was kept"
                    % (place, lookup.words, name.short)
                )
            if lookup.kind == "too_new":
                return None, (
                    "%s at %s has moved to a model that needs a newer Ollama than this host's %s: the model that is here was kept"
                    % (name.short, place, self.version)
                )
            return None, None
        if local:
            return (
                "%s is pinned to sha256:%s in llm_models, this host has sha256:%s, and %s cannot be asked for the pinned one (%s)"
                % (name.short, pin[:12], local["digest"][:12], place, lookup.words)
            ), None
        if lookup.kind == "missing":
            words = "%s does not exist at %s: check the name and the tag in llm_models" % (name.short, place)
            if comes_from_mirror(self.registry, name):
                # With --limit the play that fills the mirror has no host.
                words += "; if they are right, let the mirror's own host take part in the run, which fills it"
            return words, None
        if lookup.kind == "too_new":
            return "%s needs a newer Ollama than this host's %s: raise ollama_version, or choose an older tag" % (name.short, self.version), None
        if lookup.kind == "unreachable" and comes_from_mirror(self.registry, name):
            return (
                "%s cannot be pulled: the mirror %s does not answer (%s); start it, or correct llm_registry" % (name.short, place, lookup.words)
            ), None
        # The module may have no way out where the service has one (a proxy, a signed-in account): Ollama has the last word.
        return None, (
            "%s could not be asked about %s (%s): the download's size and the disk were not checked before the pull"
            % (place, name.short, lookup.words)
        )

    def _is_current(self, local, held, remote):
        if local["digest"] == remote.digest:
            return True
        if held is not None:
            return held.same_layers(remote)
        if version_tuple(self.version) >= (0, 19):
            return False
        # An old server whose store is out of reach: the blob of the weights is all that can be compared.
        return self._weights(self.api.show(local["short"])) in remote.model_layers

    @staticmethod
    def _weights(shown):
        """The digest of the model blob that `show` names in its FROM line."""
        match = re.search(r"^FROM .*sha256[-:]([0-9a-f]{64})\s*$", str(shown.get("modelfile") or ""), re.M)
        return "sha256:" + match.group(1) if match else None

    def _missing_layers(self, pull):
        if pull["remote"] is None:
            return {}
        return {
            digest: size
            for digest, size in pull["remote"].layers.items()
            if digest in pull["bad"] or not self.api.has_blob(digest)
        }

    def _decide_removals(self):
        keep = set(self.wants) | {want.base.key for want in self.wants.values() if want.base}
        if self.state == "exact":
            surplus = set(self.local) - keep
        else:
            # A mirror's name that a broken run left beside the plain one.
            surplus = {self.registry.pull_name(name).key for name, _pin in self._downloads().values()} & set(self.local) - keep
        # A pull takes the mirror's name away itself, and finds what is there already.
        surplus -= {self.registry.pull_name(pull["name"]).key for pull in self.pulls}
        self.removals = sorted(self.local[key]["short"] for key in surplus)

    def _check_disk(self):
        layers = {}
        for pull in self.pulls:
            pull["missing"] = self._missing_layers(pull)
            layers.update(pull["missing"])
        if not layers or self.store is None:
            return
        need = sum(max(0, size - self.store.partial_bytes(digest)) for digest, size in layers.items())
        free = self.store.free_bytes()
        reserve = self.options["reserve_bytes"]
        if free is None or need + reserve <= free:
            return
        freed = sum(entry["size"] for entry in self.local.values() if entry["short"] in self.removals)
        hint = " (removing %s would free up to %s)" % (", ".join(self.removals), gib(freed)) if freed else ""
        raise Failure(
            "%s would not fit on the disk of %s: %s to download and %s to keep free, but only %s are free, %s too few%s; "
            "make room, set ollama_models_dir to a bigger disk, or lower reserve_bytes"
            % (
                ", ".join(pull["name"].short for pull in self.pulls),
                self.store.path,
                gib(need),
                gib(reserve),
                gib(free),
                gib(need + reserve - free),
                hint,
            )
        )

    def _decide_creates(self):
        pulled = {pull["key"] for pull in self.pulls}
        for key, want in self.wants.items():
            if want.base is None:
                continue
            if version_tuple(self.version) < MANAGED_SINCE:
                raise Failure(
                    "%s is made from %s, which needs Ollama 0.5.5, and this host has %s: raise ollama_version"
                    % (want.name.short, want.base.short, self.version)
                )
            if key not in self.local or want.base.key in pulled or not self._same_content(want):
                self.creates.append(key)

    def _same_content(self, want):
        """A managed model is compared by what is in it: weights, template, system and parameters."""
        made, base = self.api.show(want.name.short), self.api.show(want.base.short)
        expected = dict(parse_parameters(base.get("parameters")), **{name: as_words(value) for name, value in want.parameters.items()})
        return (
            self._weights(made) == self._weights(base)
            and parse_parameters(made.get("parameters")) == expected
            and all((made.get(field) or "") == (base.get(field) or "") for field in ("template", "system"))
        )

    def _conditions(self, want):
        return {
            "ollama_version": self.version,
            "context": want.context,
            "devices": [str(device) for device in self.options["devices"]],
            "settings": settings_digest(self.options["settings"]),
            "require_gpu": want.require_gpu,
        }

    def _decide_proofs(self):
        if not self.options["prove"]:
            return
        changing = {pull["key"] for pull in self.pulls} | set(self.creates)
        for key, want in self.wants.items():
            entry = None
            if key not in changing and self.proofs:
                entry = self.proofs.find(want.name.short, self.local[key]["digest"], self._conditions(want))
            if entry is None:
                self.unproved.append(key)
            else:
                self.proved.append(self._proof_result(want, entry, True))

    @staticmethod
    def _proof_result(want, entry, remembered):
        return {
            "name": want.name.short,
            "size_bytes": entry["size_bytes"],
            "size_vram_bytes": entry["size_vram_bytes"],
            "context_length": entry["context_length"],
            "ok": entry["ok"],
            "why": entry["why"],
            "remembered": remembered,
        }

    # -- acting ------------------------------------------------------------------------------------------------------

    def act(self):
        """Does what look() decided. Always gives a result; a failure is in it, with what was done before it."""
        try:
            if not self.check_mode:
                self._pull_all()
                self._create_all()
                self._remove_all()
                self._read_tags()
                self._prove_all()
        except Failure as exc:
            return dict(self.result(), failed=True, msg=str(exc))
        except OllamaError as exc:
            return dict(self.result(), failed=True, msg="Ollama at %s failed on the way: %s" % (self.api.url, exc.message))
        return self.result()

    def _pull_all(self):
        for index, pull in enumerate(self.pulls):
            started = self.clock()
            for digest in pull["bad"]:
                # Ollama would take the spoilt file for the blob and say success.
                self.store.drop_blob(digest)
            fresh = [digest for digest in pull["missing"] if self.store and not self.store.partial_bytes(digest)]
            tracker = Tracker(self.options["timeout"], pull["missing"], fresh, self.clock)
            pulled = self.registry.pull_name(pull["name"])
            try:
                self._pull(pull, pulled, tracker, index)
                if pulled.key != pull["name"].key:
                    self._rename(pulled, pull["name"])
            finally:
                self.done[pull["key"]] = {
                    "downloaded": tracker.downloaded,
                    "seconds": round(self.clock() - started, 1),
                    "attempts": tracker.attempts,
                    "changed": False,
                }
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
                final, sentence = self._verdict(pull["name"], exc.message, tracker)
                if final or failures > self.options["retries"]:
                    raise Failure(sentence)
            pause = min(2 ** failures, LONGEST_PAUSE)
            self._report(pull, tracker, index, "retry in %d s" % pause)
            self.sleep(pause)

    def _verdict(self, name, words, tracker):
        """(whether another try is pointless, what to say after the last one)"""
        tries = self.options["retries"] + 1
        return explain(self.registry, name, self.version, tries, words) or (
            False,
            gave_up(self.registry, name, tries, words, tracker.completed, tracker.total),
        )

    def _pull_once(self, pull, pulled, tracker, index):
        body = {"model": pulled.short, "stream": True, "insecure": self.registry.insecure_for(pulled)}
        for message in self.api.stream("/api/pull", body, tracker.silence):
            tracker.feed(message)
            if tracker.done:
                return
            if tracker.stalled():
                raise StreamCut("nothing moved for %d seconds" % tracker.silence())
            self._report(pull, tracker, index)
        raise StreamCut("the stream ended before Ollama said success")

    def _report(self, pull, tracker, index, note=None):
        self.progress({
            "what": pull["name"].short,
            "number": index + 1,
            "count": len(self.pulls),
            "status": note or tracker.status,
            "completed_bytes": tracker.completed,
            "total_bytes": tracker.total,
            "rate": tracker.rate,
            "seconds_left": tracker.seconds_left,
        })

    def _rename(self, pulled, name):
        """From the mirror's name to the plain one. Removing the old model first lets Ollama free its layers."""
        if name.key in self.local:
            self.api.delete(name.short)
        self.api.copy(pulled.short, name.short)
        self.api.delete(pulled.short)

    def _settle(self, pull):
        """After a pull: is the model there, and is it the one that was promised?"""
        name = pull["name"]
        self._read_tags()
        entry = self.local.get(pull["key"])
        if entry is None:
            raise Failure("Ollama said success, but does not list %s: look into its journal" % name.short)
        self.done[pull["key"]]["changed"] = entry["digest"] != pull["old"] or bool(pull["bad"])
        if pull["old"] is None:
            self.added.append(name.short)
        want = self.wants.get(pull["key"])
        if want is None or not want.digest or entry["digest"] == want.digest:
            return
        held = self.store.manifest(name) if self.store else None
        if version_tuple(self.version) < (0, 19) and (held is None or held.same_layers(pull["remote"])):
            # Before 0.19 Ollama writes the manifest anew; the layers that the pinned manifest names are what counts.
            return
        raise Failure(
            "%s is pinned to sha256:%s in llm_models, but the pull brought sha256:%s: the tag moved at %s meanwhile; run again"
            % (name.short, want.digest[:12], entry["digest"][:12], self.registry.label(name))
        )

    def _create_all(self):
        for key in self.creates:
            want = self.wants[key]
            started = self.clock()
            old = self.local[key]["digest"] if key in self.local else None
            body = {"model": want.name.short, "from": want.base.short, "parameters": want.parameters, "stream": True}
            said = ""
            for message in self.api.stream("/api/create", body, lambda: self.options["timeout"]):
                said = message.get("status")
            if said != "success":
                raise Failure("%s could not be made from %s: Ollama's answer ended with '%s'" % (want.name.short, want.base.short, said))
            self._read_tags()
            self.done[key] = {
                "downloaded": 0,
                "seconds": round(self.clock() - started, 1),
                "attempts": 1,
                "changed": key in self.local and self.local[key]["digest"] != old,
            }
            if old is None:
                self.added.append(want.name.short)

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

    # -- proving -----------------------------------------------------------------------------------------------------

    def _prove_all(self):
        refused = []
        for key in self.unproved:
            want = self.wants[key]
            entry = self._prove(want)
            if entry["error"]:
                refused.append("%s does not load: %s" % (want.name.short, entry["error"]))
                continue
            del entry["error"]
            if self.proofs:
                self.proofs.remember(want.name.short, self.local[key]["digest"], entry)
            self.proved.append(self._proof_result(want, entry, False))
        if self.unproved and self.proofs:
            self.proofs.save()
        if refused:
            raise Failure("; ".join(refused))

    def _prove(self, want):
        entry = self._load(want)
        if not entry["ok"]:
            # Other models in memory, which are not ours to keep: Ollama would unload them itself for one that fits alone.
            strangers = [name for name in self._running() if name.key not in self.wants]
            for stranger in strangers:
                self._unload(stranger)
            if strangers:
                self._unload(want.name)
                entry = self._load(want)
        # The plan counts a misfit with the cache that it was measured with.
        entry["kv_cache_type"] = self.options["settings"].get("OLLAMA_KV_CACHE_TYPE")
        return dict(entry, when=datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"), **self._conditions(want))

    def _load(self, want):
        """Loads a model as its users would, and reads from /api/ps where it went."""
        entry = {"context_length": None, "size_bytes": 0, "size_vram_bytes": 0, "ok": False, "why": "", "error": ""}
        size = self.local[want.name.key]["size"]
        self.progress({"what": want.name.short, "status": "loading"})
        patience = 300 + size // HASH_RATE
        try:
            try:
                self.api.call("POST", "/api/generate", {"model": want.name.short, "stream": False}, timeout=patience)
            except ApiUnreachable:
                raise
            except OllamaError as exc:
                if "does not support" not in exc.message:
                    raise
                self.api.call("POST", "/api/embed", {"model": want.name.short, "input": "llmfleet"}, timeout=patience)
        except OllamaError as exc:
            if re.search(r"memory|vram|cudamalloc|failed to allocate", exc.message, re.I):
                entry["why"] = "it does not fit: %s" % exc.message
            else:
                entry["error"] = exc.message
            return entry
        running = self._find_running(want)
        if running is None:
            entry["error"] = "it was loaded, but /api/ps does not list it"
            return entry
        entry["size_bytes"] = running.get("size") or 0
        entry["size_vram_bytes"] = running.get("size_vram") or 0
        entry["context_length"] = running.get("context_length")
        if want.require_gpu and not entry["size_vram_bytes"]:
            # A fault of the driver or of its rights, which no smaller model would mend.
            entry["why"] = "nothing of its %s is on the GPU, Ollama's journal says why" % gib(entry["size_bytes"])
        elif want.require_gpu and entry["size_vram_bytes"] < entry["size_bytes"]:
            entry["why"] = "only %s of %s are on the GPU" % (gib(entry["size_vram_bytes"]), gib(entry["size_bytes"]))
        elif want.context and entry["context_length"] and entry["context_length"] < min(want.context, self._trained_context(want)):
            entry["why"] = "it serves %s tokens where %s are planned (OLLAMA_CONTEXT_LENGTH)" % (entry["context_length"], want.context)
        else:
            entry["ok"] = True
        return entry

    def _find_running(self, want):
        """The entry of /api/ps for a model. Ollama loads weights once: a model that shares them is listed under the other's name."""
        running = self._running()
        if want.name in running:
            return running[want.name]
        weights = self._weights(self.api.show(want.name.short))
        for name, entry in running.items():
            if weights and self._weights(self.api.show(name.short)) == weights:
                return entry
        return None

    def _trained_context(self, want):
        """More than this Ollama serves of no model, whatever it is asked for: embedding models are short."""
        facts = self.api.show(want.name.short).get("model_info") or {}
        lengths = [value for key, value in facts.items() if key.endswith(".context_length") and isinstance(value, int)]
        return lengths[0] if lengths else want.context

    def _running(self):
        found = {}
        for entry in self.api.running():
            try:
                found[parse_name(str(entry.get("model") or entry.get("name") or ""))] = entry
            except BadName:
                continue
        return found

    def _unload(self, name):
        self.api.call("POST", "/api/generate", {"model": name.short, "keep_alive": 0, "stream": False}, timeout=60)

    # -- telling -----------------------------------------------------------------------------------------------------

    def result(self):
        changed = any(entry["changed"] for entry in self.done.values()) or bool(self.removed)
        if self.check_mode:
            changed = bool(self.pulls or self.creates or self.removals)
        after = self._predicted() if self.check_mode else self._listing()
        spilled = [proof for proof in self.proved if not proof["ok"]]
        result = {
            "changed": changed,
            "ollama_version": self.version,
            "models": [self._model_result(key, want) for key, want in self.wants.items()] if self.state != "absent" else [],
            # The report names them; `exact` removes them, so then there are none.
            "others": self._others(after) if self.state != "absent" else [],
            "removed": self.removed,
            "to_remove": self.removals if self.check_mode else [],
            "to_pull": [pull["name"].short for pull in self.pulls] if self.check_mode else [],
            "proved": self.proved,
            "spilled": [proof["name"] for proof in spilled],
            "downloaded_bytes": sum(entry["downloaded"] for entry in self.done.values()),
            "missing_bytes": sum(sum(pull.get("missing", {}).values()) for pull in self.pulls) if self.check_mode else 0,
            "warnings": self.warnings,
            "diff": {"before": _lines(self.before), "after": _lines(after), "before_header": "models", "after_header": "models"},
        }
        if self.state != "absent":
            result["ansible_facts"] = {"ollama_models": {
                "added": self.added,
                "proved": self.proved,
                "spilled": spilled,
                "proofs": self.proofs.entries if self.proofs else {},
            }}
        return result

    def _others(self, listing):
        named = {name.short for want in self.wants.values() for name in (want.name, want.base) if name}
        return sorted(set(listing) - named)

    def _model_result(self, key, want):
        entry = self.local.get(key)
        done = self.done.get(key, {"downloaded": 0, "seconds": 0, "attempts": 0, "changed": False})
        changing = self.check_mode and (key in self.creates or any(pull["key"] == key for pull in self.pulls))
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
            after[pull["name"].short] = "sha256:" + pull["remote"].digest if pull["remote"] else "to be pulled"
        for key in self.creates:
            after[self.wants[key].name.short] = "to be made from %s" % self.wants[key].base.short
        return after


def _lines(listing):
    return "".join("%s %s\n" % item for item in sorted(listing.items()))
