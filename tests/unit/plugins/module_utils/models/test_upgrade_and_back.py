# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""0.35, then 0.40, then 0.35 again, over one store and by one stand-in that speaks either layout. Each step is what a user does between two releases;
each is run twice, and the second run changes nothing. Deleted, an upgrade could pull a fleet's terabytes again, and the way back could cost its models."""

from __future__ import annotations

import os

import pytest
from ansible_collections.llmfleet.ollama.plugins.module_utils.errors import Failure
from ansible_collections.llmfleet.ollama.plugins.module_utils.mirror.models import MirrorStore
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.registry_address import RegistryAddress
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.store import Store
from support.fake_ollama import model_blobs, sha
from support.fake_ollama_v2 import NewerOllama, offer_list

OLD, NEW = "0.35.1", "0.40.1"
ROAD = ((OLD, False), (NEW, False), (OLD, True))


@pytest.fixture(params=["as released", "names are moved"])
def host(request, tmp_path, registry, converge):
    """run(wanted) -> result of the module; go(version) is the upgrade, or the way back as the role allows it."""

    class Host:
        server = NewerOllama(tmp_path / "host", registry, version=OLD)
        more = {"api_url": server.url, "models_dir": server.path, "registry": registry.url}

        def run(self, wanted, **options):
            self.server.requests.clear()
            self.server.pulled_bytes = 0
            return converge(wanted, **{**self.more, **options})

        def again(self, wanted, **options):
            result = self.run(wanted, **options)
            return (result.get("failed", False), result["changed"], self.server.pulled_bytes) == (False, False, 0)

        def go(self, version, keeps_unknown):
            self.server.become(version, keeps_unknown, moves_names=request.param == "names are moved")

    made = Host()
    yield made
    made.server.stop()


@pytest.mark.parametrize("converted", [False, True])
@pytest.mark.parametrize("reach", ["store", "api"])
def test_models_and_pins_are_kept_on_the_whole_road(host, registry, converted, reach):
    pin = registry.put("library/pinned/1b", model_blobs("pinned"))
    registry.put("library/free/1b", model_blobs("free"))
    wanted = [{"name": "pinned:1b", "digest": pin}, "free:1b"]
    more = {} if reach == "store" else {"models_dir": ""}
    for version, keeps_unknown in ROAD:
        host.go(version, keeps_unknown)
        result = host.run(wanted, state="exact", **more)
        assert not result.get("failed") and result["removed"] == []
        assert host.server.pulled_bytes == 0 or (version, keeps_unknown) == ROAD[0], "pulled twice"
        if converted and version == NEW:
            host.server.convert("pinned:1b")
        assert host.again(wanted, state="exact", **more), version
    assert host.server.tag("pinned:1b")["digest"] == pin or converted


def test_a_tag_that_moves_is_pulled_once_on_either_side(host, registry):
    for number, (version, keeps_unknown) in enumerate(ROAD):
        host.go(version, keeps_unknown)
        blobs = model_blobs("m%d" % number)
        registry.put("library/m/1b", blobs)
        assert host.run(["m:1b"])["changed"] and host.server.pulled_bytes
        assert host.again(["m:1b"])
    # The newer folder has a name of another day, which no older release reads: a spoilt blob of it is nobody's, and one of today's model is seen.
    os.truncate(host.server.blob_file("sha256:" + sha(model_blobs("m1")[1][1])), 1)
    assert host.again(["m:1b"])
    os.truncate(host.server.blob_file("sha256:" + sha(blobs[1][1])), 1)
    assert host.run(["m:1b"])["changed"] and host.again(["m:1b"])


def test_what_is_added_and_removed_on_either_side(host, registry):
    """exact, with a model that came from each release; and Ollama's own copies are nobody's."""
    registry.put("library/old/1b", model_blobs("old"))
    registry.put("library/new/1b", model_blobs("new"))
    host.run(["old:1b"])
    host.go(NEW, False)
    assert host.run(["old:1b", "new:1b"], state="exact")["changed"] and host.again(["old:1b", "new:1b"], state="exact")
    host.server.convert("old:1b")
    assert host.run(["new:1b"], state="exact")["removed"] == ["old:1b"] and host.again(["new:1b"], state="exact")
    host.go(OLD, True)
    # What was pulled by its mirror's name has no anchor: an older release does not list it, and finds its blobs.
    assert not host.run(["new:1b"], state="exact").get("failed") and host.server.pulled_bytes == 0
    assert host.again(["new:1b"], state="exact")


def test_what_is_pulled_by_its_own_name_has_an_anchor_and_needs_no_switch(host, registry, monkeypatch):
    """Deleted, an anchor could be taken for something else, and a way back without OLLAMA_NOPRUNE would look as if it had lost such models."""
    monkeypatch.setattr(RegistryAddress, "manifest_url", lambda self, name: "%s/v2/%s/%s/manifests/%s" % ((registry.url,) + tuple(name[1:])))
    host.go(NEW, False)
    offer_list(registry, "library/list/1b", {"llamacpp": model_blobs("list")})
    registry.put("library/plain/1b", model_blobs("plain"))
    host.run(["list:1b", "plain:1b"], registry="")
    host.server.become(OLD)
    assert host.again(["list:1b", "plain:1b"], registry="")


def test_a_name_whose_manifest_an_older_release_threw_away_comes_back_without_its_weights(host, registry):
    """A restart of the older one without OLLAMA_NOPRUNE leaves the newer name as a link to nothing, and /api/tags of the newer one then lacks the model (seen
    with a server of its public branch). Deleted, such a model could be taken for present, or be fetched again."""
    registry.put("library/m/1b", model_blobs("m"))
    for version, keeps_unknown in ROAD[1:]:
        host.go(version, keeps_unknown)
        host.run(["m:1b"])
    host.server.become(OLD)
    host.server.become(NEW)
    assert host.server.names() == []
    assert host.run(["m:1b"], state="exact")["changed"] and host.server.pulled_bytes == 0
    assert host.server.names() == ["m:1b"] and host.again(["m:1b"], state="exact")


def test_the_disk_is_judged_by_what_each_release_writes(host, registry, monkeypatch):
    """Enough for the model, not for the copy that a newer release may convert."""
    for name in ("m", "n"):
        registry.put("library/%s/1b" % name, model_blobs(name, 8000))
    monkeypatch.setattr(Store, "free_bytes", lambda self: 12000)
    for version, keeps_unknown in ROAD:
        host.go(version, keeps_unknown)
        if version == NEW:
            with pytest.raises(Failure, match="for the copy that Ollama 0.40.1 converts"):
                host.run(["n:1b"])
        else:
            assert not host.run(["m:1b"]).get("failed") and host.again(["m:1b"])


def test_a_mirror_serves_the_same_bytes_whatever_fills_it(tmp_path, registry):
    """The filler goes 0.35, 0.40, 0.35: nothing is filled or published twice, and a moved tag once."""
    filler = NewerOllama(tmp_path / "mirror" / "ollama", registry, version=OLD)
    place = tmp_path / "mirror" / "public" / "manifests" / "registry.ollama.ai" / "library"
    options = {
        "path": str(tmp_path / "mirror"), "models": ["kept:1b", "moved:1b"], "registry": registry.url, "exact": True, "verify_all": False,
        "https_proxy": "", "no_proxy": "",
    }

    def run():
        store = MirrorStore(options, filler.version, False)
        store.client.pause = 0
        return store.run().result()

    def fill(name):
        # As the role does: the filler pulls from upstream by the plain name.
        for _kind, data in model_blobs(seed[name]):
            filler.put_blob(data)
        filler.settle(name + ":1b", registry.models["library/%s/1b" % name])

    try:
        seed = {"kept": "kept"}
        registry.put("library/kept/1b", model_blobs("kept"))
        for number, (version, keeps_unknown) in enumerate(ROAD):
            filler.become(version, keeps_unknown)
            seed["moved"] = "moved%d" % number
            registry.put("library/moved/1b", model_blobs(seed["moved"]))
            missing = run()["missing"]
            assert missing == ["moved:1b"] or (number == 0 and missing == ["kept:1b", "moved:1b"])
            for name in missing:
                fill(name[:-3])
            assert run()["missing"] == []
            again = run()
            assert not again["changed"] and again["missing"] == [] and again["hashed_bytes"] == 0
            for name in ("kept", "moved"):
                assert (place / name / "1b").read_bytes() == registry.models["library/%s/1b" % name]
    finally:
        filler.stop()
