# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that appear whole or not at all, second names for them, and their digests."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile

from ansible_collections.llmfleet.ollama.plugins.module_utils import nofollow

CHUNK = 4 << 20


def write_json(path, content, mode):
    """Writes a file whole or not at all."""
    folder = os.path.dirname(path) or "."
    os.makedirs(folder, mode=0o755, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=".llmfleet-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(content, file, sort_keys=True)
        os.chmod(temporary, mode)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def sha256_of(descriptor):
    """The digest of an open file, from its beginning."""
    digest, place = hashlib.sha256(), 0
    while True:
        chunk = os.pread(descriptor, CHUNK, place)
        if not chunk:
            return "sha256:" + digest.hexdigest()
        digest.update(chunk)
        place += len(chunk)


def link(source, target, descriptor):
    """A second name for an open file: no second copy of tens of gigabytes, and the target appears whole. target: in a folder of our own."""
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if os.path.exists(target) and os.path.samestat(os.stat(target), os.fstat(descriptor)):
        return
    temporary = target + ".new"
    if os.path.lexists(temporary):
        os.unlink(temporary)
    nofollow.link(source, temporary, descriptor)
    os.replace(temporary, target)


def write_file(path, body):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    temporary = os.path.join(os.path.dirname(path), "." + os.path.basename(path))
    with open(temporary, "wb") as handle:
        handle.write(body)
    os.chmod(temporary, 0o644)
    os.replace(temporary, path)
