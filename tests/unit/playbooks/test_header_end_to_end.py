# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/plan.yml with full-size models behind a mirror that serves ranges, as on a real network.

Without this test the parts could work alone and the plan still size from the catalogue, or read gigabytes. The blobs are sparse files: a real head
with its tensor table, and a hole of the model's size.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from support import GIB, MIB, ROOT, headers, loopback_registry, plays

MODELS = {"8b": "qwen3-8b", "14b": "qwen2-14b", "32b": "qwen2-32b", "1.5b": "qwen2-1.5b", "7b": "qwen2-7b"}
FIND = {model.label: model for model in headers.models()}


@pytest.fixture
def mirror(tmp_path):
    """The paths that nginx serves over a model store, and what left it."""
    made = loopback_registry.Registry()
    (tmp_path / "store").mkdir()
    for tag, label in MODELS.items():
        made.add("deepseek-r1", tag, FIND[label].write(str(tmp_path / "store" / (tag + ".gguf"))))
    with loopback_registry.served(made):
        yield made


def play(tmp_path, mirror):
    cards = {
        "small": {"index": 0, "name": "RTX 3060", "vendor": "nvidia", "uuid": "a", "memory_usable_bytes": 12 * GIB},
        "large": {"index": 0, "name": "RTX 3090", "vendor": "nvidia", "uuid": "b", "memory_usable_bytes": 40 * GIB},
    }
    hosts = {name: {"llm_vram_override": {"devices": [card]}, "ansible_host": "192.0.2.1"} for name, card in cards.items()}
    variables = {
        "llm_models": [{"family": "deepseek-r1", "context": 4096, "quantizations": ["Q4_K_M"]}],
        "llm_metadata_sources": ["header", "catalogue"],
        "llm_registry": mirror.url,
    }
    inventory, output = {"all": {"children": {"ollama": {"hosts": hosts, "vars": variables}}}}, tmp_path / "plan.json"
    played = plays.ours(tmp_path, inventory, "playbooks/plan.yml", "-e", "llm_plan_output=%s" % output, ANSIBLE_FORKS="2")
    assert played.code == 0, played.text
    return json.loads(output.read_text())


@pytest.mark.one_pair
def test_the_fleet_is_sized_from_headers_once(tmp_path, mirror):
    plans = play(tmp_path, mirror)
    # The mirror's files hold 16-bit weights: by their headers a 12 GiB card takes none of the larger ones that the catalogue would promise.
    small, large = plans["small"]["models"][0], plans["large"]["models"][0]
    assert (small["source"], large["source"]) == ("header", "header")
    assert small["tag"] == "1.5b" and large["tag"] == "14b"
    assert any(row["name"] == "deepseek-r1:14b" and row["short_by_bytes"] > 10 * GIB for row in plans["small"]["rejected"])
    assert mirror.sent < 16 * MIB * len(MODELS)
    heads = sum(os.path.getsize(blob) for blob in mirror.blobs.values() if isinstance(blob, str))
    assert heads > 100 * GIB  # and nobody read them
    before = len(mirror.requests)
    assert play(tmp_path, mirror) == plans and len(mirror.requests) == before  # a warm cache opens no connection


def test_a_playbook_asks_for_metadata_and_memory(tmp_path, mirror):
    """Lookup and filter under their public names, as a playbook writes them; and the refusal in one sentence."""
    environment = dict(os.environ, XDG_CACHE_HOME=str(tmp_path / "cache"))

    def debug(name):
        text = "{{ (lookup('llmfleet.ollama.model_metadata', '%s', registry='%s', sources=['header'])" % (name, mirror.url)
        text += " | llmfleet.ollama.model_memory(context=8192, ubatch=512)).kv_cache_bytes | llmfleet.ollama.gib }}"
        command = [sys.executable, "-m", "ansible", "adhoc", "localhost", "-m", "ansible.builtin.debug", "-a", json.dumps({"msg": text})]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)

    done = debug("deepseek-r1:14b")
    assert "1.5 GiB" in done.stdout, done.stdout + done.stderr
    refused = debug("deepseek-r1:15b")
    assert refused.returncode and "deepseek-r1:15b does not exist at %s" % mirror.url in " ".join(refused.stdout.split())
