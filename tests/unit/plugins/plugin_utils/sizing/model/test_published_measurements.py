# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What real devices printed (measurements/published.yml) against what is predicted. Without it the formulas would only agree with a dry run on a CPU."""

from __future__ import annotations

import pathlib

import pytest
import yaml
from ansible_collections.llmfleet.ollama.plugins.module_utils.defaults import FIT_MARGIN_BYTES
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing import data, versions
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.machine import placement
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.model import memory
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.model.shape import Shape
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.source import catalogue
from support import MIB

CONTENT = yaml.safe_load((pathlib.Path(__file__).parent / "measurements" / "published.yml").read_text(encoding="utf-8"))
PARTS = ("weights", "cache", "state", "compute")
USABLE = [row for row in CONTENT["rows"] if not row.get("unusable")]
HELD_OUT = [row for row in USABLE if not row.get("taught")]


def total(value):
    return sum(value) if isinstance(value, list) else value


def shape_of(row):
    if "model" in row:
        family, _colon, tag = row["model"].partition(":")
        return catalogue.find(family, tag).shape
    metadata = dict(CONTENT["shapes"].get(row["shape"]) or catalogue._shape_metadata(data.load("shapes")[row["shape"]]))
    metadata.pop("vision_bytes", None)  # the file of a projector is another one
    weights = round(total(row["weights"]) * MIB)
    return Shape({**metadata, "tensor_bytes": {"blocks": weights, "output": 0, "input": 0}})


def predicted(row):
    """(parts, what a plan counts beyond them) in MiB."""
    shape = shape_of(row)
    version = versions.parse(row["ollama"]) if "ollama" in row else versions.FIRST_FIT
    era = versions.era_of_ollama(version) if "ollama" in row else versions.era_of_build(row["build"])
    settings = memory.Settings(row["context"], row["parallel"], row["kv"], row["kv"], row["flash"], row["ubatch"], era)
    found = memory.memory(shape, settings)
    cards = len(row["compute"]) if isinstance(row.get("compute"), list) else 1
    parts = {
        "weights": found.weights,
        "cache": found.kv,
        "state": found.recurrent * row.get("unified", 1),
        "compute": found.pipeline * cards if cards > 1 else found.compute + found.mask,
    }
    beyond = found.dequantized * cards
    if not era.vocab_outputs and row["runs"].startswith(("CUDA", "ROCm")):
        parts["compute"], beyond = parts["compute"] + beyond, 0
    if version < versions.FIRST_FIT:
        load = placement.Load(row["context"], row["parallel"], row["kv"], row["kv"], row["flash"])
        need = placement.single_need(shape, load, placement.Rules(version, era, 0), 24 << 30, "cuda", False)[0]
        beyond = max(beyond, need - memory.OVERHEAD["cuda"] - sum(parts.values()))
    return {part: size / MIB for part, size in parts.items()}, beyond / MIB


def compare(row):
    """(error of each printed part, of their sum, MiB that a plan counts above the sum); errors as shares of the measured sum."""
    parts, beyond = predicted(row)
    printed = {part: total(row[part]) for part in PARTS if part in row}
    whole = row.get("total", sum(printed.values()))
    said = sum(parts.values()) if "total" in row else sum(parts[part] for part in printed)
    errors = {part: (parts[part] - printed[part]) / whole if part in printed else None for part in PARTS}
    return errors, (said - whole) / whole, said + beyond - whole


def percent(value):
    return "%+8.2f" % (100 * value) if value is not None else "       -"


def test_the_table():
    lines = ["%-46s %s" % ("error in percent of the measured bytes", " weights   cache   state compute     sum   plan + MiB")]
    for row in USABLE:
        errors, whole, spare = compare(row)
        name = "%s %s %dx%d %s" % (row.get("model") or row["shape"], row["runs"].split(",")[0], row["parallel"], row["context"], row["kv"])
        parts = "".join(percent(errors[part]) for part in PARTS)
        lines.append("%-46s %s%s %8.1f %s" % (name, parts, percent(whole), spare, "taught" if row.get("taught") else ""))
    wrong = [abs(compare(row)[1]) for row in HELD_OUT]
    mean = sum(wrong) / len(wrong)
    lines.append("%d rows, %d held out: mean %.2f %%, largest %.2f %%" % (len(CONTENT["rows"]), len(wrong), 100 * mean, 100 * max(wrong)))
    print("\n".join(lines))
    assert len(wrong) >= 40
    assert mean <= 0.01 and max(wrong) <= 0.03


@pytest.mark.parametrize("row", USABLE, ids=lambda row: "%s-%s-%s" % (row.get("model") or row["shape"], row["context"], row["runs"]))
def test_no_run_took_more_than_a_plan_counts(row):
    """Not one false 'fits': without the device's overhead, and with no more than a tenth of the margin that each card keeps free."""
    cards = len(row["weights"]) if isinstance(row.get("weights"), list) else 1
    keeps = 0 if "ollama" in row else cards * FIT_MARGIN_BYTES / 10 / MIB
    assert compare(row)[2] >= -keeps - 0.01
