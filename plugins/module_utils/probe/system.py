# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Linux says of the machine beside its cards: memory, limits, platform files, device nodes, file systems."""

from __future__ import annotations

import glob
import os

from ansible_collections.llmfleet.ollama.plugins.module_utils.probe.constants import VISIBILITY
from ansible_collections.llmfleet.ollama.plugins.module_utils.vendors import SYSFS_ID

FILES = (
    "/proc/device-tree/model",
    "/proc/device-tree/compatible",
    "/etc/nv_tegra_release",
    "/proc/driver/nvidia/version",
    "/sys/module/amdgpu/version",
    "/opt/rocm/.info/version",
)
# Class 0x12 is "processing accelerator": NVIDIA and AMD use it for compute cards, Intel for NPUs, which hold no models.
CLASSES = {SYSFS_ID["nvidia"]: ("0x03", "0x12"), SYSFS_ID["amd"]: ("0x03", "0x12"), SYSFS_ID["intel"]: ("0x03",)}
NODES = ("/dev/nvidiactl", "/dev/nvidia[0-9]*", "/dev/dri/renderD*", "/dev/kfd", "/dev/dxg")


def read(path, limit=65536):
    """The text of a file, or None. NUL ends strings in the device tree; a line break serves as well and is printable."""
    try:
        with open(path, "rb") as file:
            return file.read(limit).decode("utf-8", "replace").replace("\0", "\n").rstrip("\n")
    except OSError:
        return None


def environment(variables=None):
    variables = os.environ if variables is None else variables
    return {name: variables.get(name) for name in VISIBILITY}


def memory(root=""):
    lines = (read(root + "/proc/meminfo") or "").splitlines()
    return "\n".join(line for line in lines if line.startswith(("MemTotal:", "MemAvailable:", "MemFree:")))


def numa_without_cpus(root=""):
    """Nodes that hold memory and no CPU: a Grace GPU's memory, or CXL memory. Which of both is the reader's business."""
    nodes = []
    for folder in sorted(glob.glob(root + "/sys/devices/system/node/node[0-9]*")):
        if read(folder + "/cpulist") == "":
            lines = (read(folder + "/meminfo") or "").splitlines()
            kept = "\n".join(line for line in lines if "MemTotal:" in line or "MemFree:" in line)
            nodes.append({"node": int(folder.rsplit("node", 1)[1]), "meminfo": kept})
    return nodes


def cgroup_limits(root=""):
    """The text of each memory limit from this process's control group up to the top."""
    limits = []
    for line in (read(root + "/proc/self/cgroup") or "").splitlines():
        parts = line.split(":", 2)
        if len(parts) != 3:
            continue
        if parts[0] == "0" and not parts[1]:
            base, name = "/sys/fs/cgroup", "memory.max"
        elif "memory" in parts[1].split(","):
            base, name = "/sys/fs/cgroup/memory", "memory.limit_in_bytes"
        else:
            continue
        path = parts[2].rstrip("/")
        while True:
            text = read(root + base + path + "/" + name)
            if text is not None:
                limits.append(text)
            if not path:
                break
            path = path.rpartition("/")[0]
    return limits


def physical_cores(root=""):
    """Cores of the machine without the second thread of each; None where Linux does not tell."""
    siblings = {read(path) for path in glob.glob(root + "/sys/devices/system/cpu/cpu[0-9]*/topology/thread_siblings_list")}
    return len(siblings - {None, ""}) or None


def cpu_affinity():
    """Processors that this process may run on; None where the system has no such notion."""
    try:
        return len(os.sched_getaffinity(0))
    except (AttributeError, OSError):
        return None


def cpu_quotas(root=""):
    """'microseconds period' of each CPU quota from this process's control group up to the top."""
    quotas = []
    for line in (read(root + "/proc/self/cgroup") or "").splitlines():
        parts = line.split(":", 2)
        if len(parts) != 3:
            continue
        if parts[0] == "0" and not parts[1]:
            base, names = "/sys/fs/cgroup", ("cpu.max",)
        elif "cpu" in parts[1].split(","):
            base, names = "/sys/fs/cgroup/cpu", ("cpu.cfs_quota_us", "cpu.cfs_period_us")
        else:
            continue
        path = parts[2].rstrip("/")
        while True:
            texts = [read(root + base + path + "/" + name) for name in names]
            if None not in texts:
                quotas.append(" ".join(texts))
            if not path:
                break
            path = path.rpartition("/")[0]
    return quotas


def capabilities(root=""):
    """The probe's effective capabilities, in hexadecimal: they say whether a driver's figure of free memory is true."""
    lines = (read(root + "/proc/self/status") or "").splitlines()
    return next((line[len("CapEff:") :].strip() for line in lines if line.startswith("CapEff:")), None)


def device_nodes(root=""):
    """Existence is not permission, so each node is tried for the user that runs the probe."""
    paths = [path for pattern in NODES for path in sorted(glob.glob(root + pattern))]
    return {path[len(root) :]: os.access(path, os.R_OK | os.W_OK) for path in paths}


def graphics_cards(root="", vendors=tuple(CLASSES)):
    """Every graphics or compute card of these vendors on the PCI bus, whether a driver holds it or not."""
    found = []
    base = root + "/sys/bus/pci/devices"
    try:
        addresses = sorted(os.listdir(base))
    except OSError:
        return found
    for address in addresses:
        folder = base + "/" + address
        kind = read(folder + "/class") or ""
        if not kind.startswith(("0x03", "0x12")):
            continue
        vendor = read(folder + "/vendor")
        if vendor not in vendors or not kind.startswith(CLASSES[vendor]):
            continue
        try:
            driver = os.path.basename(os.readlink(folder + "/driver"))
        except OSError:
            driver = None
        renders = sorted(os.path.basename(path) for path in glob.glob(folder + "/drm/renderD*"))
        found.append(
            {
                "address": address,
                "class": kind,
                "vendor": vendor,
                "device": read(folder + "/device"),
                "revision": read(folder + "/revision"),
                "driver": driver,
                "render_node": renders[0] if renders else None,
            }
        )
    return found


def nvidia_kernel_files(root=""):
    return [read(path) or "" for path in sorted(glob.glob(root + "/proc/driver/nvidia/gpus/*/information"))]


def files(root=""):
    texts = {path: read(root + path) for path in FILES}
    return {path: text for path, text in texts.items() if text is not None}


def mounts(root):
    for line in (read(root + "/proc/self/mounts", 1 << 20) or "").splitlines():
        fields = line.split(" ")
        if len(fields) >= 3:
            yield fields[1].replace("\\040", " "), fields[2]


def filesystem(path, root=""):
    """Room on the file system that holds `path`, which need not exist yet: its nearest parent does."""
    # What is cut off below is the length of a name that leads through no link.
    root = os.path.realpath(root) if root else ""
    at = os.path.abspath(path)
    while at != "/" and not os.path.exists(root + at):
        at = os.path.dirname(at)
    at = os.path.realpath(root + at)[len(root) :] or "/"
    mount_point, fstype = at, None
    while not os.path.ismount(root + mount_point) and mount_point != "/":
        mount_point = os.path.dirname(mount_point)
    for point, kind in mounts(root):
        if (at == point or at.startswith(point.rstrip("/") + "/")) and len(point) >= len(mount_point):
            mount_point, fstype = point, kind
    room = os.statvfs(root + at)
    return {
        "path": path,
        "mount_point": mount_point,
        "fstype": fstype,
        "total_bytes": room.f_frsize * room.f_blocks,
        "free_bytes": room.f_frsize * room.f_bavail,
    }


def walk_filesystems(emit, settled, paths=(), root=""):
    """Work of the job `filesystems`: in a child, since a dead network share holds whoever asks."""
    for path in paths:
        if path in settled:
            continue
        emit({"start": path})
        try:
            emit({"filesystem": filesystem(path, root)})
        except OSError as error:
            emit({"filesystem": {"path": path, "error": str(error)}})
