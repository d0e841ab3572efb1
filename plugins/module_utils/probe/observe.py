# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Collect one machine's raw observation. Nothing is judged here: that is the work of `accelerators`, wherever it runs."""

from __future__ import annotations

import os
import time

from ansible_collections.llmfleet.ollama.plugins.module_utils.probe import child, smbios, system
from ansible_collections.llmfleet.ollama.plugins.module_utils.vendors import GATHERED, SYSFS_ID, TOOLS

OBSERVATION_VERSION = 1
GATHER = (*GATHERED, "system")
ARGUMENTS = {
    "timeout": {"type": "int", "default": 20},
    "gather": {"type": "list", "elements": "str", "choices": list(GATHER), "default": list(GATHER)},
    "topology": {"type": "bool", "default": False},
    "allow_cli": {"type": "bool", "default": True},
    "filesystems": {"type": "list", "elements": "str", "default": []},
}
LIBRARY_NOT_FOUND = 12


def _empty(uname, options):
    return {
        "observation_version": OBSERVATION_VERSION,
        "system": uname.sysname,
        "kernel": uname.release,
        "architecture": uname.machine,
        "cpu_count": os.cpu_count(),
        "options": {name: options[name] for name in ("gather", "topology", "allow_cli", "timeout")},
        "probes": [],
        "filesystems": [],
    }


def _filesystems(options, root):
    return child.Job("filesystems", lambda emit, settled: system.walk_filesystems(emit, settled, options["filesystems"], root))


def _tell(observation, job):
    probe = {"name": job.name, "status": job.status, "detail": job.detail, "duration_ms": round(job.duration * 1000)}
    if job.failed:
        probe["failed_steps"] = [{"step": step, "how": how} for step, how in job.failed.items()]
        if job.status == "ok":
            probe["status"] = "timeout" if "timeout" in job.failed.values() else "crashed"
    observation["probes"].append(probe)


def _gathered(job, key):
    return [record[key] for record in job.records if key in record]


# The imports below stand where they are used: each child pays for its own, beside the others, and nobody for what isn't run.


def _walk_nvml(emit, settled, paths, topology):
    from ansible_collections.llmfleet.ollama.plugins.module_utils.probe import nvidia

    nvidia.walk(emit, settled, paths or nvidia.nvml.LIBRARY_PATHS, topology)


def _walk_sysfs(emit, settled, cards, root):
    from ansible_collections.llmfleet.ollama.plugins.module_utils.probe import pci

    pci.walk(emit, settled, cards, root)


def _linux(observation, options, root, paths, deadline):
    gather = options["gather"]
    jobs = []
    if "nvidia" in gather:
        jobs.append(child.Job("nvml", lambda emit, settled: _walk_nvml(emit, settled, paths, options["topology"])))
    if options["filesystems"]:
        jobs.append(_filesystems(options, root))

    def meanwhile():
        began = time.monotonic()
        cards = system.graphics_cards(root, [number for name, number in SYSFS_ID.items() if name in gather])
        observation["pci"] = cards
        more = [child.Job("sysfs", lambda emit, settled: _walk_sysfs(emit, settled, cards, root))] if cards else []
        status, detail = "ok", None
        try:
            _rest(observation, root, "nvidia" in gather)
        except Exception as error:  # what the children find must not be lost for it
            status, detail = "error", "%s: %s" % (type(error).__name__, error)
        duration = round((time.monotonic() - began) * 1000)
        observation["probes"].append({"name": "system", "status": status, "detail": detail, "duration_ms": duration})
        return more

    jobs = child.run(jobs, max(deadline - time.monotonic(), 0.1), meanwhile)
    done = {job.name: job for job in jobs}
    if "nvml" in done:
        drivers = _gathered(done["nvml"], "driver")
        observation["nvml"] = {
            "driver": drivers[0] if drivers else None,
            "devices": _gathered(done["nvml"], "device"),
            "cuda": _gathered(done["nvml"], "cuda"),
            "topology": _gathered(done["nvml"], "topology"),
        }
    if "sysfs" in done:
        for key in ("pci_files", "pci_name", "kfd", "kfd_process", "drm"):
            observation[key] = _gathered(done["sysfs"], key)
    if "filesystems" in done:
        observation["filesystems"] = _gathered(done["filesystems"], "filesystem")
    for job in jobs:
        _tell(observation, job)
    _linux_tools(observation, options, root, deadline)


def _rest(observation, root, nvidia):
    observation["files"] = system.files(root)
    observation["nodes"] = system.device_nodes(root)
    observation["environment"] = system.environment()
    observation["meminfo"] = system.memory(root)
    observation["numa_without_cpus"] = system.numa_without_cpus(root)
    observation["cgroup_limits"] = system.cgroup_limits(root)
    observation["physical_cores"] = system.physical_cores(root)
    observation["cpu_affinity"] = system.cpu_affinity()
    observation["cpu_quotas"] = system.cpu_quotas(root)
    observation["memory_devices"] = smbios.read(root)
    observation["capabilities"] = system.capabilities(root)
    observation["nvidia_kernel_files"] = system.nvidia_kernel_files(root) if nvidia else []


def _tools_wanted(observation, gather):
    """A tool is asked only where it can know more: after a loader problem, or about a card without memory figures."""
    wanted = []
    driver = (observation.get("nvml") or {}).get("driver")
    if "nvidia" in gather and driver is not None and driver["rc"] == LIBRARY_NOT_FOUND:
        wanted += TOOLS["nvidia"]
    told = {row["address"] for row in observation.get("pci_files", []) if row["files"].keys() & TELLING}
    told |= {row["address"] for row in observation.get("drm", []) if row.get("regions") or (row.get("vram") or {}).get("total")}
    silent = {card["vendor"] for card in observation.get("pci", []) if card["address"] not in told and card["driver"] != "vfio-pci"}
    # NVIDIA's cards have no such files: its library speaks for them.
    for name in ("amd", "intel"):
        if SYSFS_ID[name] in silent:
            wanted += TOOLS[name]
    return wanted


TELLING = {"mem_info_vram_total", "lmem_total_bytes", "physical_vram_size_bytes"}


def _linux_tools(observation, options, root, deadline):
    observation["cli"] = []
    if not options["allow_cli"]:
        return
    wanted = _tools_wanted(observation, options["gather"])
    left = deadline - time.monotonic()
    if not wanted or left <= 0:
        return
    from ansible_collections.llmfleet.ollama.plugins.module_utils.probe import cli

    def job(name, path):
        return child.Job(name, lambda emit, settled: cli.walk(emit, settled, name, path))

    found = [(name, cli.find(name, root)) for name in wanted]
    jobs = [job(name, path) for name, path in found if path]
    if not jobs:
        return
    for ended in child.run(jobs, left):
        observation["cli"] += _gathered(ended, "cli")
        _tell(observation, ended)


def observe(options, root="", uname=None, paths=None):
    """Return the observation. `root` is put before every path read, so that a test can show another machine; `paths` are NVML's."""
    began = time.monotonic()
    observation = _empty(uname or os.uname(), options)
    deadline = began + max(options["timeout"], 1)
    try:
        if observation["system"] == "Linux":
            _linux(observation, options, root, paths, deadline)
        else:
            observation["environment"] = system.environment()
            if observation["system"] == "Darwin":
                from ansible_collections.llmfleet.ollama.plugins.module_utils.probe import macos

                observation["macos"] = macos.observe(deadline, observation["probes"], "apple" in options["gather"])
            if options["filesystems"]:
                job = _filesystems(options, root)
                child.run([job], max(deadline - time.monotonic(), 0.1))
                observation["filesystems"] = _gathered(job, "filesystem")
                _tell(observation, job)
    except Exception as error:  # never fail a play: what was found so far is still worth more than nothing
        observation["probes"].append({"name": "probe", "status": "error", "detail": "%s: %s" % (type(error).__name__, error), "duration_ms": 0})
    observation["duration_ms"] = round((time.monotonic() - began) * 1000)
    return observation
