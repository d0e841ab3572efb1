# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What verify.yml asks a gateway. Deleted, the proof could ask with a key that has expired, or wait for the largest model of the fleet."""

from __future__ import annotations

import pytest
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.gateway import fleet, proof

ANN, BOB, OLD = "a" * 32, "b" * 32, "o" * 32
BOUND = {"name": "bob", "key": BOB, "models": ["M2:14b"]}


@pytest.mark.parametrize(
    "entries, found",
    [
        ([], ("", ())),
        ([{"name": "ann", "key": ANN}], (ANN, ())),
        ([BOUND, {"name": "ann", "key": ANN}], (ANN, ())),
        ([BOUND], (BOB, ("m2:14b",))),
        ([{"name": "old", "key": OLD, "expires": "2020-01-31"}, BOUND], (BOB, ("m2:14b",))),
        ([{"name": "old", "key": OLD, "expires": "2020-01-31"}], ("", ())),
        ([{"name": "no key"}], ("", ())),
    ],
)
def test_the_key_of_the_proof(entries, found):
    assert proof.key_and_models(entries) == found


def row(gib, **more):
    return {"memory": {"weights_bytes": gib << 30}, **more}


FLEET = fleet.Fleet((fleet.Host("gpu", "10.0.0.1:11434", (fleet.Model("m1:70b"), fleet.Model("m2:14b"), fleet.Model("e:1b"), fleet.Model("away:1b"))),))
ENTRIES = {"m1:70b": row(40), "m2:14b": row(8), "e:1b": row(1, embedding=True)}


@pytest.mark.parametrize(
    "entries, allowed, name, embedding",
    [
        (ENTRIES, (), "m2:14b", False),
        (ENTRIES, ("m1:70b", "e:1b"), "m1:70b", False),
        (ENTRIES, ("e:1b", "away:1b"), "e:1b", True),
        ({}, (), "away:1b", False),
    ],
)
def test_the_model_of_the_proof(entries, allowed, name, embedding):
    """One that can chat before one that cannot, a small one before a large one, one that was planned in this run before one whose host may be off."""
    assert proof.model_of(FLEET, entries, allowed) == {"name": name, "embedding": embedding}


def test_nothing_to_prove():
    assert proof.model_of(FLEET, ENTRIES, ("gone:1b",)) == {}
