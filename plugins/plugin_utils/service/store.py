# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A model store that a newer release has written, before an older one opens it: the same refusal on every system."""

from __future__ import annotations

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
