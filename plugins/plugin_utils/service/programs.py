# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shell programs of role ollama, as arguments of a command: a host gets a program as text, and keeps none."""

from __future__ import annotations

import functools
import os

FILES = os.path.join(os.path.dirname(os.path.abspath(__file__)), *[os.pardir] * 3, "roles", "ollama", "files")


@functools.cache
def text(name):
    """Of files/<name>, as ansible.builtin.file looks it up."""
    with open(os.path.join(FILES, *name.split("/")), encoding="utf-8") as program:
        return program.read().rstrip()


def command(name, *arguments):
    """argv that runs the shell program files/<name>."""
    return ["/bin/sh", "-c", text(name), os.path.splitext(os.path.basename(name))[0], *arguments]
