# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An Ollama and a registry that speak HTTP in the shapes of the real ones, with faults to order. Models are a few kilobytes."""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

DEFAULT = "registry.ollama.ai"


def sha(data):
    return hashlib.sha256(data).hexdigest()


def manifest_bytes(layers, indent=None):
    """The manifest of blobs [(media type, bytes)], the first one being the config."""
    entries = [{"mediaType": kind, "digest": "sha256:" + sha(data), "size": len(data)} for kind, data in layers]
    content = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": entries[0],
        "layers": entries[1:],
    }
    return json.dumps(content, indent=indent).encode()


def model_blobs(seed, size=4000):
    return [
        ("application/vnd.docker.container.image.v1+json", b'{"model_format":"gguf","n":"%s"}' % seed.encode()),
        ("application/vnd.ollama.image.model", (b"GGUF" + seed.encode()) * (size // (4 + len(seed)) + 1)),
        ("application/vnd.ollama.image.template", b"{{ .Prompt }}"),
    ]


class Server:
    def __init__(self, address=("127.0.0.1", 0)):
        handler = type("Handler", (BaseHTTPRequestHandler,), {"protocol_version": "HTTP/1.1", "log_message": lambda *a: None})
        for verb in ("GET", "POST", "DELETE", "HEAD"):
            setattr(handler, "do_" + verb, lambda request, verb=verb: self.answer(request, verb))
        self.server = ThreadingHTTPServer(address, handler)
        self.server.daemon_threads = True
        # Clients that go away in the middle are what many of the tests are about.
        self.server.handle_error = lambda *args: None
        self.host = "%s:%d" % self.server.server_address
        self.url = "http://" + self.host
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    @staticmethod
    def send(request, status, body=b"", kind="application/json"):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        request.send_response(status)
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(data)


class FakeRegistry(Server):
    """Serves manifests. `fault` replaces every answer: a status, "html", "hang" or "drip"."""

    def __init__(self, **where):
        self.models = {}
        # What those get who take a list: path to its bytes.
        self.lists = {}
        self.blobs = {}
        self.fault = None
        self.asked = []
        super().__init__(**where)

    def put(self, path, blobs, indent=None):
        """path is 'library/x/tag'."""
        self.models[path] = manifest_bytes(blobs, indent)
        self.blobs.update({"sha256:" + sha(data): data for _kind, data in blobs})
        return sha(self.models[path])

    def answer(self, request, _verb):
        self.asked.append((request.path, request.headers.get("User-Agent", "")))
        if self.fault == "hang":
            time.sleep(5)
            return
        if self.fault == "html":
            self.send(request, 200, b"<html>Sign in</html>", "text/html")
            return
        if self.fault == "drip":
            request.send_response(200)
            request.end_headers()
            for _step in range(100):
                try:
                    request.wfile.write(b" ")
                    request.wfile.flush()
                except OSError:
                    return
                time.sleep(0.1)
            return
        if isinstance(self.fault, int):
            self.send(request, self.fault, {"errors": []})
            return
        # As a proxy it is asked for whole addresses.
        match = re.match(r"^(?:http://[^/]+)?/v2/([^/]+/[^/]+)/manifests/([^/]+)$", request.path)
        place = "%s/%s" % match.groups() if match else ""
        body = self.models.get(place)
        if "manifest.list" in request.headers.get("Accept", ""):
            body = self.lists.get(place, body)
        if "/blobs/" in request.path:
            body = self.blobs.get(request.path.rpartition("/")[2])
        self.send(request, 200 if body else 404, body or {"errors": [{"code": "MANIFEST_UNKNOWN"}]})


class FakeOllama(Server):
    """A server with a real store on disk. `script` holds one fault for each coming pull: see _fault."""

    def __init__(self, path, registry, version="0.32.15", **where):
        self.path = str(path)
        self.registry = registry
        self.version = version
        self.script = []
        self.requests = []
        self.loaded = {}
        self.vram_share = {}
        self.spoke = {}  # by model: (tokens, nanoseconds) of an answer to a prompt
        self.load_errors = {}
        self.loaded_size = 10000
        self.context_length = 8192
        self.trained_context = 131072
        self.pulled_bytes = 0
        self.family = ""
        os.makedirs(self.path + "/blobs", exist_ok=True)
        os.makedirs(self.path + "/manifests", exist_ok=True)
        super().__init__(**where)

    # -- the store

    def split(self, name):
        rest, _colon, tag = name.rpartition(":") if ":" in name.rsplit("/", 1)[-1] else (name, "", "latest")
        parts = rest.split("/")
        if len(parts) > 3:
            raise ValueError
        host, namespace = (parts[0], parts[1]) if len(parts) == 3 else (DEFAULT, parts[0] if len(parts) == 2 else "library")
        return [host, namespace, parts[-1], tag]

    def manifest_file(self, name):
        return "/".join([self.path, "manifests"] + self.split(name))

    def blob_file(self, digest):
        return "%s/blobs/%s" % (self.path, digest.replace(":", "-"))

    def read(self, name):
        with open(self.manifest_file(name), "rb") as handle:
            return handle.read()

    def write(self, name, body):
        path = self.manifest_file(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as handle:
            handle.write(body)

    def names(self):
        found = []
        for folder, _folders, files in os.walk(self.path + "/manifests"):
            for tag in files:
                host, namespace, model = os.path.relpath(folder, self.path + "/manifests").split("/")
                text = "%s:%s" % (model, tag)
                if host != DEFAULT:
                    text = "%s/%s/%s" % (host, namespace, text)
                elif namespace != "library":
                    text = "%s/%s" % (namespace, text)
                found.append(text)
        return sorted(found)

    def have(self, name, blobs):
        """A model that is there from the start."""
        for _kind, data in blobs:
            with open(self.blob_file("sha256:" + sha(data)), "wb") as handle:
                handle.write(data)
        self.write(name, manifest_bytes(blobs))

    def copy(self, source, destination):
        self.write(destination, self.read(source))

    def settle(self, name, manifest):
        """The end of a pull."""
        self.write(name, self.marshal(manifest))

    def marshal(self, body):
        """Ollama before 0.19 writes the manifest anew."""
        if tuple(int(part) for part in self.version.split("-")[0].split(".")) < (0, 19):
            return json.dumps(json.loads(body), separators=(",", ":")).encode()
        return body

    # -- the API

    def answer(self, request, verb):
        length = int(request.headers.get("Content-Length") or 0)
        body = json.loads(request.rfile.read(length)) if length else {}
        self.requests.append((verb, request.path, body))
        route = request.path
        if route == "/api/version":
            self.send(request, 200, {"version": self.version})
        elif route == "/api/tags":
            self.send(request, 200, {"models": [row for name in self.names() for row in self.rows(name)] or None})
        elif route == "/api/ps":
            self.send(request, 200, {"models": list(self.loaded.values())})
        elif route.startswith("/api/blobs/"):
            self.send(request, 200 if os.path.exists(self.blob_file(route.rpartition("/")[2])) else 404)
        elif route == "/api/pull":
            self.pull(request, body)
        elif route == "/api/show":
            self.show(request, body["model"])
        elif route == "/api/create":
            self.create(request, body)
        elif route == "/api/copy":
            self.copy(body["source"], body["destination"])
            self.send(request, 200)
        elif route == "/api/delete":
            self.delete(request, body["model"])
        elif route in ("/api/generate", "/api/embed"):
            self.load(request, body, route)
        else:
            self.send(request, 404, b"404 page not found", "text/plain")

    def tag(self, name):
        body = self.read(name)
        content = json.loads(body)
        size = sum(part["size"] for part in content["layers"] + [content["config"]])
        return {"name": name, "model": name, "digest": sha(body), "size": size, "details": {"format": "gguf", "family": self.family}}

    def rows(self, name):
        return [self.tag(name)]

    def weights(self, name):
        return [part["digest"] for part in json.loads(self.read(name))["layers"] if part["mediaType"].endswith(".model")][0]

    def parameters(self, name):
        for part in json.loads(self.read(name))["layers"]:
            if part["mediaType"].endswith(".params"):
                with open(self.blob_file(part["digest"]), "rb") as handle:
                    return json.loads(handle.read())
        return {}

    def show(self, request, name):
        if name not in self.names():
            self.send(request, 404, {"error": "model '%s' not found" % name})
            return
        lines = []
        for key, value in self.parameters(name).items():
            lines += ["%-30s %s" % (key, json.dumps(item)) for item in (value if isinstance(value, list) else [value])]
        self.send(
            request,
            200,
            {
                "modelfile": '# Modelfile generated by "ollama show"\nFROM %s\nTEMPLATE x\n' % self.blob_file(self.weights(name)),
                "parameters": "\n".join(lines),
                "template": "{{ .Prompt }}",
                "details": {},
                "model_info": {"x.context_length": self.trained_context},
            },
        )

    def create(self, request, body):
        stream = _Stream(request)
        if body["from"] not in self.names():
            stream.line({"error": "pull model manifest: file does not exist"})
        else:
            parameters = json.dumps(dict(self.parameters(body["from"]), **(body.get("parameters") or {}))).encode()
            content = json.loads(self.read(body["from"]))
            content["layers"] = [part for part in content["layers"] if not part["mediaType"].endswith(".params")]
            content["layers"].append(
                {"mediaType": "application/vnd.ollama.image.params", "digest": "sha256:" + sha(parameters), "size": len(parameters)}
            )
            with open(self.blob_file("sha256:" + sha(parameters)), "wb") as handle:
                handle.write(parameters)
            self.write(body["model"], json.dumps(content).encode())
            stream.line({"status": "writing manifest"})
            stream.line({"status": "success"})
        stream.end()

    def delete(self, request, name):
        if name not in self.names():
            self.send(request, 404, {"error": "model '%s' not found" % name})
            return
        layers = self.layers(name)
        os.unlink(self.manifest_file(name))
        # As Ollama does: only the layers of this model, and only those that no other one uses. The rest waits for a restart.
        for digest in layers - {digest for other in self.names() for digest in self.layers(other)}:
            os.unlink(self.blob_file(digest))
        self.send(request, 200)

    def layers(self, name):
        content = json.loads(self.read(name))
        return {part["digest"] for part in [content["config"]] + content["layers"]}

    def load(self, request, body, route):
        name = body["model"]
        if body.get("keep_alive") == 0:
            self.loaded.pop(name, None)
            self.send(request, 200, {"model": name, "done": True, "done_reason": "unload"})
        elif name in self.load_errors:
            status, words = self.load_errors[name]
            self.send(request, status, {"error": words})
        elif name not in self.names():
            self.send(request, 404, {"error": "model '%s' not found" % name})
        elif "embed" in name and route == "/api/generate":
            self.send(request, 400, {"error": '"%s" does not support generate' % name})
        elif any(other in self.names() and self.weights(other) == self.weights(name) for other in self.loaded if other != name):
            # The runner of the other name serves this one too, and /api/ps goes on to show the other name.
            self.send(request, 200, {"model": name, "done": True, "done_reason": "load"})
        else:
            share = self.vram_share.get(name, 1.0)
            if callable(share):
                share = share(self)
            self.loaded[name] = {
                "name": name,
                "model": name,
                "size": self.loaded_size,
                "size_vram": int(self.loaded_size * share),
                "digest": sha(self.read(name)),
                "expires_at": ("2318" if body.get("keep_alive") == -1 else "2026") + "-03-10T16:04:05.0Z",
                "context_length": self.context_length,
            }
            if body.get("prompt") and name in self.spoke:
                count, took = self.spoke[name]
                self.send(request, 200, {"model": name, "done": True, "response": "One, two", "eval_count": count, "eval_duration": took})
            else:
                self.send(request, 200, {"model": name, "done": True, "done_reason": "load"})

    # -- the pull

    def offered(self, place):
        """The manifest of what a pull fetches; `place` as the registry knows it."""
        return self.registry.models.get(place)

    def pull(self, request, body):
        fault = self.script.pop(0) if self.script else None
        try:
            host, namespace, model, tag = self.split(body["model"])
        except ValueError:
            self.send(request, 400, {"error": "invalid model name"})
            return
        if isinstance(fault, tuple) and fault[0] == "status":
            self.send(request, fault[1], {"error": fault[2]})
            return
        stream = _Stream(request)
        stream.line({"status": "pulling manifest"})
        if isinstance(fault, str) and fault.startswith("error:"):
            stream.line({"error": fault[6:]})
            stream.end()
            return
        if fault == "garbage":
            stream.raw(b"<html>502 Bad Gateway</html>\n")
            stream.end()
            return
        if fault == "silent":
            time.sleep(6)
            return
        manifest = self.offered("%s/%s/%s" % (namespace, model, tag))
        if manifest is None:
            stream.line({"error": "pull model manifest: file does not exist"})
            stream.end()
            return
        content = json.loads(manifest)
        for part in content["layers"] + [content["config"]]:
            if not self.fetch(stream, part, fault):
                return
        stream.line({"status": "verifying sha256 digest"})
        stream.line({"status": "writing manifest"})
        if fault == "no success":
            stream.end()
            return
        self.settle(body["model"], manifest)
        stream.line({"status": "success"})
        stream.end()

    def fetch(self, stream, part, fault):
        """One layer in steps of a quarter; False when the stream is over."""
        digest, total = part["digest"], part["size"]
        status = "pulling %s" % digest[7:19]
        path = self.blob_file(digest)
        if os.path.exists(path):
            stream.line({"status": status, "digest": digest, "total": total, "completed": total})
            return True
        partial = path + "-partial"
        done = os.path.getsize(partial) if os.path.exists(partial) else 0
        data = self.registry.blobs[digest]
        stream.line({"status": status, "digest": digest, "total": total, **({"completed": done} if done else {})})
        while done < total:
            if total > 1000 and fault == "frozen":
                while stream.line({"status": status, "digest": digest, "total": total, "completed": done}):
                    time.sleep(0.06)
                return False
            step = data[done : done + total // 4 + 1]
            with open(partial, "ab") as handle:
                handle.write(step)
            done += len(step)
            self.pulled_bytes += len(step)
            stream.line({"status": status, "digest": digest, "total": total, "completed": done})
            if total > 1000 and fault == "cut":
                stream.cut()
                return False
            if total > 1000 and fault == "stall":
                # Ollama repeats its progress while a mirror says nothing.
                while stream.line({"status": status, "digest": digest, "total": total, "completed": done}):
                    time.sleep(0.06)
                return False
            if total > 1000 and fault == "mismatch":
                os.unlink(partial)
                stream.line({"error": "digest mismatch, file must be downloaded again: want %s, got sha256:00" % digest})
                stream.end()
                return False
        os.rename(partial, path)
        return True


class _Stream:
    """A chunked answer of newline-delimited JSON."""

    def __init__(self, request):
        self.request = request
        request.send_response(200)
        request.send_header("Content-Type", "application/x-ndjson")
        request.send_header("Transfer-Encoding", "chunked")
        request.end_headers()

    def raw(self, data):
        try:
            self.request.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
            self.request.wfile.flush()
            return True
        except OSError:
            return False

    def line(self, message):
        return self.raw(json.dumps(message).encode() + b"\n")

    def end(self):
        self.request.wfile.write(b"0\r\n\r\n")

    def cut(self):
        self.request.close_connection = True
        self.request.connection.close()
