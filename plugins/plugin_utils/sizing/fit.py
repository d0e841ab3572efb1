# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether one tag of a want goes on a host beside its other wants, and how well: for those who choose hosts for a tag and not tags for a host."""

from __future__ import annotations

import dataclasses

from . import plan, result, words
from .choice import weak_cards
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


@dataclasses.dataclass(frozen=True)
class Missed:
    """short: bytes that are missing, None where it is something else; why: the host's own sentence."""

    short: int | None
    why: str


def candidates(inputs: dict, position: int) -> list:
    """The tags of a want, best first, as lists of one size. inputs: of plan.make_plan. BadInput where the want itself is wrong."""
    case, problems = plan.case_of(**_case_inputs(inputs))
    search = Search(case)
    if problems:
        raise BadInput(problems[0])
    sizes: dict = {}
    for tag in search.candidates(position):
        sizes.setdefault(tag.size, []).append(tag)
    return list(sizes.values())


def try_tag(inputs: dict, position: int, tag: str, placed: dict):
    """Found or Missed. placed: what is known of the other wants of the host, see plan.case_of."""
    try:
        case, problems = plan.case_of(**_case_inputs(inputs), placed={**placed, position: tag})
        search = Search(case)
        outcome = None if problems else search.run()
        if outcome:
            case, search, outcome, _left_out = weak_cards.leave_out(case, search, outcome)
    except (BadInput, ValueError) as problem:
        return Missed(None, str(problem))
    if problems or outcome.problems:
        return Missed(None, (problems or outcome.problems)[0])
    if outcome.failure:
        return Missed(words.short(case, outcome.failure), words.failure(case, outcome.failure))
    item = next(item for item in outcome.chosen if item.want.position == position)
    disk = result.disk_of(inputs["vram"], inputs.get("filesystem")) or {}
    download = sum({item.candidate.name: item.candidate.download_bytes for item in outcome.chosen}.values())
    if disk.get("total_bytes") and download > disk["total_bytes"]:
        return Missed(download - disk["total_bytes"], words.disk_too_small(download, disk, inputs["filesystem"]))
    context, placing = item.placed.settings.context, item.placed
    left = item.before[1] if not case.host.cards else sum(item.before[0])
    taken = sum(placement.share_total(share) for share in placing.shares if bool(share.card) == bool(case.host.cards))
    return Found(
        whole=not case.host.cards or all(one.placed.kind not in ("partial", "cpu") for one in outcome.chosen),
        half=all(one.candidate.embedding or one.placed.settings.context >= (one.aim.half or 0) for one in outcome.chosen),
        context=context,
        speed=speed.predicted(item.candidate.shape, placing, case.host) or 0.0,
        room=left - taken,
    )


def _case_inputs(inputs: dict) -> dict:
    return {name: value for name, value in inputs.items() if name != "filesystem"}
