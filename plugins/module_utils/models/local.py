# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the server of a host holds and runs, as it says itself."""

from __future__ import annotations

import re

from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.manifest import preferences
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.names import BadName, is_guard, parse_name


def weights(shown):
    """The digest of the model blob that `show` names in its FROM line."""
    match = re.search(r"^FROM .*sha256[-:]([0-9a-f]{64})\s*$", str(shown.get("modelfile") or ""), re.M)
    return "sha256:" + match.group(1) if match else None


class Local:
    """models: what the server lists, {key of the name: {name, short, digest, size, digests, runner, family}}, as of the last read(). digests: of all
    lines of a name, since 0.40 one for each manifest of a list that is there; the rest is of the line that runs. guards: digests of models that Ollama
    has converted; they are the server's own copies and no models."""

    def __init__(self, api):
        self.api = api
        self.models, self.guards = {}, set()

    def read(self):
        self.models, self.guards = {}, set()
        preferred = preferences()
        for entry in self.api.tags():
            text = str(entry.get("model") or entry.get("name") or "")
            try:
                name = parse_name(text)
            except BadName:
                # A name that we can't read can't be wanted either, and what we can't name we don't remove.
                continue
            digest = str(entry.get("digest") or "").replace("sha256:", "")
            if is_guard(name):
                self.guards.add(name.tag)
                continue
            details = entry.get("details")
            runner = str(details.get("runner") or "") if isinstance(details, dict) else ""
            line = {
                "name": name,
                "short": name.short,
                "digest": digest,
                "size": entry.get("size") if isinstance(entry.get("size"), int) else 0,
                "digests": {digest},
                "runner": runner,
                "family": str(details.get("family") or "") if isinstance(details, dict) else "",
            }
            other = self.models.get(name.key)
            if other is not None:
                runs = min(other, line, key=lambda one: preferred.index(one["runner"]) if one["runner"] in preferred else len(preferred))
                line = dict(runs, digests=other["digests"] | {digest})
            self.models[name.key] = line

    def is_converted(self, entry):
        """Whether what runs was made by Ollama itself, as far as it tells: then no registry knows its digest."""
        return bool(entry["digests"] & self.guards) or (entry["runner"] == "llamacpp" and len(entry["digests"]) > 1)

    def listing(self):
        """{name: digest} for people and results."""
        return {entry["short"]: "sha256:" + entry["digest"] for entry in self.models.values()}

    def weights_of(self, name):
        return weights(self.api.show(name.short))

    def running(self):
        """{name: entry of /api/ps}."""
        found = {}
        for entry in self.api.running():
            try:
                found[parse_name(str(entry.get("model") or entry.get("name") or ""))] = entry
            except BadName:
                continue
        return found

    def find_running(self, wanted):
        """The entry of /api/ps for a model. Ollama loads weights once: a model that shares them is listed under the other's name."""
        running = self.running()
        if wanted in running:
            return running[wanted]
        found = self.weights_of(wanted)
        for name, entry in running.items():
            if found and self.weights_of(name) == found:
                return entry
        return None

    def trained_context(self, name, unknown):
        """More than this Ollama serves of no model, whatever it is asked for: embedding models are short."""
        facts = self.api.show(name.short).get("model_info") or {}
        lengths = [value for key, value in facts.items() if key.endswith(".context_length") and isinstance(value, int)]
        return lengths[0] if lengths else unknown

    def unload(self, name):
        self.api.call("POST", "/api/generate", {"model": name.short, "keep_alive": 0, "stream": False}, timeout=60)
