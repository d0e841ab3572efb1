# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions to Docker's API over its Unix socket (Podman serves the same), with nothing but the standard library."""

from __future__ import annotations

import http.client
import io
import json
import posixpath
import re
import socket
import tarfile
from datetime import datetime, timedelta, timezone
from urllib.parse import quote

DATA_DIR = "/app/backend/data"
# On every container that the role makes.
LABEL = "llmfleet.open_webui.version"


class EngineError(Exception):
    """The engine did not answer, or not in a way that the API knows."""


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Engine:
    """A container engine behind `unix:///path/of.sock`."""

    def __init__(self, docker_host: str, timeout: float = 20) -> None:
        if not docker_host.startswith("unix://"):
            raise EngineError(f"{docker_host} is not a Unix socket (unix:///path)")
        self._path = docker_host[len("unix://") :]
        self._timeout = timeout

    def get(self, path: str):
        """Return the decoded answer, or None where the engine says that there is no such thing."""
        status, body = self._ask(path)
        if status == 404:
            return None
        try:
            answer = json.loads(body)
        except ValueError as error:
            raise EngineError(f"{self._path} answered {path} with something that is not JSON") from error
        if status != 200:
            raise EngineError(f"{self._path} answered {path} with {status}: {answer.get('message', '')}")
        return answer

    def file(self, name: str, path: str):
        """The bytes of a file inside a container, running or not; None where there is no such file."""
        status, body = self._ask(f"/containers/{quote(name, safe='')}/archive?path={quote(path, safe='')}")
        if status != 200:
            return None
        try:
            with tarfile.open(fileobj=io.BytesIO(body)) as packed:
                member = packed.next()
                return packed.extractfile(member).read() if member and member.isfile() else None
        except tarfile.TarError as error:
            raise EngineError(f"{self._path} gave {path} of {name} as something that is not an archive") from error

    def stream(self, path: str, headers: dict, silence: float):
        """The messages of a POST that takes long, as they come; `silence` is how many seconds the next one may take."""
        connection = _UnixConnection(self._path, silence)
        try:
            connection.request("POST", path, headers=headers)
            response = connection.getresponse()
            if response.status != 200:
                raise EngineError(_words_of(response.read()) or f"{self._path} answered {path} with {response.status}")
            for line in response:
                if line.strip():
                    yield json.loads(line)
        except ValueError as error:
            raise EngineError(f"{self._path} answered {path} with something that is not JSON") from error
        except (OSError, http.client.HTTPException) as error:
            raise EngineError(f"{self._path}: {error}") from error
        finally:
            connection.close()

    def tell(self, method: str, path: str, timeout: float = 90) -> None:
        """Has something done; that it is done already (304) is as good."""
        status, body = self._ask(path, method, timeout)
        if status not in (200, 204, 304):
            raise EngineError(f"{self._path} answered {path} with {status}: {_words_of(body)}")

    def log(self, name: str) -> bytes:
        """The last lines of a container, as the engine packs them; nothing where there are none to be had."""
        status, body = self._ask(f"/containers/{quote(name, safe='')}/logs?stdout=1&stderr=1&tail=500")
        return body if status == 200 else b""

    def _ask(self, path: str, method: str = "GET", timeout: float | None = None):
        connection = _UnixConnection(self._path, timeout or self._timeout)
        try:
            connection.request(method, path)
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException) as error:
            raise EngineError(f"{self._path}: {error}") from error
        finally:
            connection.close()

    def container(self, name: str):
        return self.get(f"/containers/{quote(name, safe='')}/json")

    def image(self, reference: str):
        return self.get(f"/images/{quote(reference, safe='/:@')}/json")

    def volume(self, name: str):
        return self.get(f"/volumes/{quote(name, safe='')}")


def _words_of(body: bytes) -> str:
    try:
        return str(json.loads(body).get("message") or "")
    except (ValueError, AttributeError):
        return ""


def is_podman(version) -> bool:
    """Podman names itself among the components of its Docker interface."""
    return any(component.get("Name") == "Podman Engine" for component in (version or {}).get("Components") or [])


def describe_container(inspected, image=None) -> dict:
    """What a role needs to know of a container; of its environment only names, the values may be secrets."""
    if not inspected:
        return {
            "exists": False, "id": None, "running": False, "image_id": None, "version": None, "started_at": None, "ports": [],
            "managed": False, "data": None, "database_elsewhere": False, "variables": [],
        }  # fmt: skip
    config = inspected.get("Config") or {}
    state = inspected.get("State") or {}
    host = inspected.get("HostConfig") or {}
    ports = {binding.get("HostPort") for bindings in (host.get("PortBindings") or {}).values() for binding in bindings or []}
    if host.get("NetworkMode") == "host":
        ports |= {item[len("PORT=") :] for item in config.get("Env") or [] if item.startswith("PORT=")}
    return {
        "exists": True,
        "id": inspected.get("Id"),
        "running": bool(state.get("Running")),
        "image_id": inspected.get("Image"),
        "version": version_label(config.get("Labels")),
        "started_at": parse_time(state.get("StartedAt")),
        "ports": sorted(int(port) for port in ports if port and port.isdigit()),
        "managed": LABEL in (config.get("Labels") or {}),
        "data": next((_source(mount) for mount in inspected.get("Mounts") or [] if mount.get("Destination") == DATA_DIR), None),
        "database_elsewhere": not environment(config).get("DATABASE_URL", "sqlite").startswith("sqlite"),
        "variables": sorted(name for name, _value in environment(config).items() - environment((image or {}).get("Config")).items()),
    }


def _source(mount: dict) -> str:
    """As the user wrote it: a volume's name, or the folder of the host."""
    return mount.get("Name") if mount.get("Type") == "volume" else mount.get("Source")


def environment(config) -> dict:
    return dict(item.partition("=")[::2] for item in (config or {}).get("Env") or [])


def secret_key_of(engine: Engine, inspected: dict):
    """The key that a container signs sessions with, and where it was: in its environment, or in the file that its start script made."""
    variables = environment(inspected.get("Config"))
    for name in ("WEBUI_SECRET_KEY", "WEBUI_JWT_SECRET_KEY"):
        if variables.get(name):
            return variables[name], name
    path = posixpath.join((inspected.get("Config") or {}).get("WorkingDir") or "/app/backend", variables.get("WEBUI_SECRET_KEY_FILE") or ".webui_secret_key")
    content = engine.file(inspected["Id"], path)
    key = content.decode(errors="replace").strip() if content else ""
    return (key, path) if key else (None, None)


def describe_image(inspected) -> dict:
    """The image's identity, and the command that a wrapper has to run in its place."""
    if not inspected:
        return {"present": False, "id": None, "command": [], "version": None}
    config = inspected.get("Config") or {}
    return {
        "present": True,
        "id": inspected.get("Id"),
        "command": _words(config.get("Entrypoint")) + _words(config.get("Cmd")),
        "version": version_label(config.get("Labels")),
    }


def version_label(labels) -> str | None:
    """The release that the role noted on the container, else the one that the image names, without a leading v."""
    labels = labels or {}
    version = (labels.get(LABEL) or labels.get("org.opencontainers.image.version") or "").lstrip("v")
    # A rolling tag names itself: `main`.
    return version if re.match(r"\d+\.\d+\.\d+", version) else None


def parse_time(text) -> float | None:
    """Seconds since the epoch of the engine's RFC 3339 time with nanoseconds; None for `never`."""
    match = re.match(r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|([+-])(\d\d):(\d\d))$", text or "")
    if not match or match.group(1).startswith("0001"):
        return None
    moment = datetime.strptime(match.group(1), "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc)
    if match.group(4):
        offset = timedelta(hours=int(match.group(5)), minutes=int(match.group(6)))
        moment -= offset if match.group(4) == "+" else -offset
    return moment.timestamp() + float(match.group(2) or 0)


def _words(value) -> list:
    if isinstance(value, str):
        return [value]
    return list(value or [])
