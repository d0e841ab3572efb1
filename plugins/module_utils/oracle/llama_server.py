# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks a llama-server what a model would take, without its weights: the head of the file, a hole of the right size, and the server's own words.

The server says them before it reads a weight; it is killed right after, since it would go on and load the hole.

Nobody has checked the head: it is a range of a file, which has no digest. So root has it read by a user that exists for nothing else, who has no network
and no path to write to.
"""

from __future__ import annotations

import os
import re
import select
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

from ansible_collections.llmfleet.ollama.plugins.module_utils.bytes import MIB
from ansible_collections.llmfleet.ollama.plugins.module_utils.defaults import FIT_MARGIN_BYTES, OLLAMA_VERSION
from ansible_collections.llmfleet.ollama.plugins.module_utils.look.linux import gpu_groups
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.registry import HttpsStays

MAX_HEAD = 64 * MIB
OPTIONS = {
    "ask": {"type": "str", "choices": ["host", "controller"], "default": "host"},
    "planned": {"type": "dict"},
    "ollama_version": {"type": "str", "default": OLLAMA_VERSION},
    "server": {
        "type": "list",
        "elements": "path",
        "default": [
            "/opt/ollama/current/lib/ollama/llama-server",
            "/usr/local/lib/ollama/llama-server",
            "/usr/lib/ollama/llama-server",
        ],
    },
    "url": {"type": "str", "required": True},
    "header_bytes": {"type": "int", "required": True},
    "blob_bytes": {"type": "int", "required": True},
    "context": {"type": "int", "required": True},
    "parallel": {"type": "int", "default": 1},
    "ubatch": {"type": "int", "default": 512},
    "kv_cache_type": {"type": "str", "choices": ["f16", "q8_0", "q4_0"], "default": "f16"},
    "flash_attention": {"type": "bool"},
    "fit_margin_bytes": {"type": "int", "default": FIT_MARGIN_BYTES},
    "timeout": {"type": "int", "default": 30},
}
# Where the server in its box finds the model. ProtectHome covers /home, so that the place is empty but for it.
SHOWN = "/home/model.gguf"
# What of the host's environment may be meant for it.
PREFIXES = ("CUDA_", "GGML_", "GPU_", "HIP_", "HSA_", "LLAMA_", "NVIDIA_", "ROCR_", "VK_")
_PROJECTED = re.compile(r"projected to use (\d+) MiB of (device|host) memory vs\. (\d+) MiB of")
_DEVICE = re.compile(r"\| +- (\S+)(?: \((.*?)\))? +\| +(\d+) = +(\d+) \+ \( *(\d+) = +(\d+) \+ +(\d+) \+ +(\d+)\)")


class NoAnswer(Exception):
    """Why the server could not be asked."""


def fetch_head(url, length, timeout):
    """The first bytes of the model's file, from where the host would pull it."""
    if not 0 < length <= MAX_HEAD:
        raise NoAnswer("the head of a model has 1 byte to 64 MiB, not %d bytes" % length)
    request = urllib.request.Request(url, headers={"Range": "bytes=0-%d" % (length - 1)})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler(urllib.request.getproxies_environment()), HttpsStays)
    try:
        with opener.open(request, timeout=timeout) as answer:
            body = b""
            while len(body) < length:
                chunk = answer.read(min(1 << 20, length - len(body)))
                if not chunk:
                    break
                body += chunk
    except (urllib.error.URLError, OSError, ValueError) as problem:
        raise NoAnswer("the head at %s could not be read: %s" % (url, problem))
    if len(body) < length:
        raise NoAnswer("%s sent %d of %d bytes" % (url, len(body), length))
    return body


def write_sparse(folder, head, size):
    """A file of the model's full length that takes the head's room only."""
    handle, path = tempfile.mkstemp(dir=folder, suffix=".gguf")
    with os.fdopen(handle, "wb") as stream:
        stream.write(head)
        stream.truncate(max(size, len(head)))
    return path


def command(server, path, settings):
    """The command line that Ollama gives its server, so far as memory is concerned."""
    flash = {True: "on", False: "off", None: "auto"}[settings.get("flash_attention")]
    return [
        server, "--model", path, "-c", str(settings["context"] * settings["parallel"]), "-np", str(settings["parallel"]),
        "-b", str(settings["ubatch"]), "-ub", str(settings["ubatch"]), "--flash-attn", flash,
        "--cache-type-k", settings["kv_cache_type"], "--cache-type-v", settings["kv_cache_type"],
        "--host", "127.0.0.1", "--port", "0", "--offline", "--no-warmup", "--log-verbosity", "4",
    ]  # fmt: skip


def parse(lines):
    """{'devices': [...], 'projected_bytes', 'free_bytes', 'where'} or None while the decisive line is missing."""
    devices = []
    for line in lines:
        row = _DEVICE.search(line)
        if row:
            total, free, whole, model, context, compute = (int(part) * MIB for part in row.groups()[2:])
            devices.append(
                {
                    "name": row.group(1),
                    "description": row.group(2),
                    "total_bytes": total,
                    "free_bytes": free,
                    "self_bytes": whole,
                    "model_bytes": model,
                    "context_bytes": context,
                    "compute_bytes": compute,
                }
            )
        found = _PROJECTED.search(line)
        if found:
            return {
                "devices": devices,
                "projected_bytes": int(found.group(1)) * MIB,
                "free_bytes": int(found.group(3)) * MIB,
                "where": found.group(2),
            }
    return None


def missing_bytes(answer, margin):
    """By how much the model misses, each device having to keep its margin; 0 if it fits."""
    rows = answer["devices"]
    if rows:
        return sum(max(0, row["self_bytes"] + margin - row["free_bytes"]) for row in rows)
    return max(0, answer["projected_bytes"] + margin - answer["free_bytes"])


def boxed(line, path, unit, timeout, variables, groups):
    """The command line by which systemd runs one, as a user of its own."""
    properties = {
        "DynamicUser": "yes", "SupplementaryGroups": " ".join(groups), "CapabilityBoundingSet": "", "NoNewPrivileges": "yes",
        "PrivateNetwork": "yes", "RestrictAddressFamilies": "AF_INET AF_UNIX", "RestrictNamespaces": "yes", "LockPersonality": "yes",
        "SystemCallArchitectures": "native", "ProtectSystem": "strict", "ProtectHome": "tmpfs", "ReadOnlyPaths": "/tmp /var/tmp",
        # Below /run lie the sockets of the host's servers, which a network of its own does not take away, and /run/lock is everybody's.
        "TemporaryFileSystem": "/dev/shm /run:ro", "InaccessiblePaths": "-/dev/mqueue",
        "BindReadOnlyPaths": "%s:%s" % (path, SHOWN), "ProtectProc": "invisible", "ProtectKernelTunables": "yes", "ProtectControlGroups": "yes",
        "RuntimeMaxSec": str(timeout + 30),
    }  # fmt: skip
    words = ["systemd-run", "--quiet", "--pipe", "--wait", "--collect", "--service-type=exec", "--unit=" + unit]
    words += ["--property=%s=%s" % pair for pair in properties.items()]
    kept = {name: value for name, value in variables.items() if name.startswith(PREFIXES) or name == "LD_LIBRARY_PATH"}
    return words + ["--setenv=%s=%s" % pair for pair in sorted(kept.items())] + ["--"] + line


def ask(server, path, settings, timeout, environment=None):
    """Start the server, read until it has said what it would take, end it."""
    variables = dict(os.environ if environment is None else environment)
    folder = os.path.dirname(os.path.realpath(server))
    variables["LD_LIBRARY_PATH"] = os.pathsep.join(part for part in (folder, variables.get("LD_LIBRARY_PATH")) if part)
    line, unit = command(server, path, settings), ""
    if os.geteuid() == 0:
        if not (os.path.isdir("/run/systemd/system") and shutil.which("systemd-run")):
            raise NoAnswer("%s is not run as root on bytes that nobody has checked, and there is no systemd here that could run it as somebody else" % server)
        # In the box it is seen by everybody, as the folder around it is not.
        os.chmod(path, 0o644)
        unit = "llmfleet-oracle-%d.service" % os.getpid()
        line = boxed(command(server, SHOWN, settings), path, unit, timeout, variables, gpu_groups())
    try:
        return _answer_of(server, line, variables, timeout)
    finally:
        if unit:
            for verb in (["kill", "--signal=SIGKILL"], ["stop"]):
                subprocess.call(  # pylint: disable=ansible-bad-function
                    ["systemctl", *verb, unit], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
                )


def _answer_of(server, line, variables, timeout):
    try:
        # run_command waits for the end, which a server does not have.
        process = subprocess.Popen(  # pylint: disable=ansible-bad-function
            line,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=variables,
            start_new_session=True,
        )
    except OSError as problem:
        raise NoAnswer("%s does not start: %s" % (server, problem))
    lines, rest, end = [], b"", time.monotonic() + timeout
    try:
        while time.monotonic() < end:
            if not select.select([process.stdout], [], [], 0.2)[0]:
                continue
            data = os.read(process.stdout.fileno(), 65536)
            if not data:
                break
            complete = (rest + data).split(b"\n")
            rest = complete.pop()
            lines += [line.decode("utf-8", "replace") for line in complete]
            answer = parse(lines)
            if answer:
                return answer
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except OSError:
            pass  # it ended by itself
        process.stdout.close()
        process.wait()
    raise NoAnswer("%s did not say what the model would take: %s" % (server, " / ".join(lines[-3:]) or "it said nothing"))
