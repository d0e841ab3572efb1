# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host is asked of what runs beside Ollama: what keeps models loaded, and what tells Prometheus of them."""

from __future__ import annotations

from ansible_collections.llmfleet.ollama.plugins.module_utils.beside import OWNER, PYTHON

from . import numbers, warm


def asked(system, plan, look, question, folder="", host="", devices=(), proofs=""):
    """{warm, numbers: options of module ollama_beside}, without what the host neither wants nor has, by its look if there is one.

    plan: {} for none. question: a Question of this system, None where the wishes cannot be read. folder: of the node exporter; proofs: the file that
    remembers how each model ran.
    """
    there = {entry["path"] for entry in look.get("files") or ()} if look else None
    found = {}
    if question:
        where = warm.place(system, question.install_dir)
        files = warm.files(system, where, plan, question.url, PYTHON, question.user)
        if files or there is None or where.list in there:
            label = warm.LABEL if system == "macos" else ""
            found["warm"] = {"files": files, "starter": where.starter, "program": where.program, "list": where.list, "label": label}
    if system == "linux" and (question if folder else there is None or numbers.LIST in there):
        files = numbers.files(host, folder, plan, devices, question.url, PYTHON, OWNER, proofs) if folder else {}
        found["numbers"] = {"files": files, "folder": folder or None, "paths": list(numbers.PATHS), "name": numbers.NAME}
    return found
