# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remembers on the host which model was seen running, and how, so that a converged host isn't made to load it again.

The file is a local fact of Ansible: `ansible_facts.ansible_local.llmfleet.proofs`.
"""

from __future__ import annotations

import hashlib
import json

from ansible_collections.llmfleet.ollama.plugins.module_utils.files import write_json

# What must be as it was for an old proof to count.
CONDITIONS = ("ollama_version", "context", "devices", "settings", "require_gpu", "gpu_bytes")


def settings_digest(settings):
    """A short name for the settings of the service that a proof was made under."""
    text = json.dumps({str(key): str(value) for key, value in (settings or {}).items()}, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]


class ProofFile:
    """The file, read and written as a whole; other keys in it belong to others and stay."""

    def __init__(self, path):
        self.path = path
        self.content = {}
        try:
            with open(path, encoding="utf-8") as handle:
                content = json.load(handle)
            if isinstance(content, dict):
                self.content = content
        except (OSError, ValueError):
            # Absent, or spoilt by hand: the proofs are made again.
            pass
        if not isinstance(self.content.get("proofs"), dict):
            self.content["proofs"] = {}

    @property
    def entries(self):
        return self.content["proofs"]

    def find(self, name, digest, conditions):
        """The proof of this model under these conditions, else None."""
        entry = self.entries.get("%s@%s" % (name, digest))
        if not isinstance(entry, dict) or any(entry.get(key) != conditions[key] for key in CONDITIONS):
            return None
        return entry

    def remember(self, name, digest, entry):
        """Replaces what is known of a model. What did not fit on the same cards under the same version stays known beside a smaller
        setting that fits; else the plan would go back and forth between the two."""
        key = "%s@%s" % (name, digest)
        old = self.entries.get(key)
        for other in [other for other in self.entries if other.rpartition("@")[0] == name]:
            del self.entries[other]
        if isinstance(old, dict):
            misfits = list(old.pop("spilled", [])) + ([old] if old.get("ok") is False else [])
            known = [
                misfit
                for misfit in misfits
                if all(misfit.get(field) == entry[field] for field in ("ollama_version", "devices"))
                and (misfit.get("settings"), misfit.get("context")) != (entry["settings"], entry["context"])
            ]
            if known:
                entry = dict(entry, spilled=known)
        self.entries[key] = entry

    def save(self):
        # Not executable: Ansible would run an executable fact file.
        write_json(self.path, self.content, 0o644)
