# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""bench/refresh_catalogue.py against a registry that serves full-size sparse files.

Without these tests a refresh could lose comments, touch rows that nobody asked for, or take a mirror's gap for a deleted tag.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest
import yaml
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing import data
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.source import catalogue
from support import ROOT, headers, loopback_registry

sys.path.append(str(ROOT / "bench"))
import refresh_catalogue  # noqa: E402

MODELS = {model.label: model for model in headers.models()}
FAMILIES = """---
# A comment of the file.
- family: deepseek-r1
  order: [14b, 7b, 1.5b]  # best first
  tags:
    # The size of this one moved.
    - {tag: 1.5b, also: [latest], size: 1.5b, shape: qwen2-1.5b, quantization: F16, parameters: 1777088000, bytes: 17}  # kept
    - {tag: 7b, size: 7b, shape: qwen2-7b, quantization: F16, unverified: true, gigabytes: 15, parameters: 7615616512}

    - {tag: 7b-qwen-distill-q8_0, size: 7b, shape: qwen2-7b, quantization: Q8_0, parameters: 7615616512, bytes: 4}
    - tag: 14b
      size: 14b
      shape: qwen2-7b
      quantization: F16
      parameters: 14770033664
      # the last comment
- family: untouched
  order: [1b]
  tags: []
"""


@pytest.fixture
def refresh(tmp_path, monkeypatch, capsys):
    """run(*arguments) -> (exit status, printed lines, the file's text)"""
    folder = tmp_path / "catalogue"
    shutil.copytree(data.CATALOGUE, folder)
    shutil.rmtree(folder / "families")
    (folder / "families").mkdir()
    (folder / "families" / "one.yml").write_text(FAMILIES)
    monkeypatch.setattr(data, "CATALOGUE", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    caches = (data.families, catalogue.family_tags, catalogue._names)
    registry = loopback_registry.Registry()
    for tag, label in {"1.5b": "qwen2-1.5b", "7b": "qwen2-7b", "14b": "qwen2-14b"}.items():
        registry.add("deepseek-r1", tag, MODELS[label].write(str(tmp_path / (tag + ".gguf"))))

    def run(*arguments):
        for cache in caches:
            cache.cache_clear()
        with loopback_registry.served(registry):
            status = refresh_catalogue.main(["--registry", registry.url, *arguments])
        return status, capsys.readouterr().out, (folder / "families" / "one.yml").read_text()

    run.registry = registry
    yield run
    for cache in caches:
        cache.cache_clear()


def size(registry, tag):
    content = json.loads(registry.manifests["/v2/library/deepseek-r1/manifests/" + tag])
    return content["config"]["size"] + content["layers"][0]["size"]


def test_without_write_it_only_tells(refresh):
    status, told, text = refresh()
    assert status == 1 and text == FAMILIES
    assert "bytes: %d" % size(refresh.registry, "1.5b") in told
    assert "does not exist at" in told and "embd: 5120, not 3584" in told


def test_write_changes_the_rows_and_nothing_else(refresh):
    status, told, text = refresh("--write")
    small, middle, large = (size(refresh.registry, tag) for tag in ("1.5b", "7b", "14b"))
    lines = text.splitlines()
    assert lines[6] == "    - {tag: 1.5b, also: [latest], size: 1.5b, shape: qwen2-1.5b, quantization: F16, parameters: 1777088000, bytes: %d}  # kept" % small
    assert lines[7] == "    - {tag: 7b, size: 7b, shape: qwen2-7b, quantization: F16, parameters: 7615616512, bytes: %d}" % middle
    # A tag that this mirror lacks keeps its row; so does everything that is no row.
    assert "parameters: 7615616512, bytes: 4}" in lines[9]
    assert yaml.safe_load(text)[0]["tags"][3] == {
        "tag": "14b", "size": "14b", "shape": "qwen2-7b", "quantization": "F16", "parameters": 14770033664, "bytes": large
    }  # fmt: skip
    assert [line for line in lines if "#" in line] == [
        line.replace("bytes: 17", "bytes: %d" % small) for line in FAMILIES.splitlines() if "#" in line
    ]
    assert "3 rows written, 2 tags left to a person" in told and status == 1
    assert refresh("--write")[2] == text  # nothing left to write


def test_a_long_row_is_continued_on_the_next_line():
    """yamllint allows 160 characters."""
    row = "    - {tag: 7b, also: [%s], size: 7b, shape: qwen2-7b, quantization: F16, parameters: 7615616512}" % ", ".join(["a" * 18] * 3)
    text = "---\n- family: f\n  order: [7b]\n  tags:\n%s\n" % row
    new = refresh_catalogue.rewrite(text, {("f", "7b"): {"bytes": 123456789012}})
    assert max(map(len, new.splitlines())) <= 160 and new.splitlines()[5] == "       bytes: 123456789012}"


@pytest.mark.one_pair
def test_the_shipped_catalogue_survives_an_edit_of_every_row():
    """Every row of every file can be set, grows by what was set, and goes back to what it was."""
    folder = os.path.join(data.CATALOGUE, "families")
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), encoding="utf-8") as stream:
            text = stream.read()
        keys = list(refresh_catalogue._rows(text))
        new = refresh_catalogue.rewrite(text, {key: {"bytes": 987654321} for key in keys})
        assert all(row["bytes"] == 987654321 for family in yaml.safe_load(new) for row in family["tags"])
        assert [line for line in new.splitlines() if line.lstrip().startswith("#")] == [
            line for line in text.splitlines() if line.lstrip().startswith("#")
        ]


def test_a_family_that_is_not_there_is_a_clear_error(tmp_path):
    command = [sys.executable, os.path.join(ROOT, "bench", "refresh_catalogue.py"), "deepseek"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2 and "the catalogue has no family 'deepseek': it has " in done.stderr
