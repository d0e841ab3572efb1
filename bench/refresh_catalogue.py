#!/usr/bin/env python3
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare the catalogue with a registry: sizes, dimensions and tags that are gone.

Run: python bench/refresh_catalogue.py [--registry http://mirror.lan] [family …]
Prints one line for each tag; the differing ones with what the registry says. Exit status 1 when something differs.
"""

from __future__ import annotations

import argparse
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "collections"))

from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing import catalogue, data, metadata, names
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.registry import RegistryError
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.shape import Shape

COMPARED = (
    "blocks",
    "embd",
    "ff",
    "expert_ff",
    "experts",
    "experts_used",
    "heads",
    "kv_heads",
    "dk",
    "dv",
    "window",
    "vocab",
    "context_train",
    "mla",
)


def differences(tag, found):
    """What the registry says otherwise: bytes of the row, dimensions of its shape."""
    told = []
    if tag.row.get("bytes") != found["download_bytes"]:
        told.append("bytes: %d" % found["download_bytes"])
    real = Shape(found)
    for field in COMPARED:
        ours, theirs = getattr(tag.shape, field), getattr(real, field)
        if ours != theirs:
            told.append("%s: %s, not %s" % (field, theirs, ours))
    return told


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--registry", default="")
    parser.add_argument("families", nargs="*", metavar="family")
    options = parser.parse_args()
    headers = metadata.Headers(options.registry)
    wrong = 0
    for family in options.families or sorted(data.families()):
        for tag in catalogue.family_tags(family):
            try:
                told = differences(tag, headers.get(names.parse(tag.name)))
            except RegistryError as problem:
                told = [str(problem)]
            wrong += bool(told)
            print("%-48s %s" % (tag.name, "; ".join(told) or "as in the catalogue"))
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
