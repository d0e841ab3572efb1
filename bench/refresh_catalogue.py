#!/usr/bin/env python3
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare the catalogue with a registry: sizes, dimensions and tags that are gone; with --write put its sizes into the catalogue.

Run: python bench/refresh_catalogue.py [--write] [--registry http://mirror.lan] [family …]
Prints one line for each tag; the differing ones with what the registry says. --write sets bytes and parameters of the rows in place, drops
`gigabytes` where the bytes are known, and `unverified` where all agrees; comments and order stay. Dimensions belong to shapes that several tags
share, and a tag that is gone may only be missing on a mirror: both are left to a person. Exit status 1 when something differs that was not written.
"""

from __future__ import annotations

import argparse
import glob
import os
import sys
import tempfile

import yaml

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "collections"))

from ansible_collections.llmfleet.ollama.plugins.module_utils.model_header.registry import RegistryError
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing import data, names
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.model.shape import Shape
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.source import catalogue, metadata
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.source.cache import Cache

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
_WIDTH = 160  # of a line, as yamllint wants it


class Fresh(Cache):
    """Headers are kept by their digest; which digest a tag means is asked anew."""

    def get(self, kind, key, max_age=None):
        return None if kind in ("manifest", "failure") else super().get(kind, key, max_age)


def values(tag, found):
    """Fields of the row that the registry says otherwise."""
    new = {}
    if tag.row.get("bytes") != found["download_bytes"]:
        new["bytes"] = found["download_bytes"]
        if "gigabytes" in tag.row:
            new["gigabytes"] = None
    count = found.get("general.parameter_count")
    if isinstance(count, int) and count > 0 and tag.row["parameters"] != count:
        new["parameters"] = count
    return new


def dimensions(tag, found):
    """Dimensions of its shape that the header says otherwise."""
    real = Shape(found)
    pairs = ((field, getattr(tag.shape, field), getattr(real, field)) for field in COMPARED)
    return ["%s: %s, not %s" % (field, theirs, ours) for field, ours, theirs in pairs if ours != theirs]


def _rows(text):
    """{(family, tag): mapping node} of one file."""
    found = {}
    for family in yaml.compose(text).value:
        fields = {key.value: value for key, value in family.value}
        for row in fields["tags"].value:
            tag = next(value.value for key, value in row.value if key.value == "tag")
            found[fields["family"].value, tag] = row
    return found


def _set(text, row, field, value):
    """The text with this field of the row set; None drops it."""
    at = [index for index, (key, _value) in enumerate(row.value) if key.value == field]
    if at and value is None:
        # The first field is the tag, so there is one before it; its end takes the separator along.
        return text[: row.value[at[0] - 1][1].end_mark.index] + text[row.value[at[0]][1].end_mark.index :]
    if at:
        node = row.value[at[0]][1]
        return text[: node.start_mark.index] + str(value) + text[node.end_mark.index :]
    last = row.value[-1][1].end_mark.index
    new = "%s: %d" % (field, value)
    if row.flow_style:
        line = text[text.rfind("\n", 0, last) + 1 : text.find("\n", last)]
        new = (",\n" + " " * (row.start_mark.column + 1) if len(line) + len(new) + 2 > _WIDTH else ", ") + new
    else:
        new = "\n" + " " * row.start_mark.column + new
    return text[:last] + new + text[last:]


def rewrite(text, changes):
    """The file's text with {(family, tag): {field: value}}; nothing else changes, or ValueError."""
    wanted = yaml.safe_load(text)
    for family in wanted:
        for row in family["tags"]:
            for field, value in changes.get((family["family"], row["tag"]), {}).items():
                row.pop(field, None) if value is None else row.update({field: value})
    for key, fields in changes.items():
        for field, value in fields.items():
            row = _rows(text).get(key)
            if row is not None:
                text = _set(text, row, field, value)
    if yaml.safe_load(text) != wanted:
        raise ValueError("a row could not be edited in place")
    return text


def write(folder, changes):
    for path in sorted(glob.glob(os.path.join(folder, "*.yml"))):
        with open(path, encoding="utf-8") as stream:
            old = stream.read()
        new = rewrite(old, changes)
        if new == old:
            continue
        handle, temporary = tempfile.mkstemp(dir=folder, prefix=".new-")
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(new)
        os.chmod(temporary, os.stat(path).st_mode & 0o777)
        os.replace(temporary, path)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--registry", default="")
    parser.add_argument("--write", action="store_true", help="put the registry's sizes into plugins/catalogue/families")
    parser.add_argument("families", nargs="*", metavar="family")
    options = parser.parse_args(arguments)
    for family in options.families:
        if family not in data.families():
            parser.error("the catalogue has no family '%s': it has %s" % (family, ", ".join(sorted(data.families()))))
    headers = metadata.Headers(options.registry, Fresh())
    changes, left = {}, 0
    for family in options.families or sorted(data.families()):
        for tag in catalogue.family_tags(family):
            new, told = {}, []
            try:
                found = headers.get(names.parse(tag.name))
                new, told = values(tag, found), dimensions(tag, found)
            except RegistryError as problem:
                told = [str(problem)]
            else:
                if tag.row.get("unverified") and not told:
                    new["unverified"] = None
            if new:
                changes[family, tag.row["tag"]] = new
            left += bool(told) or (bool(new) and not options.write)
            told = ["%s: %s" % (field, value) for field, value in new.items() if value is not None] + told
            print("%-48s %s" % (tag.name, "; ".join(told) or "as in the catalogue"))
    if options.write:
        write(os.path.join(data.CATALOGUE, "families"), changes)
        print("%d rows written, %d tags left to a person" % (len(changes), left))
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
