# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What keeps a role from its work: one shape for all roles."""

from __future__ import annotations

from collections.abc import Iterable


def problem(identity: str, variable: str, say: str) -> dict:
    """id: for tests and programs; variable: what the user changes; say: the sentence that people read, with the way out."""
    return {"id": identity, "variable": variable, "say": say}


def found(*checks: tuple) -> list:
    """The problems of a table whose rows are (whether it is wrong, id, variable, sentence)."""
    return [problem(identity, variable, say) for wrong, identity, variable, say in checks if wrong]


def told(problems: Iterable[dict], between: str = "\n") -> str:
    return between.join(one["say"] for one in problems)
