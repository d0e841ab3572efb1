# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Intel: sysfs where the kernel has the files, else the answer of the DRM driver, else xpu-smi."""

from __future__ import annotations

from ansible_collections.llmfleet.ollama.plugins.module_utils.accelerators import parse
from ansible_collections.llmfleet.ollama.plugins.module_utils.accelerators.cards import check_nodes, step_failure
from ansible_collections.llmfleet.ollama.plugins.module_utils.accelerators.device import device, warn
from ansible_collections.llmfleet.ollama.plugins.module_utils.vendors import SYSFS_ID

VENDOR_ID = SYSFS_ID["intel"]
DRIVERS = ("xe", "i915")
INTEGRATED_ADDRESS = "0000:00:02.0"
SYSTEM_REGION, DEVICE_REGION = 0, 1
CAP_SYS_ADMIN, CAP_PERFMON = 21, 38


def devices(observation, memory, warnings):
    files = {parse.address(row.get("address")): parse.table(row.get("files")) for row in parse.rows(observation.get("pci_files"))}
    drm = {parse.address(row.get("address")): row for row in parse.rows(observation.get("drm"))}
    names = {parse.address(row.get("address")): row.get("name") for row in parse.rows(observation.get("pci_name"))}
    found = []
    for row in parse.rows(observation.get("pci")):
        address = parse.address(row.get("address"))
        if row.get("vendor") != VENDOR_ID or address is None:
            continue
        found.append(_card(row, address, files.get(address, {}), parse.table(drm.get(address)), names.get(address), observation, memory))
    return found + _xpu_smi(observation)


def _card(row, address, files, drm, name, observation, memory):
    pci_id = parse.pci_id(row.get("vendor"), row.get("device"))
    found = device("intel", parse.text(name) or "Intel [%s]" % pci_id, "sysfs", pci_address=address, pci_id=pci_id)
    driver = parse.text(row.get("driver"))
    found["driver"] = {"name": driver, "version": parse.text(observation.get("kernel")) if driver in DRIVERS else None}
    found["numa_node"] = parse.whole(files.get("numa_node"))
    if driver not in DRIVERS:
        found["accessible"] = False
        if driver != "vfio-pci":
            warn(found, "driver_not_loaded", "the card is held by %s" % driver if driver else None)
        return found
    check_nodes(found, row, observation, ())
    broken = step_failure(observation, row.get("address"))
    if broken:
        warn(found, broken)
    regions = [region for region in parse.rows(drm.get("regions")) if parse.positive(region.get("total"))]
    local = [region for region in regions if region.get("class") == DEVICE_REGION]
    size = _sysfs_size(files)
    if size is None and local:
        size = parse.total([parse.positive(region["total"]) for region in local])
        found["source"] = "drm"
    if size is not None:
        found["type"], found["unified"] = "discrete", False
        found["memory_total_bytes"] = found["memory_dedicated_bytes"] = found["memory_usable_bytes"] = size
        free = _free(local, driver, observation)
        found["memory_free_bytes"] = free
        found["memory_used_bytes"] = None if free is None else max(size - free, 0)
    elif regions or address == INTEGRATED_ADDRESS:
        # Only system memory: an integrated GPU. The kernel names no share of it, so no total is claimed.
        found["type"], found["unified"] = "integrated", True
        found["memory_shared_bytes"] = memory["total_bytes"]
        found["source"] = "drm" if regions else "sysfs"
    else:
        warn(found, "memory_not_reported", parse.text(drm.get("error")))
    return found


def _sysfs_size(files):
    for name in ("lmem_total_bytes", "physical_vram_size_bytes"):
        # A card with several tiles has a line for each; newer kernels write the tile's size in hexadecimal.
        sizes = []
        for line in parse.lines(files.get(name)):
            try:
                sizes.append(parse.positive(int(line.strip(), 0)) if len(line) < 40 else None)
            except ValueError:
                sizes.append(None)
        if parse.total(sizes):
            return parse.total(sizes)
    return None


def _free(regions, driver, observation):
    """Without the capability to see it, both drivers report all of the memory as free. That is no answer."""
    capabilities = observation.get("capabilities")
    try:
        mask = int(capabilities, 16) if isinstance(capabilities, str) and len(capabilities) <= 32 else 0
    except ValueError:
        mask = 0
    if not regions or not mask & (1 << CAP_SYS_ADMIN | 1 << CAP_PERFMON):
        return None
    if driver == "xe":
        parts = [(parse.positive(region["total"]), parse.whole(region.get("used"))) for region in regions]
        return None if any(used is None for _total, used in parts) else sum(max(total - used, 0) for total, used in parts)
    return parse.total([parse.whole(region.get("unallocated")) for region in regions])


def _xpu_smi(observation):
    """The list names the devices; the page of each device has its memory. Integrated GPUs show nonsense there, so only its size
    for cards that sysfs can't size is taken."""
    found = []
    for answer in parse.rows(observation.get("cli")):
        if answer.get("tool") != "xpu-smi" or answer.get("query") != "device" or answer.get("rc") != 0:
            continue
        page = parse.table(parse.json_in(answer.get("stdout")))
        size = parse.positive(page.get("memory_physical_size_byte"))
        address = parse.address(page.get("pci_bdf_address"))
        if size is None or address in (None, INTEGRATED_ADDRESS):
            continue
        name = parse.text(page.get("device_name")) or "Intel GPU"
        card = device("intel", name, "xpu-smi", pci_address=address, type="discrete", unified=False)
        card["memory_total_bytes"] = card["memory_dedicated_bytes"] = card["memory_usable_bytes"] = size
        found.append(card)
    return found
