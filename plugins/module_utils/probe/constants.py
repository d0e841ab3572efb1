# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names that the collecting and the interpreting side must agree on."""

from __future__ import annotations

import re

VISIBILITY = (
    "CUDA_VISIBLE_DEVICES",
    "NVIDIA_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES",
    "HIP_VISIBLE_DEVICES",
    "GPU_DEVICE_ORDINAL",
    "GGML_VK_VISIBLE_DEVICES",
    "HSA_OVERRIDE_GFX_VERSION",
)
# NVIDIA's systems on a chip, whose GPU works in the machine's memory.
SOC_NAME = re.compile(r"\bGB10\b|\(nvgpu\)|\bOrin\b|Xavier|Tegra|\bThor\b|N1X")
