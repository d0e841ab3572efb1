#!/usr/bin/env python3
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CPU seconds for the plans of 1,000 hosts with 20 wants each, all hosts different. Run: python bench/plan_bench.py"""

from __future__ import annotations

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "collections"))

from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing import plan

MIB = 1024**2
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
HOSTS, WANTS, LIMIT = 1000, 20, 2.0


def host(number):
    """No two hosts are alike: the kind and the count of the cards and the memory that others hold differ."""
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
        for i in range(1 + number % 3 % 2)
    ]
    return {"devices": devices, "system_memory": {"total_bytes": 64 << 30, "available_bytes": 60 << 30}}


def main():
    wants = [{"family": FAMILIES[i % len(FAMILIES)], "context": 8192, "min_context": 4096} for i in range(WANTS - 1)]
    wants.append({"model": "nomic-embed-text"})
    vrams = [host(number) for number in range(HOSTS)]
    started = time.process_time()
    made = [plan.make_plan(wants, {"resident": "one"}, vram, "0.32.15", ["catalogue"]) for vram in vrams]
    seconds = time.process_time() - started
    planned = sum(item["ok"] for item in made)
    print(
        "%d hosts x %d wants: %.2f s of CPU on one core, %d planned, %d with a reason why not"
        % (HOSTS, WANTS, seconds, planned, HOSTS - planned)
    )
    if seconds > LIMIT:
        sys.exit("slower than %.1f s" % LIMIT)


if __name__ == "__main__":
    main()
