# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The models that could fulfil one want, best first."""

from __future__ import annotations

import collections
import functools
import math

from .. import data, names
from ..errors import BadInput, MetadataError
from ..model.shape import Shape
from ..source import catalogue

_UNBOUNDED = 1 << 62  # tokens: nothing says for how many it was trained
_STEP = 0.1  # doublings by which a size is worth more than one that its family's order puts below it, whatever their parameters


class Candidate:
    """One tag with its metadata from the source that the user prefers and that has it."""

    __slots__ = (
        "name",
        "family",
        "tag",
        "label",
        "quality",
        "metadata",
        "shape",
        "source",
        "download_bytes",
        "embedding",
        "row",
        "quantization",
        "size",
        "trained",
        "worth",
    )

    def __init__(self, name, family, tag, metadata, shape, row=None):
        self.name, self.family, self.tag = name, family, tag
        self.label = tag if family else name
        self.metadata, self.shape, self.row = metadata, shape, row
        self.source = metadata["source"]
        self.download_bytes = int(metadata.get("download_bytes") or metadata.get("blob_bytes") or 0)
        self.quantization = row.quantization if row else metadata.get("quantization")
        self.quality = row.quality if row else {"loss": 0.0, "choose": True}
        self.embedding = row.embedding if row else shape.encoder
        self.trained = shape.context_train or _UNBOUNDED
        self.size = row.size if row else name
        self.worth = worths(row.family)[row.size] if row else 0.0

    def with_header(self, metadata):
        return Candidate(self.name, self.family, self.tag, metadata, shape_of_header(metadata), self.row)


# A tag of a family of the inventory's own of which nothing is known: what is told of one that was passed over.
Missing = collections.namedtuple("Missing", "name label source row size", defaults=(None, None, None))


@functools.cache
def worths(family):
    """{size: what it is worth}, in doublings of parameters, never against the family's own order of sizes."""
    parameters = {}
    for row in catalogue.family_tags(family):
        parameters[row.size] = max(parameters.get(row.size, 1), row.row["parameters"])
    found, worse = {}, 0.0
    for size in reversed(data.families()[family]["order"]):
        if size in parameters:
            worse = found[size] = max(math.log2(parameters[size]), worse + _STEP)
    return found


_SHAPES = {}


def shape_of_header(metadata):
    """The same object for the same manifest and file, so that results about it are remembered."""
    key = (metadata.get("digest"), metadata.get("blob_digest"))
    if None in key:
        return Shape(metadata)
    if key not in _SHAPES:
        _SHAPES[key] = Shape(metadata)
    return _SHAPES[key]


def _of_row(row, name=None):
    return Candidate(name or row.name, row.family, row.row["tag"], row.metadata, row.shape, row)


_ROWS = {}


def of_row(row):
    """The same object for the same row, so that results about it are remembered."""
    if row.name not in _ROWS:
        _ROWS[row.name] = _of_row(row)
    return _ROWS[row.name]


def for_family(want, policy, own=()):
    """The tags of a family of the catalogue. own: names of the families that the inventory describes."""
    rows = catalogue.family_tags(want.target)
    if not rows:
        known = [*data.families(), *data.load("by_header"), *own]
        close = catalogue.near(want.target, known)
        way = "did you mean %s?" % " or ".join(close) if close else "known are %s" % ", ".join(sorted(known))
        raise BadInput(
            "%s.family is '%s', which neither the catalogue nor llm_families has: %s A single tag needs no family: write 'model: name:tag'"
            % (want.where, want.target, way if way.endswith("?") else way + ".")
        )
    allowed = want.quantizations or policy.quantizations
    chosen = [of_row(row) for row in rows if (row.quantization.upper() in allowed if allowed else row.quality["choose"] or row.embedding)]
    if not chosen:
        raise BadInput(
            "%s: %s has no tag of the quantizations %s: it has %s"
            % (want.where, want.target, ", ".join(allowed), ", ".join(sorted({row.quantization for row in rows})))
        )
    return chosen


def for_bare_family(want, policy, sources, header):
    """The same of a family of which the catalogue has nothing but the tags: nothing is estimated."""
    if "header" not in sources:
        raise BadInput(
            "%s.family is '%s', which is sized by its headers only: add 'header' to llm_metadata_sources, so that they are read from the registry"
            % (want.where, want.target)
        )
    return for_own_family(want, policy, data.load("by_header")[want.target], ("header",), header, "the catalogue")


def for_own_family(want, policy, tags, sources, header, whose="llm_families"):
    """(the candidates of a family that the inventory describes, best first; names that cannot be had, with the reason)."""
    found, missing = [], []
    for tag in tags:
        whole = ":" in tag or "/" in tag or tag in data.families()  # which is no tag of anything
        name = names.parse(tag if whole else "%s:%s" % (want.target, tag), "llm_families.%s" % want.target)
        candidate, _row, problems = _known(name, sources, header)
        if candidate:
            candidate.label = candidate.tag if name.model == want.target else candidate.name
            found.append(candidate)
        else:
            missing.append((Missing(name.short, name.short), "; ".join(problems) or _hint(sources)))
    if not found:
        raise BadInput("%s.family is '%s', of whose tags in %s none can be sized: %s" % (
            want.where, want.target, whose, "; ".join("%s: %s" % (tag.name, why) for tag, why in missing),
        ))
    allowed = want.quantizations or policy.quantizations
    chosen = [candidate for candidate in found if not allowed or str(candidate.quantization or "").upper() in allowed]
    if not chosen:
        raise BadInput("%s: llm_families.%s has no tag of the quantizations %s" % (want.where, want.target, ", ".join(allowed)))
    worse = 0.0
    for candidate in reversed(chosen):  # the order of the list is that of quality; parameters say by how much
        candidate.size = candidate.name
        candidate.worth = worse = max(math.log2(max(2, _parameters(candidate))), worse + _STEP)
    return chosen, missing


def _parameters(candidate):
    """As the file says, else by its bytes at some 5 bits each."""
    return int(candidate.metadata.get("general.parameter_count") or candidate.shape.file_bytes * 1.6)


def for_model(want, sources, header):
    """The one candidate of a fixed name."""
    where = want.where + (".from" if want.managed else ".model")
    name = names.parse(want.target, where)
    candidate, _row, problems = _known(name, sources, header)
    if candidate:
        return candidate
    raise BadInput(_why_not(where, want, name, sources, problems))


def _known(name, sources, header):
    """(the candidate of a name, or None; its row of the catalogue; why not): from its header where that is asked for and there, else from the
    catalogue, else estimated."""
    row = catalogue.find(name.model, name.tag) if names.is_library(name) else None
    problems = []
    for source in sources:
        if source == "header":
            metadata, why, final = header(name.short)
            if metadata:
                try:
                    return Candidate(name.short, name.model if row else None, name.tag, metadata, shape_of_header(metadata), row), row, []
                except MetadataError as problem:
                    why = str(problem)
            if why:
                problems.append(why)
            if final:
                break  # the registry knows better than the catalogue: there is no such model
        elif source == "catalogue" and row:
            return _of_row(row, name.short), row, []
        elif source == "estimate":
            metadata = catalogue.estimate(name.model, name.tag)
            if metadata:
                return Candidate(name.short, None, name.tag, metadata, Shape(metadata), None), row, []
    return None, row, problems


def _hint(sources):
    if "header" not in sources:
        return "add 'header' to llm_metadata_sources, so that its size is read from the registry"
    return "check its name"


def _why_not(where, want, name, sources, problems):
    if problems:
        return "%s is '%s': %s" % (where, want.target, "; ".join(problems))
    if catalogue.in_the_cloud(name.tag):
        return "%s is '%s', which runs in Ollama's cloud and has no weights that a host could hold: write a tag without 'cloud'" % (where, want.target)
    if names.is_library(name) and name.model in data.load("by_header"):
        return "%s is '%s', which is sized by its header only: %s" % (where, want.target, _hint(sources))
    if names.is_library(name) and catalogue.family_tags(name.model):
        tags = catalogue.tag_names(name.model)
        close = catalogue.near(name.tag, tags)
        hint = "did you mean %s?" % " or ".join(close) if close else "it has %s" % ", ".join(tags)
        return "%s is '%s', a tag that %s does not have: %s" % (where, want.target, name.model, hint)
    close = catalogue.near(name.model, list(data.families()))
    hint = " (near ones: %s)" % ", ".join(close) if close else ""
    return "%s is '%s', which the catalogue does not have%s: %s" % (
        where,
        want.target,
        hint,
        _hint(sources),
    )
