# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand-in models: deleted, a broken store would only show as a failed pull in the middle of a long lab run."""

from __future__ import annotations

import hashlib
import json

import gguf
import pytest
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing import data
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.source import catalogue
from llmfleet_lab import models


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    published = {}
    offered = [
        models.StandIn("deepseek-r1", "14b"), models.StandIn("deepseek-r1", "70b"), models.StandIn("llama3.2", "3b", 2),
        models.StandIn("bge-m3", "latest", embedding=True),
    ]  # fmt: skip
    for model in offered:
        weights = folder / "model.gguf"
        parameters = models.write_gguf(weights, model)
        published[model.name] = models.publish_stand_in(folder, model, weights, parameters)
    return folder, published


def manifest_of(folder, name, tag):
    return (folder / "manifests" / "registry.ollama.ai" / "library" / name / tag).read_bytes()


def test_list_takes_tags_that_yaml_reads_as_numbers_and_wins_over_the_catalogue():
    """A tag that YAML turns into a number would be offered under a name that nobody asks for."""
    catalogue = "- {family: b, tags: [{tag: 3b, also: [latest]}, {tag: v1, embedding: true}]}\n"
    assert models.wanted_models([catalogue], "a: [1.5b, 8]\nb: [{tag: 3b, megabytes: 64}]\n") == [
        models.StandIn("b", "3b", 64), models.StandIn("b", "latest"), models.StandIn("b", "v1", embedding=True),
        models.StandIn("a", "1.5b"), models.StandIn("a", "8"),
    ]  # fmt: skip


def test_every_name_that_a_plan_can_choose_is_offered():
    """Who tries another family in the lab must not end at a tag that its registry does not have."""
    offered = {model.name for model in models.wanted_models((path.read_text() for path in models.FAMILIES.glob("*.yml")), models.LIST.read_text())}
    chosen = {tag.name for family in data.families() for tag in catalogue.family_tags(family)}
    assert len(chosen) > 80 and chosen <= offered
    assert {"deepseek-r1:8b", "gemma3:12b", "qwen3:latest", "nomic-embed-text:latest"} <= offered


def test_an_embedding_model_says_that_it_cannot_chat(store):
    """With a stand-in that can, nothing in the lab shows what happens to a web UI that takes an embedding model for a chat."""
    folder, _published = store
    for family, tag, kinds, pooled in (("bge-m3", "latest", ["model", "license"], True), ("deepseek-r1", "14b", None, False)):
        layers = json.loads(manifest_of(folder, family, tag))["layers"]
        assert kinds is None or [layer["mediaType"].rpartition(".")[2] for layer in layers] == kinds
        reader = gguf.GGUFReader(folder / "blobs" / layers[0]["digest"].replace(":", "-"))
        assert (reader.get_field("qwen2.pooling_type") is not None) == pooled


def test_every_blob_is_what_its_name_says(store):
    """Ollama verifies the hash of each blob after the download and ends the pull when it differs."""
    folder, _published = store
    for path in (folder / "blobs").iterdir():
        assert path.name == "sha256-" + hashlib.sha256(path.read_bytes()).hexdigest()


def test_manifest_names_blobs_that_exist_with_their_sizes(store):
    """A manifest that names a missing or shorter blob stops the pull at its last step."""
    folder, published = store
    body = manifest_of(folder, "deepseek-r1", "14b")
    assert published["deepseek-r1:14b"] == "sha256:" + hashlib.sha256(body).hexdigest()
    manifest = json.loads(body)
    assert [layer["mediaType"].rpartition(".")[2] for layer in manifest["layers"]] == ["model", "template", "params", "license"]
    for layer in [manifest["config"], *manifest["layers"]]:
        assert (folder / "blobs" / layer["digest"].replace(":", "-")).stat().st_size == layer["size"]
    config = json.loads((folder / "blobs" / manifest["config"]["digest"].replace(":", "-")).read_bytes())
    assert config["model_format"] == "gguf"
    assert config["model_family"] == "qwen2"


def test_tags_differ_and_repeat(store, tmp_path):
    """With equal digests a change of tag would not be seen; with random ones each rebuild of the lab would change every host."""
    _folder, published = store
    assert len(set(published.values())) == len(published)
    model = models.StandIn("deepseek-r1", "14b")
    parameters = models.write_gguf(tmp_path / "again.gguf", model)
    assert models.publish_stand_in(tmp_path, model, tmp_path / "again.gguf", parameters) == published["deepseek-r1:14b"]


def test_weights_spell_the_sentence(store):
    """What the model says is decided by two matrices: from any token of a prompt, word after word, then the end."""
    folder, _published = store
    digest = json.loads(manifest_of(folder, "deepseek-r1", "70b"))["layers"][0]["digest"]
    reader = gguf.GGUFReader(folder / "blobs" / digest.replace(":", "-"))
    tokens = reader.get_field("tokenizer.ggml.tokens").contents()
    tensors = {tensor.name: tensor.data for tensor in reader.tensors}
    token, said = tokens.index("x"), []
    for _step in range(40):
        token = int((tensors["output.weight"] @ tensors["token_embd.weight"][token]).argmax())
        if tokens[token] == models.END:
            break
        said.append(tokens[token].replace("\u0120", " "))
    assert "".join(said) == "This is the stand-in for deepseek-r1:70b: a real server with made-up weights."


def test_padding_makes_a_download_that_can_be_cut(store):
    """Tests of a cut pull need a model that takes a moment; without the padding they would race a 170 kB download."""
    folder, _published = store
    sizes = [json.loads(manifest_of(folder, name, tag))["layers"][0]["size"] for name, tag in (("llama3.2", "3b"), ("deepseek-r1", "14b"))]
    assert sizes[0] >= 2_000_000 > 300_000 > sizes[1]
