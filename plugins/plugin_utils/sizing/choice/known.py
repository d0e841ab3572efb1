# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a search has found so far, so that nothing is worked out twice, and what it must forget when a header tells more."""

from __future__ import annotations

from ..machine import placement


class Known:
    """One for all concessions: a key holds whatever an answer depends on of that. empty: what is left on a host when nothing is loaded."""

    def __init__(self, host):
        self.empty = placement.usable_left(host)
        self.placed, self.alone, self.stands, self.least = {}, {}, {}, {}  # of single tags
        self.laid, self.sizes, self.passed_over = {}, {}, {}  # which rest on all the tags of a want

    def forget(self, before, after):
        """A tag is another than it was by its header; after is None where it cannot be had."""
        kept = [self.laid, self.sizes, self.passed_over]
        if before.shape.expert_bytes or after and after.shape.expert_bytes:
            # A lighter file changes what its sisters may leave in system memory.
            kept += [self.placed, self.alone, self.stands, self.least]
        for found in kept:
            found.clear()
