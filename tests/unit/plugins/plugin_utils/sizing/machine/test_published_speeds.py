# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Predicted tokens a second against published runs (published_speeds.csv: the half that the constants were fitted on; its sources stand in it)."""

from __future__ import annotations

import collections
import csv
import pathlib
import statistics

import pytest
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing import data
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.machine import bandwidth, speed
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.source import catalogue

RUNS = pathlib.Path(__file__).with_name("published_speeds.csv")
EXPERTS_OF = {"gpt-oss-20b": "20b", "gpt-oss-120b": "120b"}
ROUGH = {"cpu": 0.35, "metal-m1": 0.35, "in RAM": 0.35, "cpu-apple": 1.0}  # of Apple's CPU three runs with four threads are all; its GPU is what is used


def _number(row, key):
    return float(row[key] or 0)


def predicted(row):
    """What the plan would say of a published run."""
    read, layers = _number(row, "active_bytes"), _number(row, "layers")
    moe, hybrid, cache = bool(_number(row, "moe")), bool(_number(row, "hybrid")), _number(row, "kv_bytes")
    cores = int(row["threads"]) if row["threads"] else None
    if row["class"].startswith("cpu"):
        return 1 / speed.seconds((), speed.InRam(read + cache, 0, moe), _number(row, "bandwidth") * 1e9, cores)
    known = data.load("bandwidth")["classes"][row["class"]]
    found = bandwidth.row_of(row["device"]) or {}
    pace = bandwidth.Pace(_number(row, "bandwidth") * 1e9, found.get("efficiency", known["efficiency"]), known["launch_us"] / 1e6)
    share, ram, away = _number(row, "ram_share"), None, 0
    if share and moe:  # experts in RAM
        shape = catalogue.find("gpt-oss", EXPERTS_OF[row["model"]]).shape
        away = read * share * (shape.expert_bytes * shape.experts_used / shape.experts) / shape.active_bytes
        ram = speed.InRam(away, share * layers)
    elif share:
        away = read * share
        ram = speed.InRam(away, share * layers)
        layers -= share * layers
    cards = int(row["cards"])
    parts = [speed.Part((read + cache - away) / cards, layers / cards, pace)] * cards
    return 1 / speed.seconds(parts, ram, _number(row, "ram_bandwidth") * 1e9, cores, moe, hybrid)


@pytest.fixture(scope="module")
def errors():
    """{class: [predicted / measured - 1 of each cell]}; runs of the same cell count once."""
    cells = collections.defaultdict(list)
    with RUNS.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            kind = "in RAM" if row["ram_share"] else row["class"]
            key = (kind, row["device"], row["model"], row["quantization"], row["cards"], row["context"], row["ram_share"])
            cells[key].append(predicted(row) / float(row["measured_tps"]) - 1)
    found = collections.defaultdict(list)
    for key, several in cells.items():
        found[key[0]].append(statistics.median(several))
    for kind, each in sorted(found.items()):
        sizes = [abs(one) for one in each]
        print("%-15s %3d cells, median %5.1f %%, worst %+6.1f %%" % (kind, len(each), 100 * statistics.median(sizes), 100 * max(each, key=abs)))
    return found


def test_all_gpus_together_keep_to_the_error_that_is_documented(errors):
    """Without it a changed constant or term could double the error and every other test would still be green."""
    gpus = sorted(abs(one) for kind, each in errors.items() if not kind.startswith("cpu") for one in each)
    assert len(gpus) > 200
    assert statistics.median(gpus) <= 0.15
    assert sum(one <= 0.35 for one in gpus) >= 0.9 * len(gpus)


def test_each_class_is_as_good_as_it_is_said_to_be(errors):
    """A class that is fitted for another one's cost would show here only; those that are known to be rough are held to less."""
    medians = {kind: statistics.median(abs(one) for one in each) for kind, each in errors.items()}
    assert {kind: size for kind, size in medians.items() if size > ROUGH.get(kind, 0.15)} == {}
