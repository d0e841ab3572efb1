# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Docker's answers as role open_webui reads them. Without these tests a secret change could be missed, the wrapper could lose the image's own
command, or a release could be taken for another."""

from __future__ import annotations

import json
import socketserver
import threading

import pytest
from ansible_collections.llmfleet.ollama.plugins.module_utils import open_webui_engine as engine


@pytest.fixture
def answers(tmp_path):
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

    place = tmp_path / "docker.sock"
    server = socketserver.ThreadingUnixStreamServer(str(place), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield table, engine.Engine(f"unix://{place}")
    server.shutdown()
    server.server_close()


def test_a_missing_thing_is_none_and_a_fault_is_an_error(answers):
    table, docker = answers
    assert docker.container("open-webui") is None
    table["/info"] = (500, {"message": "daemon is ill"})
    with pytest.raises(engine.EngineError, match="500: daemon is ill"):
        docker.get("/info")
    table["/info"] = (200, b"<html>")
    with pytest.raises(engine.EngineError, match="not JSON"):
        docker.get("/info")


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


def test_on_the_hosts_network_the_port_is_in_the_environment():
    found = engine.describe_container({"Config": {"Env": ["PORT=3000"]}, "HostConfig": {"NetworkMode": "host"}})
    assert found["ports"] == [3000]


def test_the_roles_own_label_wins_over_the_images():
    labels = {"llmfleet.open_webui.version": "0.12.4", "org.opencontainers.image.version": "main"}
    assert engine.version_label(labels) == "0.12.4"


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
