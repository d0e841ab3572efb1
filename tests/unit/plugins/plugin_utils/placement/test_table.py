# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plans of a fleet side by side. Deleted, nobody would see before it happens which model goes with a host."""

from __future__ import annotations

from ansible_collections.llmfleet.ollama.plugins.plugin_utils.placement import table
from support import GIB


def entry(name, left, rate=None, cards=(0,), measured=None, **more):
    return {
        "name": name,
        "headroom_bytes": left * GIB,
        "devices": [{"index": index} for index in cards],
        "tokens_per_second": {"predicted": rate, "measured": measured},
        **more,
    }


PLANS = {
    "gpu-b": [entry("r1:32b", 3, 38.0), entry("embed:v1", 1)],
    "gpu-a": [entry("r1:32b", 3, 38.0, measured=30.0, aliases=["gpt-4o:latest"]), entry("qwen3:8b", 2, 60.0, cards=(1,))],
    "cpu": [entry("small:1b", 9, 5.0, cards=())],
    "idle": [],
}
# As in an inventory that describes machines, without numbers.
IDLE = {"idle": [{"memory_usable_bytes": 8 * GIB}], "gpu-b": [{"memory_usable_bytes": GIB}, {"memory_usable_bytes": 4 * GIB}]}


def test_which_model_is_where():
    models = {model["name"]: model for model in table.rows(PLANS)["models"]}
    assert (models["r1:32b"]["hosts"], models["r1:32b"]["copies"], models["r1:32b"]["tokens_per_second"]) == (["gpu-a", "gpu-b"], 2, 68.0)
    assert models["embed:v1"]["tokens_per_second"] is None


def test_what_is_left_of_each_host():
    """Models of one card share what is left; cards without a model count as a whole, and system memory beside cards does not."""
    left = {host["name"]: host["left_bytes"] for host in table.rows(PLANS, IDLE)["hosts"]}
    assert left == {"gpu-a": 5 * GIB, "gpu-b": 5 * GIB, "cpu": 9 * GIB, "idle": 8 * GIB}
    assert {host["name"]: host["left_bytes"] for host in table.rows(PLANS)["hosts"]}["idle"] is None
    spread = {"x": [entry("a", 3, cards=(0, 1)), entry("b", 2, cards=(1,)), entry("c", 4, cards=(2,)), entry("d", 1, cards=())]}
    assert table.rows(spread)["hosts"][0]["left_bytes"] == 6 * GIB


def test_what_people_read():
    assert table.lines(table.rows(PLANS, IDLE), {"gpu-b"}) == [
        "MODEL            COPIES  TOKENS/s  HOSTS",
        "embed:v1              1            gpu-b",
        "qwen3:8b              1       ~60  gpu-a",
        "r1:32b (gpt-4o)       2       ~68  gpu-a, gpu-b",
        "small:1b              1      ~5.0  cpu",
        "",
        "HOST                LEFT  WITHOUT IT",
        "cpu              9.0 GiB  no host has small:1b",
        "gpu-a            5.0 GiB  no host has qwen3:8b; r1:32b 1 of 2 at ~38 tokens/s",
        "gpu-b (earlier)  5.0 GiB  no host has embed:v1; r1:32b 1 of 2 at ~30 tokens/s",
        "idle             8.0 GiB  nothing is lost",
    ]


def test_a_plan_that_says_less_is_told_all_the_same():
    """A cache of facts or a report may be of an earlier release, and what cannot be told must stop no run."""
    told = table.lines(table.rows({"a": [{"name": "x"}], "b": []}))
    assert told[1] == "x           1            a" and told[-2:] == ["a           no host has x", "b           nothing is lost"]


def test_a_fleet_without_models_has_no_table():
    assert table.lines(table.rows({"a": []})) == []
