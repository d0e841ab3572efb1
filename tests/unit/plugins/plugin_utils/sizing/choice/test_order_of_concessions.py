# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The order of concessions of docs/sizing.md, one line a machine. Deleted, a plan could give the context away before the cache's precision, prefer a
heavier file to a longer context, or let the first want of a list take what the second needs."""

from __future__ import annotations

import re

import pytest
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.choice import combine
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.plan import make_plan
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.source import catalogue
from support import MIB, machines

# MiB that a card has for models
RTX_4060, RTX_3060, RTX_4060_TI, RTX_3090, L40S = 7900, 11920, 16000, 24176, 45500


def plan(cards, wants, **policy):
    host = machines.machine(*(machines.card("card", size, 0, i) for i, size in enumerate(cards)))
    return make_plan(wants, policy, host, "0.32.15", ["catalogue"])


def picks(cards, *wants, **policy):
    found = plan(cards, list(wants), **policy)
    assert found["ok"], found["errors"]
    return [(entry["tag"], entry["context"], entry["kv_cache_type"]) for entry in found["models"]]


def family(name, context=None, least=None):
    return {key: value for key, value in (("family", name), ("context", context), ("min_context", least)) if value}


@pytest.mark.parametrize(
    "cards,want,expected",
    [
        # The cache in q8_0 before the context is shortened.
        ([RTX_4060_TI], family("mistral-small"), ("24b", 8192, "q8_0")),
        # Of one size the tag that reaches the wanted context; a heavier one only with all of it.
        ([RTX_4060], family("llama3.1", 16384), ("8b", 16384, "q8_0")),
        ([RTX_3060], family("llama3.1", 32768), ("8b-instruct-q8_0", 32768, "q8_0")),
        ([RTX_3060], family("llama3.1", 65536), ("8b", 65536, "q8_0")),
        # A larger size at half of the context or more before a smaller one with all of it.
        ([RTX_3060], family("deepseek-r1", 24576), ("14b", 16384, "q8_0")),
        # Never below half: then the smaller size.
        ([RTX_3060], family("deepseek-r1", 65536), ("8b", 65536, "q8_0")),
        # A floor below half is for machines on which nothing holds half.
        ([RTX_3060], family("deepseek-r1", 65536, 4096), ("8b", 65536, "q8_0")),
        ([RTX_4060_TI], family("mistral-small", 32768, 4096), ("24b", 8192, "q8_0")),
        # A floor above half is one.
        ([RTX_3060], family("deepseek-r1", 24576, 24576), ("8b-0528-qwen3-q8_0", 24576, "q8_0")),
    ],
)
def test_one_want(cards, want, expected):
    assert picks(cards, want) == [expected]


@pytest.mark.parametrize(
    "name,total,want,expected",
    [
        # 12 GiB of cache in f16 push half of the experts off the card: 34 tokens a second, and 70 in q8_0.
        ("NVIDIA GeForce RTX 4090", 24164, family("qwen3-coder", 131072), "q8_0"),
        ("NVIDIA GeForce RTX 4090", 24164, {"model": "qwen3-coder:30b", "context": 131072}, "q8_0"),
        # A cache with windows or in a few layers only is small: the precision costs next to nothing.
        ("NVIDIA GeForce RTX 4090", 24164, family("gpt-oss", 65536), "f16"),
        ("NVIDIA GeForce RTX 4060 Ti", 16000, family("qwen3.6", 32768), "f16"),
    ],
)
def test_beside_experts_in_system_memory_the_cache_is_the_one_that_is_a_good_deal_faster(name, total, want, expected):
    """Without it a coding agent waits twice as long for a precision that nobody sees."""
    found = make_plan([want], {}, machines.machine(machines.card(name, total, 0, 0), ram=96), "0.32.15", ["catalogue"])["models"][0]
    assert (found["placement"], found["kv_cache_type"]) == ("experts", expected)


def test_more_system_memory_for_experts_takes_no_context_away():
    """With 64 GB a cache in f16 would lie there too, below 10 tokens a second; q8_0 is above, and was not asked: 49,152 tokens instead of 65,536."""
    cards = [machines.card("NVIDIA GeForce RTX 3090", size, 0, i) for i, size in enumerate((38639, 44951, 45541))]
    for ram in (32, 64, 128):
        (found,) = make_plan([family("qwen3", 65536)], {}, machines.machine(*cards, ram=ram), "0.32.15", ["catalogue"])["models"]
        assert (found["tag"], found["context"], found["placement"]) == ("235b", 65536, "experts")


@pytest.mark.parametrize(
    "cards,wants,expected",
    [
        # The first does not starve the second: it was 14b + 1.5b, 32b + 3b, 8b + 0.5b, all with 4096 tokens.
        ([RTX_3060], [family("deepseek-r1"), family("qwen2.5-coder")], ["8b", "7b"]),
        ([RTX_3090], [family("deepseek-r1", 32768), family("qwen2.5-coder", 32768)], ["14b", "14b"]),
        ([RTX_4060], [family("deepseek-r1"), family("qwen2.5-coder")], ["1.5b", "7b"]),
        # Refused once, although 500 MiB less and more were accepted.
        ([16500] * 3, [family("deepseek-r1"), family("qwen2.5-coder")], ["32b", "32b"]),
        ([7500] * 3, [family("qwen3"), family("qwen2.5-coder")], ["8b", "14b"]),
        # An embedding model of several sizes takes nothing from the model that answers.
        ([RTX_3060], [family("qwen3"), family("nomic-embed-text")], ["30b", "v1.5"]),
        ([RTX_3090], [family("qwen3"), family("qwen3-embedding")], None),
    ],
)
def test_several_wants(cards, wants, expected):
    found = [tag for tag, _context, _kind in picks(cards, *wants)]
    if expected is None:
        expected = [picks(cards, wants[0])[0][0], found[1]]
    assert found == expected


def test_the_order_of_the_list_decides_between_equals_only():
    wants = [family("deepseek-r1"), family("qwen2.5-coder"), family("nomic-embed-text")]
    one, other = (sorted(picks([RTX_3090], *order)) for order in (wants, wants[::-1]))
    assert one == other


def test_a_context_above_the_training_length_is_cut_with_a_word():
    """phi4 at 32768 tokens failed the host; Ollama itself clamps."""
    for target in ({"family": "phi4"}, {"model": "phi4:14b"}):
        found = plan([RTX_3090], [dict(target, context=32768)])
        assert found["ok"] and found["models"][0]["context"] == 16384
        assert [text for text in found["warnings"] if "llm_models[0].context is 32768" in text and "16384 tokens" in text]
        floor = plan([RTX_3090], [dict(target, context=65536, min_context=32768)])
        assert "llm_models[0].min_context is 32768" in floor["errors"][0]
    own = plan([RTX_3090], [{"name": "mine", "from": "phi4:14b", "parameters": {"num_ctx": 32768}}])
    assert own["models"][0]["context"] == 16384 and own["models"][0]["parameters"] == {"num_ctx": 32768}
    assert [text for text in own["warnings"] if "llm_models[0].parameters.num_ctx is 32768" in text and "16384 tokens" in text]


def test_a_tag_that_was_trained_for_less_is_no_way_to_a_longer_context():
    """phi4-mini:3.8b-q8_0 knows 4096 tokens: it was taken for the one that fits at 131072, on cards that hold the lighter tag with more than 4096."""
    contexts = [picks([size], family("phi4-mini", 131072, 2048))[0] for size in (5000, 5900, RTX_4060, 9800)]
    assert contexts == [("3.8b", size, "q8_0") for size in (12288, 24576, 49152, 65536)]


def test_nobody_who_wrote_no_context_hears_of_one():
    for name in ("nomic-embed-text", "mxbai-embed-large", "phi4", "gemma3"):
        found = plan([RTX_3090], [family(name)])
        assert found["ok"] and not [text for text in found["warnings"] if "context" in text] and "wanted" not in found["summary"]


def test_wants_that_fit_in_no_set_say_by_how_much():
    """The lightest of each at the least context, the sum, and the GiB that are too much."""
    found = plan([RTX_4060], [{"model": "qwen3:8b"}, {"model": "llama3.1:8b"}, family("nomic-embed-text")], allow_partial_offload=False)
    assert "llm_models[0], llm_models[1] and llm_models[2] cannot live in memory together" in found["errors"][0]
    assert " GiB too much at 4096 tokens" in found["errors"][0]


class TestCombinations:
    """combine.best on its own: with integers that must stay below a sum."""

    @staticmethod
    def best(lists, room):
        options = [[combine.Option(worth, weight, (worth, weight)) for worth, weight in found] for found in lists]
        return combine.best(options, lambda things: sum(weight for _worth, weight in things) <= room)

    def test_it_is_the_best_of_all(self):
        lists = [[(5, 5), (3, 2), (1, 1)], [(5, 6), (4, 4), (1, 1)], [(2, 3), (1, 1)]]
        for room in range(3, 15):
            every = [(a, b, c) for a in lists[0] for b in lists[1] for c in lists[2] if a[1] + b[1] + c[1] <= room]
            assert sum(worth for worth, _weight in self.best(lists, room)) == max(sum(worth for worth, _weight in found) for found in every)

    def test_nothing_where_the_lightest_do_not_fit(self):
        assert self.best([[(5, 5)], [(1, 1)]], 5) is None
        assert self.best([[], [(1, 1)]], 5) is None

    def test_many_wants_are_upgraded_by_worth_for_a_byte_and_more_room_is_never_worse(self):
        lists = [[(10 - i, 12 - i), (4, 3), (1, 1)] for i in range(6)]
        worths = [sum(worth for worth, _weight in self.best(lists, room)) for room in range(6, 70)]
        assert worths == sorted(worths) and worths[0] == 6 and worths[-1] == 45


def test_a_type_of_cache_that_is_allowed_takes_nothing_away():
    """By Ollama's estimate before 0.30 gpt-oss:120b goes on these cards in f16, and not in q4_0, which takes less: 20b was chosen for being allowed it."""
    host = machines.machine(machines.card("one", 54717, 0, 0), machines.card("other", 15900, 0, 1))
    kinds = (["f16"], ["f16", "q8_0"], ["f16", "q8_0", "q4_0"])
    policies = [dict(kv_cache_types=allowed, allow_experts_in_ram=False) for allowed in kinds]
    found = [make_plan([family("gpt-oss", 8192, 8192)], policy, host, "0.9.3", ["catalogue"])["models"] for policy in policies]
    assert [[(entry["tag"], entry["kv_cache_type"]) for entry in models] for models in found] == [[("120b", "f16")]] * 3


def test_no_plan_takes_more_than_a_card_has():
    found = plan([RTX_3090], [family("deepseek-r1"), family("qwen2.5-coder"), family("nomic-embed-text")])
    used = sum(device["total_bytes"] - device["margin_bytes"] for entry in found["models"] for device in entry["devices"])
    assert used + 1024 * MIB <= RTX_3090 * MIB


class TestLastResort:
    """Where nothing whole fits the cards. Deleted, a small card could be denied what a host without a card is given, or a permission could cost speed."""

    @pytest.mark.parametrize("size", [600, 1500, 1950])
    def test_a_small_card_is_not_denied_what_a_host_without_one_is_given(self, size):
        for name in ("deepseek-r1", "llama3.1", "gemma3", "qwen2.5-coder"):
            assert plan([], [family(name)])["ok"]
            found = plan([size], [family(name)])
            assert found["ok"], found["errors"]
            assert found["models"][0]["placement"] in ("partial", "cpu", "gpu")

    def test_it_is_the_least_that_was_asked_for_so_that_a_larger_card_is_never_worse(self):
        sizes, before = [600, 1500, 2000, 2300, 2600, 3200, 4200, 6200, 8200], None
        for size in sizes:
            now = picks([size], family("deepseek-r1"))[0]
            parameters = float(now[0].partition("b")[0])
            assert before is None or (parameters, now[1]) >= before or parameters > before[0], (size, now, before)
            before = (parameters, now[1])

    def test_it_has_no_more_context_than_something_whole_on_a_larger_card(self):
        """With 1500 MiB half of the context lay partly in system memory, with 3000 the floor lay whole on the card: the larger card gave up the half."""
        found = [picks([size], family("deepseek-r1", 65536, 4096))[0] for size in (1000, 1500, 2000, 2500, 3000, 4000, 6000)]
        assert found[:2] == [("1.5b", 4096, "q8_0")] * 2
        assert found == sorted(found, key=lambda pick: (2 * pick[1] >= 65536, float(pick[0].partition("b")[0]), pick[1]))

    def test_a_larger_card_that_holds_the_first_layers_of_a_small_tag_still_takes_no_smaller_one(self):
        """With 1919 MiB qwen3:0.6b lay wholly in system memory, with 1927 two of its layers lay on the card, and the larger card got another size."""
        wants = [family("deepseek-r1", 4096, 4096), family("qwen3", 32768, 4096)]
        assert len({str(picks([size], *wants)) for size in (1915, 1919, 1927, 1931)}) == 1

    def test_it_has_the_floor_of_a_host_without_a_card(self):
        """24b with a third of it on the card is below 5 tokens a second, and the refusal says so and names the knob."""
        found = plan([6000], [family("mistral-small")])
        assert not found["ok"] and "min_tokens_per_second" in found["errors"][0]
        assert plan([6000], [family("mistral-small")], min_tokens_per_second=1)["models"][0]["placement"] == "partial"

    def test_it_can_be_forbidden(self):
        found = plan([1500], [family("llama3.1")], allow_partial_offload=False)
        assert not found["ok"] and "llm_policy.allow_partial_offload" in found["errors"][0]
        assert not plan([1500], [dict(family("llama3.1"), require_gpu=True)])["ok"]

    def test_a_fixed_tag_is_the_users_word(self):
        entry = plan([RTX_3060], [{"model": "llama3.3:70b"}])["models"][0]
        assert entry["placement"] == "partial" and "which is slow" in entry["reason"]

    def test_only_one_of_several_pays(self):
        found = plan([RTX_4060], [{"model": "qwen3:8b"}, {"model": "llama3.1:8b"}])
        assert sorted(entry["placement"] for entry in found["models"]) == ["gpu", "partial"]

    @pytest.mark.parametrize("size,places", [(13500, ["experts", "partial"]), (RTX_4060_TI, ["experts", "partial"]), (20000, ["experts", "gpu"])])
    def test_loaded_in_turns_nobody_pays_for_another(self, size, places):
        """devstral does not fit 16 GB whole; qwen3, which has the card for itself in its turn, got 0.6b with 12 GiB to spare."""
        entries = plan([size], [family("qwen3", 32768), family("devstral-small-2", 32768), family("nomic-embed-text")], resident="one")["models"]
        assert [entry["tag"] for entry in entries[:2]] == ["30b", "24b"]
        assert [entry["placement"] for entry in entries] == [*places, "gpu"]

    @pytest.mark.parametrize("size,name", [(3000, "gemma4"), (3000, "qwen3"), (5900, "deepseek-r1")])
    def test_whoever_gets_little_is_told_what_the_memory_beside_the_card_would_carry(self, size, name):
        """And what the reason says is so: a nearly full RTX 3090 beside 64 GB of memory gets the least, and nobody would know why."""
        host = machines.machine(machines.card("NVIDIA GeForce RTX 3090", size, 0, 0), ram=64)

        def asked(want, **policy):
            return make_plan([want], policy, host, "0.32.15", ["catalogue"])["models"][0]

        told = re.search(r"; (\S+) would answer at about ([\d.]+) tokens a second [a-z ]+ \(model: \1\)", asked(family(name, 16384))["reason"])
        found = asked({"model": told.group(1), "context": 16384})
        assert found["name"] == told.group(1) and abs(found["tokens_per_second"]["predicted"] - float(told.group(2))) < 0.6
        assert found["placement"] in ("cpu", "partial")
        for quiet in (asked(dict(family("llama3.1"), require_gpu=False)), asked(family("deepseek-r1", 4096), allow_cpu=False)):
            assert "(model: " not in quiet["reason"]

    def test_a_mixture_beside_a_model_that_answers_is_not_refused(self):
        """A host without a card is given both, and so is one with a card on which each of them lies alone: the mixture takes what the other one leaves."""
        for size in (RTX_4060, RTX_3060):
            found = plan([size], [family("gpt-oss"), family("qwen3")])
            assert found["ok"], found["errors"]
            assert [entry["placement"] for entry in found["models"]] == ["experts", "gpu"]
            assert "load it first" in str(found["warnings"])
        assert not plan([RTX_3060], [family("gpt-oss"), family("qwen3")], allow_experts_in_ram=False)["ok"]

    def test_the_permission_changes_nothing_where_something_whole_fits(self):
        wants = [family("deepseek-r1"), family("qwen2.5-coder")]
        for cards in ([RTX_4060], [RTX_3060], [RTX_3090], [RTX_3090] * 2):
            one, other = (plan(cards, wants, allow_partial_offload=allowed)["models"] for allowed in (False, True))
            assert one == other


@pytest.mark.parametrize("percent", [97, 100, 103])
def test_a_header_of_another_size_than_the_catalogues_leaves_the_mixture_the_lightest_of_its_size(percent):
    """Held against the file that the catalogue had told of itself, a mixture of half a percent more was no longer the lightest, and e4b was chosen for it."""

    def header(name):
        row = catalogue.find(*name.split(":")).metadata
        size = (row.get("blob_bytes") or row["download_bytes"]) * percent // 100
        return dict(row, source="header", digest="%s %d" % (name, percent), blob_digest="%s %d" % (name, percent), blob_bytes=size), None, False

    host = machines.machine(machines.card("card", RTX_4060, 0, 0))
    entry = make_plan([family("gemma4")], {}, host, "0.32.15", ["header", "catalogue"], header)["models"][0]
    assert (entry["tag"], entry["placement"], entry["source"]) == ("26b-a4b-it-qat", "experts", "header")
