# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""WSL hides the vendor of a GPU from Linux. Only NVIDIA's library looks through; for the others there is a bare /dev/dxg."""

from __future__ import annotations

from ansible_collections.llmfleet.ollama.plugins.module_utils.accelerators import parse
from ansible_collections.llmfleet.ollama.plugins.module_utils.accelerators.device import device, warn


def devices(observation, memory, warnings):
    node = parse.table(observation.get("nodes")).get("/dev/dxg")
    known = parse.rows(parse.table(observation.get("nvml")).get("devices")) or [
        answer for answer in parse.rows(observation.get("cli")) if answer.get("rc") == 0
    ]
    if not isinstance(node, bool) or known or "microsoft" not in str(observation.get("kernel")).lower():
        return []
    found = device("other", "GPU behind /dev/dxg", "dxg", type="virtual", accessible=node, driver={"name": "dxgkrnl", "version": None})
    warn(found, "wsl_gpu_unknown")
    return [found]
