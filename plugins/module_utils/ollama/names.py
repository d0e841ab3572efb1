# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of models, as Ollama itself reads them.

`llama3.2` is `llama3.2:latest` and nothing else: it must never be taken for `llama3.2:1b`.
"""

from __future__ import annotations

import re
from collections import namedtuple

DEFAULT_HOST = "registry.ollama.ai"
DEFAULT_NAMESPACE = "library"
# What stores of 0.40 and later call the public registry.
STORE_HOST = "ollama.com"
RUNNERS = ("llamacpp", "ggml", "mlx", "ollama")
DEFAULT_TAG = "latest"

# The grammar of ollama's types/model/name.go: only the namespace may not hold dots.
_PARTS = {
    "host": re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_.:-]{0,349}$"),
    "namespace": re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_-]{0,79}$"),
    "model": re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}$"),
    "tag": re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}$"),
}
_DIGEST = re.compile(r"^(?:sha256:)?([0-9a-f]{64})$")


class BadName(ValueError):
    """A name, digest or registry that nobody could mean."""


class Name(namedtuple("Name", "host namespace model tag")):
    """The four parts of a model's name, defaults filled in."""

    __slots__ = ()

    @property
    def key(self):
        """What two spellings of one model share: Ollama compares names without case."""
        return tuple(part.lower() for part in self)

    @property
    def full(self):
        return "%s/%s/%s:%s" % self

    @property
    def short(self):
        """As `ollama list` shows it."""
        if self.host.lower() != DEFAULT_HOST:
            return self.full
        if self.namespace.lower() != DEFAULT_NAMESPACE:
            return "%s/%s:%s" % self[1:]
        return "%s:%s" % self[2:]


def parse_name(text):
    """`[host/][namespace/]model[:tag]` to a Name."""
    if not isinstance(text, str) or not text.strip():
        raise BadName("a model needs a name such as 'llama3.2:1b', not %r" % (text,))
    rest = text.strip()
    if "://" in rest:
        raise BadName("'%s' is a URL, not a model's name: write it without the scheme, a mirror belongs in llm_registry" % text)
    head, slash, last = rest.rpartition("/")
    model, colon, tag = last.partition(":")
    if colon and not tag:
        raise BadName("'%s' ends with a colon: write the tag after it, or leave the colon out" % text)
    parts = head.split("/") if slash else []
    if len(parts) > 2:
        raise BadName("'%s' has too many parts: a name is [host/][namespace/]model[:tag]" % text)
    namespace = parts[-1] if parts else DEFAULT_NAMESPACE
    host = parts[0] if len(parts) == 2 else DEFAULT_HOST
    name = Name(host, namespace, model, tag or DEFAULT_TAG)
    for field, value in name._asdict().items():
        if not _PARTS[field].match(value):
            raise BadName("'%s' is not a model's name: the %s '%s' has a character or a length that Ollama refuses" % (text, field, value))
    return name


def key_of(text):
    """The key of a name, or what a host, a report or a user wrote where that is none: it equals itself alone."""
    try:
        return parse_name(text).key
    except BadName:
        return str(text)


def is_guard(name):
    """A copy that Ollama keeps of its own for the way back, `llamacpp:<64 hex>` and its kin: no model of anybody's (ollama/ollama#18830)."""
    return (
        (name.host.lower(), name.namespace.lower()) in ((DEFAULT_HOST, DEFAULT_NAMESPACE), (STORE_HOST, DEFAULT_NAMESPACE))
        and name.model.lower() in RUNNERS
        and bool(re.match(r"^[0-9a-f]{64}$", name.tag))
    )


def is_host(text):
    """Whether Ollama would take this for the host in a name, its port included."""
    return bool(_PARTS["host"].match(text))


def parse_digest(text):
    """64 hex digits, with or without `sha256:`, to the bare digits."""
    match = _DIGEST.match(str(text).strip().lower())
    if not match:
        raise BadName("'%s' is not a digest: write the 64 hex digits that the registry or `ollama list` gives, after 'sha256:'" % (text,))
    return match.group(1)
