# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The decision about one host's service: the same way on every system, whose module knows the rest."""

from __future__ import annotations

from .. import look_schema
from . import linux, wish
from .contract import Service

SYSTEMS = {"linux": linux}


def decide(host, variables, look, around):
    """A Service of public variables and a look. Raises look_schema.BadLook for a look that cannot be believed."""
    look_schema.check(host, look)
    system = SYSTEMS[look["system"]]
    if not look["is_root"]:
        # Without root the answers to all other questions are wrong as well.
        return Service(problems=[system.not_root(around)])
    made, problems = wish.read(variables, look["system"])
    problems = wish.platform_problems(look) + problems
    if made and made.state == "present":
        problems += wish.problems(made, around)
    if problems:
        return Service(problems=problems)
    if made.state != "present":
        return Service(version=made.version)
    decision = system.decide(made, look, around)
    decision.warnings = wish.warnings(made, around) + decision.warnings
    return decision
