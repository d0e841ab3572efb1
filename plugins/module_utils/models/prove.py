# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Loads models once, sees where they went, and remembers it."""

from __future__ import annotations

import datetime
import re

from ansible_collections.llmfleet.ollama.plugins.module_utils.bytes import gib
from ansible_collections.llmfleet.ollama.plugins.module_utils.errors import Failure
from ansible_collections.llmfleet.ollama.plugins.module_utils.models.proof_file import ProofFile, settings_digest
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.api import ApiUnreachable, OllamaError
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.pull_tracker import HASH_RATE

_NEARLY = 0.95  # of the bytes that are planned on the GPU; llama.cpp moves whole layers
# Enough to tell a rate, and over in seconds on the slowest host that a plan allows.
RATE_PROMPT, RATE_TOKENS, RATE_LEAST, RATE_SECONDS = "Count from one to forty in words.", 32, 8, 60


class Prover:
    """unproved: keys of the wants that are to be loaded; proved: what is known of the others, and of these afterwards."""

    def __init__(self, local, wants, options):
        self.local, self.wants, self.options = local, wants, options
        self.api = local.api
        self.file = ProofFile(options["proofs_path"]) if options["proofs_path"] else None
        self.version = None
        self.unproved = []
        self.proved = []

    @property
    def remembered(self):
        return self.file.entries if self.file else {}

    def decide(self, version, changing):
        """changing: keys of the models that will not be what they were."""
        self.version = version
        if not self.options["prove"]:
            return
        for key, want in self.wants.items():
            entry = None
            if key not in changing and self.file:
                entry = self.file.find(want.name.short, self.local.models[key]["digest"], self._conditions(want))
            if entry is None:
                self.unproved.append(key)
            else:
                self.proved.append(self._result(want, entry, True))

    def _conditions(self, want):
        return {
            "ollama_version": self.version,
            "context": want.context,
            "devices": [str(device) for device in self.options["devices"]],
            "settings": settings_digest(self.options["settings"]),
            "require_gpu": want.require_gpu,
            "gpu_bytes": want.gpu_bytes,
        }

    @staticmethod
    def _result(want, entry, remembered):
        return {
            "name": want.name.short,
            "size_bytes": entry["size_bytes"],
            "size_vram_bytes": entry["size_vram_bytes"],
            "context_length": entry["context_length"],
            "ok": entry["ok"],
            "why": entry["why"],
            "tokens_per_second": entry.get("tokens_per_second"),
            "remembered": remembered,
        }

    def run(self, progress):
        """Loads what is unproved. Raises Failure for models that do not load at all; what spilled is in `proved`."""
        refused = []
        for key in sorted(self.unproved, key=lambda name: bool(self.wants[name].gpu_bytes)):
            want = self.wants[key]
            entry = self._prove(want, progress)
            if entry["error"]:
                refused.append("%s does not load: %s" % (want.name.short, entry["error"]))
                continue
            del entry["error"]
            if self.file:
                self.file.remember(want.name.short, self.local.models[key]["digest"], entry)
            self.proved.append(self._result(want, entry, False))
        if self.unproved and self.file:
            self.file.save()
        if refused:
            raise Failure("; ".join(refused))

    def _prove(self, want, progress):
        entry = self._load(want, progress)
        if not entry["ok"]:
            # Other models in memory, which are not ours to keep: Ollama would unload them itself for one that fits alone. And ours that take what
            # is left on the GPU, whatever it is.
            strangers = [name for name in self.local.running() if name.key not in self.wants or self._takes_the_rest(name.key, want)]
            for stranger in strangers:
                self.local.unload(stranger)
            if strangers:
                self.local.unload(want.name)
                entry = self._load(want, progress)
        # The plan counts a misfit with the cache that it was measured with.
        entry["kv_cache_type"] = self.options["settings"].get("OLLAMA_KV_CACHE_TYPE")
        return dict(entry, when=datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"), **self._conditions(want))

    def _takes_the_rest(self, key, want):
        return bool(self.wants[key].gpu_bytes) and key != want.name.key

    def _load(self, want, progress):
        """Loads a model as its users would, and reads from /api/ps where it went."""
        entry = {"context_length": None, "size_bytes": 0, "size_vram_bytes": 0, "ok": False, "why": "", "tokens_per_second": None, "error": ""}
        size = self.local.models[want.name.key]["size"]
        progress({"what": want.name.short, "status": "loading"})
        patience, writes = 300 + size // HASH_RATE, True
        try:
            try:
                self.api.call("POST", "/api/generate", {"model": want.name.short, "stream": False}, timeout=patience)
            except ApiUnreachable:
                raise
            except OllamaError as exc:
                if "does not support" not in exc.message:
                    raise
                writes = False
                self.api.call("POST", "/api/embed", {"model": want.name.short, "input": "llmfleet"}, timeout=patience)
        except OllamaError as exc:
            if re.search(r"memory|vram|cudamalloc|failed to allocate", exc.message, re.I):
                entry["why"] = "it does not fit: %s" % exc.message
            else:
                entry["error"] = exc.message
            return entry
        running = self.local.find_running(want.name)
        if running is None:
            entry["error"] = "it was loaded, but /api/ps does not list it"
            return entry
        entry["size_bytes"] = running.get("size") or 0
        entry["size_vram_bytes"] = running.get("size_vram") or 0
        entry["context_length"] = running.get("context_length")
        if (want.require_gpu or want.gpu_bytes) and not entry["size_vram_bytes"]:
            # A fault of the driver or of its rights, which no smaller model would mend.
            entry["why"] = "nothing of its %s is on the GPU, Ollama's journal says why" % gib(entry["size_bytes"])
        elif want.require_gpu and entry["size_vram_bytes"] < entry["size_bytes"]:
            entry["why"] = "only %s of %s are on the GPU" % (gib(entry["size_vram_bytes"]), gib(entry["size_bytes"]))
        elif want.gpu_bytes and entry["size_vram_bytes"] < _NEARLY * want.gpu_bytes:
            entry["why"] = "only %s are on the GPU where %s are planned, its experts in system memory aside" % (
                gib(entry["size_vram_bytes"]),
                gib(want.gpu_bytes),
            )
        elif want.context and entry["context_length"] and entry["context_length"] < min(want.context, self.local.trained_context(want.name, want.context)):
            entry["why"] = "it serves %s tokens where %s are planned (OLLAMA_CONTEXT_LENGTH)" % (entry["context_length"], want.context)
        else:
            entry["ok"] = True
            entry["tokens_per_second"] = self._rate(want) if writes else None
        return entry

    def _rate(self, want):
        """Tokens a second of a short answer, by Ollama's own clock; None where it says too little to tell. It is told and judges nothing."""
        asked = {"model": want.name.short, "prompt": RATE_PROMPT, "stream": False, "options": {"num_predict": RATE_TOKENS, "temperature": 0}}
        try:
            answer = self.api.call("POST", "/api/generate", asked, timeout=RATE_SECONDS)
        except OllamaError:
            return None
        count, took = answer.get("eval_count"), answer.get("eval_duration")
        if not isinstance(count, int) or not isinstance(took, int) or count < RATE_LEAST or took <= 0:
            return None
        return round(count / (took / 1e9), 1)
