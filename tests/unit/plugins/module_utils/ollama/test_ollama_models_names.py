# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names. Without these, `llama3.2` could be taken for `llama3.2:1b` again, as roles elsewhere do."""

from __future__ import annotations

import pytest
from ansible_collections.llmfleet.ollama.plugins.module_utils.bytes import gib
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.names import BadName, key_of, parse_digest, parse_name
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.registry_address import parse_registry
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.version import version_tuple


@pytest.mark.parametrize(
    "text, short",
    [
        ("llama3.2", "llama3.2:latest"),
        ("llama3.2:1b", "llama3.2:1b"),
        ("library/llama3.2:1b", "llama3.2:1b"),
        ("registry.ollama.ai/library/llama3.2:1b", "llama3.2:1b"),
        ("someone/model:q4", "someone/model:q4"),
        ("huggingface.co/org/repo-GGUF:Q4_K_M", "huggingface.co/org/repo-GGUF:Q4_K_M"),
        ("mirror:5080/library/x:tag", "mirror:5080/library/x:tag"),
        ("mirror:5080/library/x", "mirror:5080/library/x:latest"),
    ],
)
def test_short_form_is_what_ollama_lists(text, short):
    assert parse_name(text).short == short


def test_what_is_no_name_equals_itself_alone():
    """A host may list anything; one such line must neither end a run nor be taken for a model."""
    assert key_of("Qwen3:8B") == key_of("registry.ollama.ai/library/qwen3:8b") != key_of("qwen3")
    assert len({key_of(text) for text in ("qwen3", "not a name", "another one", None, {"name": "qwen3"})}) == 5


def test_a_tag_is_never_a_prefix_and_case_does_not_count():
    assert parse_name("llama3.2").key != parse_name("llama3.2:1b").key
    assert parse_name("Llama3.2:Latest").key == parse_name("llama3.2").key


@pytest.mark.parametrize(
    "text", ["", " ", None, 7, "a:", "a/b/c/d:x", "http://x/y", "a b", "dots.in/name.space/x:y", "x:" + "y" * 81, "../x"]
)
def test_impossible_names_are_refused(text):
    with pytest.raises(BadName):
        parse_name(text)


@pytest.mark.parametrize(
    "text, host, insecure",
    [
        ("", "registry.ollama.ai", False),
        ("mirror.example.net", "mirror.example.net", False),
        ("https://mirror.example.net/", "mirror.example.net", False),
        ("http://host:5080", "host:5080", True),
    ],
)
def test_registry_spellings(text, host, insecure):
    registry = parse_registry(text)
    assert (registry.host, registry.insecure) == (host, insecure)


@pytest.mark.parametrize("text", ["http://a/b", "a b", "https://", "ftp://x"])
def test_impossible_registries(text):
    if text == "https://":
        assert parse_registry(text).is_default
    else:
        with pytest.raises(BadName, match="llm_registry"):
            parse_registry(text)


def test_a_mirror_serves_plain_names_only():
    mirror = parse_registry("http://mirror")
    assert mirror.pull_name(parse_name("x:1b")).short == "mirror/library/x:1b"
    assert mirror.pull_name(parse_name("me/x:1b")).short == "mirror/me/x:1b"
    other = parse_name("huggingface.co/org/repo:Q4")
    assert mirror.pull_name(other) == other
    assert not mirror.insecure_for(other), "--insecure would send another host's models over plain HTTP"
    assert mirror.manifest_url(parse_name("x:1b")) == "http://mirror/v2/library/x/manifests/1b"
    assert mirror.manifest_url(other) == "https://huggingface.co/v2/org/repo/manifests/Q4"


def test_small_things():
    assert version_tuple("0.5.4-ipexllm-20250407") == (0, 5, 4)
    assert version_tuple("v0.32.15") > version_tuple("0.9.3") > version_tuple("weird")
    assert parse_digest("SHA256:" + "A" * 64) == "a" * 64
    with pytest.raises(BadName):
        parse_digest("sha256:123")
    assert (gib(8988112040), gib(5 << 20), gib(12)) == ("8.4 GiB", "5.0 MiB", "12 bytes")
