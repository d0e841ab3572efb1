# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of the catalogue as metadata: the same dict that a GGUF header gives, with `source: catalogue` or `estimate`."""

from __future__ import annotations

import difflib
import functools
import re

from .. import data
from ..model.shape import Shape

# A row without published bytes is parameters times the mean bits of its file type; that is worth 10 % more or less.
ESTIMATE_MARGIN = 1.10
# Files with one type for all matrices follow from the parameters; only headers and norms are left to chance.
_UNIFORM = {"F32", "F16", "BF16", "Q8_0"}
_UNIFORM_MARGIN = 1.01
_SIZE = re.compile(r"(?:^|[-_])(\d+(?:\.\d+)?)([bm])(?:[-_]|$)")
_FILE_KEYS = ("tied", "header_bytes", "vision_bytes", "embedding_type", "per_layer_embedding")
_ROW_KEYS = (*_FILE_KEYS, "architecture", "unverified")


def _shape_metadata(shape):
    """An entry of shapes.yml under the names that a GGUF header uses."""
    arch = shape["architecture"]
    found = {"general.architecture": arch, "tokenizer.ggml.tokens.count": shape["vocab_size"]}
    for key, value in shape.items():
        if key not in _ROW_KEYS:
            found["%s.%s" % (arch, key)] = value
    for key in _FILE_KEYS:
        if key in shape:
            found[key] = shape[key]
    return found


def _not_rounded(gigabytes):
    """The most bytes that a page prints so: it shows two digits of gigabytes, or whole megabytes."""
    step = 0.001 if gigabytes < 1 else 0.1 if gigabytes < 10 else 1
    return round((gigabytes + step / 2) * 10**9)


class Tag:
    """One tag of a family, its metadata made once and its shape with it."""

    def __init__(self, family, row):
        self.family, self.row = family, row
        self.name = "%s:%s" % (family, row["tag"])
        self.size, self.quantization = row["size"], row["quantization"]
        self.quality = data.load("quality")["weight_types"].get(self.quantization.upper(), {"loss": 2.0, "choose": False})
        self.embedding = bool(row.get("embedding"))
        rounded = "gigabytes" in row
        computed = "bytes" not in row and not rounded
        uniform = self.quantization.upper() in _UNIFORM
        self.estimated = computed and not uniform
        self.download_bytes = row.get("bytes")
        if rounded:
            self.download_bytes = _not_rounded(row["gigabytes"])
        elif computed:
            bits = data.load("quality")["file_types"][self.quantization.upper()]["bits"]
            self.download_bytes = int(row["parameters"] * bits / 8 * (_UNIFORM_MARGIN if uniform else ESTIMATE_MARGIN))
        self.verified = not (computed or rounded or row.get("unverified") or data.load("shapes")[row["shape"]].get("unverified"))
        self.metadata = self._metadata()
        self.shape = Shape(self.metadata)

    def _metadata(self):
        shape = data.load("shapes")[self.row["shape"]]
        found = _shape_metadata(shape)
        if "context" in self.row:
            found[shape["architecture"] + ".context_length"] = self.row["context"]
        found.update({key: self.row[key] for key in _FILE_KEYS if key in self.row})
        found.update(
            {
                "quantization": self.quantization,
                "general.parameter_count": self.row["parameters"],
                "blob_bytes": self.download_bytes,
                "download_bytes": self.download_bytes,
                "digest": self.row.get("digest"),
                "requires": self.row.get("requires"),
                "source": "estimate" if self.estimated else "catalogue",
                "verified": self.verified,
            }
        )
        bare = Shape(found)
        found["tensor_bytes"] = {
            "layers": list(bare.layer_bytes),
            "output": bare.output_bytes,
            "input": bare.input_bytes,
            "vision": bare.vision_bytes,
            "experts": bare.expert_bytes,
            "tied": bare.tied,
        }
        return found

    @property
    def parameter_size(self):
        return human_count(self.row["parameters"])


def human_count(parameters):
    if not parameters:
        return None
    if parameters >= 10**9:
        return "%.1fB" % (parameters / 10**9)
    return "%dM" % round(parameters / 10**6)


@functools.cache
def family_tags(family):
    """Tags of a family, best first: its order of sizes, then the lightest loss of quality, then the name."""
    content = data.families().get(family)
    if content is None:
        return ()
    order = content["order"]
    tags = [Tag(family, row) for row in content["tags"]]
    return tuple(sorted(tags, key=lambda tag: (order.index(tag.size), tag.quality["loss"], tag.name)))


@functools.cache
def _names(family):
    names = {}
    for tag in family_tags(family):
        for alias in [tag.row["tag"]] + tag.row.get("also", []):
            names[alias.lower()] = tag
    return names


def find(family, tag):
    """The row that a tag or one of its other names means, else None."""
    return _names(family).get((tag or "latest").lower())


def tag_names(family):
    return sorted(alias for tag in family_tags(family) for alias in [tag.row["tag"]] + tag.row.get("also", []))


def near(word, words, count=3):
    """Words that a person may have meant."""
    lowered = {item.lower(): item for item in words}
    close = difflib.get_close_matches(str(word).lower(), list(lowered), n=count, cutoff=0.5)
    return [lowered[item] for item in close]


def in_the_cloud(tag):
    """Whether a tag names a model that runs at Ollama and has no weights."""
    return tag.lower().split("-")[-1] == "cloud"


def estimate(model, tag):
    """Metadata guessed from a tag such as 7b-instruct-q8_0: the family's model of that size, else a llama of that many parameters; 10 % larger.
    None if the tag does not say, or names a model that runs elsewhere."""
    if in_the_cloud(tag):
        return None
    parts = re.split("[-_]", tag.lower())
    relative = next((row for row in family_tags(model) if row.size in parts), None)
    match = _SIZE.search(tag.lower()) or _SIZE.search(model.lower())
    if not match and not relative:
        return None
    parameters = relative.row["parameters"] if relative else float(match.group(1)) * (10**9 if match.group(2) == "b" else 10**6)
    quantization = "Q4_K_M"
    for name in data.load("quality")["file_types"]:
        if tag.lower().endswith(("-" + name.lower(), "-fp16" if name == "F16" else "-" + name.lower())):
            quantization = name
    if relative:
        like = relative.row
    elif "embed" in model.lower() and parameters < 10**9:
        like = {"shape": "bge-m3"}
    else:
        like = min(data.load("quality")["like"], key=lambda row: abs(row["parameters"] - parameters))
    found = dict(_shape_metadata(data.load("shapes")[like["shape"]]))
    size = int(parameters * data.load("quality")["file_types"][quantization]["bits"] / 8 * ESTIMATE_MARGIN)
    found.update(
        {"quantization": quantization, "blob_bytes": size, "download_bytes": size, "digest": None, "source": "estimate", "verified": False}
    )
    return found
