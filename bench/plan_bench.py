#!/usr/bin/env python3
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CPU seconds for the plans of 1,000 hosts with 20 wants each, no two hosts alike and 65 to 122 kinds of them. Run: python bench/plan_bench.py"""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "collections"))

from ansible_collections.llmfleet.ollama.plugins.module_utils.bytes import MIB
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing import plan
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.source import catalogue

CARDS = [
    ("RTX 2060", 6144),
    ("RTX 4060", 8188),
    ("RTX 3060", 12288),
    ("RTX 4080", 16376),
    ("RTX 3090", 24576),
    ("A6000", 49140),
    ("H100", 81559),
]
FAMILIES = ["deepseek-r1", "qwen3", "llama3.2", "gemma3"]
HOSTS, WANTS = 1000, 20
LIMIT = 2.0  # seconds
# name: (llm_policy.resident, where metadata come from, GPUs of a host at most, tokens wanted)
KINDS = {
    "in turns, catalogue": ("one", "catalogue", 2, 8192),
    "in turns, headers": ("one", "header", 2, 8192),
    "all resident, catalogue": ("all", "catalogue", 2, 8192),
    "all resident, headers": ("all", "header", 2, 8192),
    "all resident on 1 to 8 GPUs, catalogue": ("all", "catalogue", 8, 8192),
    "all resident, catalogue, 131072 tokens or less": ("all", "catalogue", 2, 131072),
}


def host(number, cards):
    """No two hosts are alike: cards differ by kind, count and identity, and so does the memory that others hold; but a plan counts that in steps of 64 MiB,
    so some hosts are of one kind (plugin_utils/sizing/kinds.py), as in a fleet."""
    name, total = CARDS[number % len(CARDS)]
    devices = [
        {
            "index": i,
            "vendor": "nvidia",
            "name": name,
            "uuid": "GPU-%d-%d" % (number, i),
            "memory_usable_bytes": (total - 300) * MIB,
            "memory_used_by": [{"name": "other", "memory_bytes": (number // 10) * 2 * MIB}],
        }
        for i in range(1 + number % 3 % 2 if cards == 2 else 1 << number % 4)
    ]
    return {"devices": devices, "system_memory": {"total_bytes": 64 << 30, "available_bytes": 60 << 30}}


def header(name):
    """A header as metadata.Headers gives it: the catalogue's dimensions with a row for each tensor."""
    row = catalogue.find(*name.split(":")) if ":" in name else catalogue.find(name, "latest")
    metadata = {key: value for key, value in row.metadata.items() if key not in ("tensor_bytes", "tied", "vision_bytes")}
    shape = row.shape
    tensors = [{"name": "token_embd.weight", "bytes": shape.input_bytes}, {"name": "output.weight", "bytes": shape.output_bytes}]
    tensors += [{"name": "blk.%d.%d.weight" % (i, j), "bytes": size // 9} for i, size in enumerate(shape.layer_bytes) for j in range(9)]
    return {**metadata, "tensors": tensors, "digest": "manifest of " + name, "blob_digest": "file of " + name, "source": "header"}


def run(kind):
    resident, source, cards, context = KINDS[kind]
    least = min(4096, context)
    wants = [{"family": FAMILIES[i % len(FAMILIES)], "context": context, "min_context": least} for i in range(WANTS - 1)]
    wants.append({"model": "nomic-embed-text"})
    vrams = [host(number, cards) for number in range(HOSTS)]
    ask = functools.cache(lambda name: (header(name), None, False))
    sources = ["header", "catalogue"] if source == "header" else ["catalogue"]
    started = time.process_time()
    made = [plan.make_plan(wants, {"resident": resident}, vram, "0.32.15", sources, ask) for vram in vrams]
    seconds = time.process_time() - started
    planned = sum(item["ok"] for item in made)
    print(
        "%-48s %d hosts x %d wants: %5.2f s of CPU on one core, %4d planned, %4d with a reason why not"
        % (kind, HOSTS, WANTS, seconds, planned, HOSTS - planned),
        flush=True,
    )
    return seconds <= LIMIT


def main():
    if len(sys.argv) > 1:
        sys.exit(not run(sys.argv[1]))
    # Each kind in a process of its own, so that none profits from what another one has computed.
    slow = [kind for kind in KINDS if subprocess.run([sys.executable, __file__, kind], check=False).returncode]
    if slow:
        sys.exit("slower than allowed: %s" % "; ".join(slow))


if __name__ == "__main__":
    main()
