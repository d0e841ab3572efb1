# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every refusal says by how much, in GiB or tokens a second, and names the variable that would change it; and that variable does change it.

Without this table a refusal could send people to a variable that helps nobody.
"""

from __future__ import annotations

import re

import pytest
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.plan import make_plan
from support import machines

CARD = machines.card("NVIDIA GeForce RTX 3060", 11920, 0, 0)
SMALL = machines.machine(CARD, ram=16)
ROOMY = machines.machine(CARD, ram=64)
SPARK = machines.machine(machines.card("NVIDIA GB10", 120 * 1024, 0, 0, unified=True, type="integrated"), ram=128)
MAC = machines.machine(machines.card("Apple M4 Max", 49152, 0, 0, vendor="apple", unified=True, type="integrated"), ram=64)
PLAIN = machines.machine(ram=32)
LARGE = {"family": "llama3.3", "context": 16384}
THREE = [{"family": family, "context": size} for family, size in (("gemma4", 32768), ("qwen3-coder", 65536), ("deepseek-r1", 16384))]
CODER = {"family": "qwen3-coder", "context": 65536}

# name: (machine, wants, policy, how it is said by how much, the knob in the sentence, (wants, policy) with which it is planned, the machine then if another)
REFUSALS = {
    "too slow on a GPU": (
        SPARK, [LARGE], {"min_tokens_per_second": 10}, r"70b about 5\.2 tokens a second, below the 10 of", "ower llm_policy.min_tokens_per_second",
        ([LARGE], {"min_tokens_per_second": 5}),
    ),
    "too slow, and a fixed tag has no bound": (
        SPARK, [LARGE], {"min_tokens_per_second": 10}, r"5\.2 tokens a second", "name a tag with 'model:', which has no such bound",
        ([{"model": "llama3.3:70b"}], {"min_tokens_per_second": 10}),
    ),
    "too slow without a GPU": (
        PLAIN, [{"family": "mistral-small3.2"}], {}, r"about \d\.\d tokens a second, below the 5 of", "ower llm_policy.min_tokens_per_second",
        ([{"family": "mistral-small3.2"}], {"min_tokens_per_second": 1}),
    ),
    "too long a context": (
        machines.machine(ram=28), [dict(CODER, context=262144)], {}, r"30b is short of \d+\.\d GiB",
        "rite a lower min_context (30b fits at 65536 tokens)", ([dict(CODER, context=262144, min_context=65536)], {}),
    ),
    "too long a context for three": (
        machines.machine(machines.card("NVIDIA GeForce RTX 3090", 24176, 0, 0), ram=4), THREE, {},
        r"need \d+\.\d GiB of 23\.6 GiB, \d+\.\d GiB too much at 32768 tokens", "write a lower min_context (they fit at 24576 tokens)",
        ([dict(want, min_context=16384) for want in THREE], {}),
    ),
    "too little system memory for experts": (
        machines.machine(machines.card("NVIDIA GeForce RTX 3060 Ti", 7950, 0, 0), ram=16), [CODER], {},
        r"30b is short of \d+\.\d GiB, or of 0\.9 GiB of RAM with its experts there", "hoose a smaller model", ([{"family": "qwen3", "context": 16384}], {}),
    ),
    "too little system memory for a part of it": (
        machines.machine(CARD, ram=32), [{"model": "llama3.3:70b", "context": 4096}], {},
        r"70b is short of 29\.\d GiB, or of [4-8]\.\d GiB of RAM with a part of it there",
        "hoose a smaller model", ([{"model": "llama3.3:70b", "context": 4096}], {}), machines.machine(CARD, ram=48),
    ),
    "no experts in system memory": (
        ROOMY, [CODER], {"allow_experts_in_ram": False, "allow_partial_offload": False}, r"30b is short of \d+\.\d GiB",
        "et llm_policy.allow_experts_in_ram to true", ([CODER], {"allow_partial_offload": False}),
    ),
    "no split": (
        ROOMY, [{"family": "mistral-small3.2"}], {"allow_partial_offload": False, "min_tokens_per_second": 1}, r"24b is short of \d+\.\d GiB",
        "et llm_policy.allow_partial_offload to true for a slow split", ([{"family": "mistral-small3.2"}], {"min_tokens_per_second": 1}),
    ),
    "no split, which would be too slow besides": (
        ROOMY, [LARGE], {"allow_partial_offload": False}, r"70b is short of \d+\.\d GiB",
        "et llm_policy.allow_partial_offload to true for a slow split and lower llm_policy.min_tokens_per_second",
        ([LARGE], {"min_tokens_per_second": 0.5}),
    ),
    "not even in part": (
        ROOMY, [dict(CODER, require_gpu=True)], {}, r"30b is short of \d+\.\d GiB", "ake require_gpu out", ([CODER], {}),
    ),
    "a heavier file that was trained for less": (
        machines.machine(machines.card("Apple M1", 5461, 0, 0, vendor="apple", unified=True, type="integrated"), ram=8),
        [{"family": "phi4-mini", "context": 32768}], {}, r": 3\.8b is short of \d+\.\d [GM]iB", "rite a lower min_context (3.8b fits at 12288 tokens)",
        ([{"family": "phi4-mini", "context": 32768, "min_context": 12288}], {}),
    ),
    "memory of which nobody said how fast it is": (
        machines.machine(ram=512), [LARGE], {}, r"about 1\.2 tokens a second",
        "ell how fast its system memory is, assumed as 102.4 GB/s (llm_vram_override.system_memory.bandwidth_bytes_per_second)",
        ([LARGE], {}), machines.machine(system_memory={"total_bytes": 512 << 30, "bandwidth_bytes_per_second": 460 * 10**9}),
    ),
    "requests at once": (
        MAC, [{"family": "llama3.3", "context": 16384}], {"parallel": 8}, r"70b is short of \d+\.\d GiB", "et llm_policy.parallel to 1",
        ([{"family": "llama3.3", "context": 16384}], {}),
    ),
    "only one type of cache": (
        MAC, [{"family": "llama3.3", "context": 65536}], {"kv_cache_types": ["f16"]}, r"70b is short of \d+\.\d GiB", "dd q8_0 to llm_policy.kv_cache_types",
        ([{"family": "llama3.3", "context": 65536}], {"kv_cache_types": ["f16", "q8_0"]}),
    ),
    "memory left to others": (
        SMALL, [{"family": "phi4"}], {"reserve_bytes": 4 << 30, "allow_partial_offload": False}, r"14b is short of \d+\.\d GiB",
        "ower llm_policy.reserve_bytes", ([{"family": "phi4"}], {"allow_partial_offload": False}),
    ),
    "what macOS keeps from its GPU": (
        MAC, [{"family": "qwen3-next", "context": 32768}], {}, r"80b is short of 0\.\d GiB", "et macOS lend its GPU more (sysctl iogpu.wired_limit_mb)",
        ([{"family": "qwen3-next", "context": 32768}], {}), machines.machine(
            machines.card("Apple M4 Max", 57344, 0, 0, vendor="apple", unified=True, type="integrated"), ram=64,
        ),
    ),
    "two that fit one by one": (
        SMALL, [{"model": "deepseek-r1:14b"}, {"model": "qwen3:14b"}], {"allow_partial_offload": False},
        r"need \d+\.\d GiB of 11\.6 GiB, \d+\.\d GiB too much at \d+ tokens", "set llm_policy.resident to one",
        ([{"model": "deepseek-r1:14b"}, {"model": "qwen3:14b"}], {"allow_partial_offload": False, "resident": "one"}),
    ),
    "two mixtures of experts": (
        ROOMY, [{"family": "gpt-oss", "context": 16384}, CODER], {"allow_partial_offload": False},
        r"20b is short of \d+\.\d GiB", "et llm_policy.resident to one",
        ([{"family": "gpt-oss", "context": 16384}, CODER], {"resident": "one"}),
    ),
    "no GPU": (
        PLAIN, [{"family": "qwen3"}], {"allow_cpu": False}, r"no usable GPU", "llm_policy.allow_cpu is false: set it to true", ([{"family": "qwen3"}], {}),
    ),
    "two that are kept warm in turns": (
        SMALL, [{"model": "qwen3:8b", "keep_warm": True}, {"model": "qwen3:4b", "keep_warm": True}], {"resident": "one"},
        r"\d+\.\d GiB of 11\.6 GiB", "take keep_warm from all but one",
        ([{"model": "qwen3:8b", "keep_warm": True}, {"model": "qwen3:4b"}], {"resident": "one"}),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_says_by_how_much_and_a_way_that_leads_out(name):
    machine, wants, policy, much, knob, (other, looser), *changed = REFUSALS[name]
    found = make_plan(wants, policy, machine, "0.32.15", ["catalogue"])
    (error,) = found["errors"]
    assert re.search(much, error), error
    assert knob in error
    assert make_plan(other, looser, *(changed or [machine]), "0.32.15", ["catalogue"])["ok"]


@pytest.mark.parametrize(
    ("machine", "wants", "policy", "useless"),
    [
        # What llama.cpp makes of a mixture is decided by allow_experts_in_ram alone.
        (ROOMY, [{"model": "qwen3-coder:30b"}], {"allow_experts_in_ram": False, "allow_partial_offload": False}, "allow_partial_offload"),
        (SMALL, [{"model": "gpt-oss:120b"}], {"allow_experts_in_ram": False}, "allow_experts_in_ram"),  # for which 16 GB are too little
        (SMALL, [{"model": "llama3.3:70b"}], {"allow_partial_offload": False}, "allow_partial_offload"),
        (ROOMY, [dict(CODER, require_gpu=True)], {"allow_experts_in_ram": False}, "ake require_gpu out, so that a part of it may lie in system memory or"),
        (machines.machine(machines.card("RTX 4060 Ti", 7788, 0, 0), ram=32), [{"family": "qwen3", "context": 131072, "require_gpu": True}], {}, "49152 tok"),
    ],
)
def test_nobody_is_sent_to_a_knob_that_changes_nothing(machine, wants, policy, useless):
    (error,) = make_plan(wants, policy, machine, "0.32.15", ["catalogue"])["errors"]
    assert useless not in error


@pytest.mark.parametrize("machine", [machines.machine(machines.card("Apple M4", 17039, 0, 0, vendor="apple", unified=True, type="integrated"), ram=24), SMALL])
def test_nobody_is_sent_to_a_context_that_would_not_help(machine):
    """Weights alone that are too large are too large at any context."""
    (error,) = make_plan([CODER, {"family": "nomic-embed-text"}], {"allow_experts_in_ram": False}, machine, "0.32.15", ["catalogue"])["errors"]
    assert "30b is short of" in error and "min_context" not in error


def test_what_a_disk_does_not_hold_is_told_in_bytes():
    """Of the disk as a whole: what is free at the moment holds the models of the last run."""
    facts = dict(ROOMY, filesystems=[{"path": "/", "mount_point": "/", "total_bytes": 10 << 30, "free_bytes": 9 << 30}])
    (error,) = make_plan([CODER], {}, facts, "0.32.15", ["catalogue"], filesystem="/")["errors"]
    assert re.search(r"need \d+\.\d GiB on disk, but / has only 10\.0 GiB: put ollama_models_dir on a larger file system", error)
