# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which headers a choice depends on, and what they say. All others stay unread: a family has hundreds of them."""

from __future__ import annotations

import collections

from .. import versions
from ..errors import MetadataError
from .case import Crowded, Nothing

_NEAR_MISS = 0.06  # a tag that misses by so little by the catalogue is worth its header

# exact: the candidate as its own header has it; None where it cannot be had after all, and why.
Told = collections.namedtuple("Told", "exact why")


def decisive(outcome, wanted):
    """[(want, candidate)] of which an outcome may be another when their headers are read."""
    asked = []
    for item in outcome.chosen:
        asked += [(item.want, item.candidate)] + [(item.want, row.candidate) for row in item.rejected if _near(row)]
    failure = outcome.failure
    if isinstance(failure, Nothing):
        asked += [(failure.want, row.candidate) for row in failure.rejected if _near(row)]
    elif isinstance(failure, Crowded):
        asked += zip(wanted, failure.lightest)
    return asked


def _near(row):
    return row.kind == "short" and row.placed.short <= _NEAR_MISS * row.placed.need


class Headers:
    """fallbacks: why headers were not read, each reason once."""

    def __init__(self, case):
        self.case, self.fallbacks, self._asked = case, [], set()

    def read(self, name):
        metadata, why, final = self.case.header(name)
        if why and not final and why not in self.fallbacks:
            self.fallbacks.append(why)
        return metadata, why, final

    def told(self, want, candidate):
        """Told of a candidate of a family; None where nothing new is known of it."""
        key = (want.position, candidate.name)
        if want.kind != "family" or want.target in self.case.families or candidate.source == "header" or key in self._asked:
            return None
        self._asked.add(key)
        metadata, why, final = self.read(candidate.name)
        if not metadata and not final:
            return None
        try:
            exact = candidate.with_header(metadata) if metadata else None
        except MetadataError as problem:
            exact, why = None, str(problem)
        requires = metadata and metadata.get("requires")
        if requires and versions.parse(requires) > self.case.version:
            exact, why = None, "it needs Ollama %s or later" % requires
        return Told(exact, why)
