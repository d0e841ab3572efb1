# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a row of the catalogue says beyond a shape: a rounded size, a context of its own, embeddings that stay in host memory.

Without these tests a row could be planned smaller than its file, or with the context of another file of the same dimensions.
"""

from __future__ import annotations

import pytest
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing import data
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.model import memory
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.source import catalogue


@pytest.mark.parametrize(("printed", "most"), [(18, 18_500_000_000), (9.6, 9_650_000_000), (0.622, 622_500_000)])
def test_a_rounded_size_is_planned_at_its_upper_end(printed, most):
    """The page's 18 GB may be 18.49: planned as 18.0 such a tag would spill."""
    row = {"tag": "x", "size": "x", "shape": "llama-8b", "quantization": "Q4_K_M", "parameters": 8030261248, "gigabytes": printed}
    tag = catalogue.Tag("f", row)
    assert tag.download_bytes == most and tag.metadata["source"] == "catalogue" and not tag.verified


def test_a_row_has_the_context_of_its_own_file():
    """devstral has mistral-small's dimensions and four times its training length; the 2507 files of qwen3 left 40960 behind."""
    trained = {name: catalogue.find(*name.split(":")).shape.context_train for name in (
        "devstral:24b", "mistral-small:24b", "qwen3:4b", "qwen3:4b-q4_K_M", "qwen3:30b", "qwen3:30b-a3b-q4_K_M", "magistral:24b",
    )}  # fmt: skip
    assert trained == {
        "devstral:24b": 131072, "mistral-small:24b": 32768, "qwen3:4b": 262144, "qwen3:4b-q4_K_M": 40960, "qwen3:30b": 262144,
        "qwen3:30b-a3b-q4_K_M": 40960, "magistral:24b": 40000,
    }  # fmt: skip


def test_embeddings_of_each_layer_stay_in_host_memory():
    """9.6 GB of gemma4:e4b run on a card of 6 GB: counted as layers, two thirds of it would be refused there."""
    shape = catalogue.find("gemma4", "e4b").shape
    assert shape.input_bytes > 262144 * 256 * 42 * 2 and shape.gpu_weights < 3.2e9
    assert shape.gpu_weights + shape.vision_bytes + shape.input_bytes < shape.file_bytes + 0.6e9


# Weights of the layers by their dimensions: feed-forward, attention (the last layers share the keys and values of others), and what an embedding of a layer
# passes. The projection of all of these is BF16.
LAYERS = {
    "e2b-it-qat": (3 * 1536 * (15 * 6144 + 20 * 12288) + 1536 * (28 * 4096 + 7 * 8192 + 12 * 512 + 3 * 1024) + 35 * 2 * 1536 * 256, 1536 * 8960),
    "e4b-it-qat": (3 * 2560 * 42 * 10240 + 2560 * (35 * 4096 + 7 * 8192 + 20 * 1024 + 4 * 2048) + 42 * 2 * 2560 * 256, 2560 * 10752),
}


@pytest.mark.parametrize("tag", LAYERS)
def test_google_s_small_qat_files_have_their_embeddings_in_q6_k(tag):
    """What is left of the file is the layers in Q4_0, to half a percent. With the F16 of gemma3's files half of the layers would be missing, and without
    the tag a machine with 8 GB is refused the chat model that everybody runs there."""
    shape = catalogue.find("gemma4", tag).shape
    quantized, projection = LAYERS[tag]
    assert shape.blocks_bytes == pytest.approx(quantized * 18 / 32 + projection * 2, rel=0.005)


def test_layers_that_only_feed_forward_hold_neither_cache_nor_state():
    """Nemotron 3 Nano has 23 states and 6 caches in 52 layers; a state for each layer without a head would be twice as much."""
    shape = catalogue.find("nemotron-3-nano", "30b").shape
    found = memory.memory(shape, memory.settings_for(shape, 8192))
    assert (sum(shape.recurrent), sum(1 for size in found.kv_layers if size)) == (23, 6)
    assert found.kv == 6 * 8192 * 2 * 2 * 128 * 2 and found.recurrent == 23 * 4 * (3 * (4096 + 2 * 8 * 128) + 128 * 4096)


def test_gemma4_caches_as_its_layers_attend():
    """8 layers of gemma4:12b see everything with one wide head, 40 a window with eight; choices.md's figure for the last is 192 MiB at 98304 tokens."""
    shape = catalogue.find("gemma4", "12b").shape
    found = memory.memory(shape, memory.settings_for(shape, 98304, ubatch=512))
    assert found.kv == 8 * 98304 * 2 * 512 * 2 + 40 * 1536 * 8 * 2 * 256 * 2


@pytest.mark.parametrize(
    ("name", "billions"),
    # Active parameters as the models' cards or names have them.
    [
        ("qwen3:30b", 3.3), ("qwen3:235b", 22), ("qwen3.6:35b", 3.0), ("qwen3.5:122b", 10), ("qwen3-coder-next:latest", 3.9), ("gemma4:26b", 3.8),
        ("glm-4.7-flash:latest", 3.9), ("nemotron-3-nano:30b", 3.5), ("llama4:scout", 17), ("deepseek-r1:671b", 37), ("gpt-oss:120b", 5.1),
    ],  # fmt: skip
)
def test_bytes_of_one_token_are_those_of_the_active_parameters(name, billions):
    """Speed is bandwidth over these bytes: shared experts, dense layers and states counted as experts would make a model look twice as fast."""
    tag = catalogue.find(*name.split(":"))
    bits = data.load("quality")["file_types"][tag.quantization]["bits"]
    expected = billions * 10**9 * bits / 8
    assert 0.7 * expected < tag.shape.active_bytes < 1.35 * expected, (tag.shape.active_bytes / 1e9, expected / 1e9)


def test_every_family_has_its_sizes_in_order_and_latest_only_once():
    """A size that the order lacks fails only on the host that wants that family, and a name that two rows claim takes whichever comes last."""
    for family, content in data.families().items():
        names = [name.lower() for row in content["tags"] for name in [row["tag"], *row.get("also", [])]]
        assert len(names) == len(set(names)), family
        assert {row["size"] for row in content["tags"]} == set(content["order"]), family


def test_families_of_2026_are_there():
    """A family that the catalogue lacks cannot be wanted; these are the ones that people ask for (choices.md, section 4)."""
    wanted = (
        "gemma4 qwen3.5 qwen3.6 qwen3.8 qwen3-next qwen3-coder-next qwen3-vl glm-4.7-flash muse-glimmer devstral devstral-small-2 magistral"
        " ministral-3 mistral-small3.1 mistral-small3.2 mistral-nemo nemotron-3-nano granite4 granite4.1 llama4 phi4-mini phi4-reasoning"
        " embeddinggemma qwen3-embedding snowflake-arctic-embed2 all-minilm"
    )
    assert set(wanted.split()) <= set(data.families())
    # Of these no source was found that tells sizes and layers.
    bare = (
        "codestral command-a command-r deepseek-ocr deepseek-v3 deepseek-v3.1 gemma2 gemma3n glm-ocr lfm2.5 mixtral nemotron-3-super olmo-3"
        " phi4-mini-reasoning qwen3.5-small"
    )
    assert set(bare.split()) <= set(data.load("by_header"))


def test_an_unknown_tag_of_a_known_family_is_estimated_by_its_size():
    """Taken for a dense llama of 35 billion parameters, qwen3.6's experts would get twenty times its cache and a tenth of its speed."""
    found = catalogue.estimate("qwen3.6", "35b-a3b-mtp-q4_K_M")
    known = catalogue.find("qwen3.6", "35b")
    assert found["general.architecture"] == "qwen35moe" and found["source"] == "estimate"
    assert known.download_bytes < found["blob_bytes"] < 1.15 * known.download_bytes


@pytest.mark.parametrize("tag", ["120b-cloud", "cloud"])
def test_a_model_that_runs_elsewhere_has_no_size_here(tag):
    """Nobody pulls 80 GB for a tag of 400 bytes."""
    assert catalogue.estimate("gpt-oss", tag) is None


def test_a_small_model_that_embeds_is_estimated_as_one():
    """As a llama it would be offered for chats and get a cache that it never has."""
    assert catalogue.estimate("some-embed-text", "335m")["general.architecture"] == "bert"
    assert catalogue.estimate("some-model", "335m")["general.architecture"] == "llama"
