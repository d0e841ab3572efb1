# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the playbooks ask a filter for. Deleted, a tag could bring the wrong downloads, or a second plan of the same models be tried as a smaller one."""

from __future__ import annotations

import time

import pytest
from ansible_collections.llmfleet.ollama.plugins.filter.downloads_of import downloads_of
from ansible_collections.llmfleet.ollama.plugins.filter.oracle_place import oracle_place
from ansible_collections.llmfleet.ollama.plugins.filter.planned_words import planned_words
from ansible_collections.llmfleet.ollama.plugins.filter.settled import settled

BOTH = ["ollama", "open_webui"]


@pytest.mark.parametrize(
    ("groups", "tags", "skipped", "os_family", "parts"),
    [
        (BOTH, ["all"], [], "Debian", ["ollama", "models", "open_webui"]), (["ollama"], ["all"], [], "", ["ollama", "models"]),
        (BOTH, ["models"], [], "", ["models"]), (BOTH, ["open_webui", "model_mirror"], [], "", ["open_webui"]),
        (BOTH, ["all"], ["models"], "", ["ollama", "open_webui"]), (BOTH, ["all"], [], "Windows", ["ollama", "models"]),
        (["model_mirror"], ["all"], [], "", []), (BOTH, ["model_mirror"], [], "", []),
    ],
)
def test_what_a_run_downloads_to_a_host(groups, tags, skipped, os_family, parts):
    assert downloads_of(groups, tags, skipped, {"os_family": os_family}) == parts


PLANNED = {"models": [{"name": "a:1b", "download_bytes": 1, "source": "catalogue"}]}
LOOK = {"install": {"releases": ["0.32.15"]}, "store": {"manifests": [{"name": "registry.ollama.ai/library/a:1b"}]}}


@pytest.mark.parametrize(
    ("look", "plan", "version", "parts"),
    [
        (LOOK, PLANNED, "0.32.15", []), (LOOK, PLANNED, "0.33.0", ["ollama"]), ({**LOOK, "store": None}, PLANNED, "0.32.15", ["models"]),
        (LOOK, {"models": [*PLANNED["models"], {**PLANNED["models"][0], "name": "b:2b"}]}, "0.32.15", ["models"]),
        # Nobody has looked, nothing is announced, nothing is planned: it is to be asked and told.
        (None, PLANNED, "0.32.15", ["ollama", "models"]), (LOOK, PLANNED, None, ["ollama"]), (LOOK, None, "0.32.15", ["models"]),
        # A plan without models, as where other hosts have the copies.
        (LOOK, {"ok": True, "models": []}, "0.32.15", []),
    ],
)
def test_what_is_there_is_not_downloaded(look, plan, version, parts):
    announced = {"release": {"version": version}} if version else {}
    assert downloads_of(["ollama"], ["all"], [], {"look": look, "model_plan": plan}, announced) == parts


def test_a_host_that_shall_have_no_ollama_downloads_none():
    """plan_service announces null for it (ollama_state absent); deploy.yml failed on that, before the role could take Ollama away."""
    assert downloads_of(["ollama"], ["all"], [], {"look": LOOK, "model_plan": {"models": []}}, None) == []


def test_a_host_is_settled_as_long_as_its_look_holds():
    """Deleted, the role could be left out on what a host was hours ago."""
    assert settled({"settled_until": time.time() + 100}) is True
    assert not any(settled(said) for said in ({}, {"settled_until": 0}, {"settled_until": time.time() - 1}))


def test_a_plan_in_words():
    models = [{"name": "a:1b", "context": 8192, "kv_cache_type": "f16"}, {"name": "b:2b", "context": 4096, "kv_cache_type": "q8_0"}]
    assert planned_words({"models": models}) == "a:1b at 8192 tokens with the cache in f16, b:2b at 4096 tokens with the cache in q8_0"
    assert planned_words(None) == planned_words({}) == ""


@pytest.mark.parametrize(
    ("wanted", "sources", "at", "wrong"),
    [
        (True, None, "host", ""), ("yes", ["header"], "host", ""), ("host", None, "host", ""), ("controller", ["header", "catalogue"], "controller", ""),
        ("both", None, "both", "write host, controller or false"), (True, ["catalogue"], "host", "llm_metadata_sources is ['catalogue']: put header first"),
        ("controller", [], "controller", "put header first"),
    ],
)
def test_where_the_oracle_is_asked(wanted, sources, at, wrong):
    found = oracle_place(wanted, sources)
    assert found["at"] == at and (wrong in found["wrong"] if wrong else found["wrong"] == "")
