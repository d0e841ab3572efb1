# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A family of the inventory's own (llm_families). Deleted, a model that the catalogue does not have could only be a fixed tag, the same on every host."""

from __future__ import annotations

import pytest
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.plan import make_plan
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.source import catalogue
from support import machines

HOUSE = {"house": ["big", "hf.co/acme/house-GGUF:Q4_K_M", "qwen3:8b"]}
LIKE = {"house:big": ("qwen3", "32b"), "hf.co/acme/house-gguf:q4_k_m": ("qwen3", "14b"), "qwen3:8b": ("qwen3", "8b")}


def header(name):
    """A registry that has these three, with the dimensions of models of the catalogue."""
    like = LIKE.get(name.lower().replace("huggingface.co", "hf.co"))
    if not like:
        return None, "%s does not exist there" % name, True
    return dict(catalogue.find(*like).metadata, source="header", digest="sha256:" + name, blob_digest=name), None, False


def plan(size, families=None, want=None, sources=("header", "catalogue"), asked=header):
    host = machines.machine(machines.card("card", size, 0))
    return make_plan([want or {"family": "house"}], {}, host, "0.32.15", list(sources), asked, families=HOUSE if families is None else families)


@pytest.mark.parametrize("size,expected", [(8000, "qwen3:8b"), (12000, "Q4_K_M"), (24576, "house:big")])
def test_each_host_gets_the_best_of_its_tags(size, expected):
    found = plan(size)
    assert found["ok"], found["errors"]
    [entry] = found["models"]
    assert entry["name"].endswith(expected) and entry["source"] == "header"
    assert [row for row in found["rejected"] if row["short_by_bytes"]] or expected == "house:big"


def test_the_order_of_the_list_is_that_of_quality():
    """A smaller model that its user puts first is taken where both fit."""
    assert plan(24576, {"house": ["qwen3:8b", "big"]})["models"][0]["name"] == "qwen3:8b"


def test_a_known_model_needs_no_tag():
    """It was taken for a tag of the family's own name, house:nomic-embed-text."""
    found = plan(24576, {"house": ["nomic-embed-text", "bge-m3"]}, sources=["catalogue"])
    assert [entry["name"] for entry in found["models"]] == ["nomic-embed-text:latest"]


def test_a_family_of_the_catalogue_can_be_written_anew():
    found = plan(24576, {"qwen3": ["14b", "4b"]}, {"family": "qwen3"}, ["catalogue"])
    assert found["models"][0]["name"] == "qwen3:14b" and [row["name"] for row in found["rejected"]] == []


def test_a_tag_that_is_not_there_is_told_and_the_others_are_chosen_from():
    found = plan(24576, {"house": ["huge", "big"]})
    assert found["models"][0]["name"] == "house:big"
    assert [(row["name"], "does not exist there" in row["why"]) for row in found["rejected"]] == [("house:huge", True)]


@pytest.mark.parametrize(
    "families,words",
    [
        (["qwen3:8b"], ["llm_families is no mapping", "house: ["]),
        ({"house": "qwen3:8b"}, ["llm_families.house is no list", "best one first"]),
        ({"house": []}, ["llm_families.house is no list"]),
        ({"house": [8]}, ["llm_families.house[0] is '8'", "qwen3:14b"]),
        ({"house": ["8b", "8b"]}, ["llm_families.house names '8b' twice"]),
        ({"house": ["a/b/c/d:1"]}, ["llm_families.house"]),
        ({"house": ["tiny", "huge"]}, ["llm_models[0].family is 'house'", "house:tiny", "house:huge", "does not exist there"]),
        ({"hause": ["big"]}, ["llm_models[0].family is 'house'", "did you mean", "hause"]),
    ],
)
def test_bad_input_is_one_sentence(families, words):
    found = plan(24576, families)
    assert not found["ok"] and len(found["errors"]) == 1
    for word in words:
        assert word in found["errors"][0], found["errors"]


def test_without_headers_an_unknown_tag_names_the_variable():
    found = plan(24576, {"house": ["big"]}, sources=["catalogue"])
    assert "llm_metadata_sources" in found["errors"][0]
