# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold for lists of models on any machine. Without these tests the first of a list could starve the rest, or a larger machine be refused."""

from __future__ import annotations

from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing import data
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.choice import weak_cards
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.choice.search import Search
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.plan import case_of
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.source import catalogue
from hypothesis import given, settings
from hypothesis import strategies as st
from support import machines

FAMILIES = ["deepseek-r1", "qwen3", "gemma3", "llama3.2", "qwen3.5", "gpt-oss"]
CARDS = st.lists(st.integers(3000, 50000), min_size=1, max_size=3)
RAM = st.sampled_from([16, 32, 64, 128])
WANTS = st.lists(
    st.builds(
        lambda family, context, least: {"family": family, "context": context, "min_context": min(context, least)},
        st.sampled_from(FAMILIES), st.sampled_from([4096, 8192, 32768]), st.sampled_from([4096, 8192]),
    ),
    min_size=2, max_size=3, unique_by=lambda want: want["family"],
)  # fmt: skip


def outcome(sizes, ram, wants, **policy):
    """What is chosen: sizes of cards in MiB, none of whose speeds is known, so that no floor hides what fits."""
    cards = [machines.card("card", size, 0, i) for i, size in enumerate(sizes)]
    case, problems = case_of(wants, policy, machines.machine(*cards, ram=ram), "0.32.15", ["catalogue"])
    assert not problems
    search = Search(case)
    return weak_cards.leave_out(case, search, search.run())[2]


def worth(*given, **policy):
    return weak_cards.worth(outcome(*given, **policy))


@settings(max_examples=12, deadline=None)
@given(CARDS, RAM, WANTS, st.randoms(use_true_random=False), st.sampled_from([500, 2000, 8000, 20000]))
def test_more_of_anything_is_never_worse(sizes, ram, wants, random, more):
    """A larger card, one more card, more system memory; a plan that is refused is the worst of all."""
    before, position = worth(sizes, ram, wants), random.randrange(len(sizes))
    assert worth([*sizes[:position], sizes[position] + more, *sizes[position + 1 :]], ram, wants) >= before
    assert worth([*sizes, random.choice([8000, sizes[0]])], ram, wants) >= before
    assert worth(sizes, 2 * ram, wants) >= before


@settings(max_examples=12, deadline=None)
@given(CARDS, RAM, WANTS, st.sampled_from(["allow_partial_offload", "allow_experts_in_ram"]))
def test_what_is_allowed_is_never_worse_than_what_is_forbidden(sizes, ram, wants, permission):
    assert worth(sizes, ram, wants) >= worth(sizes, ram, wants, **{permission: False})


@settings(max_examples=8, deadline=None)
@given(CARDS, RAM, WANTS)
def test_the_order_of_the_list_decides_between_equals_only(sizes, ram, wants):
    """And a list is never refused that was planned in another order."""
    assert len({worth(sizes, ram, order) for order in (wants, wants[::-1], [*wants[1:], wants[0]])}) == 1


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(3000, 30000), min_size=1, max_size=3), RAM, WANTS, st.data())
def test_nothing_is_refused_while_some_set_fits(sizes, ram, wants, drawn):
    """Tags named one by one that fit together, whole on the cards, are a plan; so the families that have them must be one, and no worse."""
    tags = [drawn.draw(st.sampled_from(lighter_half(want["family"]))) for want in wants]
    named = [{"model": tag.name, "context": want["context"], "min_context": want["min_context"]} for tag, want in zip(tags, wants, strict=True)]
    fixed = outcome(sizes, ram, named, allow_partial_offload=False, allow_experts_in_ram=False)
    if fixed.failure:
        return
    found = outcome(sizes, ram, wants, allow_partial_offload=False, allow_experts_in_ram=False)
    assert not found.failure
    assert weak_cards.worth(found)[:4] >= weak_cards.worth(fixed)[:4]


def lighter_half(family):
    """Tags that a family may choose, of its smaller sizes, so that many sets of them fit somewhere."""
    order = data.families()[family]["order"]
    rows = [row for row in catalogue.family_tags(family) if row.quality["choose"]]
    return [row for row in rows if row.size in order[len(order) // 2 :]] or rows
