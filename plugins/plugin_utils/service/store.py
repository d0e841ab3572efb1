# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A model store that another release has written than the one that shall open it: the same words on every system."""

from __future__ import annotations

from ansible_collections.llmfleet.ollama.plugins.module_utils.bytes import gib
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.manifest import CONVERTED

from .. import releases
from . import environment
from .contract import Problem

# Where releases since 0.40 keep the names of models, below ollama_models_dir.
NEWER_NAMES = "manifests-v2"


def problems(wish, files, newer_names):
    """newer_names: the path of NEWER_NAMES on this system; files: what the look found, by path."""
    keeps_all = str(wish.environment.get("OLLAMA_NOPRUNE", "")).strip().lower() in environment.TRUE_WORDS
    if newer_names not in files or releases.row_of(wish.version)["store"] != "manifests" or keeps_all:
        return []
    return [Problem(
        "store_newer", "ollama_version",
        "The models in ollama_models_dir %s were written by Ollama 0.40 or later; %s (ollama_version) reads part of them and removes at its start what it "
        "does not know; keep a release since 0.40, choose another directory, or set OLLAMA_NOPRUNE to true in ollama_environment, which keeps all of it."
        % (wish.models_dir, wish.version),
    )]


def read_only(wish, look):
    """Before what the service's user may do there: that is nothing, whoever owns it."""
    if wish.models_dir not in look["read_only"]:
        return []
    return [Problem(
        "store_read_only", "ollama_models_dir",
        "ollama_models_dir %s is on a file system that is mounted read-only; mount it writable (its system may have closed it after an error on the disk), or "
        "choose another directory." % wish.models_dir,
    )]


def warnings(wish, look):
    """What the models that are here may grow to under a release that converts them."""
    served, free = look["api"]["version"], look["store"]["free_bytes"]
    if not served or releases.row_of(served)["store"] != "manifests" or releases.row_of(wish.version)["store"] == "manifests" or free is None:
        return []
    due = {}
    for model in look["api"]["models"] or ():
        details, size = model.get("details"), model.get("size")
        if isinstance(details, dict) and details.get("family") in CONVERTED and isinstance(size, int):
            due[model.get("digest")] = size
    need = sum(due.values())
    if need <= free:
        return []
    return [
        "Ollama %s (ollama_version) converts models at their first load and keeps what they were made from: up to %s more in ollama_models_dir %s, where %s "
        "are free. What does not fit it leaves as it is; make room, or remove models, before the upgrade."
        % (wish.version, gib(need), wish.models_dir, gib(free))
    ]
