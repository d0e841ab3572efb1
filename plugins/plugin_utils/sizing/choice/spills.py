# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What earlier runs measured on this host: a model that spilled to the CPU with some settings is not planned so again."""

from __future__ import annotations

import collections

from ansible_collections.llmfleet.ollama.plugins.module_utils.bytes import MIB
from ansible_collections.llmfleet.ollama.plugins.module_utils.defaults import FIT_MARGIN_BYTES

from .. import versions

Spilled = collections.namedtuple("Spilled", "name digest context cache_type missing loaded")


def card_set(host):
    """The cards as a proof names them: sorted names and usable bytes, no identity of a single card."""
    return sorted("%s %d" % (card.name, card.usable // MIB) for card in host.cards)


def from_oracle(results, version):
    """Answers of model_oracle (the results of its loop over the plan's models) as records of what would spill."""
    found = {}
    for result in results or []:
        planned, missing = result.get(result.get("ansible_loop_var") or "item") or {}, result.get("missing_bytes") or 0
        if not result.get("asked") or result.get("where") != "device" or not missing:
            continue
        found["%s@oracle" % (planned.get("from") or planned.get("name"))] = {
            "ok": False,
            "ollama_version": version,
            "context_length": planned.get("context"),
            "kv_cache_type": planned.get("kv_cache_type"),
            "size_bytes": result["free_bytes"] + missing,
            "size_vram_bytes": result["free_bytes"],
        }
    return found


class Spills:
    def __init__(self, given, version, host):
        self.found = {}
        self.short = {}  # least context at which less than planned was on the cards, of models whose experts lie in system memory
        self.rates = {}
        for key, proof in sorted((given or {}).items()):
            name, _at, digest = key.rpartition("@")
            self._add_rate(name or key, proof, version, host)
            records = list(proof.get("spilled") or [])
            if proof.get("ok") is False:
                records.append(proof)
            for record in records:
                self._add(name or key, digest, record, version, host)

    def _add(self, name, digest, record, version, host):
        try:
            measured = versions.parse(record.get("ollama_version"))
        except ValueError:
            return
        size, on_gpu = int(record.get("size_bytes") or 0), int(record.get("size_vram_bytes") or 0)
        # One that was refused for lack of memory does not say how much: as much as llama.cpp itself keeps free.
        missing = size - on_gpu if size else FIT_MARGIN_BYTES
        if measured != version or missing <= 0 or (size and not on_gpu):
            return  # nothing at all on the GPU is a fault of the driver, which a smaller model would not mend
        cards = record.get("devices")
        if cards and sorted(map(str, cards)) != card_set(host):
            return
        # An old server does not say what it serves; then it is what was planned.
        context = int(record.get("context_length") or record.get("context") or 0)
        if record.get("gpu_bytes"):
            self.short[name] = min(self.short.get(name, context), context)
            return
        kind = record.get("kv_cache_type") or "f16"
        self.found.setdefault(name, []).append(Spilled(name, digest, context, kind, missing, bool(size)))

    def _add_rate(self, name, proof, version, host):
        rate, cards = proof.get("tokens_per_second"), proof.get("devices")
        try:
            same = versions.parse(proof.get("ollama_version")) == version and (not cards or sorted(map(str, cards)) == card_set(host))
        except ValueError:
            return
        if proof.get("ok") is True and same and isinstance(rate, (int, float)) and not isinstance(rate, bool) and rate > 0:
            self.rates[name] = (round(float(rate), 1), int(proof.get("size_bytes") or 0))

    def measured(self, name, weights):
        """Tokens a second that a proof saw with these cards and this version; it is told and decides nothing. A file of less than half of the weights
        is a stand-in, whose speed says nothing of the model."""
        rate, size = self.rates.get(name, (None, 0))
        return rate if 2 * size >= weights else None

    def spilled(self, candidate):
        records = self.found.get(candidate.name)
        return records[0] if records else None

    def missed(self, candidate, context):
        """Whether less of it than planned was on the cards with this context or a shorter one, its experts being in system memory by plan."""
        return candidate.name in self.short and context >= self.short[candidate.name]

    def limit(self, candidate, load, placed, need):
        """The largest need that this host can hold by what it showed; None without a record. What was missing then has to be saved now."""
        lowest = None
        for record in self.found.get(candidate.name, ()):
            then = load._replace(context=record.context or load.context, k_type=record.cache_type, v_type=record.cache_type)
            held = need(candidate, then) - record.missing
            lowest = held if lowest is None else min(lowest, held)
        return lowest
