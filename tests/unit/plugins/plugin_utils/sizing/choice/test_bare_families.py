# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Families of which the catalogue has nothing but the tags (by_header.yml). Deleted, one of them could be sized by a guess, or left out without a word."""

from __future__ import annotations

from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing import data
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.plan import SOURCES, make_plan
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.source import catalogue
from support import machines

LIKE = {"gemma2:27b": ("gemma3", "27b"), "gemma2:2b": ("gemma3", "4b")}


def header(name):
    like = LIKE.get(name)
    if not like:
        return None, "%s cannot be read: the line is down" % name, False
    return dict(catalogue.find(*like).metadata, source="header", digest="sha256:" + name, blob_digest=name), None, False


def plan(asked, sources=SOURCES, size=24576):
    return make_plan([{"family": "gemma2"}], {}, machines.machine(machines.card("card", size, 0)), "0.32.15", list(sources), asked)


def test_the_best_tag_whose_header_fits_is_chosen_and_one_that_cannot_be_read_is_named():
    found = plan(header)
    assert [(entry["name"], entry["source"]) for entry in found["models"]] == [("gemma2:27b", "header")]
    assert [row["name"] for row in found["rejected"] if "the line is down" in row["why"]] == ["gemma2:9b"]
    assert plan(header, size=8192)["models"][0]["name"] == "gemma2:2b"


def test_nothing_is_guessed_where_no_header_can_be_read():
    """An estimate by the tag's name would take a gemma for a llama."""
    found = plan(lambda name: (None, "the line is down", False))
    assert not found["ok"] and all("gemma2:%s: the line is down" % tag in found["errors"][0] for tag in ("27b", "9b", "2b"))


def test_without_the_registry_the_knob_is_named():
    [error] = plan(None, ["catalogue", "estimate"])["errors"]
    assert "add 'header' to llm_metadata_sources" in error


def test_no_family_stands_twice():
    """In both lists the one without sizes would hide the other, or be hidden."""
    bare = data.load("by_header")
    assert bare and not set(bare) & set(data.families())
    sized = {"%s:%s" % (family, tag) for family in data.families() for tag in catalogue.tag_names(family)}
    assert not sized & {tag if ":" in tag else "%s:%s" % (family, tag) for family, tags in bare.items() for tag in tags}
