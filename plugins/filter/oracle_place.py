# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where llm_oracle has llama.cpp asked."""

from __future__ import annotations

PLACES = ("host", "controller")
YES = ("true", "yes", "on", "1")


def oracle_place(wanted, metadata_sources=None):
    """{at, wrong}: host or controller, and why it can be asked there with nothing to show it, in a sentence; '' where it can."""
    at = "host" if str(wanted).lower() in YES else str(wanted)
    wrong = ""
    if at not in PLACES:
        wrong = "llm_oracle is '%s': write host, controller or false" % wanted
    elif metadata_sources is not None and "header" not in metadata_sources:
        wrong = (
            "llm_oracle is '%s', which needs the header of each model, but llm_metadata_sources is %s: put header first, or set llm_oracle to false"
            % (wanted, list(metadata_sources))
        )
    return {"at": at, "wrong": wrong}


class FilterModule:
    def filters(self):
        return {"oracle_place": oracle_place}
