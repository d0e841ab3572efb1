# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks llama.cpp on the controller (package xllamacpp) what a planned model takes, and whether the plan's card still holds that.

Heads and answers are kept in the controller's cache, so that a fleet of like hosts asks once.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import re
import signal
import subprocess
import sys
import tempfile

from ansible_collections.llmfleet.ollama.plugins.module_utils.bytes import MIB
from ansible_collections.llmfleet.ollama.plugins.module_utils.model_header.http_client import HttpClient, HttpError
from ansible_collections.llmfleet.ollama.plugins.module_utils.oracle.llama_server import NoAnswer

from ..sizing import versions

_SETTINGS = ("context", "parallel", "ubatch", "kv_cache_type", "flash_attention")
_PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "xllamacpp_child.py")
_START = 30  # seconds for Python and llama.cpp to be loaded on a busy controller


class Unusable(Exception):
    """The controller has no llama.cpp that could speak for the host's."""


def build(ollama_version):
    """The version of xllamacpp in the Python that runs Ansible; one that allocates as this Ollama does."""
    era = versions.era_of_ollama(versions.parse(ollama_version)).name
    wanted = "%s -m pip install xllamacpp==%s" % (sys.executable, versions.package_of_era(era))
    try:
        found = importlib.metadata.version("xllamacpp")
    except importlib.metadata.PackageNotFoundError:
        raise Unusable(
            "llm_oracle is 'controller', but the Python that runs Ansible has no xllamacpp: install it (%s), or set llm_oracle to host or false"
            % wanted
        )
    number = found.split(".")[2] if re.match(r"^20\d\d\.\d+\.\d+", found) else ""
    if not number or versions.era_of_build(int(number)).name != era:
        raise Unusable(
            "llm_oracle is 'controller', but xllamacpp %s allocates otherwise than the llama.cpp of Ollama %s: install the one that does not (%s),"
            " or set llm_oracle to host or false" % (found, ollama_version, wanted)
        )
    return found


def _head(options, cache, client):
    """A sparse file with the model's head, fetched once for the fleet."""
    key = "%s %d" % (options["url"], options["blob_bytes"])
    path = os.path.join(cache.folder, "head-%s.gguf" % hashlib.sha256(key.encode("utf-8")).hexdigest()[:40])
    if os.path.exists(path):
        return path
    try:
        body, _whole = client.part(options["url"], 0, options["header_bytes"])
    except HttpError as problem:
        raise NoAnswer("the head of the model could not be read: %s" % problem)
    if len(body) < options["header_bytes"]:
        raise NoAnswer("%s sent %d of %d bytes" % (options["url"], len(body), options["header_bytes"]))
    handle, temporary = tempfile.mkstemp(dir=cache.folder, prefix=".new-")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(body)
            stream.truncate(max(options["blob_bytes"], len(body)))
        os.replace(temporary, path)
    except OSError:
        os.unlink(temporary)
        raise
    return path


def _dry_run(request, seconds, program=_PROGRAM):
    # -P: the folder of this program has an http.py, which would hide Python's own.
    process = subprocess.Popen(
        [sys.executable, "-P", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    try:
        output, _none = process.communicate(json.dumps(dict(request, seconds=seconds)) + "\n", timeout=seconds + _START)
        answer = json.loads(output)
    except subprocess.TimeoutExpired:
        raise NoAnswer("xllamacpp on the controller did not answer in %d seconds" % (seconds + _START))
    except ValueError:
        raise NoAnswer("xllamacpp on the controller ended without an answer (exit status %s)" % process.returncode)
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except OSError:
            pass  # it ended by itself
        process.wait()
    if "error" in answer:
        raise NoAnswer("llama.cpp on the controller cannot size this model: %s" % (answer["error"] or "it said nothing"))
    return answer


def answer(options, cache, client=None, dry_run=_dry_run):
    """What llama.cpp would allocate, in bytes; from the cache where these settings were asked before."""
    settings = {name: options[name] for name in _SETTINGS}
    key = json.dumps([build(options["ollama_version"]), options["url"], options["blob_bytes"], settings], sort_keys=True)
    known = cache.get("oracle", key)
    if known:
        return known
    with cache.alone("oracle", options["url"]):
        known = cache.get("oracle", key)
        if known:
            return known
        path = _head(options, cache, client or HttpClient(deadline=options["timeout"]))
        found = dry_run(dict(settings, path=path), options["timeout"])
        known = {name: round(found[name] * MIB) for name in ("kv", "state", "compute")}
        cache.put("oracle", key, known)
    return known


def judge(found, planned):
    """The result of the module: the plan's own sum, with llama.cpp's cache and buffers in place of ours."""
    memory, headroom = planned["memory"], planned["headroom_bytes"]
    ours = memory["kv_cache_bytes"] + memory["recurrent_bytes"] + memory["compute_bytes"]
    more = found["kv"] + found["state"] + found["compute"] - ours
    return {
        "asked": True,
        "fits": more <= headroom,
        "missing_bytes": max(0, more - headroom),
        "projected_bytes": memory["total_bytes"] - memory["margin_bytes"] + more,
        "free_bytes": memory["total_bytes"] + headroom,
        "difference_bytes": more,
        "where": "device",
        "devices": [],
    }
