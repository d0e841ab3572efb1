# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pull of an image by the engine's own API, which tells how far each layer is; the registry's manifest tells how large all of them are."""

from __future__ import annotations

import base64
import json
import os
import platform
import re
import subprocess
import time
from urllib.parse import quote, urlencode, urlsplit

from ansible.module_utils.urls import open_url
from ansible_collections.llmfleet.ollama.plugins.module_utils.open_webui.engine import EngineError
from ansible_collections.llmfleet.ollama.plugins.module_utils.transfer import Rate

DOCKER_HUB = "docker.io"
# A layer of gigabytes is registered in silence by the slower storage drivers.
SILENCE = 1800
MANIFESTS = (
    "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
)
MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
# Docker calls a layer by the first of the digits of its digest, Podman too.
SHORT = 12
LAYER = re.compile(r"^[0-9a-f]{%d}$" % SHORT)
THERE = ("Already exists", "Pull complete")


def split(reference):
    """(registry, repository, tag or digest) of an image's name."""
    name, at, digest = reference.partition("@")
    first, slash, rest = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        registry, repository = first, rest
    else:
        registry, repository = DOCKER_HUB, name if slash else "library/" + name
    repository, _colon, tag = repository.partition(":")
    return registry, repository, digest if at else tag or "latest"


# -- credentials, as `docker login` keeps them ---------------------------------------------------------------------------


def credentials(registry, folder=None):
    """{} where nobody has logged in."""
    path = os.path.join(folder or os.environ.get("DOCKER_CONFIG") or os.path.expanduser("~/.docker"), "config.json")
    try:
        with open(path, encoding="utf-8") as handle:
            config = json.load(handle)
    except (OSError, ValueError):
        return {}
    key = "https://index.docker.io/v1/" if registry == DOCKER_HUB else registry
    helper = (config.get("credHelpers") or {}).get(registry) or config.get("credsStore")
    if helper:
        return _ask_helper(helper, key)
    for name, entry in (config.get("auths") or {}).items():
        if name == key or urlsplit(name).netloc == registry:
            user, _colon, password = base64.b64decode(entry.get("auth") or "").decode("utf-8", "replace").partition(":")
            found = {"username": user, "password": password, "serveraddress": key}
            return dict(found, identitytoken=entry["identitytoken"]) if entry.get("identitytoken") else found if user else {}
    return {}


def _ask_helper(helper, key):
    try:
        done = subprocess.run(["docker-credential-" + helper, "get"], input=key.encode(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
        answer = json.loads(done.stdout)
        if answer["Username"] == "<token>":
            return {"identitytoken": answer["Secret"], "serveraddress": key}
        return {"username": answer["Username"], "password": answer["Secret"], "serveraddress": key}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


# -- how large it is ---------------------------------------------------------------------------------------------------


def layer_sizes(engine, reference, login):
    """{layer: bytes} by the names that the engine gives them; {} where the registry can't be asked, which is no reason not to pull."""
    registry, repository, tag = split(reference)
    try:
        secure = ((((engine.get("/info") or {}).get("RegistryConfig") or {}).get("IndexConfigs") or {}).get(registry) or {}).get("Secure", True)
        if registry.split(":")[0] in ("localhost", "127.0.0.1"):
            secure = False
        host = "registry-1.docker.io" if registry == DOCKER_HUB else registry
        base = "%s://%s/v2/%s/manifests/" % ("https" if secure else "http", host, repository)
        ask = _Asker(login)
        manifest = ask(base + tag)
        if "manifests" in manifest:
            machine = MACHINES.get(platform.machine(), platform.machine())
            fits = [item for item in manifest["manifests"] if (item.get("platform") or {}).get("architecture") == machine]
            manifest = ask(base + fits[0]["digest"])
        return {layer["digest"].partition(":")[2][:SHORT]: layer["size"] for layer in manifest["layers"]}
    except (EngineError, OSError, ValueError, KeyError, TypeError, IndexError):
        return {}


class _Asker:
    """GET with the token that the registry sends its visitors for."""

    def __init__(self, login):
        self.login = login
        self.headers = {"Accept": MANIFESTS}

    def __call__(self, url):
        try:
            return self._get(url, self.headers)
        except OSError as error:
            challenge = getattr(error, "headers", None) and error.headers.get("WWW-Authenticate") or ""
            if getattr(error, "code", None) != 401 or not challenge:
                raise
        if challenge.lower().startswith("bearer"):
            fields = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
            query = urlencode({key: fields[key] for key in ("service", "scope") if key in fields})
            answer = self._get(fields["realm"] + "?" + query, self._basic())
            self.headers["Authorization"] = "Bearer " + (answer.get("token") or answer["access_token"])
        else:
            self.headers.update(self._basic())
        return self._get(url, self.headers)

    def _basic(self):
        if not self.login.get("username"):
            return {}
        pair = "%s:%s" % (self.login["username"], self.login["password"])
        return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}

    @staticmethod
    def _get(url, headers):
        with open_url(url, headers=headers, timeout=20) as answer:
            return json.loads(answer.read())


# -- the pull ----------------------------------------------------------------------------------------------------------


class Layers:
    """What the engine says of each layer, added up."""

    def __init__(self, what, sizes, clock=time.monotonic):
        self.what = what
        self.sizes = dict(sizes)
        self.clock = clock
        # Not known by the registry's manifest: then there is no percent.
        self.complete = bool(sizes)
        self.done = {}
        self.status = {}
        self.rate = Rate()

    def feed(self, message):
        layer, status = str(message.get("id") or ""), str(message.get("status") or "")
        if not LAYER.match(layer):
            return
        detail = message.get("progressDetail") or {}
        if status == "Already exists":
            # Another image has it: nothing of it has to come.
            self.sizes[layer] = self.done[layer] = 0
        elif status == "Downloading":
            self.done[layer] = max(self.done.get(layer, 0), int(detail.get("current") or 0))
            if not self.complete and detail.get("total"):
                self.sizes[layer] = int(detail["total"])
        elif status in ("Download complete", "Extracting", "Pull complete"):
            self.done[layer] = self.sizes.get(layer, self.done.get(layer, 0))
        self.status[layer] = status
        self.rate.add(self.clock(), sum(self.done.values()))

    def state(self):
        number = len(self.status)
        loading = [layer for layer, status in self.status.items() if status not in THERE + ("Download complete", "Extracting", "Verifying Checksum")]
        if not number:
            return {"what": self.what, "status": "asking the registry"}
        if not loading:
            there = sum(status in THERE for status in self.status.values())
            return {"what": self.what, "status": "unpacking, %d of %d layers are done" % (there, number)}
        done, total = sum(self.done.values()), sum(self.sizes.values())
        state = {"what": self.what, "status": "pulling", "completed_bytes": done, "rate": self.rate.per_second}
        if self.complete:
            state.update(total_bytes=total, seconds_left=self.rate.seconds_for(max(0, total - done)))
        return state


def pull(engine, reference, progress):
    """Pulls; raises EngineError with the engine's words."""
    registry, _repository, tag = split(reference)
    login = credentials(registry)
    layers = Layers(reference.rpartition("/")[2], layer_sizes(engine, reference, login))
    progress(layers.state())
    name = reference.partition("@")[0] if "@" in reference else reference[: -len(tag) - 1] if reference.endswith(":" + tag) else reference
    headers = {"X-Registry-Auth": base64.urlsafe_b64encode(json.dumps(login).encode()).decode()} if login else {}
    for message in engine.stream("/images/create?fromImage=%s&tag=%s" % (quote(name, safe=""), quote(tag, safe="")), headers, SILENCE):
        if message.get("error"):
            raise EngineError(str(message["error"]))
        layers.feed(message)
        progress(layers.state())
