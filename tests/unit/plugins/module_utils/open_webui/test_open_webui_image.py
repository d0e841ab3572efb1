# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pull by the engine's API, against an engine and a registry of the test. Without these tests percent and time left of an image could be anything,
a private registry could be lost, and an error in the middle of the stream would count as a pull."""

from __future__ import annotations

import base64
import json
import socketserver
from urllib.parse import parse_qs, urlsplit

import pytest
from ansible_collections.llmfleet.ollama.plugins.module_utils.open_webui import image
from ansible_collections.llmfleet.ollama.plugins.module_utils.open_webui.engine import Engine, EngineError
from ansible_collections.llmfleet.ollama.plugins.modules import open_webui_image as module
from support import servers

A, B, C = "a" * 12, "b" * 12, "c" * 12
STREAM = [
    {"status": "Pulling from x", "id": "v1"},
    *({"status": "Pulling fs layer", "progressDetail": {}, "id": layer} for layer in (A, B)),
    {"status": "Already exists", "progressDetail": {}, "id": C},
    {"status": "Downloading", "progressDetail": {"current": 500, "total": 1000}, "id": A},
    {"status": "Verifying Checksum", "progressDetail": {}, "id": A},
    {"status": "Download complete", "progressDetail": {}, "id": A},
    {"status": "Downloading", "progressDetail": {"current": 1500, "total": 3000}, "id": B},
    {"status": "Download complete", "progressDetail": {}, "id": B},
    {"status": "Extracting", "progressDetail": {"current": 1, "total": 1000}, "id": A},
    {"status": "Pull complete", "progressDetail": {}, "id": A},
    {"status": "Pull complete", "progressDetail": {}, "id": B},
    {"status": "Digest: sha256:1"},
]


@pytest.fixture
def registry():
    """One that wants a token, and a name and a password for it."""

    class Handler(servers.Quiet):
        manifest = {"layers": [{"digest": "sha256:" + digit * 64, "size": size} for digit, size in (("a", 1000), ("b", 3000), ("c", 7000))]}
        user = ""

        def do_GET(self):
            parts = urlsplit(self.path)
            status, body, headers = 200, {}, {}
            if parts.path == "/token":
                assert parse_qs(parts.query) == {"service": ["s"], "scope": ["repository:x:pull"]}
                wanted = "Basic " + base64.b64encode(self.user.encode()).decode()
                body = {"token": "t0"} if not self.user or self.headers.get("Authorization") == wanted else {}
            elif self.headers.get("Authorization") != "Bearer t0":
                status = 401
                realm = "http://127.0.0.1:%d/token" % self.server.server_port
                headers["WWW-Authenticate"] = 'Bearer realm="%s",service="s",scope="repository:x:pull"' % realm
            elif parts.path == "/v2/x/manifests/v1":
                machine = image.MACHINES.get(image.platform.machine(), image.platform.machine())
                body = {"manifests": [
                    {"digest": "sha256:other", "platform": {"architecture": "s390x"}}, {"digest": "sha256:1", "platform": {"architecture": machine}},
                ]}  # fmt: skip
            elif parts.path == "/v2/x/manifests/sha256:1":
                body = self.manifest
            else:
                status = 404
            self.answer(status, body, headers)

    with servers.serving(Handler) as url:
        Handler.name = url.removeprefix("http://")
        yield Handler


@pytest.fixture
def docker():
    """An engine that pulls as told, and notes what it was asked."""

    class Handler(socketserver.StreamRequestHandler):
        stream, status, has, asked = STREAM, 200, "", []

        def handle(self):
            method, path, _version = self.rfile.readline().decode().split()
            headers = {}
            while True:
                line = self.rfile.readline().decode().strip()
                if not line:
                    break
                name, _colon, value = line.partition(": ")
                headers[name] = value
            Handler.asked.append((method, path, headers.get("X-Registry-Auth")))
            if method == "POST":
                if self.status == 200:
                    Handler.has = "sha256:new"
                content = "".join(json.dumps(message) + "\r\n" for message in self.stream)
                self.wfile.write(f"HTTP/1.1 {self.status} X\r\nConnection: close\r\n\r\n{content}".encode())
                return
            found = path.startswith("/images/") and self.has
            body = json.dumps({"Id": self.has} if found else {}).encode()
            self.wfile.write(f"HTTP/1.1 {200 if found or path == '/info' else 404} X\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)

    with servers.serving_socket(Handler) as place:
        Handler.engine = Engine(place)
        yield Handler


@pytest.fixture(autouse=True)
def nobody_has_logged_in(monkeypatch, tmp_path):
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    (tmp_path / "docker").mkdir()
    return tmp_path / "docker/config.json"


@pytest.mark.parametrize(
    "reference, expected",
    [
        ("ghcr.io/open-webui/open-webui:v0.12.4", ("ghcr.io", "open-webui/open-webui", "v0.12.4")),
        ("ghcr.io/open-webui/open-webui@sha256:12", ("ghcr.io", "open-webui/open-webui", "sha256:12")),
        ("localhost:5000/x", ("localhost:5000", "x", "latest")),
        ("openwebui/open-webui:main", ("docker.io", "openwebui/open-webui", "main")),
        ("debian", ("docker.io", "library/debian", "latest")),
        ("reg:5000/x:1@sha256:12", ("reg:5000", "x", "sha256:12")),
    ],
)
def test_names_are_split_as_docker_does(reference, expected):
    """A port is not a tag, and a digest wins."""
    assert image.split(reference) == expected


def test_a_pull_tells_percent_by_the_manifest_and_then_what_is_unpacked(docker, registry):
    """The engine tells a layer's size when it begins with it, three at a time: without the manifest '100 %' would come and go."""
    said = []
    image.pull(docker.engine, registry.name + "/x:v1", lambda state: said.append(dict(state)))
    assert said[0] == {"what": "x:v1", "status": "asking the registry"}
    pulling = [state for state in said if state["status"] == "pulling"]
    shown = [(state["completed_bytes"], state["total_bytes"]) for state in pulling]
    # The layer that is there already is counted until the engine says so.
    assert shown == [(0, 11000), (0, 11000), (0, 4000), (500, 4000), (500, 4000), (1000, 4000), (2500, 4000)]
    assert said[-1]["status"] == "unpacking, 3 of 3 layers are done"
    host, port = registry.name.split(":")
    assert docker.asked[-1] == ("POST", f"/images/create?fromImage={host}%3A{port}%2Fx&tag=v1", None)


def test_without_the_manifest_there_are_bytes_and_no_percent(docker):
    """A registry that only the engine reaches (a proxy of its own) is no reason to fail, and none to show a percent that is wrong."""
    said = []
    image.pull(docker.engine, "127.0.0.1:9/x:v1", lambda state: said.append(dict(state)))
    assert all("total_bytes" not in state for state in said)
    assert max(state.get("completed_bytes", 0) for state in said) == 2500


def test_a_digest_goes_in_the_place_of_the_tag(docker):
    image.pull(docker.engine, "127.0.0.1:9/x@sha256:12", lambda state: None)
    assert docker.asked[-1][1] == "/images/create?fromImage=127.0.0.1%3A9%2Fx&tag=sha256%3A12"


@pytest.mark.parametrize("by", ["auths", "credHelpers", "credsStore"])
def test_what_docker_login_kept_is_used(docker, registry, nobody_has_logged_in, tmp_path, monkeypatch, by):
    """docker_image_pull reads it too: a private registry that worked must go on working."""
    registry.user = "me:p:w"
    helper = tmp_path / "docker-credential-test"
    helper.write_text(f'#!/bin/sh\n[ "$1 $(cat)" = "get {registry.name}" ] && echo \'{{"Username": "me", "Secret": "p:w"}}\'\n')
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    login = {
        "auths": {"auths": {"https://" + registry.name: {"auth": base64.b64encode(b"me:p:w").decode()}}},
        "credHelpers": {"credHelpers": {registry.name: "test"}},
        "credsStore": {"credsStore": "test"},
    }[by]
    nobody_has_logged_in.write_text(json.dumps(login))
    said = []
    image.pull(docker.engine, registry.name + "/x:v1", said.append)
    assert any("total_bytes" in state for state in said)
    sent = json.loads(base64.urlsafe_b64decode(docker.asked[-1][2]))
    assert sent == {"username": "me", "password": "p:w", "serveraddress": registry.name}


@pytest.mark.parametrize("content", ["", "{", '{"auths": {"other": {"auth": "eDp5"}}}', '{"credsStore": "none-such"}', '{"auths": {"reg": {}}}'])
def test_no_login_is_no_fault(nobody_has_logged_in, content):
    nobody_has_logged_in.write_text(content)
    assert image.credentials("reg") == {}


def test_an_error_in_the_stream_is_a_failure(docker):
    """The engine has said 200 by then."""
    docker.stream = [{"status": "Pulling from x", "id": "v1"}, {"errorDetail": {"message": "no space left on device"}, "error": "no space left on device"}]
    assert module.bring(docker.engine, "127.0.0.1:9/x:v1", "", lambda state: None) == {"failed": True, "msg": "no space left on device"}


def test_a_refusal_keeps_the_engines_words(docker):
    docker.status, docker.stream = 404, [{"message": "manifest for x:v1 not found"}]
    with pytest.raises(EngineError, match="^manifest for x:v1 not found$"):
        image.pull(docker.engine, "127.0.0.1:9/x:v1", lambda state: None)


def test_the_result_compares_identities(docker):
    """A rolling tag that has not moved changes nothing, though it was asked for."""
    assert module.bring(docker.engine, "127.0.0.1:9/x:v1", "sha256:old", lambda state: None)["changed"] is True
    result = module.bring(docker.engine, "127.0.0.1:9/x:v1", "sha256:new", lambda state: None)
    assert (result["changed"], result["image_id"]) == (False, "sha256:new")
