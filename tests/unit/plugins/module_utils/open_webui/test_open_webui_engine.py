# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Docker's answers as role open_webui reads them. Without these tests a secret change could be missed, the wrapper could lose the image's own
command, or a release could be taken for another."""

from __future__ import annotations

import io
import json
import socketserver
import tarfile

import pytest
from ansible_collections.llmfleet.ollama.plugins.module_utils.open_webui import engine
from support import servers


@pytest.fixture
def answers():
    """A Unix socket that answers as told: {path: (status, body)}."""
    table = {}

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            path = self.rfile.readline().split()[1].decode()
            while self.rfile.readline().strip():
                pass
            status, body = table.get(path, (404, {"message": "no such thing"}))
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.wfile.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content)

    with servers.serving_socket(Handler) as place:
        yield table, engine.Engine(place)


def test_a_missing_thing_is_none_and_a_fault_is_an_error(answers):
    table, docker = answers
    assert docker.container("open-webui") is None
    table["/info"] = (500, {"message": "daemon is ill"})
    with pytest.raises(engine.EngineError, match="500: daemon is ill"):
        docker.get("/info")
    table["/info"] = (200, b"<html>")
    with pytest.raises(engine.EngineError, match="not JSON"):
        docker.get("/info")


def test_what_is_done_already_is_as_good_as_done_and_a_refusal_has_words(answers):
    table, docker = answers
    table["/containers/a/restart?t=30"] = (304, b"")
    docker.tell("POST", "/containers/a/restart?t=30")
    table["/containers/a/rename?name=b"] = (409, {"message": "the name is taken"})
    with pytest.raises(engine.EngineError, match="rename.* with 409: the name is taken"):
        docker.tell("POST", "/containers/a/rename?name=b")
    table["/containers/a/logs?stdout=1&stderr=1&tail=500"] = (200, b"last words")
    assert docker.log("a") == b"last words" and docker.log("b") == b""


def test_a_reference_with_digest_keeps_its_slashes(answers):
    table, docker = answers
    table["/images/ghcr.io/open-webui/open-webui@sha256:ab/json"] = (200, {"Id": "sha256:1"})
    assert docker.image("ghcr.io/open-webui/open-webui@sha256:ab")["Id"] == "sha256:1"


def test_no_socket_and_no_unix_address_are_errors(tmp_path):
    with pytest.raises(engine.EngineError, match="none.sock"):
        engine.Engine(f"unix://{tmp_path}/none.sock").get("/info")
    with pytest.raises(engine.EngineError, match="not a Unix socket"):
        engine.Engine("tcp://10.0.0.1:2375")


@pytest.mark.parametrize(
    "text, seconds",
    [
        ("2026-11-24T16:05:33.5Z", 1795536333.5),
        ("2026-11-24T17:05:33.441034095+01:00", 1795536333.441034095),
        ("2026-11-24T14:35:33-01:30", 1795536333.0),
        ("0001-01-01T00:00:00Z", None),
        ("", None),
    ],
)
def test_times_of_docker_and_podman(text, seconds):
    assert engine.parse_time(text) == pytest.approx(seconds)


def test_the_description_of_a_container_holds_no_environment():
    found = engine.describe_container(
        {
            "Image": "sha256:1",
            "State": {"Running": True, "StartedAt": "2026-11-24T16:05:33Z"},
            "Config": {"Env": ["TOKEN=secret", "PORT=8080"], "Labels": {"org.opencontainers.image.version": "v0.12.3"}},
            "HostConfig": {"NetworkMode": "bridge", "PortBindings": {"8080/tcp": [{"HostIp": "", "HostPort": "3000"}]}},
        }
    )
    assert found["ports"] == [3000] and found["version"] == "0.12.3"
    assert "secret" not in json.dumps(found)


def by_hand(**config):
    return {
        "Id": "f00",
        "Config": {"Env": ["PORT=8080", "WEBUI_NAME=ours"], "WorkingDir": "/app/backend", **config},
        "Mounts": [
            {"Type": "bind", "Source": "/srv/certificates", "Destination": "/certificates"},
            {"Type": "volume", "Name": "chats", "Source": "/var/lib/docker/volumes/chats/_data", "Destination": "/app/backend/data"},
        ],
    }


def test_a_container_made_by_hand_is_told_by_its_label_its_data_and_its_own_variables():
    found = engine.describe_container(by_hand(), {"Config": {"Env": ["PORT=8080"]}})
    assert not found["managed"] and found["data"] == "chats" and found["variables"] == ["WEBUI_NAME"] and not found["database_elsewhere"]
    assert engine.describe_container(by_hand(Labels={"llmfleet.open_webui.version": "0.12.4"}))["managed"]
    assert engine.describe_container(by_hand(Env=["DATABASE_URL=postgresql://db/webui"]))["database_elsewhere"]
    assert engine.describe_container({**by_hand(), "Mounts": []})["data"] is None
    bound = {**by_hand(), "Mounts": [{"Type": "bind", "Source": "/srv/webui", "Destination": "/app/backend/data"}]}
    assert engine.describe_container(bound)["data"] == "/srv/webui"


def packed(name, content):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def test_the_key_of_a_container_comes_from_its_environment_or_from_the_file_of_its_start_script(answers):
    """Without the very key, everybody is signed out when the container is taken over."""
    table, docker = answers
    assert engine.secret_key_of(docker, by_hand(Env=["WEBUI_SECRET_KEY=of the environment"])) == ("of the environment", "WEBUI_SECRET_KEY")
    assert engine.secret_key_of(docker, by_hand()) == (None, None)
    table["/containers/f00/archive?path=%2Fapp%2Fbackend%2F.webui_secret_key"] = (200, packed(".webui_secret_key", b"of the file==\n"))
    assert engine.secret_key_of(docker, by_hand(Env=["WEBUI_SECRET_KEY="])) == ("of the file==", "/app/backend/.webui_secret_key")
    table["/containers/f00/archive?path=%2Frun%2Fkey"] = (200, packed("key", b"of a secret"))
    assert engine.secret_key_of(docker, by_hand(Env=["WEBUI_SECRET_KEY_FILE=/run/key"]))[0] == "of a secret"


def test_on_the_hosts_network_the_port_is_in_the_environment():
    found = engine.describe_container({"Config": {"Env": ["PORT=3000"]}, "HostConfig": {"NetworkMode": "host"}})
    assert found["ports"] == [3000]


def test_the_roles_own_label_wins_over_the_images():
    labels = {"llmfleet.open_webui.version": "0.12.4", "org.opencontainers.image.version": "main"}
    assert engine.version_label(labels) == "0.12.4"
    assert engine.version_label({"org.opencontainers.image.version": "main"}) is None, "a rolling tag is no release"


@pytest.mark.parametrize(
    "config, command",
    [
        ({"Entrypoint": None, "Cmd": ["bash", "start.sh"]}, ["bash", "start.sh"]),
        ({"Entrypoint": "/init", "Cmd": ["serve"]}, ["/init", "serve"]),
        ({"Entrypoint": ["a", "b"], "Cmd": None}, ["a", "b"]),
    ],
)
def test_the_wrapper_runs_what_the_image_would_run(config, command):
    assert engine.describe_image({"Id": "x", "Config": config})["command"] == command


def test_podman_is_told_from_docker():
    assert engine.is_podman({"Components": [{"Name": "Podman Engine", "Version": "5.4.2"}, {"Name": "Conmon"}]})
    assert not engine.is_podman({"Components": [{"Name": "Engine", "Version": "26.1.5"}]})
    assert not engine.is_podman(None)
