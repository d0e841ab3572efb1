# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the look that the facts of a host hold is one of this run, young, and an answer to the question that is asked now."""

from __future__ import annotations

import hashlib
import json
import time

from ansible_collections.llmfleet.ollama.plugins.module_utils.defaults import path_of

# The names that Ansible has for the systems.
SYSTEMS = {"linux": "Linux", "macos": "Darwin", "windows": "Windows"}
# A look serves the rest of its run only so long: what comes between may take hours, and somebody may do something there meanwhile.
SECONDS = 600


def asked(questions, proofs_path):
    """{system: a word for what its hosts are asked}. questions: as the look takes them."""
    return {question["system"]: _word(question, proofs_path or path_of("proofs", SYSTEMS.get(question["system"], ""))) for question in questions}


def _word(question, proofs_path):
    return hashlib.sha256(json.dumps([question, proofs_path], sort_keys=True).encode("utf-8")).hexdigest()[:16]


def run_of(task):
    """The same for every task and host of one run of Ansible: facts may outlive it in a cache, and hosts change meanwhile."""
    return "-".join(task._uuid.split("-")[2:4])


def until(look, run, words):
    """Until when a look serves, in seconds since 1970; 0 where it does not."""
    if look.get("run") != run or look.get("asked") != words.get(look.get("system")):
        return 0
    seen, now = look.get("seen_at", 0), time.time()
    return seen + SECONDS if seen <= now < seen + SECONDS else 0
