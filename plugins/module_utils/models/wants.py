# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wanted of the models: the items of the `models` option, checked, and the content of those that are made here."""

from __future__ import annotations

import json

from ansible_collections.llmfleet.ollama.plugins.module_utils.errors import Failure
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.names import BadName, is_guard, parse_digest, parse_name

KEYS = ("name", "digest", "from", "parameters", "context", "require_gpu", "gpu_bytes", "aliases")


class WantedModel:
    """One item of `models`."""

    def __init__(self, item, prove_gpu):
        item = {"name": item} if isinstance(item, str) else item
        if not isinstance(item, dict) or not item.get("name"):
            raise Failure("models: each item is a name such as 'llama3.2:1b' or a mapping with 'name', not %r" % (item,))
        unknown = sorted(set(item) - set(KEYS))
        if unknown:
            raise Failure("models: '%s' has the unknown key '%s'; known are %s" % (item["name"], unknown[0], ", ".join(KEYS)))
        self.name = parse_name(item["name"])
        if is_guard(self.name):
            raise Failure("models: '%s' is a copy that Ollama keeps for itself: name the model that it was made from" % self.name.short)
        self.digest = parse_digest(item["digest"]) if item.get("digest") else None
        self.base = parse_name(item["from"]) if item.get("from") else None
        if not isinstance(item.get("parameters") or {}, dict):
            raise Failure("models: the parameters of '%s' are a mapping such as {num_predict: 300}" % self.name.short)
        self.parameters = dict(item.get("parameters") or {})
        self.context = int(item["context"]) if item.get("context") else None
        gpu = item.get("require_gpu")
        self.require_gpu = bool(prove_gpu) and (gpu is None or bool(gpu))
        # What the GPU has to hold of a model that is not there as a whole.
        self.gpu_bytes = int(item["gpu_bytes"]) if prove_gpu and item.get("gpu_bytes") else None
        if not isinstance(item.get("aliases") or [], (list, tuple)):
            raise Failure("models: the aliases of '%s' are a list of names such as [gpt-4o]" % self.name.short)
        # Names of copies of it.
        self.aliases = [parse_name(alias) for alias in item.get("aliases") or []]
        short = self.name.short
        if self.parameters and not self.base:
            raise Failure("models: '%s' has parameters but no 'from': name the model that it is made from" % short)
        if self.base and self.digest:
            raise Failure("models: '%s' is made here from '%s': pin the digest of that one, not of this" % (short, self.base.short))
        if self.base and self.base.key == self.name.key:
            raise Failure("models: '%s' cannot be made from itself: give it a name of its own" % short)

    @property
    def identity(self):
        """What two wants of one name must agree on."""
        return (self.digest, self.base and self.base.key, sorted((key, as_words(value)) for key, value in self.parameters.items()))


def read_wants(items, prove_gpu):
    """The wanted models by key, each once."""
    wants = {}
    try:
        for item in items or []:
            want = WantedModel(item, prove_gpu)
            other = wants.setdefault(want.name.key, want)
            if other.identity != want.identity:
                raise Failure("models: '%s' is wanted twice with different digests or parameters: keep one of them" % want.name.short)
    except (BadName, TypeError, ValueError) as exc:
        raise Failure("models: %s" % exc)
    for want in wants.values():
        if want.base is not None and want.base.key in wants and wants[want.base.key].base is not None:
            raise Failure(
                "models: '%s' is made from '%s', which is itself made here: make both from the model that is pulled"
                % (want.name.short, want.base.short)
            )
    _check_aliases(wants)
    return wants


def downloads(wants):
    """{key: (name, pin)} of every model that comes from a registry: wanted ones and the bases of managed ones."""
    found = {key: (want.name, want.digest) for key, want in wants.items() if want.base is None}
    for want in wants.values():
        if want.base is not None:
            found.setdefault(want.base.key, (want.base, None))
    return found


def _check_aliases(wants):
    """A copy under the name of another model would replace it, and that one would be pulled again by each run."""
    taken = {name.key: name.short for want in wants.values() for name in (want.name, want.base) if name}
    for want in wants.values():
        for alias in want.aliases:
            if taken.get(alias.key) not in (None, want.name.key):
                raise Failure("models: the alias '%s' of '%s' is the name of something else, too: give it another one" % (alias.short, want.name.short))
            taken[alias.key] = want.name.key


def as_words(value):
    """A parameter's value as `show` prints it, always as a list of words: `stop` may come several times."""
    values = value if isinstance(value, (list, tuple)) else [value]
    return sorted(_word(item) for item in values)


def parse_parameters(text):
    """The lines of `show`'s parameters to {name: [words]}."""
    found = {}
    for line in str(text or "").splitlines():
        name, _space, value = line.strip().partition(" ")
        if name:
            found.setdefault(name, []).append(_word(_unquoted(value.strip())))
    return {name: sorted(values) for name, values in found.items()}


def _unquoted(text):
    """A text without Go's quotes. What JSON writes in another way, such as a zero byte, is no sensible parameter and stays as it is."""
    try:
        return json.loads(text) if text.startswith('"') else text
    except ValueError:
        return text


def _word(value):
    """1, 1.0 and "1" are the same parameter."""
    text = ("true" if value else "false") if isinstance(value, bool) else str(value)
    try:
        return repr(float(text))
    except ValueError:
        return text
