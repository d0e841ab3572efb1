# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A recorded observation goes into public bug reports: nothing that names the machine, all that tells its memory."""

from __future__ import annotations

import json

from ansible_collections.llmfleet.ollama.plugins.module_utils.accelerators.redact import redact

SECRETS = ("1234567890abcdef", "deadbeef", "SN4711", "fedcba98", "9876543210")
OBSERVATION = {
    "meminfo": "MemTotal:  1024 kB",
    "environment": {"CUDA_VISIBLE_DEVICES": "GPU-deadbeef-0000-1111-2222-333333333333,MIG-deadbeef-0000-1111-2222-333333333333"},
    "nvml": {
        "devices": [
            {"uuid": "GPU-deadbeef-0000-1111-2222-333333333333", "memory": {"total": 5}},
            {"uuid": "GPU-fedcba98-0000-1111-2222-333333333333"},
        ]
    },
    "nvidia_kernel_files": ["Model: \t X\nGPU UUID: \t GPU-deadbeef-0000-1111-2222-333333333333\nBus Location: 0000:01:00.0"],
    "pci_files": [{"address": "0000:03:00.0", "files": {"unique_id": "1234567890abcdef", "mem_info_vram_total": "17163091968"}}],
    "kfd": [{"properties": "unique_id 9876543210\ngfx_target_version 110501"}],
    "cli": [
        {
            "tool": "rocm-smi",
            "stdout": '{"card0": {"Serial Number": "SN4711", "VRAM Total Memory (B)": "17163091968", "Unique ID": 9876543210}}',
        }
    ],
    "macos": {"system_profiler": '{"a": {"_spdisplays_display-serial-number": "SN4711", "spdisplays_vram": "8 GB"}}'},
}


def test_nothing_that_names_the_machine_is_left():
    text = json.dumps(redact(OBSERVATION))
    # The tool's own spelling of a unique id has a blank.
    assert [secret for secret in SECRETS if secret in text] == []


def test_what_tells_memory_is_kept():
    """Sizes, addresses and which card is which: the file must still be a test."""
    clean = redact(OBSERVATION)
    uuids = [device["uuid"] for device in clean["nvml"]["devices"]]
    assert len(set(uuids)) == 2 and uuids[0] in clean["environment"]["CUDA_VISIBLE_DEVICES"] and uuids[0] in clean["nvidia_kernel_files"][0]
    assert clean["pci_files"][0]["files"]["mem_info_vram_total"] == "17163091968"
    assert clean["kfd"][0]["properties"].endswith("gfx_target_version 110501")
    assert "17163091968" in clean["cli"][0]["stdout"] and "8 GB" in clean["macos"]["system_profiler"]
    assert clean["meminfo"] == OBSERVATION["meminfo"] and clean["nvml"]["devices"][0]["memory"] == {"total": 5}
