# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A mirror is looked at by anybody and changed by one. Looking and acting are one pass over its stores, so that pass ends before its first act unless the
mirror is taken: what another run has just pulled is named by no manifest yet, and would be tidied away under its hands."""

from __future__ import annotations

from ansible_collections.llmfleet.ollama.plugins.module_utils.change import lock


class Untaken(Exception):
    """There is something to do, and nobody has taken the mirror for it."""


def refused():
    """What a pass calls before each act, as long as it may only look."""
    raise Untaken


def taken():
    """The same where it may act."""


def passed(work, holder, over, folder, clock):
    """What work(begin) returns, of a pass that calls begin() before each act. holder: who asks; a run that has the mirror already acts at once. Raises
    lock.Held before the first act where somebody else has it."""
    there = lock.read(folder, clock)
    mine = there is not None and there["token"] == holder["token"]
    if not mine:
        try:
            return work(refused)
        except Untaken:
            # What it has seen may have changed until the mirror is taken.
            pass
    hold = lock.Hold(folder, dict(holder, doing=there["doing"] if mine else "the model mirror"), clock, over).take()
    try:
        with lock.alive_meanwhile(folder, clock):
            return work(taken)
    finally:
        hold.free()
