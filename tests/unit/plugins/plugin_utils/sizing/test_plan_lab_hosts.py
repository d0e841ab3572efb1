# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The three hosts of the lab with Ollama 0.9.3. Without these tests a change of the rules could move the tags that the lab serves."""

from __future__ import annotations

import pytest
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.plan import make_plan
from support import GIB

WANTED = [{"family": "deepseek-r1", "context": 8192, "min_context": 4096}]


def plan(vram, version="0.9.3", **policy):
    return make_plan(WANTED, policy, vram, version, ["catalogue"])


@pytest.fixture
def rtx_3060(make_machine, make_card):
    return make_machine(make_card())


@pytest.fixture
def two_rtx_3090(make_machine, make_card):
    return make_machine(*(make_card("NVIDIA GeForce RTX 3090", 24576, 316, i) for i in range(2)))


@pytest.fixture
def no_gpu(make_machine):
    return make_machine(limit=8 * 1024**3)


def test_a_12_gib_card_gets_14b_at_8192_tokens(rtx_3060):
    found = plan(rtx_3060)
    entry = found["models"][0]
    assert (entry["name"], entry["context"], entry["placement"], entry["kv_cache_type"]) == ("deepseek-r1:14b", 8192, "gpu", "f16")
    assert entry["reason"].startswith("14b fits 11.6 GiB at 8192 tokens with ")
    assert "32b would need" in entry["reason"]


def test_two_24_gib_cards_get_70b_with_what_lands_on_each(two_rtx_3090):
    entry = plan(two_rtx_3090)["models"][0]
    assert (entry["name"], entry["context"], entry["placement"]) == ("deepseek-r1:70b", 8192, "multi_gpu")
    assert [device["index"] for device in entry["devices"]] == [0, 1]
    for device in entry["devices"]:
        parts = sum(device[key] for key in ("weights_bytes", "kv_cache_bytes", "compute_bytes", "overhead_bytes", "margin_bytes"))
        assert parts == device["total_bytes"] <= device["budget_bytes"]
    assert sum(device["weights_bytes"] for device in entry["devices"]) == entry["memory"]["weights_bytes"]


def test_masks_and_what_the_cards_hand_on_exist_four_times(two_rtx_3090):
    """One mask of 70b at 8192 tokens is 2 * 512 * 8192 bytes (0.32.15); eight rows of its width come from the host and the card before."""
    entry = plan(two_rtx_3090, "0.32.15")["models"][0]
    assert entry["ubatch"] == 512
    one = 4 * 512 * (3 * 28672 + 4 * 8192) + 24 * 512 + 2 * 512 * 8192
    assert [device["compute_bytes"] - one for device in entry["devices"]] == pytest.approx(
        [3 * 2 * 512 * 8192 + 8 * 4 * 512 * 8192] * 2, abs=64
    )


def test_a_host_without_a_gpu_gets_a_small_tag_within_its_cgroup(no_gpu):
    entry = plan(no_gpu)["models"][0]
    assert (entry["name"], entry["placement"]) == ("deepseek-r1:1.5b", "cpu")
    assert entry["memory"]["total_bytes"] <= entry["budget_bytes"] == int(8 * GIB * 0.8)


def test_the_environment_holds_what_the_plan_assumed(rtx_3060, no_gpu):
    assert plan(rtx_3060)["environment"] == {
        "OLLAMA_CONTEXT_LENGTH": "8192",
        "OLLAMA_FLASH_ATTENTION": "1",
        "OLLAMA_KV_CACHE_TYPE": "f16",
        "OLLAMA_MAX_LOADED_MODELS": "1",
        "OLLAMA_NUM_PARALLEL": "1",
    }
    assert plan(no_gpu)["environment"]["OLLAMA_FLASH_ATTENTION"] == "0"  # 0.9.3 has none on the CPU


def test_only_variables_that_the_version_reads(rtx_3060):
    old = plan(rtx_3060, "0.5.4-ipexllm-20250407")
    assert "OLLAMA_CONTEXT_LENGTH" not in old["environment"]
    assert any("num_ctx" in warning for warning in old["warnings"])
    new = plan(rtx_3060, "0.32.15", fit_margin_bytes=512 * 1024**2)
    assert new["environment"]["LLAMA_ARG_FIT_TARGET"] == "512"
    assert "LLAMA_ARG_FIT_TARGET" not in plan(rtx_3060, fit_margin_bytes=512 * 1024**2)["environment"]


def test_a_loaded_model_of_our_own_does_not_change_the_plan(make_machine, make_card):
    busy = make_card(memory_used_bytes=10 * GIB, memory_free_bytes=GIB, memory_used_by=[{"name": "llama-server", "memory_bytes": 10 * GIB}])
    assert plan(make_machine(make_card())) == plan(make_machine(busy))


def test_memory_of_others_is_not_planned_with(make_machine, make_card):
    busy = make_card(memory_used_bytes=6 * GIB, memory_used_by=[{"name": "blender", "memory_bytes": 6 * GIB}])
    entry = plan(make_machine(busy))["models"][0]
    assert entry["memory"]["total_bytes"] <= entry["budget_bytes"] == (12288 - 368 - 6 * 1024) * 1024**2
    assert entry["tag"] != "14b"
