#!/usr/bin/env python3
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which DeepSeek-R1 for which card: the rule of thumb, llmfit and the plan side by side, as the table of docs/sizing.md.

Run: python bench/plan_table.py [path of llmfit]. Without llmfit (pip install llmfit) its columns stay empty.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

from ansible_collections.llmfleet.ollama.plugins.module_utils.bytes import MIB, gib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "collections"))

from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing import plan
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.machine import placement
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.machine.placement import Load
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.source import catalogue

# Nominal GB, total MiB, MiB that the driver keeps: RTX 2060, 4060, 3060, 4080, 4090, A6000, A100
CARDS = [(6, 6144, 200), (8, 8188, 225), (12, 12288, 368), (16, 16376, 376), (24, 24564, 400), (48, 49140, 600), (80, 81920, 600)]
OFFICIAL = {
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B": "1.5b",
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B": "7b",
    "deepseek-ai/DeepSeek-R1-Distill-Llama-8B": "8b-llama",
    "deepseek-ai/DeepSeek-R1-0528-Qwen3-8B": "8b",
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-14B": "14b",
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-32B": "32b",
    "deepseek-ai/DeepSeek-R1-Distill-Llama-70B": "70b",
    "deepseek-ai/DeepSeek-R1": "671b",
}


def thumb(gigabytes):
    """1.5B needs 4 GB, 7B and 8B 6 to 10, 14B 12, 32B and more 24."""
    return "32b" if gigabytes >= 24 else "14b" if gigabytes >= 12 else "8b" if gigabytes >= 6 else "1.5b"


def machine(total, reserved):
    card = {"index": 0, "vendor": "nvidia", "name": "card", "uuid": "a", "memory_usable_bytes": (total - reserved) * MIB}
    return {"devices": [card], "system_memory": {"total_bytes": 64 << 30, "available_bytes": 60 << 30}}


def case(total, reserved):
    made, _problems = plan.case_of([{"family": "deepseek-r1", "context": 8192}], {}, machine(total, reserved), "0.32.15", ["catalogue"])
    return made


def need(row, total, reserved, kind="f16"):
    made = case(total, reserved)
    left = placement.usable_left(made.host)
    placed = placement.on_gpu(row.shape, Load(8192, 1, kind, kind, True), made.rules, made.host, left)
    return "fits" if placed.kind else "short of %s" % gib(placed.short)


def llmfit(path, gigabytes):
    """The largest official R1 that llmfit calls fitting wholly on the GPU, with its own choice of weights."""
    command = [path, "--memory", "%dG" % gigabytes, "--ram", "64G", "--max-context", "8192", "--json", "fit"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    order = plan.data.families()["deepseek-r1"]["order"]
    best = None
    for model in json.loads(done.stdout)["models"]:
        size = OFFICIAL.get(model["name"])
        if not size or model["fit_level"] in ("Too Tight", "TooTight") or "offload" in str(model.get("run_mode", "")).lower():
            continue
        if str(model.get("run_mode", "GPU")).lower().startswith("cpu"):
            continue
        if best is None or order.index(size) < order.index(best[0]):
            best = (size, model.get("best_quant") or "?", model["memory_required_gb"])
    return best


def row_of(size, quant):
    for row in catalogue.family_tags("deepseek-r1"):
        if row.size == size and row.quantization == re.sub(r"^FP", "F", quant.upper()):
            return row
    return None


def main():
    path = sys.argv[1] if len(sys.argv) > 1 else None
    print("| card | rule of thumb | does it fit? | llmfit | a tag? fits? | plan | card used |")
    print("|---|---|---|---|---|---|---|")
    for gigabytes, total, reserved in CARDS:
        guess = thumb(gigabytes)
        made = plan.make_plan([{"family": "deepseek-r1", "context": 8192}], {}, machine(total, reserved), "0.32.15", ["catalogue"])
        entry = made["models"][0]
        other, verdict = "", ""
        if path:
            found = llmfit(path, gigabytes)
            if found:
                other = "%s %s (%.1f GB)" % found
                row = row_of(found[0], found[1])
                verdict = "no tag" if row is None else "%s, %s" % (row.row["tag"], need(row, total, reserved))
            else:
                other = "none"
        ours = "%s, %d tokens, cache %s" % (entry["tag"], entry["context"], entry["kv_cache_type"])
        used = 100 * (entry["memory"]["total_bytes"] - entry["memory"]["margin_bytes"]) / (total * MIB)
        fit = need(catalogue.find("deepseek-r1", guess), total, reserved)
        print("| %d GB | %s | %s | %s | %s | %s | %.0f %% |" % (gigabytes, guess, fit, other, verdict, ours, used))


if __name__ == "__main__":
    main()
