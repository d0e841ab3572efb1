# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What llama.cpp said in the runs of tests/sizing_oracle, two builds, every architecture: our sums, to the hundredth of a mebibyte that it prints.

Without this test a change of the graphs would only be seen by who has a quarter of an hour and llama.cpp at hand.
"""

from __future__ import annotations

import csv
import os

import pytest
from ansible_collections.llmfleet.ollama.plugins.module_utils.model_header import gguf
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing import versions
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.model import memory
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.model.shape import Shape
from support import MIB, headers

MODELS = {model.label: model for model in headers.models()}
ROWS = {}
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "recorded_dry_runs.csv"), encoding="utf-8", newline="") as stream:
    for row in csv.reader(stream):
        ROWS.setdefault(row[1], []).append(row)


def test_every_model_and_both_builds_are_recorded():
    assert set(ROWS) == set(MODELS)
    assert all(len({row[0] for row in rows}) == 2 for rows in ROWS.values())


@pytest.mark.parametrize("label", MODELS)
def test_memory_equals_the_recorded_dry_run(tmp_path, label):
    path = MODELS[label].write(str(tmp_path / "m.gguf"))
    keys, tensors, _length, size = gguf.read_file(path)
    shape = Shape(dict(keys, tensors=tensors, blob_bytes=size, **{"tokenizer.ggml.tokens.count": MODELS[label].d["vocab"]}))
    wrong = []
    for build, _label, context, parallel, ubatch, flash, kind, kv, state, compute in ROWS[label]:
        settings = memory.Settings(int(context), int(parallel), kind, kind, flash == "1", int(ubatch), versions.era_of_build(int(build)))
        found = memory.memory(shape, settings)
        for part, ours, theirs in (("KV", found.kv, kv), ("state", found.recurrent, state), ("compute", found.compute + found.mask, compute)):
            less, more = headers.slack(label, int(build), flash == "1", int(ubatch)) if part == "compute" else (0, 0)
            if not less / MIB - 0.0151 <= ours / MIB - float(theirs) <= more / MIB + 0.0151:
                wrong.append("b%s %s: %s %.2f MiB, llama.cpp %s" % (build, settings[:6], part, ours / MIB, theirs))
    assert not wrong, "\n".join(wrong[:8])
