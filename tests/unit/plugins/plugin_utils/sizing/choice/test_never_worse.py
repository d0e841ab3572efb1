# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever is bought or allowed besides, no plan gets worse by it: on machines of every kind, with cards whose speed is known, for one want and several.
Deleted, the rules could hold for cards of unknown speed and a few families only, which is what the other properties ask about."""

from __future__ import annotations

from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.choice import weak_cards
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.choice.search import Search
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.machine.placement import share_total
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.plan import case_of
from hypothesis import given, settings
from hypothesis import strategies as st
from support import GIB, MIB, machines

# Cards by name, so that their speed counts ("card": nobody knows it), of every size: tiny, real, and such as nobody sells.
CARDS = st.tuples(
    st.sampled_from(["card", "RTX 3060", "RTX 4090", "Tesla P40", "GTX 1650", "H100"]),
    st.one_of(st.sampled_from([3800, 5900, 7900, 11920, 15900, 24176, 45500, 79000]), st.integers(600, 12000), st.integers(1500, 90000)),
)
POOLS = {"apple": 0.75, "nvidia": 1, "amd": 1}  # the share of a pool that its GPU may have
HOSTS = st.one_of(
    st.fixed_dictionaries({"cards": st.lists(CARDS, max_size=3), "ram": st.sampled_from([4, 8, 16, 32, 64, 256]), "bandwidth": st.sampled_from([0, 25, 200])}),
    st.fixed_dictionaries({"pool": st.sampled_from(sorted(POOLS)), "ram": st.sampled_from([8, 16, 24, 36, 64, 128])}),
)
FAMILIES = ["deepseek-r1", "qwen3", "gemma3", "gemma4", "llama3.1", "llama3.3", "qwen3.6", "qwen3-coder", "qwen3-vl", "gpt-oss", "mistral-small", "phi4-mini"]
CONTEXTS = st.sampled_from([None, 4096, 8192, 16384, 65536, 131072])
TALKING = st.builds(
    lambda what, context, least, gpu: {
        **what, **({"context": context, "min_context": min(context, least)} if context and least else {"context": context} if context else {}),
        **({"require_gpu": True} if gpu else {}),
    },
    st.one_of(
        st.sampled_from(FAMILIES).map(lambda name: {"family": name}),
        st.sampled_from(["gemma3:4b", "qwen3:8b", "gpt-oss:20b"]).map(lambda name: {"model": name}),
    ),
    CONTEXTS, st.sampled_from([None, None, 2048, 8192, 131072]), st.integers(0, 9).map(lambda number: number == 9),
)  # fmt: skip
EMBEDDING = st.sampled_from([{"family": "nomic-embed-text"}, {"family": "qwen3-embedding"}, {"model": "nomic-embed-text"}])
WANTS = st.lists(st.one_of(TALKING, TALKING, TALKING, EMBEDDING), min_size=1, max_size=3, unique_by=str)
POLICIES = st.fixed_dictionaries({}, optional={
    "parallel": st.sampled_from([2, 4]),
    "kv_cache_types": st.sampled_from([["f16"], ["q8_0"]]),
    "allow_partial_offload": st.just(False),
    "allow_experts_in_ram": st.just(False),
    "resident": st.just("one"),
    "min_tokens_per_second": st.sampled_from([0, 5, 20]),
    "min_offload_share": st.just(0.5),
})  # fmt: skip


def facts(host):
    if "pool" in host:
        usable = int(host["ram"] * 1024 * POOLS[host["pool"]])
        soc = machines.card("soc", usable, 0, vendor=host["pool"], unified=True, type="integrated", gfx_target="gfx1151", memory_dedicated_bytes=0)
        return machines.machine(soc, ram=host["ram"])
    found = machines.machine(*(machines.card(name, size, 0, i) for i, (name, size) in enumerate(host["cards"])), ram=host["ram"])
    if host["bandwidth"]:
        found["system_memory"]["bandwidth_bytes_per_second"] = host["bandwidth"] * 10**9
    return found


def outcome(host, wants, policy):
    case, problems = case_of(wants, policy, facts(host), "0.32.15", ["catalogue"])
    assert not problems
    search = Search(case)
    found = weak_cards.leave_out(case, search, search.run())
    return found[0].host, found[2]


def worth(outcome):
    """But for the type of the cache, which is no concession to speak of."""
    return weak_cards.worth(outcome)[:-1]


def more(host, wants, policy):
    """{what is bought or allowed: everything with it}"""
    found = {}
    if host.get("cards"):
        name, size = host["cards"][-1]
        found["one more of the kind"] = dict(host, cards=[*host["cards"], host["cards"][0]]), wants, policy
        found["another card"] = dict(host, cards=[*host["cards"], ("RTX 3060", 11920)]), wants, policy
        if len(host["cards"]) == 1:  # over several, the micro-batch that Ollama takes for more memory may cost more than there is
            for amount in (8, 1000, 8000):
                found["%d MiB more on the card" % amount] = dict(host, cards=[(name, size + amount)]), wants, policy
    for amount in (2, 32):
        found["%d GiB more of RAM" % amount] = dict(host, ram=host["ram"] + amount), wants, policy
    for key in sorted({"parallel", "allow_partial_offload", "allow_experts_in_ram", "min_tokens_per_second", "min_offload_share"} & set(policy)):
        allowed = {**policy, key: 0} if key == "min_tokens_per_second" else {name: value for name, value in policy.items() if name != key}
        found["without " + key] = host, wants, allowed
    if policy.get("kv_cache_types") == ["f16"]:
        found["q8_0"] = host, wants, dict(policy, kv_cache_types=["f16", "q8_0"])
    if policy.get("resident") != "one" and len(wants) > 1:
        found["in turns"] = host, wants, dict(policy, resident="one")
    if any("require_gpu" in want for want in wants):
        found["without require_gpu"] = host, [{key: want[key] for key in want if key != "require_gpu"} for want in wants], policy
    return found


@settings(max_examples=60, deadline=None)
@given(HOSTS, WANTS, POLICIES, st.data())
def test_nothing_that_is_bought_or_allowed_makes_a_plan_worse(host, wants, policy, drawn):
    before = outcome(host, wants, policy)[1]
    changes = more(host, wants, policy)
    after = outcome(*changes[drawn.draw(st.sampled_from(sorted(changes)))])[1]
    assert after.problems or before.problems or worth(after) >= worth(before)


@settings(max_examples=30, deadline=None)
@given(HOSTS, WANTS, POLICIES)
def test_what_is_left_out_of_a_list_never_refuses_the_rest(host, wants, policy):
    """And a lower floor refuses nothing."""
    if outcome(host, wants, policy)[1].chosen:
        lower = [dict(want, min_context=2048) if want.get("context") else want for want in wants]
        assert outcome(host, lower, policy)[1].chosen
        assert len(wants) == 1 or outcome(host, wants[1:], policy)[1].chosen


@settings(max_examples=40, deadline=None)
@given(HOSTS, WANTS, POLICIES)
def test_no_plan_takes_more_of_anything_than_there_is(host, wants, policy):
    """Cards, system memory and the pool that is both, in part on the card and with experts in system memory."""
    machine, found = outcome(host, wants, policy)
    together = [found.chosen] if policy.get("resident") != "one" else [[item] for item in found.chosen]
    for items in together:
        shares = [share for item in items for share in item.placed.shares]
        in_ram = sum(share_total(share) for share in shares if share.card is None or share.card.unified and any(other.card is None for other in shares))
        assert in_ram <= machine.ram_budget <= host["ram"] * GIB
        for card in machine.cards:
            here = [share for share in shares if share.card == card]
            assert sum(share_total(share) - share.margin for share in here) + min([share.margin for share in here], default=0) <= card.budget
            assert "pool" in host or card.budget == host["cards"][card.index][1] * MIB
