# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts of one kind share a search and nothing else. Without these tests a host could be given another one's cards, or each of a thousand equal
hosts be searched for anew."""

from __future__ import annotations

import gc
import json

import pytest
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing import kinds, plan
from support import machines

WANTS = [{"family": "gemma4", "context": 16384, "quantizations": ["Q4_K_M"]}, {"model": "nomic-embed-text"}]


@pytest.fixture(name="searched")
def _searched(monkeypatch):
    """How often something was really planned."""
    found, planned = [], plan._planned
    monkeypatch.setattr(kinds, "_plans", type(kinds._plans)())
    monkeypatch.setattr(plan, "_planned", lambda case: found.append(case) or planned(case))
    return found


def host(*cards, **other):
    """Cards as (MiB, number, identity)."""
    return machines.machine(*(machines.card("card", size, 0, number, uuid=identity) for size, number, identity in cards), **other)


def made(vram, wants=None, policy=None, **other):
    return plan.make_plan(wants or WANTS, policy or {}, vram, "0.32.15", ["catalogue"], **other)


def alone(monkeypatch, vram, **other):
    """The plan of a host that nobody was planned before."""
    monkeypatch.setattr(kinds, "_plans", type(kinds._plans)())
    return made(vram, **other)


def test_equal_hosts_are_searched_for_once(searched):
    one, other = made(host((24564, 0, "GPU-b"), (24564, 1, "GPU-a"))), made(host((24564, 0, "GPU-c"), (24564, 1, "GPU-d")))
    assert len(searched) == 1
    assert one["ok"] and [entry["name"] for entry in one["models"]] == [entry["name"] for entry in other["models"]]


@pytest.mark.parametrize(
    "cards",
    [
        [(24564, 0, "GPU-b"), (24564, 1, "GPU-a")],
        [(4096, 2, "GPU-z"), (24564, 7, "GPU-a"), (24564, 1, "GPU-k")],
        [(8188, 0, "GPU-a"), (24564, 1, "GPU-b")],
        [(8188, 0, "GPU-b"), (24564, 1, "GPU-a")],
        [(24564, 5, "GPU-c"), (24564, 3, "GPU-b"), (24564, 4, "GPU-a")],
    ],
)
def test_each_host_is_told_its_own_cards(monkeypatch, searched, cards):
    """What a host gets does not depend on who was planned before it."""
    fresh = alone(monkeypatch, host(*cards))
    monkeypatch.setattr(kinds, "_plans", type(kinds._plans)())
    made(host(*((size, 9 - number, "GPU-%d" % position) for position, (size, number, _identity) in enumerate(cards))))
    assert json.dumps(made(host(*cards))) == json.dumps(fresh)
    numbers = {number for _size, number, _identity in cards}
    assert {device["index"] for entry in fresh["models"] for device in entry["devices"]} <= numbers


def test_a_service_is_shown_its_own_cards(searched):
    wants = [{"model": "gemma3:27b-it-qat", "context": 131072}]
    for names in (("GPU-1", "GPU-2", "GPU-3"), ("GPU-x", "GPU-y", "GPU-z")):
        found = made(host((24564, 0, names[0]), (24564, 1, names[1]), (4096, 2, names[2])), wants, {"kv_cache_types": ["f16"]})
        assert found["environment"]["CUDA_VISIBLE_DEVICES"] == ",".join(names[:2])
    assert len(searched) == 1


def test_a_plan_may_be_changed_without_changing_another(searched):
    vram = host((24564, 0, "GPU-a"))
    first = made(vram)
    before = json.dumps(first)
    first["models"][0]["devices"].clear()
    first["models"][0]["requested"]["context"] = 1
    first["environment"].clear()
    assert json.dumps(made(vram)) == before and len(searched) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"policy": {"parallel": 2}},
        {"policy": {"reserve_bytes": 1 << 30}},
        {"wants": [WANTS[0]]},
        {"wants": WANTS[::-1]},
        {"wants": [dict(WANTS[0], context=8192), WANTS[1]]},
        {"proofs": {"gemma4:26b@sha256:1": {"ok": True, "ollama_version": "0.32.15", "tokens_per_second": 30.0, "size_bytes": 18 << 30}}},
        {"header": lambda name: (None, "nobody answers", False)},
        {"families": {"house": ["qwen3:8b"]}},
        {"vram": host((24564, 0, "GPU-a"), ram=32)},
        {"vram": host((24500, 0, "GPU-a"))},
    ],
)
def test_whatever_a_plan_reads_makes_another_kind(searched, other):
    made(host((24564, 0, "GPU-a")))
    made(**{"vram": host((24564, 0, "GPU-a")), **other})
    assert len(searched) == 2


def test_the_disk_is_the_hosts_own(searched):
    vram = host((24564, 0, "GPU-a"))
    disks = [{"mount_point": "/", "total_bytes": size << 30, "free_bytes": size << 29} for size in (1, 1000)]
    small, large = (made(dict(vram, filesystems=[disk]), filesystem="/models") for disk in disks)
    assert not small["ok"] and "on disk" in small["errors"][0]
    assert large["ok"] and large["disk_free_bytes"] == 1000 << 29
    assert len(searched) == 1


def test_no_more_kinds_are_kept_than_are_useful(searched, monkeypatch):
    monkeypatch.setattr(kinds, "_KEPT", 2)
    for size in (24000, 24100, 24200, 24200, 24000):
        made(host((size, 0, "GPU-a")))
    assert len(searched) == 4 and len(kinds._plans) == 2


@pytest.mark.parametrize("policy", [{}, {"resident": "sometimes"}])
def test_no_cycles_are_looked_for_meanwhile_and_they_are_afterwards(policy):
    """A fifth of the time of a plan; left off, a controller would keep what others leave in cycles."""
    seen = []

    def header(_name):
        seen.append(gc.isenabled())
        return None, None, False

    assert gc.isenabled()
    plan.make_plan([{"model": "qwen3:0.6b"}], policy, machines.machine(ram=16), "0.32.15", ["header", "catalogue"], header)
    assert gc.isenabled() and not any(seen) and bool(seen) is not bool(policy)
    gc.disable()
    try:
        plan.make_plan([], {}, machines.machine(ram=16), "0.32.15", ["catalogue"])
        assert not gc.isenabled()  # whoever had it off keeps it off
    finally:
        gc.enable()
