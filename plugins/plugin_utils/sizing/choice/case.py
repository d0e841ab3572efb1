# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan is made from, and what the search for it comes to: the words between those who choose and those who tell."""

from __future__ import annotations

import collections
import dataclasses

# wanted: wants.Want; version: numbers; spills: what earlier runs saw; flash: flash attention of the service; header: asks a registry, at `place`;
# families: of the inventory's own, each with its tags
Case = collections.namedtuple("Case", "wanted policy host version rules spills flash sources header place families", defaults=({},))

# Why a tag was passed over. short: it does not fit (placed says by how much, detail: bytes of system memory that its experts, or a part of it, lack
# there); trained: for so few tokens (detail); slow: fewer tokens a second than the policy bears (detail: floor.Slow); gone: the registry has none
# (detail: its words).
Rejected = collections.namedtuple("Rejected", "candidate kind placed detail", defaults=(None, None))


# What is borne of some wants, by their positions. patient: of those that may be as slow as on a host without a GPU; partly: that may lie partly or wholly in
# system memory beside one.
Concession = collections.namedtuple("Concession", "patient partly", defaults=(frozenset(), frozenset()))
# What a want aims at, in tokens: wanted, and the least that it bears. half: of what is wanted, if that is more than the floor.
Aim = collections.namedtuple("Aim", "context floor half")
# A context that was written and is longer than anything of its target was trained for.
Cut = collections.namedtuple("Cut", "want longest")


class Chosen:
    """A want and its tag, where it lies, and what was left on cards and in memory before it. rejected: better tags that were passed over."""

    __slots__ = ("want", "aim", "candidate", "rejected", "placed", "load", "before")

    def __init__(self, want, aim, candidate, rejected, placed, load, before):
        self.want, self.aim, self.candidate, self.rejected = want, aim, candidate, rejected
        self.placed, self.load, self.before = placed, load, before

    @property
    def name(self):
        return self.want.managed or self.candidate.name

    @property
    def has_less(self):
        """Whether the tag got less context than was wanted; a fixed one has no smaller sister."""
        return self.want.kind == "family" and not self.candidate.embedding and self.placed.settings.context < (self.aim.context or 0)


@dataclasses.dataclass(frozen=True)
class Nothing:
    """No tag of a want fits, even alone; tokens: the least that was tried. in_turns: whether all would fit one after the other; shorter: what might
    fit with less context, as (tokens, tag), the longest first."""

    want: object
    rejected: list
    tokens: int
    in_turns: bool = False
    shorter: tuple = ()


@dataclasses.dataclass(frozen=True)
class Crowded:
    """Each want fits alone, as its lightest tag at the least context, and not all of them together. need: of all; tokens: the least that was tried;
    shorter: with how many they would fit, 0 where with none."""

    lightest: list
    need: int
    tokens: int
    shorter: int = 0


@dataclasses.dataclass(frozen=True)
class Refused:
    """The host or the list as a whole: no_gpu, no_memory, no_setting."""

    kind: str


# chosen and load, or failure; problems: sentences about single wants, which end a search before it begins;
# patient: wants for which the floor of a host without a GPU was held
Outcome = collections.namedtuple("Outcome", "chosen load failure problems patient", defaults=([], None, None, [], 0))


def worth(outcome):
    """An outcome as the order of concessions sees it: speed, whole on the cards, half of the contexts, sizes, the rest of the context, embedding models,
    heavier weights, the cache. One in f16 is worth nothing beside experts in system memory, which are the larger concession, and heavier weights nothing
    where no layer lies on a card."""
    if outcome.failure or not outcome.chosen:
        return (float("-inf"),)
    whole = half = sizes = contexts = embeddings = losses = exact = 0
    for item in outcome.chosen:
        context, tag = item.placed.settings.context, item.candidate
        whole += item.placed.kind not in ("partial", "cpu")
        half += tag.embedding or context >= (item.aim.half or 0)
        sizes += 0 if tag.embedding else tag.worth
        embeddings += tag.worth if tag.embedding else 0
        contexts, losses = contexts + context, losses - (1 if item.placed.kind == "cpu" else tag.quality["loss"])
        exact += item.placed.settings.k_type == "f16"
    if any(item.placed.kind == "experts" for item in outcome.chosen):
        exact = 0
    return -outcome.patient, whole, half, round(sizes, 6), contexts, round(embeddings, 6), round(losses, 6), exact
