# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The vendors of accelerators: the one table of what differs between them by name. docs/extending.md says how a row is added."""

from __future__ import annotations

from collections import namedtuple

# label: as people write it; pci_ids: its ids on the bus, that of its cards first; gathered: whether a reader of its own exists, so that
# `gather` may name it; backend: the part of llama.cpp that Ollama takes for it; tools: its commands, asked where better sources are silent
Vendor = namedtuple("Vendor", "name label pci_ids gathered backend tools")

VENDORS = (
    Vendor("nvidia", "NVIDIA", (0x10DE,), True, "cuda", ("nvidia-smi",)),
    Vendor("amd", "AMD", (0x1002, 0x1022), True, "rocm", ("amd-smi", "rocm-smi")),
    Vendor("intel", "Intel", (0x8086,), True, "vulkan", ("xpu-smi",)),
    Vendor("apple", "Apple", (), True, "metal", ()),
    # The second is what ACPI makes of QCOM.
    Vendor("qualcomm", "Qualcomm", (0x5143, 0x4D4F4351), False, "vulkan", ()),
    Vendor("other", "Other", (), False, "vulkan", ()),
)
GATHERED = tuple(vendor.name for vendor in VENDORS if vendor.gathered)
OF_ID = {number: vendor.name for vendor in VENDORS for number in vendor.pci_ids}
# Those whose cards Linux shows on the PCI bus, as sysfs writes the ids.
SYSFS_ID = {vendor.name: "0x%04x" % vendor.pci_ids[0] for vendor in VENDORS if vendor.gathered and vendor.pci_ids}
LABELS = {vendor.name: vendor.label for vendor in VENDORS}
BACKENDS = {vendor.name: vendor.backend for vendor in VENDORS}
TOOLS = {vendor.name: vendor.tools for vendor in VENDORS}
