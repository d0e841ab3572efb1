# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts whose Ollama keeps the store of 0.40, and those that came from there or go there. Deleted, such a host would pull on every run, its pins would
fail, and `exact` would take Ollama's own way back away."""

from __future__ import annotations

import os

import pytest
from ansible_collections.llmfleet.ollama.plugins.module_utils.errors import Failure
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama import manifest
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.names import parse_name
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.store import Store
from support.fake_ollama import model_blobs
from support.fake_ollama_v2 import NewerOllama, offer_list

CHANGES = ("/api/pull", "/api/create", "/api/copy", "/api/delete")


@pytest.fixture
def newer(tmp_path, registry):
    made = []

    def start(name="newer", **how):
        made.append(NewerOllama(tmp_path / name, registry, **how))
        return made[-1]

    yield start
    for server in made:
        server.stop()


def of(server, **more):
    return {"api_url": server.url, "models_dir": server.path, "registry": server.registry.url, **more}


def changes(server):
    return [path for _verb, path, _body in server.requests if path in CHANGES]


def settled(converge, server, models, **more):
    """The second run changes nothing and pulls nothing."""
    server.requests.clear()
    result = converge(models, **of(server, **more))
    return (result.get("failed", False), result["changed"], changes(server)) == (False, False, [])


@pytest.mark.parametrize("anchors", [True, False])
@pytest.mark.parametrize("reach, tells", [("store", "list"), ("store", "child"), ("store", "rows"), ("api", "child"), ("api", "rows")])
def test_a_list_is_pulled_once_whatever_digest_the_server_tells(converge, registry, newer, tells, anchors, reach):
    """Rows B and D: the digest that is told of a list differs between releases, and a Windows host's store is out of reach."""
    offer_list(registry, "library/m/1b", {"llamacpp": model_blobs("gguf"), "mlx": model_blobs("mlx")})
    server = newer(tells=tells, anchors=anchors)
    more = {} if reach == "store" else {"models_dir": ""}
    first = converge(["m:1b"], **of(server, **more))
    assert first["changed"] and not first.get("failed") and server.names() == ["m:1b"]
    assert settled(converge, server, ["m:1b"], **more)


@pytest.mark.parametrize("pinned", ["list", "llamacpp"])
@pytest.mark.parametrize("tells", ["list", "child", "rows"])
def test_a_pin_may_name_the_list_or_its_manifest(converge, registry, newer, pinned, tells):
    """Row D: a pin of either digest failed on every run."""
    digest, children = offer_list(registry, "library/m/1b", {"llamacpp": model_blobs("gguf")})
    server = newer(tells=tells)
    wanted = [{"name": "m:1b", "digest": {"list": digest, **children}[pinned]}]
    result = converge(wanted, **of(server))
    assert not result.get("failed"), result
    assert settled(converge, server, wanted)


def test_a_pin_of_the_other_generation_is_refused_with_both_digests(converge, registry, newer):
    """Deleted, "the tag moved" would be said of a tag that stands still."""
    digest, children = offer_list(registry, "library/m/1b", {"llamacpp": model_blobs("gguf")})
    plain = registry.put("library/m/1b", model_blobs("older"))
    server = newer()
    with pytest.raises(Failure) as refused:
        converge([{"name": "m:1b", "digest": plain}], **of(server))
    assert plain[:12] in str(refused.value) and digest[:12] in str(refused.value) and children["llamacpp"][:12] in str(refused.value)
    assert "before 0.40" in str(refused.value) and changes(server) == []


@pytest.mark.parametrize("hides", [True, False])
@pytest.mark.parametrize("anchors", [True, False])
def test_a_converted_model_is_not_pulled_again_and_its_copy_is_left_alone(converge, registry, newer, hides, anchors):
    """Rows E and B: exact removed llamacpp:<64 hex>, and the digest of a converted model is never upstream's again."""
    plain = registry.put("library/m/1b", model_blobs("old"))
    server = newer(hides_guards=hides, anchors=anchors)
    converge(["m:1b"], **of(server))
    server.convert("m:1b")
    for wanted in (["m:1b"], [{"name": "m:1b", "digest": plain}]):
        assert settled(converge, server, wanted, state="exact")
        assert settled(converge, server, wanted, state="exact", models_dir=""), "out of reach, the server's blobs say that it is what was pulled"
    result = converge(["m:1b"], **of(server))
    assert result["others"] == [] and not result["to_remove"]
    if not hides:
        assert [name for name in server.names() if name.startswith("llamacpp:")], "the server's own way back"


@pytest.mark.parametrize("reach", ["store", "api"])
@pytest.mark.parametrize("converted", [True, False])
def test_a_tag_that_moved_to_what_another_tag_has_is_pulled(converge, registry, newer, reach, converted):
    """latest moves to a model that this host has under another tag. Deleted, the blobs of that tag would pass for this one's for ever."""
    more = {} if reach == "store" else {"models_dir": ""}
    registry.put("library/m/latest", model_blobs("old"))
    registry.put("library/m/2b", model_blobs("new"))
    server = newer()
    converge(["m", "m:2b"], **of(server, **more))
    if converted:
        server.convert("m:latest")
    registry.put("library/m/latest", model_blobs("new"))
    server.requests.clear()
    assert converge(["m", "m:2b"], **of(server, **more))["changed"] and "/api/pull" in changes(server)
    assert settled(converge, server, ["m", "m:2b"], **more)


def test_a_list_for_what_was_called_ollama_and_is_called_ggml_now_is_read(converge, registry, newer):
    """Deleted, layers of such a list would be unknown: no disk check, and spoilt blobs go unseen."""
    offer_list(registry, "library/m/1b", {"ggml": model_blobs("gguf")})
    server = newer()
    converge(["m:1b"], **of(server))
    held = Store(server.path).manifest(parse_name("m:1b"))
    assert held.chosen.runner == "ggml" and len(held.layers) == 3
    os.truncate(server.blob_file(held.model_layers[0]), 10)
    assert converge(["m:1b"], **of(server))["changed"] and settled(converge, server, ["m:1b"])


def test_a_tag_that_moved_is_pulled_also_after_a_conversion(converge, registry, newer):
    """Deleted, what a store keeps of an older version would pass for the new one."""
    registry.put("library/m/1b", model_blobs("old"))
    server = newer()
    converge(["m:1b"], **of(server))
    server.convert("m:1b")
    registry.put("library/m/1b", model_blobs("new"))
    server.requests.clear()
    assert converge(["m:1b"], **of(server))["changed"] and changes(server)
    assert settled(converge, server, ["m:1b"])


def test_a_registry_with_a_port_and_links_that_lead_nowhere(registry, newer, tmp_path):
    """Deleted, names of a mirror with a port would not be found in a newer store, and a link of somebody's could lead root elsewhere."""
    server = newer()
    registry.put("library/m/1b", model_blobs("m"))
    server.settle("127.0.0.1:5000/library/m:1b", None)
    store = Store(server.path)
    assert os.path.lexists(tmp_path / "newer" / "manifests-v2" / "127.0.0.1%3A5000" / "library" / "m" / "1b")
    assert store.manifest(parse_name("127.0.0.1:5000/library/m:1b")).digest
    assert [parts for parts, _path in store.manifests()] == [("127.0.0.1:5000", "library", "m", "1b")]
    (tmp_path / "secret").write_bytes(registry.models["library/m/1b"])
    os.makedirs(tmp_path / "newer" / "manifests-v2" / "ollama.com" / "library" / "evil")
    for tag, target in (("a", str(tmp_path / "secret")), ("b", "../../../../blobs/sha256-" + "0" * 64), ("c", "../../../../../secret")):
        os.symlink(target, tmp_path / "newer" / "manifests-v2" / "ollama.com" / "library" / "evil" / tag)
        assert store.manifest(parse_name("evil:" + tag)) is None and store.manifest_path(parse_name("evil:" + tag)) is None


def test_the_second_copy_of_a_conversion_is_counted(converge, registry, newer, monkeypatch):
    """Deleted, a model that just fits would fill the disk at its first load."""
    registry.put("library/m/1b", model_blobs("m", 8000))
    server = newer()
    monkeypatch.setattr(Store, "free_bytes", lambda self: 12000)
    with pytest.raises(Failure, match="for the copy that Ollama 0.40.1 converts"):
        converge(["m:1b"], **of(server))
    server.version = "0.35.1"
    assert not converge(["m:1b"], **of(server)).get("failed")


@pytest.mark.parametrize("family, due", [("qwen3vl", True), ("qwen2", False)])
def test_what_an_older_release_has_left_is_counted_beside_a_pull(converge, registry, newer, monkeypatch, family, due):
    """Deleted, the first load of a model from before the upgrade could take the room that a pull was promised."""
    registry.put("library/m/1b", model_blobs("m", 8000))
    registry.put("library/n/1b", model_blobs("n", 1000))
    server = newer(version="0.35.1")
    server.family = family
    converge(["m:1b"], **of(server))
    server.become("0.40.1")
    monkeypatch.setattr(Store, "free_bytes", lambda self: 6000)
    assert settled(converge, server, ["m:1b"]), "nothing is pulled, and nothing refused"
    if due:
        with pytest.raises(Failure, match="for the copy that Ollama 0.40.1 converts"):
            converge(["m:1b", "n:1b"], **of(server))
        server.convert("m:1b")
    assert not converge(["m:1b", "n:1b"], **of(server)).get("failed")


def test_a_copy_of_ollamas_own_is_never_wanted(converge, newer):
    """Deleted, a name out of `ollama list` could be pulled from a registry that has nothing of the kind."""
    with pytest.raises(Failure, match="a copy that Ollama keeps for itself"):
        converge(["llamacpp:" + "a" * 64], **of(newer()))


def test_what_mlx_would_run_is_refused_and_not_taken_for_the_gguf_file(converge, registry, newer, monkeypatch):
    """Deleted, a Mac with 0.40 would load another file than the one that was sized."""
    offer_list(registry, "library/m/1b", {"llamacpp": model_blobs("gguf"), "mlx": model_blobs("mlx")})
    server = newer()
    monkeypatch.setattr(manifest, "preferences", lambda: ("mlx", "ollama", "llamacpp"))
    with pytest.raises(Failure, match="m:1b at .* would be run by MLX on this host"):
        converge(["m:1b"], **of(server))
    assert changes(server) == []
    monkeypatch.undo()
    assert converge(["m:1b"], **of(server))["changed"]
