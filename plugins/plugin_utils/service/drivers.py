# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NVIDIA drivers that a release no longer takes: Ollama then drops the card without an error, and the models run on the CPU."""

from __future__ import annotations

import collections
import re

from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.version import version_tuple

from .. import releases

# since: first release with it. driver: the first number that is enough. below: only cards of a compute capability below it, None for all.
Floor = collections.namedtuple("Floor", "since driver below severity")


def _floor(capability, version):
    """The highest floor that applies to a card, or None."""
    floors = [Floor(version_tuple(row["since"]), row["nvidia"], row.get("below"), row["severity"]) for row in releases.driver_floors()]
    fitting = [floor for floor in floors if floor.since <= version and (floor.below is None or capability < floor.below)]
    return max(fitting, key=lambda floor: floor.driver, default=None)


def old_drivers(devices, version, text, accelerators):
    """{'warning': [...], 'error': [...]}: a sentence for each card whose driver is too old.

    devices: of the fact vram. version: numbers of the release; text: as the inventory writes it. accelerators: vendors that are wanted.
    """
    found = {"warning": [], "error": []}
    for card in devices:
        driver = str((card.get("driver") or {}).get("version") or "")
        if card.get("vendor") != "nvidia" or not driver or "nvidia" not in accelerators:
            continue
        # A card that does not tell is none of the old ones.
        floor = _floor(_number(card.get("compute_capability"), 98.0), version)
        if floor is None or _number(driver.split(".", maxsplit=1)[0], 0) >= floor.driver:
            continue
        sentence = (
            "The NVIDIA driver %s of %s is older than %d, so Ollama %s runs its models on the CPU; update the driver, choose another ollama_version, "
            "or take nvidia out of ollama_accelerators to accept that." % (driver, card.get("name"), floor.driver, text)
        )
        if sentence not in found[floor.severity]:
            found[floor.severity].append(sentence)
    return found


def _number(text, otherwise):
    return float(text) if text and re.fullmatch(r"\d+(\.\d+)?", str(text)) else otherwise
