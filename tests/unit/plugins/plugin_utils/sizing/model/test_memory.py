# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Published dry runs and measurements as vectors. Without them a change of the memory model would only be seen when a model spills."""

from __future__ import annotations

import pytest
from ansible_collections.llmfleet.ollama.plugins.filter.gib import gib
from ansible_collections.llmfleet.ollama.plugins.filter.model_memory import model_memory
from ansible_collections.llmfleet.ollama.plugins.module_utils.model_header import gguf
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing import versions
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.errors import BadInput, MetadataError
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.machine import ollama_rules
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.model import allocator, graphs, memory
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.model.shape import Shape
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.source import catalogue
from support import MIB, headers


def metadata(name):
    family, _colon, tag = name.partition(":")
    return catalogue.find(family, tag).metadata


def mib(name, context, ubatch, **more):
    """(compute, KV, state) in MiB by llama.cpp b10566."""
    found = model_memory(metadata(name), context=context, ubatch=ubatch, build=10566, **more)
    return found["compute_bytes"] / MIB, found["kv_cache_bytes"] / MIB, found["recurrent_bytes"] / MIB


# llama.cpp's own dry run, b10566, CPU backend: context 4096 with micro-batch 512, then 32768 with 1024.
DRY_RUNS = [
    ("deepseek-r1:1.5b", 68.51, 112, 193.0, 896),
    ("deepseek-r1:7b", 143.0, 224, 342.0, 1792),
    ("deepseek-r1:8b-llama-distill-q4_K_M", 120.0, 512, 296.0, 4096),
    ("deepseek-r1:8b", 108.0, 576, 272.0, 4608),
    ("deepseek-r1:14b", 125.0, 768, 306.0, 6144),
    ("deepseek-r1:32b", 206.0, 1024, 468.0, 8192),
    ("deepseek-r1:70b", 236.0, 1280, 528.0, 10240),
    ("llama3.2:3b", 76.0, 448, 208.0, 3584),
    ("qwen3:30b", 92.0, 384, 240.0, 3072),
    ("gemma3:4b", 84.5, 80 + 174, 226.0, 640 + 232),
    ("gemma3:12b", 126.0, 256 + 480, 309.0, 2048 + 640),
    ("gemma3:27b", 171.0, 320 + 624, 399.0, 2560 + 832),
    ("gpt-oss:20b", 97.1, 96 + 18, 251.3, 768 + 30),
    ("gpt-oss:120b", 97.1, 144 + 27, 1152 + 45, None),
]


@pytest.mark.parametrize("name,compute,kv,compute_long,kv_long", DRY_RUNS)
def test_published_dry_runs(name, compute, kv, compute_long, kv_long):
    if kv_long is None:
        compute_long, kv_long = 251.3, compute_long
    assert mib(name, 4096, 512)[:2] == pytest.approx((compute, kv), abs=0.06)
    assert mib(name, 32768, 1024)[:2] == pytest.approx((compute_long, kv_long), abs=0.06)


@pytest.mark.parametrize(
    "name,context,ubatch,flash,compute",
    [
        ("deepseek-r1:8b-llama-distill-q4_K_M", 4096, 512, False, 308),
        ("deepseek-r1:8b-llama-distill-q4_K_M", 32768, 512, False, 2156),
        ("deepseek-r1:8b-llama-distill-q4_K_M", 131072, 2048, True, 976),
        ("deepseek-r1:14b", 4096, 512, False, 382),
        ("deepseek-r1:14b", 32768, 512, False, 2678),
        ("deepseek-r1:671b", 4096, 512, False, 1264),
        ("deepseek-r1:671b", 32768, 512, False, 8488),
        ("bge-m3:567m", 8192, 2048, True, 64.03),
        ("bge-m3:567m", 8192, 2048, False, 320.03),
        ("bge-m3:567m", 8192, 8192, True, 352.1),
        ("bge-m3:567m", 8192, 8192, False, 4544.1),
        ("mxbai-embed-large:335m", 512, 512, True, 14.51),
        ("mxbai-embed-large:335m", 512, 512, False, 29.01),
        ("nomic-embed-text:v1.5", 2048, 2048, True, 98.03),
        ("nomic-embed-text:v1.5", 2048, 2048, False, 256.03),
    ],
)
def test_without_flash_attention_and_encoders(name, context, ubatch, flash, compute):
    assert mib(name, context, ubatch, flash_attention=flash)[0] == pytest.approx(compute, abs=0.06)


def test_the_legacy_file_of_671b_keeps_a_full_cache_and_no_flash_attention():
    """A calculator that takes it for MLA is wrong by a factor of 71."""
    found = mib("deepseek-r1:671b", 4096, 512, flash_attention=True)
    assert found[1] == 19520 and found[0] == pytest.approx(1264, abs=0.06)
    assert Shape(metadata("deepseek-r1:671b")).flash_attention is False


def test_an_mla_file_is_known_by_its_key():
    keys = dict(metadata("deepseek-r1:671b"))
    keys.update(
        {"deepseek2.attention.key_length_mla": 192, "deepseek2.attention.value_length_mla": 128, "deepseek2.attention.head_count_kv": 1}
    )
    found = model_memory(keys, context=4096, ubatch=512, build=10566)
    assert found["kv_cache_bytes"] == 274.5 * MIB


@pytest.mark.parametrize(
    "name,weights",
    [
        ("deepseek-r1:7b", 4168.09),
        ("deepseek-r1:8b-llama-distill-q4_K_M", 4403.49),
        ("deepseek-r1:32b", 18508.35),
        ("llama3.2:3b", 1918.35),
        ("deepseek-r1:14b", 8148.4),
        ("deepseek-r1:70b", 39979.5),
    ],
)
def test_measured_weights_on_the_gpu(name, weights):
    assert Shape(metadata(name)).gpu_weights / MIB == pytest.approx(weights, abs=0.5)


def test_quantized_caches_have_their_true_size():
    exact = mib("deepseek-r1:14b", 4096, 512)[1]
    assert mib("deepseek-r1:14b", 4096, 512, kv_cache_type="q8_0")[1] == exact * 17 / 32
    assert mib("deepseek-r1:14b", 4096, 512, kv_cache_type="q4_0")[1] == exact * 9 / 32
    assert mib("deepseek-r1:14b", 4096, 512, kv_cache_type="q8_0/q4_0")[1] == exact * 13 / 32


def test_parallel_multiplies_the_cache_and_nothing_else():
    one, four = (model_memory(metadata("deepseek-r1:7b"), context=4096, parallel=n, ubatch=512) for n in (1, 4))
    assert four["kv_cache_bytes"] == 4 * one["kv_cache_bytes"]
    assert four["compute_bytes"] == one["compute_bytes"] and four["weights_bytes"] == one["weights_bytes"]


def test_recurrent_layers_have_a_state_and_no_cache():
    assert mib("qwen3.5:27b", 4096, 512)[1:] == (256.0, 149.625)
    assert mib("qwen3.5:9b", 4096, 512)[1:] == (128.0, 50.25)
    drafted = dict(metadata("qwen3.5:27b"), parameters={"draft_num_predict": 4})
    assert model_memory(drafted, context=4096, ubatch=512)["recurrent_bytes"] / MIB == pytest.approx(748.12, abs=0.01)


def test_per_layer_head_counts_and_layers_that_share_a_cache():
    keys = dict(metadata("deepseek-r1:7b"))
    keys["qwen2.attention.head_count_kv"] = [4] * 10 + [0] * 18
    assert model_memory(keys, context=4096, ubatch=512)["kv_cache_bytes"] == 10 * 4096 * 4 * 128 * 2 * 2
    keys["qwen2.attention.head_count_kv"] = 4
    keys["qwen2.attention.shared_kv_layers"] = 20
    assert model_memory(keys, context=4096, ubatch=512)["kv_cache_bytes"] == 8 * 4096 * 4 * 128 * 2 * 2


def test_an_explicit_window_pattern_is_preferred():
    keys = dict(metadata("gemma3:4b"))
    plain = model_memory(keys, context=32768, ubatch=512)["kv_cache_bytes"]
    keys["gemma3.attention.sliding_window_pattern"] = [True] * 33 + [False]
    assert model_memory(keys, context=32768, ubatch=512)["kv_cache_bytes"] < plain


@pytest.mark.parametrize(
    "name,buffer",
    [("deepseek-r1:8b-llama-distill-q4_K_M", 258.5), ("llama3.2:3b", 256.5), ("deepseek-r1:7b", 304), ("deepseek-r1:14b", 307)],
)
def test_older_builds_keep_the_logits_of_a_whole_batch(name, buffer):
    """Measured with Ollama before 0.30."""
    assert model_memory(metadata(name), context=4096, ubatch=512, ollama_version="0.9.3")["compute_bytes"] / MIB == pytest.approx(
        buffer, abs=0.5
    )


# (model, context, micro-batch, flash attention, cache) -> MiB of each card's compute buffer: llama.cpp's dry run on two Vulkan devices of
# Mesa's software rasterizer, build of 2026-08-30 (era ii). A plan that counts only the masks four times misses up to 8 * 4 * ub * E on each card.
PIPELINES = [
    ("deepseek-r1:8b-llama-distill-q4_K_M", 8192, 512, True, "f16", (164.04, 196.04)),
    ("deepseek-r1:8b-llama-distill-q4_K_M", 8192, 512, True, "q8_0", (164.35, 196.35)),
    ("deepseek-r1:8b-llama-distill-q4_K_M", 8192, 512, False, "f16", (700.02, 668.02)),
    ("deepseek-r1:8b", 16384, 1024, True, "f16", (368.08, 432.08)),
    ("deepseek-r1:14b", 8192, 512, True, "f16", (173.04, 213.04)),
    ("deepseek-r1:32b", 8192, 1024, True, "f16", (508.08, 588.08)),
    ("deepseek-r1:70b", 8192, 1024, True, "f16", (592.08, 720.08)),
    ("qwen3:30b", 131072, 512, True, "f16", (612.04, 628.04)),
    ("gemma3:12b", 8192, 512, True, "f16", (181.07, 211.07)),
    ("gemma3:27b", 32768, 1024, True, "f16", (682.14, 766.14)),
    ("phi4:14b", 8192, 512, True, "f16", (197.04, 237.04)),
    ("qwen3.5:9b", 8192, 512, True, "f16", (160.16, 192.16)),
]


@pytest.mark.parametrize("name,context,ubatch,flash,kind,cards", PIPELINES)
def test_each_card_of_a_pipeline_holds_copies_of_what_it_is_given(name, context, ubatch, flash, kind, cards):
    shape = Shape(metadata(name))
    settings = memory.settings_for(shape, context, 1, kind, flash, (0, 32, 15), ubatch, versions.era("ii"))
    found = memory.memory(shape, settings).pipeline / MIB
    assert max(cards) - 0.2 <= found <= 1.10 * max(cards)


def test_older_builds_keep_one_cache_for_all_sequences():
    """Measured with Ollama of June 2025: deepseek-r1:8b (Llama), four sequences of 2048 tokens, no flash attention: 560 MiB."""
    found = model_memory(
        metadata("deepseek-r1:8b-llama-distill-q4_K_M"), context=2048, parallel=4, flash_attention=False, ollama_version="0.9.3"
    )
    assert found["compute_bytes"] / MIB == pytest.approx(572, abs=0.1)


def test_each_version_has_its_era():
    names = [versions.era_of_ollama(versions.parse(text)).name for text in ("0.5.4-ipexllm-20250407", "v0.30.10", "0.30.11", "0.33.0-rc2")]
    assert names == ["i", "i", "ii", "ii"]
    assert [versions.era_of_build(build).name for build in (9294, 9781, 10566, 10809, 11063, 11368, 11434)] == ["i", "ii", "ii", "iii", "iii", "iii", "iv"]
    assert [versions.era_of_ollama(versions.parse(text)).name for text in ("0.34.1", "0.35.1", "0.40.0", "0.40.2")] == ["iii", "iii", "iii", "iv"]


def test_the_sum_and_its_parts_are_whole_numbers():
    found = model_memory(metadata("gemma3:12b"), context=8192, kv_cache_type="q8_0")
    parts = [value for key, value in found.items() if key not in ("total_bytes", "host_bytes")]
    assert found["total_bytes"] == sum(parts) and all(isinstance(value, int) for value in found.values())
    assert found["margin_bytes"] == 1024 * MIB and found["projector_bytes"] > 0
    assert model_memory(metadata("gemma3:12b"), ollama_version="0.9.3")["margin_bytes"] == 0


@pytest.mark.parametrize(
    "arguments,words",
    [
        ({"kv_cache_type": "q8_0", "flash_attention": False}, "needs flash attention"),
        ({"kv_cache_type": "q3_0"}, "write one of"),
        ({"context": 0}, "at least 1"),
        ({"ollama_version": "latest"}, "write a release"),
        ({"backend": "tpu"}, "write one of"),
    ],
)
def test_settings_that_cannot_be_are_refused(arguments, words):
    from ansible.errors import AnsibleFilterError

    with pytest.raises(AnsibleFilterError, match=words):
        model_memory(metadata("deepseek-r1:7b"), **arguments)


def test_metadata_without_dimensions_are_refused():
    with pytest.raises(MetadataError, match="general.architecture"):
        Shape({})
    with pytest.raises(MetadataError, match="block_count"):
        Shape({"general.architecture": "llama"})


def test_ollamas_own_legacy_estimate():
    """The unit anchor of its memory_test.go (v0.9.3): llama, E 4096, 32 heads, 5 layers, context 2048."""
    keys = {
        "general.architecture": "llama", "llama.block_count": 5, "llama.embedding_length": 4096, "llama.attention.head_count": 32,
        "llama.attention.head_count_kv": 32, "llama.feed_forward_length": 1, "tokenizer.ggml.tokens.count": 0,
        "tensor_bytes": {"layers": [0] * 5},
    }  # fmt: skip
    layer_kv, full, partial = ollama_rules.legacy_graph(Shape(keys), 2048, 1, "f16")
    assert (partial, full, layer_kv) == (202377216, 171968512, 33554432)


def test_the_micro_batch_is_ollamas():
    shape = Shape(metadata("deepseek-r1:14b"))

    def rule(context, available, flash=True, version=(0, 32, 15), of=shape):
        return ollama_rules.ubatch(of, context, 1, flash, version, available, available, "cuda")

    assert [rule(4096, 80 << 30), rule(8192, 80 << 30), rule(65536, 80 << 30)] == [512, 1024, 2048]
    assert rule(8192, 12 << 30) == 512  # too little room for its surcharge
    assert rule(8192, 80 << 30, flash=False) == 512 and rule(8192, 8 << 30, flash=False) == 256
    assert rule(65536, 80 << 30, version=(0, 9, 3)) == 512
    large = Shape(metadata("deepseek-r1:32b"))
    assert [rule(8192, available, of=large) for available in (29 * 10**9, 30 * 10**9)] == [512, 1024]  # three quarters of what is free


def test_cells_are_padded():
    assert mib("deepseek-r1:14b", 5000, 512)[1] == mib("deepseek-r1:14b", 5120, 512)[1]


def test_a_tied_embedding_is_loaded_a_second_time():
    tensors = [
        {"name": "token_embd.weight", "type": "Q6_K", "shape": [2560, 1000]},
        {"name": "output_norm.weight", "type": "F32", "shape": [2560]},
        {"name": "blk.0.attn_q.weight", "type": "Q4_K", "shape": [2560, 2560]},
        {"name": "v.blk.0.attn_q.weight", "type": "F16", "shape": [100, 100]},
    ]
    keys = {"general.architecture": "qwen3", "qwen3.block_count": 1, "qwen3.embedding_length": 2560, "tensors": tensors}
    tied = Shape(keys)
    assert tied.gpu_weights == 2560 * 1000 * 210 // 256 + 2560 * 4 + 2560 * 2560 * 144 // 256
    untied = Shape(dict(keys, tensors=tensors + [{"name": "output.weight", "type": "Q6_K", "shape": [2560, 1000]}]))
    assert untied.gpu_weights == tied.gpu_weights and untied.input_bytes == 2560 * 1000 * 210 // 256
    assert (tied.vision_bytes, tied.vocab) == (20000, 1000)
    with pytest.raises(ValueError, match="type 'Q9' of a tensor"):
        Shape(dict(keys, tensors=[dict(tensors[0], type="Q9")]))


def test_freed_ranges_are_reused_by_best_fit():
    """Of two holes the smaller one that is large enough is taken; first fit would need more."""
    graph = allocator.Graph()
    start = graph.input(32)
    first, wall = graph.node((64,), start), graph.node((8,), start)
    second, end = graph.node((32,), start), graph.node((8,), start)
    graph.node((8,), first, second)  # frees 256 and 128 bytes
    small = graph.node((32,), wall, end)
    large = graph.node((64,), wall, end)
    graph.node((8,), small, large)
    assert allocator.peak(graph) == 32 + 256 + 32 + 128 + 32


def test_bytes_for_people():
    assert [gib(value) for value in (12147483648, 0, 40 * MIB)] == ["11.3 GiB", "0.0 GiB", "40.0 MiB"]


def test_unknown_variables_have_a_reason():
    names = ["OLLAMA_HOST", "OLLAMA_NUM_GPU", "OLLAMA_VULKAN", "OLLAMA_INTEL_GPU", "HTTPS_PROXY", "OLLAMA_FOO"]
    told = {row["name"]: row["why"] for row in versions.unknown_variables(names, "0.12.11")}
    assert set(told) == {"OLLAMA_NUM_GPU", "OLLAMA_INTEL_GPU", "OLLAMA_FOO"}
    assert "num_gpu" in told["OLLAMA_NUM_GPU"] and "removed in 0.12.11" in told["OLLAMA_INTEL_GPU"]
    assert versions.unknown_variables(["OLLAMA_VULKAN"], "0.9.3")[0]["why"] == "it came with 0.12.11"


def test_every_row_of_the_catalogue_can_be_sized():
    """A typo in a data file would otherwise show on the host that wants that tag."""
    from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing import data

    for family in data.families():
        for tag in catalogue.family_tags(family):
            assert tag.size in data.families()[family]["order"]
            found = model_memory(tag.metadata, context=4096)
            on_card = found["weights_bytes"] + tag.shape.vision_bytes
            assert on_card <= tag.download_bytes and 0.8 * tag.download_bytes < on_card + tag.shape.input_bytes, tag.name
            assert found["projector_bytes"] == tag.shape.vision_bytes + memory.projector_compute(tag.shape)
            assert tag.shape.layer_bytes[0] > 0


def test_near_names_and_both_meanings_of_8b():
    assert catalogue.find("deepseek-r1", "latest").row["tag"] == "8b"
    assert catalogue.find("deepseek-r1", "8b").shape.architecture == "qwen3"
    assert catalogue.find("deepseek-r1", "8b-llama-distill-q4_K_M").shape.architecture == "llama"
    assert catalogue.near("deepsek-r1", ["deepseek-r1", "qwen3"]) == ["deepseek-r1"]
    with pytest.raises(BadInput, match="llm_models"):
        from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing import names

        names.parse("a/b/c/d:1", "llm_models[0].model")


def test_an_estimate_is_ten_percent_larger():
    guessed = catalogue.estimate("somebody", "8b-instruct-q8_0")
    assert guessed["source"] == "estimate" and guessed["download_bytes"] == int(8e9 * 8.5 / 8 * 1.1)
    assert catalogue.estimate("somebody", "big") is None
    assert memory.describe(Shape(guessed), memory.settings_for(Shape(guessed), 4096))["weights_bytes"] > 8e9


@pytest.mark.parametrize("parallel", [1, 4])
def test_the_operations_of_a_recurrent_layer(parallel):
    """As llama.cpp b10566 lists them for qwen3.5 35b-a3b at a micro-batch of 512, in KiB. They are not where the peak of a recorded run lies."""
    keys = {"block_count": 40, "embedding_length": 2048, "feed_forward_length": 512, "attention.head_count": 16, "attention.head_count_kv": 2}
    keys.update({"ssm.conv_kernel": 4, "ssm.state_size": 128, "ssm.group_count": 16, "ssm.inner_size": 4096, "ssm.time_step_rank": 32})
    shape = Shape(dict({"qwen35." + key: value for key, value in keys.items()}, **{"general.architecture": "qwen35", "blob_bytes": 10**10}))
    told = memory.Settings(4096, parallel, "f16", "f16", True, 512, versions.era("ii"))
    builder = graphs._Builder(shape, told, 4096, 4096)
    before = len(builder.g.nodes)
    builder.recurrent_layer(builder.x)
    found = [node.size // 1024 for node in builder.g.nodes[before:] if node.size]
    tail, state = 96 * parallel, 2048 * parallel
    assert found == [
        *(tail, 16384, 16384 + tail, state),  # the convolution's tail, Q K V in one, both joined, the state
        *(16384, 16384, 4096, 4096),  # convolution, its activation, normalized Q and K
        *(64, 64, 64, 64, 64, 64),  # decay (4 operations) and beta (2)
        *(8192 + state, 8192, 8192, 8192, 8192, 8192, 4096),  # the delta net, its norm, the gate, the product, the output
    ]


# MiB of weights that llama.cpp's dry run (b10566, the same with b11549) puts into system memory where there is no GPU, cut off below a MiB.
ON_CPU = {
    "llama-3b tied": 6128,
    "gemma4-31b": 61241,
    "gemma4-12b": 24632,
    "gemma4-e4b": 15515,
    "gemma4-e2b": 9596,
    "gemma4-26b-a4b": 49558,
}


@pytest.mark.parametrize("label", ON_CPU)
def test_weights_without_a_gpu(label, tmp_path):
    """The embeddings of gemma4's layers are two thirds of its small files, and were not counted there: hosts without a GPU were promised too much."""
    (model,) = (model for model in headers.models() if model.label == label)
    keys, tensors, _length, size = gguf.read_file(model.write(str(tmp_path / "m.gguf")))
    shape = Shape(dict(keys, tensors=tensors, blob_bytes=size))
    assert 0 <= shape.cpu_weights / MIB - ON_CPU[label] < 1.05


def test_the_catalogue_counts_the_embeddings_of_layers_on_a_cpu():
    """By the file's size: gemma4:e2b takes 7.2 GB of disk, of which 1 GB is its projector, and more than the rest of it in memory."""
    shape = catalogue.find("gemma4", "e2b").shape
    assert shape.cpu_weights > 7162405886 - shape.vision_bytes
    untied = catalogue.find("qwen3", "8b").shape
    assert untied.cpu_weights == untied.gpu_weights + untied.input_bytes


# What llama.cpp's dry run (b10566) took for architectures whose graphs are not described: KV cache and compute buffer in MiB.
SETTINGS = [(4096, 512, True, "f16"), (8192, 512, True, "q8_0"), (32768, 1024, True, "f16"), (131072, 2048, True, "f16"), (32768, 1024, False, "f16")]
ESTIMATED = {
    "glm4-9b": [(160, 116.26), (170, 112.34), (1280, 288.52), (5120, 961.05), (1280, 4306.02)],
    "llama4-scout": [(768, 106.12), (816, 114.27), (2832, 278.23), (7584, 944.46), (2832, 5400.21)],
    "granite4-7b-a1b-h": [(32, 49.26), (34, 53.34), (256, 154.52), (1024, 693.05), (256, 1698.02)],
}


@pytest.mark.parametrize("label", ESTIMATED)
def test_what_is_estimated_is_an_upper_estimate(label, tmp_path):
    """Below what llama.cpp takes, a model would lie partly on the CPU and nobody would know; far above it, none would be planned."""
    (model,) = (model for model in headers.undescribed() if model.label == label)
    keys, tensors, _length, size = gguf.read_file(model.write(str(tmp_path / "m.gguf")))
    shape = Shape(dict(keys, tensors=tensors, blob_bytes=size, **{"tokenizer.ggml.tokens.count": model.d["vocab"]}))
    assert not graphs.known(shape)
    for (context, ubatch, flash, kind), (kv, compute) in zip(SETTINGS, ESTIMATED[label], strict=True):
        found = memory.memory(shape, memory.Settings(context, 1, kind, kind, flash, ubatch, versions.era_of_build(10566)))
        assert found.kv / MIB == kv
        assert compute <= (found.compute + found.mask) / MIB <= 1.6 * compute
