# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module promises, against a server that speaks the real shapes. Each test names what would go unwatched without it."""

from __future__ import annotations

import json
import os

import pytest
from ansible_collections.llmfleet.ollama.plugins.module_utils.errors import Failure
from ansible_collections.llmfleet.ollama.plugins.module_utils.models import converge as code
from ansible_collections.llmfleet.ollama.plugins.module_utils.models.converge import Converger
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.registry_address import RegistryAddress
from support.fake_ollama import manifest_bytes, model_blobs, sha

CHANGES = ("/api/pull", "/api/create", "/api/copy", "/api/delete", "/api/generate", "/api/embed")


def changes(ollama):
    return [path for verb, path, _body in ollama.requests if path in CHANGES]


def by_name(result):
    return {entry["name"]: entry for entry in result["models"]}


@pytest.fixture
def small(registry):
    registry.put("library/small/1b", model_blobs("small"))
    return "small:1b"


def test_pull_from_mirror_ends_with_the_plain_name(converge, ollama, registry, small):
    """Hosts must end with `small:1b`, not with the mirror's name beside it."""
    result = converge([small])
    assert not result.get("failed"), result
    assert ollama.names() == [small]
    assert result["changed"] and by_name(result)[small]["changed"]
    assert by_name(result)[small]["digest"] == "sha256:" + sha(registry.models["library/small/1b"])
    expected = sum(len(data) for _kind, data in model_blobs("small"))
    assert result["downloaded_bytes"] == ollama.pulled_bytes == expected
    pull = [body for _verb, path, body in ollama.requests if path == "/api/pull"]
    assert pull == [{"model": registry.host + "/library/small:1b", "stream": True, "insecure": True}]


@pytest.mark.parametrize("faster_by", ["a second", "a moment"])
def test_the_work_of_a_killed_run_may_be_faster(converge, ollama, registry, small, monkeypatch, faster_by):
    """It outlives its controller on purpose. Deleted, the run after a kill would say that the model of the mirror's name was not found."""
    long, copy = registry.host + "/library/" + small, ollama.copy

    def rename():
        copy(long, small)
        os.unlink(ollama.manifest_file(long))

    if faster_by == "a second":
        settle = ollama.settle
        monkeypatch.setattr(ollama, "settle", lambda name, manifest: (settle(name, manifest), rename()))
    else:
        monkeypatch.setattr(ollama, "copy", lambda source, destination: (copy(source, destination), os.unlink(ollama.manifest_file(long))))
    result = converge([small])
    assert not result.get("failed"), result
    assert ollama.names() == [small] and by_name(result)[small]["digest"] == "sha256:" + sha(registry.models["library/small/1b"])


def test_second_run_pulls_nothing_and_changes_nothing(converge, ollama, small):
    converge([small])
    ollama.requests.clear()
    result = converge([small])
    assert not result["changed"]
    assert changes(ollama) == []
    assert result["downloaded_bytes"] == 0


def test_default_registry_needs_no_copy(converge, ollama, registry, small, monkeypatch):
    monkeypatch.setattr(RegistryAddress, "manifest_url", lambda self, name: "%s/v2/%s/%s/manifests/%s" % ((registry.url,) + tuple(name[1:])))
    converge([small], registry="")
    assert changes(ollama) == ["/api/pull"]
    pulls = [body for _verb, path, body in ollama.requests if path == "/api/pull"]
    assert pulls == [{"model": small, "stream": True, "insecure": False}], "--insecure must never go to the public registry"


def test_exact_name_is_not_a_prefix(converge, ollama, registry):
    """`llama3.2` is not `llama3.2:1b`."""
    ollama.have("llama3.2:1b", model_blobs("one"))
    registry.put("library/llama3.2/latest", model_blobs("latest"))
    result = converge(["llama3.2"])
    assert result["changed"]
    assert ollama.names() == ["llama3.2:1b", "llama3.2:latest"]


def test_moved_tag_is_pulled_and_frees_the_old_layers(converge, ollama, registry, small):
    converge([small])
    old = set(os.listdir(ollama.path + "/blobs"))
    new = registry.put("library/small/1b", model_blobs("smaller"))
    result = converge([small])
    assert result["changed"] and by_name(result)[small]["digest"] == "sha256:" + new
    assert not old - {"sha256-" + sha(b"{{ .Prompt }}")} & set(os.listdir(ollama.path + "/blobs")), (
        "the old model's layers stayed on the disk"
    )
    assert ollama.names() == [small]


@pytest.mark.parametrize("version", ["0.9.3", "0.5.4-ipexllm-20250407"])
def test_old_ollama_writes_its_own_manifest_and_is_still_compared(converge, ollama, registry, version):
    """Before 0.19 digests never match the registry's: comparing them would pull on every run."""
    ollama.version = version
    registry.put("library/small/1b", model_blobs("small"), indent=3)
    assert converge(["small:1b"])["changed"]
    assert by_name(converge(["small:1b"]))["small:1b"]["digest"] != "sha256:" + sha(registry.models["library/small/1b"])
    assert not converge(["small:1b"])["changed"]
    # The same without a view of the store, as on a Windows host: the weights' blob is compared.
    assert not converge(["small:1b"], models_dir=None)["changed"]
    registry.put("library/small/1b", model_blobs("other"), indent=3)
    assert converge(["small:1b"], check=True, models_dir=None)["changed"]
    assert converge(["small:1b"])["changed"]


def test_upgraded_ollama_keeps_a_model_of_the_old_one(converge, ollama, registry):
    """After 0.9.3 -> 0.32 the store still holds manifests in the old writing; the layers are the same, so nothing may be pulled."""
    ollama.version = "0.9.3"
    registry.put("library/small/1b", model_blobs("small"), indent=3)
    converge(["small:1b"])
    ollama.version = "0.32.15"
    assert not converge(["small:1b"])["changed"]


def test_check_mode_names_everything_and_touches_nothing(converge, ollama, registry, small):
    ollama.have("old:1b", model_blobs("old"))
    before = sorted(os.listdir(ollama.path + "/blobs"))
    result = converge([small, {"name": "short", "from": small, "parameters": {"num_predict": 3}}], check=True, state="exact", prove=True)
    assert changes(ollama) == []
    assert sorted(os.listdir(ollama.path + "/blobs")) == before
    assert result["changed"] and result["to_pull"] == [small] and result["to_remove"] == ["old:1b"] and result["removed"] == []
    # The template is shared with old:1b, so it is here already.
    assert result["missing_bytes"] == sum(len(data) for _kind, data in model_blobs("small")[:2])
    assert "old:1b" in result["diff"]["before"] and "old:1b" not in result["diff"]["after"]
    assert "short:latest to be made from small:1b" in result["diff"]["after"]


def test_models_that_nobody_named_are_told_and_left_alone(converge, ollama, registry, small):
    """The report names them without --diff too: what somebody pulled by hand takes the memory that the plan counts on."""
    ollama.have("old:1b", model_blobs("old"))
    wanted = [{"name": "short", "from": small, "parameters": {"num_predict": 3}}]
    for check in (True, False):
        assert converge(wanted, check=check)["others"] == ["old:1b"]
    assert converge(wanted, check=True, state="exact")["others"] == [] and "old:1b" in ollama.names()
    assert converge(["old:1b"], state="absent")["others"] == []


def test_exact_prunes_what_is_not_named_and_keeps_bases(converge, ollama, registry, small):
    ollama.have("old:1b", model_blobs("old"))
    ollama.have("me/other:latest", model_blobs("other"))
    result = converge([{"name": "short", "from": small, "parameters": {"num_predict": 3}}], state="exact")
    assert result["removed"] == ["me/other:latest", "old:1b"]
    assert ollama.names() == ["short:latest", "small:1b"]
    assert not converge([{"name": "short", "from": small, "parameters": {"num_predict": 3}}], state="exact")["changed"]


def test_texts_of_parameters_are_compared_as_they_are_meant(converge, ollama, small):
    """Ollama shows them quoted. Taken by the letter, a stop of two line ends is made anew on every run and shown as a change in check mode."""
    stops = ["\n\n", "User:", 'say "x"', " lead", "ü"]
    wants = [{"name": "short", "from": small, "parameters": {"stop": stops, "temperature": 0.6, "penalize_newline": True}}]
    converge(wants)
    ollama.requests.clear()
    assert not converge(wants, check=True)["changed"]
    assert not converge(wants)["changed"] and changes(ollama) == []
    wants[0]["parameters"]["stop"] = stops[1:]
    assert converge(wants)["changed"]


def test_exact_of_nothing_is_refused(converge, ollama):
    ollama.have("old:1b", model_blobs("old"))
    with pytest.raises(Failure, match="state 'absent'"):
        converge([], state="exact")
    assert ollama.names() == ["old:1b"]


def test_exact_of_nothing_that_is_meant(converge, ollama, small):
    """Where other hosts have the copies a host holds none; refused, each of its runs would fail."""
    converge([small])
    assert converge([], state="exact", accept_empty=True)["removed"] == [small]


def test_absent(converge, ollama):
    ollama.have("old:1b", model_blobs("old"))
    ollama.have("keep:1b", model_blobs("keep"))
    assert converge(["old:1b"], state="absent", check=True)["to_remove"] == ["old:1b"]
    assert converge(["old:1b", "never:there"], state="absent")["removed"] == ["old:1b"]
    assert ollama.names() == ["keep:1b"]
    assert not converge(["old:1b"], state="absent")["changed"]


def test_all_wants_are_checked_before_the_first_change(converge, ollama, small):
    with pytest.raises(Failure, match="gone:7b does not exist at .*llm_models; .* the mirror's own host"):
        converge([small, "gone:7b"])
    assert changes(ollama) == []


def test_a_local_model_that_no_registry_knows_is_fine(converge, ollama):
    ollama.have("homemade", model_blobs("home"))
    result = converge(["homemade"])
    assert not result["changed"] and result["warnings"] == []


def test_one_cause_for_several_models_is_said_once(converge, ollama, registry):
    """A mirror that is down filled a screen with the same words for each of the fleet's models."""
    registry.fault = 503
    with pytest.raises(Failure) as failed:
        converge(["a:1b", "b:1b", "c:1b"])
    assert str(failed.value).startswith("a:1b, b:1b, c:1b cannot be pulled: the mirror") and str(failed.value).count("does not answer") == 1
    for name in ("a:1b", "b:1b"):
        ollama.have(name, model_blobs(name))
    [warning] = converge(["a:1b", "b:1b"])["warnings"]
    assert "whether a:1b, b:1b has moved there is not known" in warning


def test_mirror_that_is_down_stops_a_pull_but_not_a_converged_host(converge, ollama, registry, small):
    registry.fault = 503
    with pytest.raises(Failure, match="llm_registry"):
        converge([small])
    assert changes(ollama) == []
    registry.fault = None
    converge([small])
    registry.fault = 503
    registry.asked.clear()
    ollama.have("second:1b", model_blobs("second"))
    result = converge([small, "second:1b"])
    assert not result["changed"] and "does not answer" in result["warnings"][0]
    assert len(registry.asked) == 2, "a silent registry is asked twice in a run, not twice for each model"


@pytest.mark.parametrize("fault, words", [("html", "not a manifest"), (401, "HTTP 401"), ("hang", ""), ("drip", "")])
def test_odd_registries_are_bounded(converge, registry, small, fault, words, monkeypatch):
    registry.fault = fault
    monkeypatch.setattr(code, "RegistryClient", lambda *a, **k: client(*a, **dict(k, timeout=0.3)))
    try:
        result = converge([small])
        assert words in result["warnings"][0]
    except Failure as exc:
        assert "llm_registry" in str(exc)


client = code.RegistryClient


def test_too_old_for_the_model(converge, ollama, registry, small):
    registry.fault = 412
    with pytest.raises(Failure, match="newer Ollama than this host's 0.32.15: raise ollama_version"):
        converge([small])
    registry.fault = None
    ollama.script = ["error:pull model manifest: 412: The model you are attempting to pull requires a newer version of Ollama."]
    result = converge([small])
    assert result["failed"] and "raise ollama_version" in result["msg"] and converge.naps == []


def test_pins(converge, ollama, registry, small):
    """A pinned digest that the registry no longer serves is a failure; one that is here needs no question."""
    right = sha(registry.models["library/small/1b"])
    assert converge([{"name": small, "digest": "sha256:" + right}])["changed"]
    registry.asked.clear()
    assert not converge([{"name": small, "digest": right}])["changed"]
    assert registry.asked == []
    registry.put("library/small/1b", model_blobs("moved"))
    assert not converge([{"name": small, "digest": right}])["changed"], "the pinned model is here: that the tag moved is no concern of ours"
    ollama.requests.clear()
    with pytest.raises(Failure, match="pinned to sha256:%s in llm_models, but .* now serves" % ("0" * 12)):
        converge([{"name": small, "digest": "0" * 64}])
    assert changes(ollama) == []


def test_pin_on_an_old_ollama_is_held_by_layers(converge, ollama, registry):
    ollama.version = "0.9.3"
    right = registry.put("library/small/1b", model_blobs("small"), indent=2)
    assert converge([{"name": "small:1b", "digest": right}])["changed"]
    assert not converge([{"name": "small:1b", "digest": right}])["changed"]


def test_tag_that_moves_between_the_look_and_the_pull(options, ollama, registry, small):
    right = sha(registry.models["library/small/1b"])
    converger = Converger(dict(options, models=[{"name": small, "digest": right}])).look()
    registry.put("library/small/1b", model_blobs("moved"))
    result = converger.act()
    assert result["failed"] and "moved" in result["msg"] and result["changed"]


def test_cut_pull_resumes(converge, ollama, small):
    ollama.script = ["cut", "cut"]
    result = converge([small])
    assert not result.get("failed"), result
    total = sum(len(data) for _kind, data in model_blobs("small"))
    assert ollama.pulled_bytes == total, "bytes were fetched twice"
    assert result["downloaded_bytes"] == total
    assert by_name(result)[small]["attempts"] == 3
    assert converge.naps == [2, 2], "tries that brought bytes start the count anew"
    assert any("retry" in state["status"] for state in converge.progress)


def test_stream_without_success_is_not_success(converge, ollama, small):
    ollama.script = ["no success"] * 5
    result = converge([small])
    assert result["failed"] and "before Ollama said success" in result["msg"] and ollama.names() == []
    # F12: a server that is killed again and again was called a mirror that does not run.
    assert result["msg"].endswith("this host's own Ollama at %s ended or was ended meanwhile; see its log, then run again" % ollama.url)


def test_stalled_mirror_fails_and_names_the_variable(converge, ollama, registry, small):
    ollama.script = ["stall"] + ["frozen"] * 9
    result = converge([small], timeout=1)
    assert result["failed"] and "llm_registry" in result["msg"] and "nothing moved" in result["msg"] and registry.host in result["msg"]
    assert "are here and will not be fetched again" in result["msg"]
    assert len(ollama.script) == 10 - 3, "three tries in a row that brought nothing new: the first one and two more"
    ollama.script = []
    before = ollama.pulled_bytes
    result = converge([small])
    came = ollama.pulled_bytes - before
    assert came < sum(len(data) for _kind, data in model_blobs("small")), "the next run did not resume"
    assert result["changed"] and result["downloaded_bytes"] == came


def test_silent_server_fails(converge, ollama, small):
    ollama.script = ["silent"] * 5
    result = converge([small], timeout=0.3, retries=1)
    assert result["failed"] and "2 times in a row" in result["msg"] and "see whether the mirror" in result["msg"]


@pytest.mark.parametrize(
    "words, advice",
    [
        ("http: no Location header in response", "model_mirror"),
        ("http: server gave HTTP response to HTTPS client", "llm_registry: http://"),
        ('realm host "huggingface.co" does not match original host "hf.co"', "huggingface.co instead of hf.co"),
        ("write /x: no space left on device", "ollama_models_dir"),
        ("mkdir C:\\m: The directory name is invalid.", "80 or 443"),
        ("this model requires MLX support, but the MLX runtime is not available", "GGUF"),
        ("tls: failed to verify certificate: x509: certificate signed by unknown authority", "CA"),
        ("Get blob: redirect target not allowed", "ollama_version before 0.35"),
        ("redirect target not allowed: 10.0.0.5 is not a public address", "plain HTTP only: let llm_registry be the http://"),
        ("redirect target not allowed: mirror.lan resolves to non-public 10.0.0.5", "plain HTTP only: let llm_registry be the http://"),
        ("pull model manifest: blocked redirect to a different host", "llm_registry"),
    ],
)
def test_hopeless_errors_fail_at_once_with_the_way_out(converge, ollama, small, words, advice):
    ollama.script = ["error:" + words]
    result = converge([small])
    assert result["failed"] and advice in result["msg"] and small in result["msg"] and words in result["msg"]
    assert converge.naps == []


def test_error_status_on_the_pull(converge, ollama, small):
    ollama.script = [("status", 400, "invalid model name")]
    result = converge([small])
    assert result["failed"] and "correct it in llm_models" in result["msg"]


def test_passing_errors_are_tried_again_with_growing_pauses(converge, ollama, small):
    ollama.script = ["error:max retries exceeded: EOF", "garbage"]
    result = converge([small])
    assert not result.get("failed") and converge.naps == [2, 4]
    ollama.script = ["error:dial tcp: connection refused"] * 3
    converge([small], state="absent")
    result = converge([small])
    assert result["failed"] and "3 times in a row (dial tcp" in result["msg"]


def test_digest_mismatch_is_tried_again_and_then_blamed_on_the_copy(converge, ollama, small):
    ollama.script = ["mismatch"] * 9
    result = converge([small])
    assert result["failed"] and "does not match its digest" in result["msg"] and "model_mirror" in result["msg"]


def test_disk_is_checked_from_missing_layers_before_the_first_byte(converge, ollama, registry, small, monkeypatch):
    need = sum(len(data) for _kind, data in model_blobs("small"))
    monkeypatch.setattr(code.Store, "free_bytes", lambda self: need + 99)
    ollama.have("old:1b", model_blobs("old"))
    with pytest.raises(Failure, match="would not fit .* 1 bytes too few.*removing old:1b"):
        converge([small], state="exact", reserve_bytes=100 + len(b"{{ .Prompt }}"))
    assert changes(ollama) == []
    assert converge([small], reserve_bytes=99)["changed"], "layers that are there already need no room"


def test_disk_counts_what_an_interrupted_pull_has_left(converge, ollama, registry, small, monkeypatch):
    ollama.script = ["stall"]
    assert converge([small], retries=0, timeout=0.3)["failed"]
    blob = [file for file in os.listdir(ollama.path + "/blobs") if file.endswith("-partial")]
    assert blob
    monkeypatch.setattr(code.Store, "free_bytes", lambda self: 3000)
    assert converge([small])["changed"]


def test_blob_of_the_wrong_size_is_replaced(converge, ollama, registry, small):
    """Ollama trusts any file of the right name: a truncated one would stay broken for ever."""
    converge([small])
    path = ollama.blob_file(ollama.weights(small))
    with open(path, "wb") as handle:
        handle.write(b"short")
    assert converge([small], check=True)["to_pull"] == [small]
    assert os.path.getsize(path) == 5
    assert converge([small])["changed"]
    assert os.path.getsize(path) > 4000
    assert not converge([small])["changed"]


def test_managed_model_is_made_once_and_compared_by_content(converge, ollama, registry, small):
    want = {
        "name": "short",
        "from": small,
        "parameters": {"num_predict": 300, "stop": ["a", "b"], "temperature": 0.5, "penalize_newline": True},
    }
    result = converge([want])
    assert by_name(result)["short:latest"]["changed"] and ollama.names() == ["short:latest", small]
    assert not converge([want])["changed"]
    assert not converge([dict(want, parameters=dict(want["parameters"], num_predict="300"))])["changed"], "300 and '300' are one parameter"
    assert converge([dict(want, parameters={"num_predict": 200})])["changed"]
    registry.put("library/small/1b", model_blobs("moved"))
    result = converge([dict(want, parameters={"num_predict": 200})])
    assert by_name(result)["short:latest"]["changed"], "a moved base leaves the managed model behind"
    assert ollama.weights("short:latest") == ollama.weights(small)


def test_managed_model_inherits_what_it_does_not_set(converge, ollama, registry):
    blobs = model_blobs("p") + [("application/vnd.ollama.image.params", b'{"stop":["x"],"temperature":1}')]
    registry.put("library/p/1b", blobs)
    want = {"name": "mine", "from": "p:1b", "parameters": {"temperature": 0.1}}
    assert converge([want])["changed"]
    assert ollama.parameters("mine:latest") == {"stop": ["x"], "temperature": 0.1}
    assert not converge([want])["changed"]


def test_an_alias_is_a_copy_that_follows_its_model(converge, ollama, registry, small):
    """Without it a name that a client has hard-wired leads nowhere, or to weights that the model has left behind."""
    wanted = [{"name": small, "aliases": ["gpt-4o"]}]
    assert [name for name in converge(wanted, check=True)["diff"]["after"].split() if ":" in name and "sha256" not in name] == ["gpt-4o:latest", small]
    assert converge(wanted)["changed"] and ollama.names() == ["gpt-4o:latest", small]
    ollama.requests.clear()
    assert not converge(wanted, state="exact")["changed"] and changes(ollama) == []
    ollama.copy(small, "other:1b")
    ollama.copy("other:1b", "gpt-4o:latest")
    registry.put("library/small/1b", model_blobs("smaller"))
    assert converge(wanted)["changed"]
    assert ollama.read("gpt-4o:latest") == ollama.read(small) != ollama.read("other:1b")
    assert converge(wanted, state="exact")["removed"] == ["other:1b"]
    assert converge([small])["others"] == ["gpt-4o:latest"], "one that is no longer wanted is a stranger"
    assert sorted(converge(wanted, state="absent")["removed"]) == ["gpt-4o:latest", small]


def test_a_copy_is_a_change_for_which_the_host_is_held(options, ollama, small):
    """Two runs at once could copy from what the other one moves."""
    ollama.have(small, model_blobs("small"))
    assert Converger(dict(options, models=[{"name": small, "aliases": ["gpt-4o"]}])).look().changes
    assert not Converger(dict(options, models=[small])).look().changes


def test_an_alias_is_no_models_name(converge, ollama, small):
    with pytest.raises(Failure, match="give it another one"):
        converge([{"name": small, "aliases": ["other:1b"]}, "other:1b"])
    with pytest.raises(Failure, match="list of names"):
        converge([{"name": small, "aliases": "gpt-4o"}])


def test_managed_model_needs_a_server_that_can(converge, ollama, small):
    ollama.version = "0.5.4-ipexllm"
    with pytest.raises(Failure, match="0.5.5"):
        converge([{"name": "short", "from": small, "parameters": {"num_predict": 3}}])
    assert changes(ollama) == []


def test_rest_of_a_broken_run_is_cleared(converge, ollama, registry, small):
    converge([small])
    ollama.write(registry.host + "/library/small:1b", ollama.read(small))
    assert converge([small])["removed"] == [registry.host + "/library/small:1b"]
    assert ollama.names() == [small]


def test_server_that_is_not_there(converge, ollama):
    with pytest.raises(Failure, match="does not answer at http://127.0.0.1:9 .*start its service"):
        converge(["x:1b"], api_url="http://127.0.0.1:9")


def test_check_mode_before_there_is_a_server(converge):
    """People look with --check before the first installation; without this the look would fail at its last step."""
    wants = ["x:1b", {"name": "short", "from": "y:1b", "parameters": {"num_predict": 3}}]
    result = converge(wants, check=True, api_url="http://127.0.0.1:9")
    assert result["changed"] and result["to_pull"] == ["x:1b", "y:1b"] and result["ollama_version"] is None
    assert "short:latest to be made from y:1b" in result["diff"]["after"] and result["diff"]["before"] == ""
    assert "does not answer at http://127.0.0.1:9" in result["warnings"][0]
    assert not converge(wants, check=True, state="absent", api_url="http://127.0.0.1:9")["changed"]


@pytest.mark.parametrize(
    "models, words",
    [
        (["a b"], "not a model's name"),
        ([3], "each item is a name"),
        ([{"digest": "x"}], "each item is a name"),
        ([{"name": "x", "size": 3}], "unknown key 'size'"),
        ([{"name": "x", "digest": "123"}], "not a digest"),
        ([{"name": "x", "parameters": {"a": 1}}], "no 'from'"),
        ([{"name": "x", "from": "y", "parameters": [1]}], "are a mapping"),
        ([{"name": "x", "from": "x:latest"}], "made from itself"),
        ([{"name": "x", "from": "y", "digest": "a" * 64}], "pin the digest of that one"),
        (["x", {"name": "x:latest", "digest": "a" * 64}], "wanted twice"),
        ([{"name": "a", "from": "b"}, {"name": "b", "from": "c"}], "itself made here"),
        ([{"name": "x", "context": "many"}], "models:"),
    ],
)
def test_bad_wants_stop_before_anything(converge, ollama, models, words):
    with pytest.raises(Failure, match=words):
        converge(models)
    assert ollama.requests == []


def test_the_same_model_twice_is_one(converge, ollama, small):
    assert len(converge([small, "library/small:1b"])["models"]) == 1


# -- proofs


def test_proof_is_made_once_and_remembered(converge, options, ollama, small):
    """A converged host must not load its model again: that is minutes of GPU time on every run."""
    result = converge([small], prove=True)
    assert result["proved"] == [
        {"name": small, "size_bytes": 10000, "size_vram_bytes": 10000, "context_length": 8192, "ok": True, "why": "", "tokens_per_second": None,
         "remembered": False}
    ]  # fmt: skip
    assert os.stat(options["proofs_path"]).st_mode & 0o777 == 0o644, "an executable fact file would be run"
    ollama.requests.clear()
    result = converge([small], prove=True)
    assert result["proved"][0]["remembered"] and changes(ollama) == [] and not result["changed"]
    facts = result["ansible_facts"]["ollama_models"]
    assert facts["spilled"] == [] and list(facts["proofs"]) == ["small:1b@" + sha(ollama.read(small))]


def test_a_proof_measures_the_rate_and_remembers_it(converge, options, ollama, small):
    """Nobody would know whether the estimate of the plan is true; and a converged host must not be made to write for it again."""
    ollama.spoke[small] = (32, 640_000_000)
    assert converge([small], prove=True)["proved"][0]["tokens_per_second"] == 50.0
    again = converge([small], prove=True)
    assert (again["proved"][0]["remembered"], again["proved"][0]["tokens_per_second"]) == (True, 50.0)
    with open(options["proofs_path"]) as handle:
        (entry,) = json.load(handle)["proofs"].values()
    assert entry["tokens_per_second"] == 50.0 and entry["ok"]


@pytest.mark.parametrize("spoke", [(3, 640_000_000), (32, 0), ("32", "much"), (None, None)])
def test_an_answer_that_tells_no_rate_costs_no_proof(converge, ollama, small, spoke):
    """A stand-in says a few words, and an old server tells no clock: the model is proved all the same."""
    ollama.spoke[small] = spoke
    (proof,) = converge([small], prove=True)["proved"]
    assert proof["ok"] and proof["tokens_per_second"] is None


@pytest.mark.parametrize("change", ["version", "digest", "settings", "devices", "context", "prove_gpu"])
def test_proof_is_made_again_when_it_may_have_changed(converge, options, ollama, registry, small, change):
    base = {"prove": True, "settings": {"OLLAMA_CONTEXT_LENGTH": "8192"}, "devices": ["RTX 3060"]}
    models = [{"name": small, "context": 4096}]
    converge(models, **base)
    if change == "version":
        ollama.version = "0.33.0"
    elif change == "digest":
        registry.put("library/small/1b", model_blobs("moved"))
    elif change == "settings":
        base["settings"] = {"OLLAMA_CONTEXT_LENGTH": "4096"}
    elif change == "devices":
        base["devices"] = ["RTX 3060", "RTX 3060"]
    elif change == "context":
        models = [{"name": small, "context": 8192}]
    else:
        base["prove_gpu"] = False
    assert not converge(models, **base)["proved"][0]["remembered"]
    assert converge(models, **base)["proved"][0]["remembered"]
    with open(options["proofs_path"]) as handle:
        assert len(json.load(handle)["proofs"]) == 1, "the old proof of the same model stayed"


def test_what_was_not_there_before_is_told_and_nothing_else(converge, ollama, registry, small):
    """The playbook removes what a failed plan has brought; a model of the user that only moved must not be among it."""
    ollama.have("moved:1b", model_blobs("before"))
    registry.put("library/moved/1b", model_blobs("after"))
    wants = [small, "moved:1b", {"name": "short", "from": small, "parameters": {"num_predict": 3}}]
    result = converge(wants)
    assert result["changed"] and result["ansible_facts"]["ollama_models"]["added"] == [small, "short:latest"]
    assert converge(wants)["ansible_facts"]["ollama_models"]["added"] == []


def test_spill_is_told_remembered_and_left_to_the_playbook(converge, ollama, small):
    ollama.vram_share[small] = 0.8
    result = converge([small], prove=True)
    assert not result.get("failed") and result["spilled"] == [small]
    assert result["proved"][0]["size_vram_bytes"] == 8000 and "7.8 KiB of 9.8 KiB" in result["proved"][0]["why"]
    ollama.requests.clear()
    assert converge([small], prove=True)["spilled"] == [small] and changes(ollama) == []
    assert converge([small], prove=True, prove_gpu=False)["spilled"] == []
    assert converge([{"name": small, "require_gpu": False}], prove=True)["spilled"] == []


@pytest.mark.parametrize("share,why", [(0.4, ""), (0.38, ""), (0.3, "only 2.9 KiB are on the GPU where 3.9 KiB are planned"), (0, "nothing of its 9.8 KiB")])
def test_experts_in_system_memory_are_no_spill_while_the_gpu_holds_what_is_planned(converge, ollama, small, share, why):
    """By bytes, not by a share: the server counts a mapped file as a whole. A twentieth less is what one layer more or less makes."""
    ollama.vram_share[small] = share
    wants = [{"name": small, "require_gpu": False, "gpu_bytes": 4000}]
    result = converge(wants, prove=True)
    assert result["spilled"] == ([small] if why else []) and result["proved"][0]["why"].startswith(why)
    ollama.requests.clear()
    assert converge(wants, prove=True)["proved"][0]["remembered"] and changes(ollama) == []
    # Another plan is another proof, and without one for the GPU nobody looks.
    assert not converge([dict(wants[0], gpu_bytes=2000)], prove=True)["proved"][0]["remembered"]
    assert converge(wants, prove=True, prove_gpu=False)["spilled"] == []


def test_a_model_that_takes_what_is_left_is_proved_last_and_makes_room_for_others(converge, ollama, registry, small):
    """llama.cpp gives experts all that is left of the card: an embedding model beside it would be called a misfit for the order of loading."""
    registry.put("library/large/9b", model_blobs("large"))
    wants = [{"name": "large:9b", "require_gpu": False, "gpu_bytes": 4000}, small]
    ollama.vram_share.update({"large:9b": 0.5, small: lambda server: 0.5 if "large:9b" in server.loaded else 1.0})
    result = converge(wants, prove=True)
    assert result["spilled"] == [] and set(ollama.loaded) == {"large:9b", small}
    # It is there already, and the small one has to be proved again.
    ollama.loaded.pop(small)
    registry.put("library/small/1b", model_blobs("moved"))
    assert converge(wants, prove=True)["spilled"] == []


def test_strangers_in_memory_do_not_make_a_spill(converge, ollama, small):
    """Somebody's test model fills the card at this moment; a wrong "does not fit" would be remembered for ever."""
    ollama.loaded["stranger:1b"] = {"name": "stranger:1b", "size": 1, "size_vram": 1}
    ollama.vram_share[small] = lambda server: 0.5 if "stranger:1b" in server.loaded else 1.0
    result = converge([small], prove=True)
    assert result["spilled"] == [] and "stranger:1b" not in ollama.loaded


def test_out_of_memory_is_a_spill_and_another_error_a_failure(converge, ollama, small):
    ollama.load_errors[small] = (500, "model requires more system memory (9.0 GiB) than is available (4.0 GiB)")
    result = converge([small], prove=True)
    assert result["spilled"] == [small] and "requires more system memory" in result["proved"][0]["why"]
    ollama.load_errors[small] = (500, "llama runner process has terminated: signal: aborted")
    result = converge([small], prove=True, devices=["new"])
    assert result["failed"] and "does not load" in result["msg"] and small in result["msg"]


def test_shorter_context_than_planned_is_no_proof(converge, ollama, small):
    result = converge([{"name": small, "context": 16384}], prove=True)
    assert result["spilled"] == [small] and "OLLAMA_CONTEXT_LENGTH" in result["proved"][0]["why"]


def test_two_names_of_one_set_of_weights_are_both_proved(converge, ollama, small):
    """Seen with Ollama 0.9.3: a model made from another one is listed by /api/ps under the other's name."""
    result = converge([small, {"name": "short", "from": small, "parameters": {"num_predict": 3}}], prove=True)
    assert not result.get("failed"), result
    assert [proof["ok"] for proof in result["proved"]] == [True, True]


def test_a_model_trained_on_less_than_planned_is_no_misfit(converge, ollama, small):
    """An embedding model of 2048 tokens under a service with 8192 would fail on every run."""
    ollama.trained_context = 8192
    assert converge([{"name": small, "context": 16384}], prove=True)["spilled"] == []


def test_a_misfit_stays_known_beside_the_smaller_setting_that_fits(converge, ollama, small):
    """Without it the next plan would choose the bigger setting again, spill, step down, for ever."""
    ollama.vram_share[small] = 0.5
    big = {"OLLAMA_CONTEXT_LENGTH": "8192", "OLLAMA_KV_CACHE_TYPE": "q8_0"}
    assert converge([small], prove=True, settings=big)["spilled"] == [small]
    ollama.vram_share[small] = 1.0
    proofs = converge([small], prove=True, settings={"OLLAMA_CONTEXT_LENGTH": "4096"})["ansible_facts"]["ollama_models"]["proofs"]
    [proof] = proofs.values()
    assert proof["ok"] and [(old["size_vram_bytes"], old["kv_cache_type"]) for old in proof["spilled"]] == [(5000, "q8_0")]
    again = converge([small], prove=True, settings=big)
    assert again["spilled"] == [], "it fits now, so the old misfit under the very same settings is forgotten"
    [proof] = again["ansible_facts"]["ollama_models"]["proofs"].values()
    assert "spilled" not in proof


def test_embedding_model_is_proved_by_embedding(converge, ollama, registry):
    registry.put("library/embed/latest", model_blobs("embed"))
    result = converge(["embed"], prove=True)
    assert result["proved"][0]["ok"] and changes(ollama)[-1] == "/api/embed"


def test_foreign_keys_of_the_fact_file_stay(converge, options, ollama, small):
    os.makedirs(os.path.dirname(options["proofs_path"]))
    with open(options["proofs_path"], "w") as handle:
        json.dump({"other": 1}, handle)
    converge([small], prove=True)
    with open(options["proofs_path"]) as handle:
        assert json.load(handle)["other"] == 1


def test_spoilt_fact_file_is_made_anew(converge, options, ollama, small):
    os.makedirs(os.path.dirname(options["proofs_path"]))
    with open(options["proofs_path"], "w") as handle:
        handle.write("{")
    assert converge([small], prove=True)["proved"][0]["ok"]
    assert converge([small], prove=True)["proved"][0]["remembered"]


def test_manifest_with_a_hostile_layer_is_refused(converge, registry, ollama, small):
    body = json.loads(manifest_bytes(model_blobs("x")))
    body["layers"][0]["digest"] = "sha256:../../etc/passwd"
    registry.models["library/small/1b"] = json.dumps(body).encode()
    result = converge([small], models_dir=None, retries=0)
    assert "impossible layers" in result["warnings"][0]
