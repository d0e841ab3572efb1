# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What llama-server keeps in system memory while it works. Without these tests a host would be killed for lack of memory days after its plan."""

from __future__ import annotations

import itertools

import pytest
from ansible_collections.llmfleet.ollama.plugins.module_utils.model_header import gguf
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.machine import prompt_cache
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.machine.placement import Load, Rules, on_cpu
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.model.shape import Shape
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.plan import make_plan
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.versions import era
from hypothesis import given, settings
from hypothesis import strategies as st
from support import GIB, MIB, headers, machines

# SmolLM2-135M-Instruct, Q4_1, as Ollama 0.32.15 with llama.cpp b10488 served it on a CPU (92.10 MiB of weights, 90 MiB of cache at 4096 tokens).
SMOLLM2 = {
    "general.architecture": "llama",
    "llama.block_count": 30,
    "llama.embedding_length": 576,
    "llama.feed_forward_length": 1536,
    "llama.attention.head_count": 9,
    "llama.attention.head_count_kv": 3,
    "llama.context_length": 8192,
    "llama.vocab_size": 49152,
    "tensor_bytes": {"blocks": 66405120, "input": 30081024, "output": 30168576, "tied": True},
    "quantization": "Q4_1",
}
# Resident MiB of its llama-server after 0, 1, 2, … new prompts of 4098 tokens at 8192 tokens of context; /api/ps said 315 MiB all the while.
GROWING = (308, 348, 440, 531, 621, 711, 801, 891, 981, 1071, 1162, 1252, 1342, 1432, 1522)
LIMITED = (308, 348, 439, 530, 531, 531, 531)  # LLAMA_ARG_CACHE_RAM=200


@pytest.fixture
def smollm2():
    shape = Shape(SMOLLM2)
    placed = on_cpu(shape, Load(8192, 1, "f16", "f16", True), Rules((0, 32, 15), era("ii"), GIB), 64 * GIB)
    return prompt_cache.Resident(shape, placed, False)


def plan(vram, *wants, version="0.32.15", **policy):
    found = make_plan(list(wants), policy, vram, version, ["catalogue"])
    assert found["ok"], found["errors"]
    return found


def test_a_real_server_grew_by_the_state_of_each_prompt(smollm2):
    """Were a state counted wrong, limits would be wrong by the same factor."""
    state = prompt_cache.state_bytes(smollm2)
    assert state == 180 * MIB
    grown = [after - before for before, after in itertools.pairwise(GROWING[1:])]
    assert all(abs(step - state / MIB * 4098 / 8192) <= 2 for step in grown)


def test_the_state_of_a_prompt_is_that_of_one_sequence(smollm2):
    """Four requests at once have four caches; a limit that had to hold all of them would be 0 on hosts with room for dozens of prompts."""
    four = smollm2.placed._replace(settings=smollm2.placed.settings._replace(parallel=4))
    assert prompt_cache.state_bytes(smollm2._replace(placed=four)) == prompt_cache.state_bytes(smollm2) == 180 * 1024**2


def test_a_real_server_stayed_below_what_the_plan_says(smollm2):
    """The sum is only worth something if resident size never passes it."""
    taken = prompt_cache.host_bytes(smollm2) // MIB
    assert max(LIMITED) <= taken + 200
    assert max(GROWING) <= taken + prompt_cache.DEFAULT_LIMIT // MIB
    assert max(GROWING) > taken + 200  # and without the variable it passes it


# Resident MiB of llama.cpp's server (b10566, on a CPU) after each of twenty prompts of 1,000 tokens, no two of which begin alike, with a model whose full
# context of 1,024 takes 64 MiB: without a limit, with that of a machine with 200 MiB beside the model, and of one with 40. tests/sizing_oracle does it anew.
TWENTY = (142, 204, 267, 330, 392, 455, 517, 580, 642, 705, 767, 830, 892, 955, 1017, 1080, 1142, 1205, 1267, 1330)
TWENTY_LIMITED = {200: (142, 204, 267, *[330] * 17), 40: (142,) * 20}


@pytest.mark.parametrize("room", TWENTY_LIMITED)
def test_twenty_prompts_stayed_below_what_the_plan_says(room, tmp_path):
    """Enough for three prompts, and for none: the server kept that many and took no more than planned, which it would have without the variable."""
    model = headers.Model("plain", "llama", 4, 64, 128, 32, 32, 1024, 4096, dk=128)
    keys, tensors, _length, size = gguf.read_file(model.write(str(tmp_path / "m.gguf")))
    shape = Shape(dict(keys, tensors=tensors, blob_bytes=size))
    placed = on_cpu(shape, Load(1024, 1, "f16", "f16", True), Rules((0, 32, 15), era("ii"), GIB), 64 * GIB)
    resident = prompt_cache.Resident(shape, placed, False)
    taken = prompt_cache.host_bytes(resident)
    found = prompt_cache.plan([resident], -(-(taken + room * MIB) * 5 // 4))
    assert (found.limit, found.state) == ((room if room >= 64 else 0) * MIB, 64 * MIB)
    sizes = TWENTY_LIMITED[room]
    assert max(sizes) * MIB <= taken + found.limit < TWENTY[-1] * MIB
    kept = (sizes[-1] - sizes[0]) * MIB
    assert found.limit - found.state < kept <= found.limit
    assert all(abs(after - before - 64 * 1000 / 1024) <= 1 for before, after in itertools.pairwise(TWENTY))


@pytest.mark.parametrize(
    "free,limit",
    # By hand: what is left beside the model, down to whole MiB, if one state of 180 MiB fits; never above the server's own 8 GiB.
    [(179 * MIB, 0), (180 * MIB, 180), (200 * MIB + 1000, 200), (7 * GIB, 7168), (9 * GIB, 8192)],
)
def test_it_gets_what_is_left(smollm2, free, limit):
    """A limit below one state buys nothing, and older builds keep one state above any limit: then none are kept."""
    ram = -(-(prompt_cache.host_bytes(smollm2) + free) * 5 // 4)
    found = prompt_cache.plan([smollm2], ram)
    assert (found.limit // MIB, found.checkpoints, found.state) == (limit, None, 180 * MIB)


def test_models_that_stay_loaded_share_it_and_models_in_turns_do_not(smollm2):
    """Each server has its own limit, and all have one variable."""
    ram = -(-(2 * prompt_cache.host_bytes(smollm2) + 4 * GIB) * 5 // 4)
    assert prompt_cache.plan([smollm2] * 2, ram).limit == 2 * GIB
    alone = prompt_cache.plan([smollm2] * 2, ram, in_turns=True)
    assert alone.limit == (4 * GIB + prompt_cache.host_bytes(smollm2)) // MIB * MIB


def test_an_embedding_model_keeps_nothing_and_takes_no_share(make_machine, make_card):
    """Only prompts that are answered are kept; counted as a second one, it would halve the first one's part."""
    small = make_machine(make_card(), ram=10)
    alone = plan(small, {"model": "llama3.2:3b"})["models"][0]["memory"]
    both = plan(small, {"model": "llama3.2:3b"}, {"model": "nomic-embed-text"})
    chat, embed = both["models"]
    assert 0 < alone["prompt_cache_bytes"] - chat["memory"]["prompt_cache_bytes"] < GIB
    assert embed["memory"]["prompt_cache_bytes"] == embed["memory"]["checkpoints_bytes"] == 0
    assert "earlier prompts may take" in chat["reason"] and "earlier prompts" not in embed["reason"]


def test_with_room_for_all_of_it_the_servers_own_limit_is_written(make_machine, make_card):
    """A later release may have another default, and then the plan would not be true. No word is lost on it."""
    found = plan(make_machine(make_card()), {"family": "deepseek-r1"})
    assert found["environment"]["LLAMA_ARG_CACHE_RAM"] == "8192" and "LLAMA_ARG_CTX_CHECKPOINTS" not in found["environment"]
    assert found["models"][0]["memory"]["prompt_cache_bytes"] == 8 * GIB
    assert "earlier prompts" not in found["models"][0]["reason"]


def test_a_host_without_a_gpu_pays_for_model_and_prompts_from_one_memory(make_machine):
    """Here the cache decides: 8 GiB more than planned would kill the server."""
    found = plan(make_machine(ram=12), {"model": "qwen3:8b", "context": 8192})
    entry = found["models"][0]
    kept = entry["memory"]["prompt_cache_bytes"]
    assert GIB < kept < 8 * GIB and found["environment"]["LLAMA_ARG_CACHE_RAM"] == str(kept // MIB)
    assert 12 * GIB * 4 // 5 - MIB < entry["memory"]["host_bytes"] + kept <= 12 * GIB * 4 // 5
    assert entry["reason"].endswith("; earlier prompts may take %.1f GiB of the RAM that is left" % (kept / GIB))


def test_where_not_one_prompt_fits_none_is_kept_and_the_reason_says_so(make_machine):
    found = plan(make_machine(ram=9), {"model": "qwen3:8b", "context": 8192}, kv_cache_types=["f16"])
    assert found["environment"]["LLAMA_ARG_CACHE_RAM"] == "0" and found["models"][0]["memory"]["prompt_cache_bytes"] == 0
    assert "; it keeps no earlier prompts, of which one takes up to 1.1 GiB of the " in found["models"][0]["reason"]


def test_unified_memory_is_one_pool_for_model_and_prompts(make_machine, make_card):
    """A GB10 or a Mac has no second memory for what is kept."""
    card = make_card("NVIDIA GB10", 128 * 1024, 0, unified=True, type="integrated")
    small, large = (plan(make_machine(card, ram=128), {"model": name})["models"][0]["memory"] for name in ("qwen3:8b", "llama3.3:70b-instruct-q8_0"))
    assert small["prompt_cache_bytes"] == 8 * GIB
    taken = large["total_bytes"] - large["margin_bytes"] + 512 * MIB
    assert large["prompt_cache_bytes"] == min(8 * GIB, (128 * GIB * 4 // 5 - taken) // MIB * MIB)


def test_windows_and_states_are_kept_besides(make_machine, make_card):
    """gemma 3 and Qwen 3.5 copy their windows and states up to 32 times for each slot; on a small host fewer, and half is left to prompts."""
    large, small = (plan(make_machine(make_card("RTX 3090", 24576, 316), ram=ram), {"model": "gemma3:12b"}) for ram in (128, 16))
    assert large["environment"]["LLAMA_ARG_CTX_CHECKPOINTS"] == "32"
    each = large["models"][0]["memory"]["checkpoints_bytes"] // 32
    # 40 of the 48 layers have a window of 1024 tokens and a micro-batch of 512, or 1024, above it; 8 heads of 256 for keys and for values.
    ubatch = large["models"][0]["ubatch"]
    assert each == 40 * (1024 + ubatch) * 2 * 8 * 256 * 2
    count = int(small["environment"]["LLAMA_ARG_CTX_CHECKPOINTS"])
    memory = small["models"][0]["memory"]
    assert 0 < count < 32 and memory["checkpoints_bytes"] == count * each
    room = 16 * GIB * 4 // 5 - memory["host_bytes"]
    assert memory["checkpoints_bytes"] <= room // 2 < memory["checkpoints_bytes"] + each
    assert memory["checkpoints_bytes"] + memory["prompt_cache_bytes"] <= room


@pytest.mark.parametrize("version,written", [("0.5.4", False), ("0.9.3", False), ("0.24.0", False), ("0.30.0", True), ("0.32.15", True)])
def test_only_releases_whose_models_are_llama_servers_are_told(make_machine, make_card, version, written):
    """Before 0.30.0 nobody reads the variables, and each would be reported as unread."""
    found = plan(make_machine(make_card(), ram=16), {"model": "gemma3:4b"}, version=version)
    assert ("LLAMA_ARG_CACHE_RAM" in found["environment"]) is ("LLAMA_ARG_CTX_CHECKPOINTS" in found["environment"]) is written
    assert (found["models"][0]["memory"]["prompt_cache_bytes"] is not None) is written


def test_unknown_memory_is_not_guessed(make_card):
    """A card that was described by hand says nothing of the host's memory."""
    found = plan({"devices": [make_card()]}, {"model": "llama3.2:3b"})
    assert "LLAMA_ARG_CACHE_RAM" not in found["environment"] and found["models"][0]["memory"]["prompt_cache_bytes"] is None


def test_what_our_own_servers_hold_does_not_move_the_plan(make_machine):
    """A cache that has filled up is gone from what is free; a plan that followed it would change, restart the service and change back."""
    wanted = {"family": "qwen3", "context": 8192}
    idle, full = (plan(make_machine(ram=24, available=available), wanted) for available in (24, 2))
    assert idle == full


WANTS = st.lists(
    st.sampled_from(["gemma3:4b", "llama3.2:3b", "qwen3.5:9b", "gpt-oss:20b", "qwen3:8b", "nomic-embed-text"]).map(lambda name: {"model": name}),
    min_size=1, max_size=3, unique_by=lambda want: want["model"],
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.integers(6, 200), st.integers(0, 64), WANTS, st.integers(1, 4), st.sampled_from(["none", "card", "unified"]), st.booleans())
def test_nothing_that_is_kept_passes_four_fifths_of_the_memory(ram, more, wants, parallel, kind, in_turns):
    """And more memory never means that less is kept."""

    def planned(amount):
        cards = {
            "none": [],
            "card": [machines.card("card", 48 * 1024, 0)],
            "unified": [machines.card("soc", amount * 1024, 0, unified=True, type="integrated")],
        }[kind]
        policy = {"parallel": parallel, "resident": "one" if in_turns else "all"}
        return make_plan(wants, policy, machines.machine(*cards, ram=amount), "0.32.15", ["catalogue"])

    one, other = planned(ram), planned(ram + more)
    if not one["ok"]:
        return
    sums = []
    for entry in one["models"]:
        memory = entry["memory"]
        own = memory["host_bytes"]
        if kind == "unified":
            own = memory["total_bytes"] - memory["margin_bytes"] + 512 * MIB
        kept = memory["prompt_cache_bytes"] + memory["checkpoints_bytes"] if memory["prompt_cache_bytes"] is not None else 0
        sums.append((own + kept, kept))
    whole = max(sums)[0] if in_turns else sum(size for size, _kept in sums)
    assert whole <= ram * GIB * 4 // 5 or not any(kept for _size, kept in sums)
    if [entry["name"] for entry in one["models"]] == [entry["name"] for entry in other["models"]]:
        for entry, larger in zip(one["models"], other["models"], strict=True):
            if entry["context"] == larger["context"] and entry["kv_cache_type"] == larger["kv_cache_type"] and entry["ubatch"] == larger["ubatch"]:
                assert (entry["memory"]["prompt_cache_bytes"] or 0) <= (larger["memory"]["prompt_cache_bytes"] or 0)
