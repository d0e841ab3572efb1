# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses of the door and the server's environment.

Deleted, a wrong network in the inventory could open the door, and a switch written as "no" would be on.
"""

from __future__ import annotations

import ipaddress

import pytest
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.service.address import address_sets
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.service.environment import BadSetting, merge, unread
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing import data, versions
from hypothesis import given
from hypothesis import strategies as st


@given(st.lists(st.ip_addresses().map(str), max_size=20))
def test_every_address_is_admitted_and_no_other(addresses):
    sets = address_sets(addresses)
    admitted = [ipaddress.ip_network(n) for n in sets["ipv4"] + sets["ipv6"]]
    assert sets["refused"] == []
    assert sum(n.num_addresses for n in admitted) == len(set(addresses))
    assert all(any(ipaddress.ip_address(a) in n for n in admitted if n.version == ipaddress.ip_address(a).version) for a in addresses)


@pytest.mark.parametrize(
    ("given_entries", "ipv4", "ipv6", "refused"),
    [
        (["10.20.3.4", "10.20.0.0/16"], ["10.20.0.0/16"], [], []),
        (["10.20.3.4/16"], ["10.20.0.0/16"], [], []),
        (["fd00::1", "::/0"], [], ["::/0"], []),
        (["10.0.0.0/33", "webui", "", "10.0.0.1-10.0.0.9"], [], [], ["10.0.0.0/33", "webui", "", "10.0.0.1-10.0.0.9"]),
    ],
)
def test_entries(given_entries, ipv4, ipv6, refused):
    assert address_sets(given_entries) == {"ipv4": ipv4, "ipv6": ipv6, "refused": refused}


def test_the_last_layer_wins_and_everything_is_text():
    made = merge([{"OLLAMA_KEEP_ALIVE": "5m", "OLLAMA_NUM_PARALLEL": 1}, {"OLLAMA_KEEP_ALIVE": -1}])
    assert made == {"OLLAMA_KEEP_ALIVE": "-1", "OLLAMA_NUM_PARALLEL": "1"} and unread(made, "0.32.15") is None


@pytest.mark.parametrize(("written", "read"), [("no", "false"), (False, "false"), ("0", "false"), ("Yes", "true"), (1, "true"), ("", "false")])
def test_switches_mean_what_they_say(written, read):
    assert merge([{"OLLAMA_NOPRUNE": written}])["OLLAMA_NOPRUNE"] == read


@pytest.mark.parametrize(
    ("layer", "word"),
    [
        ({"OLLAMA_NOPRUNE": "perhaps"}, "OLLAMA_NOPRUNE"),
        ({"OLLAMA_ORIGINS": "a\nb"}, "OLLAMA_ORIGINS"),
        ({"OLLAMA_ORIGINS": None}, "OLLAMA_ORIGINS"),
        ({"OLLAMA_ORIGINS": {"a": 1}}, "OLLAMA_ORIGINS"),
        ({"BAD NAME": "1"}, "BAD NAME"),
    ],
)
def test_what_cannot_be_written_is_refused_by_name(layer, word):
    with pytest.raises(BadSetting, match=word):
        merge([layer])


@pytest.mark.parametrize(
    ("name", "version", "known"),
    [
        ("OLLAMA_CONTEXT_LENGTH", "0.5.12", False),
        ("OLLAMA_CONTEXT_LENGTH", "0.5.13", True),
        ("OLLAMA_NEW_ENGINE", "0.24.1", True),
        ("OLLAMA_NEW_ENGINE", "0.30.0-rc1", False),
        ("OLLAMA_NUM_GPU", "0.32.15", False),
        ("CUDA_VISIBLE_DEVICES", "0.32.15", True),
    ],
)
def test_names_that_the_release_does_not_read(name, version, known):
    said = unread({name: "1"}, version)
    assert said is None if known else name + ": " in said


def test_a_myth_is_told_with_the_way_out():
    assert "llm_registry" in unread({"OLLAMA_REGISTRY": "x"}, "0.32.15")


# What 0.40.1 lists of its own (AsMap of envconfig/config.go); (Bool) are those that it reads as switches.
AS_MAP = """
DEBUG DEBUG_LOG_REQUESTS(Bool) GO_TEMPLATE(Bool) FLASH_ATTENTION(Bool) KV_CACHE_TYPE GPU_OVERHEAD IGPU_ENABLE(Bool) HOST KEEP_ALIVE LLM_LIBRARY LOAD_TIMEOUT
MAX_LOADED_MODELS MAX_TRANSFER_STREAMS MAX_QUEUE MODELS NO_CLOUD(Bool) NOHISTORY(Bool) NOPRUNE(Bool) NUM_PARALLEL ORIGINS SCHED_SPREAD(Bool) CONTEXT_LENGTH
CREATE_REMOTE(Bool) EDITOR REMOTES VULKAN(Bool)
""".split()
# Read elsewhere: server/cloud_proxy.go, server/routes.go, the client, and the switch of its own authentication.
ELSEWHERE = {"OLLAMA_CLOUD_BASE_URL", "OLLAMA_EXPERIMENT", "OLLAMA_API_KEY", "OLLAMA_AUTH"}


def test_the_table_is_that_of_0_40_1_row_by_row():
    """Deleted, a host with 0.40 would be warned of a variable that it reads, or a word that Ollama takes for true would be written."""
    rows = {row["name"]: row for row in data.load("environment")["variables"]}
    named = {"OLLAMA_" + entry.partition("(")[0] for entry in AS_MAP}
    assert {name for name in versions.known_variables((0, 40, 1)) if name.startswith("OLLAMA_")} == named | ELSEWHERE
    switches = {"OLLAMA_" + entry.partition("(")[0] for entry in AS_MAP if "(" in entry}
    assert {name for name in named if rows[name].get("type") == "bool"} == switches
    assert unread(dict.fromkeys(("LLAMA_ARG_FIT", "LLAMA_ARG_FIT_TARGET", "LLAMA_ARG_FIT_CTX", "LLAMA_ARG_CACHE_RAM"), "1"), "0.40.2") is None
