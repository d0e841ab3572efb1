# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our memory against llama.cpp's own dry run, on every family, for two builds of llama.cpp.

Without this the formulas would only agree with the reading of a source; with it a drift of llama.cpp is seen before a model spills.
"""

from __future__ import annotations

import pytest
from ansible_collections.llmfleet.ollama.plugins.module_utils.model_header import gguf
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing import versions
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.model import memory
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.model.shape import Shape
from support import MIB, headers

EXACT = 0.0151  # MiB: the dry run prints two decimals
# A build of llama.cpp that aborts by itself: phi3 cuts K and V out of one matrix, which its quantized cache does not take.
REFUSED = {("phi4-14b", "q8_0", 4), ("phi4-14b", "q4_0", 4)}
UBATCH = {4096: 512, 8192: 1024, 32768: 1024, 131072: 2048}
MODELS = {model.label: model for model in headers.models()}


def runs(model):
    encoder = model.arch in ("bert", "nomic-bert")
    contexts = [model.keys["context_length"]] if encoder else list(UBATCH)
    for context in contexts:
        for flash in (True, False):
            for kind in ("f16",) if encoder or not flash else ("f16", "q8_0", "q4_0"):
                for parallel in (1,) if encoder else (1, 4):
                    yield context, min(context, 2048) if encoder else UBATCH[context], flash, kind, parallel


@pytest.mark.parametrize("label", MODELS)
def test_memory_equals_the_dry_run(build, note, tmp_path, label):
    model = MODELS[label]
    path = model.write(str(tmp_path / "m.gguf"))
    keys, tensors, _length, size = gguf.read_file(path)
    shape = Shape(dict(keys, tensors=tensors, blob_bytes=size, **{"tokenizer.ggml.tokens.count": model.d["vocab"]}))
    era = versions.era_of_build(build.build)
    wrong = []
    for context, ubatch, flash, kind, parallel in runs(model):
        answer = build.ask(
            path=path, context=context, parallel=parallel, ubatch=ubatch, flash_attention=flash, kv_cache_type=kind, embedding=shape.encoder
        )
        what = "context %d, ub %d, flash %s, %s, parallel %d" % (context, ubatch, flash, kind, parallel)
        if "error" in answer:
            if (label, kind, parallel) not in REFUSED:
                wrong.append("%s: the dry run failed: %s" % (what, answer["error"][-200:]))
            continue
        found = memory.memory(shape, memory.Settings(context, parallel, kind, kind, flash, ubatch, era))
        ours = (found.compute + found.mask) / MIB
        note(build.build, label, (context, parallel, ubatch, int(flash), kind), ours, answer)
        if abs(found.kv / MIB - answer["kv"]) > EXACT or abs(found.recurrent / MIB - answer["state"]) > EXACT:
            wrong.append("%s: KV %.2f, state %.2f MiB; llama.cpp %s" % (what, found.kv / MIB, found.recurrent / MIB, answer))
        less, more = headers.slack(label, build.build, flash, ubatch)
        if not less / MIB - EXACT <= ours - answer["compute"] <= more / MIB + EXACT:
            wrong.append("%s: compute %.2f MiB; llama.cpp %.2f" % (what, ours, answer["compute"]))
    assert not wrong, "\n".join(wrong[:8])


def test_weights_on_the_gpu_equal_the_dry_run(build, tmp_path):
    """Tied embeddings count once more, untied ones stay in host memory."""
    for label in ("llama-3b tied", "llama-8b", "gpt-oss-20b", "qwen35-9b hybrid", "gemma4-e2b", "gemma4-12b"):
        model = MODELS[label]
        path = model.write(str(tmp_path / "m.gguf"))
        keys, tensors, _length, size = gguf.read_file(path)
        shape = Shape(dict(keys, tensors=tensors, blob_bytes=size))
        answer = build.ask(path=path, context=4096, parallel=1, ubatch=512, flash_attention=True, kv_cache_type="f16")
        # The CPU holds a tied matrix once and reports the input layer with the rest.
        ours = shape.cpu_weights
        assert abs(ours / MIB - answer["model"]) <= 1.01, label


def test_what_is_estimated_is_an_upper_estimate(build, tmp_path):
    """Architectures without a described graph: cache and state exact, the compute buffer never less than llama.cpp's."""
    for model in headers.undescribed():
        path = model.write(str(tmp_path / "m.gguf"))
        keys, tensors, _length, size = gguf.read_file(path)
        shape = Shape(dict(keys, tensors=tensors, blob_bytes=size, **{"tokenizer.ggml.tokens.count": model.d["vocab"]}))
        for context, ubatch, flash, kind, parallel in runs(model):
            answer = build.ask(path=path, context=context, parallel=parallel, ubatch=ubatch, flash_attention=flash, kv_cache_type=kind, embedding=False)
            assert "error" not in answer, (model.label, answer)
            found = memory.memory(shape, memory.Settings(context, parallel, kind, kind, flash, ubatch, versions.era_of_build(build.build)))
            assert abs(found.kv / MIB - answer["kv"]) <= EXACT and abs(found.recurrent / MIB - answer["state"]) <= EXACT, (model.label, context, kind)
            assert (found.compute + found.mask) / MIB >= answer["compute"] - EXACT, (model.label, context, ubatch, flash, kind, parallel)
