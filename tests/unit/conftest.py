# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lets Ansible's own loader import the collection, before any test does: what was imported without it, it no longer knows as a collection."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from hypothesis import settings

# Everybody is asked the same examples, so that a change is judged by what it changed; `make test-long` asks others each time and prints how to ask again.
settings.register_profile("same", derandomize=True)
settings.register_profile("others", print_blob=True)
settings.load_profile(os.environ.get("LLMFLEET_EXAMPLES", "same"))

# An older Python is one of targets (noxfile.py): it has ansible.module_utils and no loader, and Python's own import finds the collection.
if sys.version_info >= (3, 11):
    from ansible.plugins.loader import init_plugin_loader
    from ansible.utils.collection_loader import AnsibleCollectionConfig

    if AnsibleCollectionConfig.collection_finder is None:
        init_plugin_loader([str(Path(__file__).resolve().parents[2] / "collections")])
