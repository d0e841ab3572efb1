# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two sites, of which the second one's mirror is filled from the first one's, with hosts and fillers of both generations. Each mirror is the module's own
store, filled as the role does and served on loopback by nginx's rules (plugins/plugin_utils/mirror/files.py). Deleted, a chain could hand on a manifest
that upstream never had, and every pin behind it would fail."""

from __future__ import annotations

import os
import re

import pytest
from ansible_collections.llmfleet.ollama.plugins.module_utils.errors import Failure
from ansible_collections.llmfleet.ollama.plugins.module_utils.mirror.models import MirrorStore
from support.fake_ollama import FakeRegistry, model_blobs
from support.fake_ollama_v2 import NewerOllama, offer_list

OLD, NEW = "0.35.1", "0.40.1"


class Served(FakeRegistry):
    """What nginx serves of a mirror, as a registry: the manifest of a tag, and blobs; whoever asks gets the same."""

    def __init__(self, public):
        self.public = public
        super().__init__()

    @property
    def models(self):
        return dict(self.read("manifests/registry.ollama.ai"))

    @property
    def blobs(self):
        return {file.replace("-", ":", 1): body for file, body in self.read("blobs")}

    @models.setter
    def models(self, _models):
        """It has what lies there."""

    @blobs.setter
    def blobs(self, _blobs):
        """It has what lies there."""

    def read(self, folder):
        top = os.path.join(self.public, folder)
        for place, _folders, files in os.walk(top):
            for file in files:
                with open(os.path.join(place, file), "rb") as handle:
                    yield os.path.relpath(handle.name, top), handle.read()


@pytest.fixture
def mirror(tmp_path, converge):
    """mirror(name, version of its filler, upstream) -> its look, its run, and what it serves."""
    servers = []

    class Mirror:
        def __init__(self, name, version, upstream):
            self.path, self.upstream = tmp_path / name, upstream
            self.filler = NewerOllama(self.path / "ollama", upstream, version=version)
            self.served = Served(str(self.path / "public"))
            servers.extend([self.filler, self.served])

        def look(self, *models):
            options = {
                "path": str(self.path), "models": models, "registry": self.upstream.url, "exact": True, "verify_all": False, "https_proxy": "", "no_proxy": "",
            }
            store = MirrorStore(options, self.filler.version, False)
            store.client.pause = 0
            return store.run().result()

        def run(self, *models):
            """The role: look, let the Ollama that fills pull what is missing, look again."""
            missing = self.look(*models)["missing"]
            if missing:
                more = {"api_url": self.filler.url, "models_dir": self.filler.path, "registry": self.upstream.url, "prove": False}
                assert not converge(missing, **more).get("failed")
            return self.look(*models)

        def is_settled(self, *models):
            result = self.look(*models)
            return (result["missing"], result["published"], result["hashed_bytes"], result["changed"]) == ([], [], 0, False)

    yield Mirror
    for server in servers:
        server.stop()


@pytest.fixture
def host(tmp_path, converge):
    """host(name, version, mirror): a client."""
    servers = []

    class Host:
        def __init__(self, name, version, source):
            self.source = source
            self.server = NewerOllama(tmp_path / name, source, version=version)
            servers.append(self.server)

        def run(self, *wanted):
            self.server.pulled_bytes = 0
            return converge(list(wanted), api_url=self.server.url, models_dir=self.server.path, registry=self.source.url, state="exact")

    yield Host
    for server in servers:
        server.stop()


@pytest.mark.parametrize("second", [OLD, NEW])
@pytest.mark.parametrize("first", [OLD, NEW])
def test_both_sites_get_upstreams_own_bytes_for_clients_of_both_generations(mirror, host, registry, first, second):
    pin = registry.put("library/plain/1b", model_blobs("plain"))
    # A list whose model for llama.cpp is the plain one.
    offer_list(registry, "library/both/1b", {"llamacpp": model_blobs("both"), "mlx": model_blobs("mlx")})
    names = ("plain:1b", "both:1b")
    hub = mirror("hub", first, registry)
    branch = mirror("branch", second, hub.served)
    for place in (hub, branch):
        assert place.run(*names)["served"] == sorted(names) and place.is_settled(*names)
    wanted = [{"name": "plain:1b", "digest": pin}, "both:1b"]
    hosts = [host("%s-%s" % (site, version), version, place.served) for site, place in (("a", hub), ("b", branch)) for version in (OLD, NEW)]
    for one in hosts:
        assert not one.run(*wanted).get("failed") and one.server.pulled_bytes
        again = one.run(*wanted)
        assert not again["changed"] and not one.server.pulled_bytes
    for place in (hub, branch):
        for name in ("plain", "both"):
            served = place.path / "public" / "manifests" / "registry.ollama.ai" / "library" / name / "1b"
            assert served.read_bytes() == registry.models["library/%s/1b" % name]

    registry.put("library/plain/1b", model_blobs("moved"))
    assert branch.is_settled(*names), "the hub has not moved yet"
    for place in (hub, branch):
        place.run(*names)
        assert place.is_settled(*names)
    for one in hosts:
        assert one.run("plain:1b", "both:1b")["changed"] and not one.run("plain:1b", "both:1b")["changed"]


def test_a_list_for_another_model_is_told_and_not_pulled_for_ever(mirror, registry):
    """The filler of 0.40 pulls what is made for it; hosts of every release could not use that. Deleted, it would be pulled on every run, and the reader be told
    to run again."""
    offer_list(registry, "library/m/1b", {"ggml": model_blobs("for all"), "llamacpp": model_blobs("for 0.40")})
    newer = mirror("newer", NEW, registry)
    with pytest.raises(Failure, match=re.escape("m:1b is for releases of Ollama from 0.40 on another model")) as told:
        newer.run("m:1b")
    assert "(model_mirror_ollama_version)" in str(told.value) and "before 0.40" in str(told.value)
    older = mirror("older", OLD, registry)
    assert older.run("m:1b")["served"] == ["m:1b"] and older.is_settled("m:1b")
