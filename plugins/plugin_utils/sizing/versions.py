# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a given Ollama version does about memory: its era of llama.cpp, its placement rules, the variables that it knows."""

from __future__ import annotations

import collections
import functools

from ansible_collections.llmfleet.ollama.plugins.module_utils.defaults import OLLAMA_VERSION
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.version import version_tuple

from . import data

FIRST_FIT = (0, 30, 0)  # from here llama-server's --fit decides the layers


def parse(text):
    """The numbers of a release; ValueError with the variable for what is none."""
    numbers = version_tuple(text)
    if not numbers:
        raise ValueError("ollama_version is '%s': write a release such as %s" % (text, OLLAMA_VERSION))
    return numbers


DEFAULT = parse(OLLAMA_VERSION)

Era = collections.namedtuple("Era", "name vocab_outputs mask_bytes mixed_input whole_rope")


@functools.cache
def era(name):
    for row in data.load("eras")["eras"]:
        if row["name"] == name:
            return Era(name, **row["compute"])
    raise ValueError("no era of the compute term is called '%s'" % name)


def package_of_era(name):
    """The release of xllamacpp that allocates as this era does."""
    return next(row["xllamacpp"] for row in data.load("eras")["eras"] if row["name"] == name)


@functools.cache
def era_of_ollama(version):
    chosen = None
    for row in data.load("eras")["ollama"]:
        if parse(row["since"]) <= version:
            chosen = row["era"]
    return era(chosen)


@functools.cache
def era_of_build(build):
    chosen = None
    for row in data.load("eras")["eras"]:
        if row["first_build"] <= build:
            chosen = row["name"]
    return era(chosen)


@functools.cache
def known_variables(version):
    """Names that this version's server reads; another name would be ignored in silence."""
    return frozenset(
        row["name"]
        for row in data.load("environment")["variables"]
        if (not row.get("since") or parse(row["since"]) <= version) and (not row.get("until") or version < parse(row["until"]))
    )


def unknown_variables(names, version):
    """Those of OLLAMA_* and of llama-server's that this version does not read, each with the reason."""
    parsed = parse(version)
    content = data.load("environment")
    rows = {row["name"]: row for row in content["variables"]}
    found = []
    for name in sorted(names):
        if not (name.startswith(("OLLAMA_", "LLAMA_ARG_FIT")) or name in rows) or name in known_variables(parsed):
            continue
        row = rows.get(name)
        if row is None:
            why = content["myths"].get(name, "no version of Ollama reads it")
        elif row.get("until") and parse(row["until"]) <= parsed:
            why = "it was removed in %s" % row["until"]
        else:
            why = "it came with %s" % row["since"]
        found.append({"name": name, "why": why})
    return found
