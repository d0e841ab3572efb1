# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ollama's model names: [host/][namespace/]model[:tag] (types/model/name.go)."""

from __future__ import annotations

import collections
import re

from .wants import BadInput

DEFAULT_HOST = "registry.ollama.ai"
_PART = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}$")
_HOST = re.compile(r"^[A-Za-z0-9_.:-]{1,350}$")

Name = collections.namedtuple("Name", "host namespace model tag")


class ModelName(Name):
    __slots__ = ()

    @property
    def is_library(self):
        return self.host == DEFAULT_HOST and self.namespace == "library"

    @property
    def display(self):
        """As `ollama list` shows it: without the parts that are the default."""
        short = "%s:%s" % (self.model, self.tag)
        if self.host != DEFAULT_HOST:
            return "%s/%s/%s" % (self.host, self.namespace, short)
        return short if self.namespace == "library" else "%s/%s" % (self.namespace, short)


def parse(text, where="model"):
    """A name's four parts, defaults filled in."""
    given = str(text).strip()
    bare = given.split("://", 1)[-1]
    head, slash, last = bare.rpartition("/")
    model, colon, tag = last.partition(":")
    parts = head.split("/") if slash else []
    host, namespace = DEFAULT_HOST, "library"
    if len(parts) == 1:
        namespace = parts[0]
    elif len(parts) == 2:
        host, namespace = parts
    elif parts:
        raise BadInput("%s is '%s': a model's name has at most three parts, host/namespace/model:tag" % (where, given))
    tag = tag if colon else "latest"
    if (
        not _HOST.match(host)
        or not all(_PART.match(part) for part in (namespace, model, tag))
        or (namespace != "library" and "." in namespace)
    ):
        raise BadInput(
            "%s is '%s', which is no name of a model: write model:tag, namespace/model:tag or host/namespace/model:tag" % (where, given)
        )
    return ModelName(host.lower() if host == host.lower() else host, namespace, model, tag)
