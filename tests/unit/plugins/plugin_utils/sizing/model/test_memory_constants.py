# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Terms that no dry run on a CPU shows: overheads, margins, host memory, thresholds, and the formula of architectures without a graph.

Without these tests each of them could change by a factor while every comparison with llama.cpp stays green.
"""

from __future__ import annotations

import pytest
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing import plan
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.model import graphs, memory
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.model.shape import Shape
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.source import catalogue
from support import MIB

QWEN3_8B = catalogue.find("qwen3", "8b").shape


def settings(shape=QWEN3_8B, **more):
    return memory.settings_for(shape, **dict({"context": 8192, "ubatch": 512}, **more))


@pytest.mark.parametrize(("backend", "overhead"), [("cuda", 460), ("rocm", 460), ("vulkan", 460), ("metal", 512), ("cpu", 0)])
def test_what_a_backend_takes_outside_of_every_buffer(backend, overhead):
    """Largest measured context of CUDA (456 MiB); Ollama's own minimum for Metal."""
    assert memory.describe(QWEN3_8B, settings(), backend=backend)["overhead_bytes"] == overhead * MIB


def test_a_quantized_cache_is_unpacked_one_layer_at_a_time():
    """8192 tokens × 8 heads × (128 + 128) × 2 bytes."""
    found = memory.describe(QWEN3_8B, settings(kv_cache_type="q8_0"))
    assert found["overhead_bytes"] == 460 * MIB + 8192 * 8 * 256 * 2


@pytest.mark.parametrize(("tag", "context", "mib"), [("12b", 98304, 192), ("26b", 262144, 1024), ("31b", 131072, 1024)])
def test_of_layers_that_differ_the_widest_is_unpacked(tag, context, mib):
    """gemma4's many heads stand in the layers with a window: taken for the long ones, 3 GiB of a card would be kept free for nothing."""
    shape = catalogue.find("gemma4", tag).shape
    assert memory.memory(shape, settings(shape, context=context, kv_cache_type="q8_0")).dequantized == mib * MIB


@pytest.mark.parametrize(
    ("family", "tag", "measured"),
    # MiB that servers' logs show beside the projector's weights
    [("qwen3.6", "27b", 248.10), ("gemma4", "31b", 427.0)],
)
def test_a_projector_has_room_for_its_largest_image(family, tag, measured):
    """An image that finds no room in the margin moves layers to the CPU, or fails."""
    assert memory.projector_compute(catalogue.find(family, tag).shape) >= measured * MIB


def test_a_projector_that_nobody_measured_takes_a_share_of_its_weights():
    """Qwen2.5-VL 7b: 704.79 MiB measured beside 1,290 MiB of weights; a text model takes nothing."""
    keys = {"block_count": 28, "embedding_length": 3584, "feed_forward_length": 18944, "attention.head_count": 28, "attention.head_count_kv": 4}
    keys["vocab_size"] = 152064
    metadata = {"qwen25vl." + key: value for key, value in keys.items()}
    shape = Shape(dict(metadata, **{"general.architecture": "qwen25vl", "blob_bytes": 6 * 10**9, "vision_bytes": 1290 * MIB}))
    assert 704.79 * MIB < memory.projector_compute(shape) < 750 * MIB
    assert memory.projector_compute(QWEN3_8B) == 0


def test_the_margin_comes_with_llama_cpps_fit():
    """Ollama 0.30.0 is the first that leaves the layers to it; on a CPU nothing is fitted."""
    assert memory.describe(QWEN3_8B, settings(), (0, 30, 0))["margin_bytes"] == 1024 * MIB
    assert memory.describe(QWEN3_8B, settings(), (0, 29, 9))["margin_bytes"] == 0
    assert memory.describe(QWEN3_8B, settings(), (0, 30, 0), "cpu")["margin_bytes"] == 0


def test_what_stays_in_host_memory():
    """The embedding, the masks (2 bytes a cell and token) and the embedded tokens (4 bytes)."""
    found = memory.describe(QWEN3_8B, settings())
    assert found["host_bytes"] == QWEN3_8B.input_bytes + 2 * 512 * 8192 + 4 * 512 * 4096
    card = {"devices": [{"index": 0, "name": "card", "vendor": "nvidia", "uuid": "a", "memory_usable_bytes": 24 * 1024**3}]}
    made = plan.make_plan([{"model": "qwen3:8b", "context": 4096}], {}, card, "0.32.15", sources=("catalogue",))["models"][0]
    alone = memory.describe(QWEN3_8B, settings(context=made["context"], ubatch=made["ubatch"]))
    assert made["memory"]["host_bytes"] - alone["host_bytes"] == 512 * MIB  # the process itself


def test_a_sequence_is_padded_to_256_cells():
    def cache(context):
        return memory.memory(QWEN3_8B, settings(context=context)).kv

    assert cache(4096) < cache(4097) == cache(4352) < cache(4353)


@pytest.mark.parametrize(("context", "parallel", "ubatch"), [(4096, 1, 512), (4097, 1, 1024), (2048, 2, 512), (32768, 1, 1024), (16384, 3, 2048)])
def test_the_largest_micro_batch_of_ollamas_rule(context, parallel, ubatch):
    assert memory.default_ubatch(QWEN3_8B, context, parallel, (0, 32, 15)) == ubatch
    assert memory.default_ubatch(QWEN3_8B, context, parallel, (0, 29, 9)) == 512


def unknown(**more):
    keys = dict({"block_count": 4, "embedding_length": 2048, "feed_forward_length": 8192, "context_length": 8192, "attention.head_count": 16}, **more)
    keys.update({"attention.head_count_kv": 4, "vocab_size": 1000})
    metadata = {"starcoder2." + key: value for key, value in keys.items()}
    shape = Shape(dict(metadata, **{"general.architecture": "starcoder2", "blob_bytes": 10**9}))
    assert not graphs.known(shape)
    return shape


@pytest.mark.parametrize(
    ("shape", "flash", "words"),
    [
        (unknown(), True, 3 * 8192 + 5 * 2048 + 2048),
        (unknown(), False, 4096 * 16 + 6 * 2048 + 2 * 2048 + 2 * 4 * 128),
        (unknown(expert_count=8, expert_used_count=2, expert_feed_forward_length=3000), True, 2 * 9000 + 6 * 2048 + 2048),
        (unknown(expert_count=8, expert_used_count=2, expert_feed_forward_length=1000), True, 2 * 4096 + 6 * 2048 + 2048),
    ],
)
def test_an_architecture_without_a_graph_takes_the_plain_transformers_terms(shape, flash, words):
    """Words of 4 bytes for each token of the micro-batch, and a quarter more: the bare terms were short of gemma4, qwen3vl and nemotron-h."""
    found = memory.memory(shape, settings(shape, context=4096, flash_attention=flash))
    assert (found.compute, found.mask) == (5 * 512 * words, (2 if flash else 4) * 512 * 4096)


def test_that_formula_is_not_below_what_is_known():
    """Every dense and expert graph that is described, as if it were not."""
    for family in ("qwen2.5", "llama3.1", "llama3.2", "qwen3"):
        for tag in catalogue.family_tags(family):
            for flash in (True, False):
                told = settings(tag.shape, context=4096, flash_attention=flash)
                found = memory.memory(tag.shape, told)
                assert memory._formula(tag.shape, told, 4096) >= found.compute, (tag.name, flash)
