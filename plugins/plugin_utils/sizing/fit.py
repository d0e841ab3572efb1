# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether one tag of a want goes on a host beside its other wants, and how well: for those who choose hosts for a tag and not tags for a host."""

from __future__ import annotations

import dataclasses

from . import kinds, plan, result, words
from .choice import weak_cards
from .choice.scope import Scope
from .choice.search import Search
from .errors import BadInput
from .machine import placement, speed


@dataclasses.dataclass(frozen=True)
class Found:
    """The tag on this host. whole, half: of all its models, since a copy shall not drive others off the cards or halve their contexts; speed: tokens a
    second, 0 where nobody knows; room: bytes that it leaves on its cards, or in memory without cards."""

    whole: bool
    half: bool
    context: int
    speed: float
    room: int

    @property
    def grade(self) -> tuple:
        return (self.whole, self.half)


@dataclasses.dataclass(frozen=True)
class Missed:
    """short: bytes that are missing, None where it is something else; why: the host's own sentence."""

    short: int | None
    why: str


def candidates(inputs: dict, position: int) -> list:
    """The tags of a want, best first, as lists of one size. inputs: of plan.make_plan. BadInput where the want itself is wrong."""
    case, problems = plan.case_of(**_case_inputs(inputs))
    if problems:
        raise BadInput(problems[0])
    sizes: dict = {}
    for tag in Scope(case).candidates(position):
        sizes.setdefault(tag.size, []).append(tag)
    return list(sizes.values())


def try_tag(inputs: dict, position: int, tag: str, placed: dict, known: dict | None = None):
    """Found or Missed. placed: what is known of the other wants of the host, see plan.case_of; known: what was found of hosts of the same kind, which have
    the same answer, kept by who asks for many."""
    try:
        case, problems = plan.case_of(**_case_inputs(inputs), placed={**placed, position: tag})
        if problems:
            return Missed(None, problems[0])
        known = {} if known is None else known
        # A header that is remembered by its identity is kept with the answer.
        key = (position, kinds.of(case))
        if key not in known:
            known[key] = (_tried(case, position), case.header)
        found, download = known[key][0]
    except (BadInput, ValueError) as problem:
        return Missed(None, str(problem))
    disk = result.disk_of(inputs["vram"], inputs.get("filesystem")) or {}
    if disk.get("total_bytes") and download > disk["total_bytes"]:
        return Missed(download - disk["total_bytes"], words.disk_too_small(download, disk, inputs["filesystem"]))
    return found


def _tried(case, position):
    """(Found or Missed, bytes to download) of every host of the case's kind."""
    search = Search(case)
    outcome = search.run()
    case, search, outcome, _left_out = weak_cards.leave_out(case, search, outcome)
    if outcome.problems:
        return Missed(None, outcome.problems[0]), 0
    if outcome.failure:
        return Missed(words.short(case, outcome.failure), words.failure(case, outcome.failure)), 0
    item = next(item for item in outcome.chosen if item.want.position == position)
    if item.placed.kind in ("experts", "partial", "cpu") and not search.scope.lightest_of_its_size(item.want, item.candidate):
        return Missed(None, "%s would lie in system memory, for which its family has lighter weights" % item.candidate.name), 0
    download = sum({one.candidate.name: one.candidate.download_bytes for one in outcome.chosen}.values())
    context, placing = item.placed.settings.context, item.placed
    left = item.before[1] if not case.host.cards else sum(item.before[0])
    taken = sum(placement.share_total(share) for share in placing.shares if bool(share.card) == bool(case.host.cards))
    found = Found(
        whole=not case.host.cards or all(one.placed.kind not in ("partial", "cpu") for one in outcome.chosen),
        half=all(one.candidate.embedding or one.placed.settings.context >= (one.aim.half or 0) for one in outcome.chosen),
        context=context,
        speed=speed.predicted(item.candidate.shape, placing, case.host) or 0.0,
        room=left - taken,
    )
    return found, download


def _case_inputs(inputs: dict) -> dict:
    return {name: value for name, value in inputs.items() if name != "filesystem"}
