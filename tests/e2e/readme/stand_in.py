# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An `ollama` of the default version, as far as the collection and its users see it: `ollama serve` pulls from a registry into a store of
Ollama's layout, and loads and chats without computing anything. Everything lies in video memory where the machine has a card.

No archive of that version can be had where only Debian and PyPI answer. This one takes its place in an archive of the same layout, so that
all defaults of the roles can be tried: the release, the confinement, the proof on the GPU. It runs on the hosts: Python 3.9, no packages.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

VERSION = "@VERSION@"  # release.py writes it
DEFAULT_HOST, DEFAULT_NAMESPACE, DEFAULT_TAG = "registry.ollama.ai", "library", "latest"
AGENT = f"ollama/{VERSION} (amd64 linux) Go/go1.24"
NOW = "2026-01-01T00:00:00Z"
PIECE = 4 << 20
CONTEXT = int(os.environ.get("OLLAMA_CONTEXT_LENGTH") or 4096)
HAS_CARD = Path("/etc/fake_nvml.conf").exists()
ANSWER = "Hello. This is the stand-in for {}, which computes nothing."


class Refused(Exception):
    """What the API answers instead of 200."""

    def __init__(self, status: int, words: str):
        super().__init__(words)
        self.status = status


class Store:
    """A folder as Ollama keeps it: manifests/<host>/<namespace>/<model>/<tag> and blobs/sha256-<digest>."""

    def __init__(self, path: Path):
        self.path = path
        self.loaded: dict[str, dict] = {}
        for folder in ("blobs", "manifests"):
            (path / folder).mkdir(parents=True, exist_ok=True)

    @staticmethod
    def parts(name: str) -> list[str]:
        head, _colon, tag = name.rpartition(":") if ":" in name.rsplit("/", 1)[-1] else (name, "", DEFAULT_TAG)
        words = head.split("/")
        return [DEFAULT_HOST, DEFAULT_NAMESPACE][: 3 - len(words)] + words + [tag]

    def manifest_file(self, name: str) -> Path:
        return self.path.joinpath("manifests", *self.parts(name))

    def blob_file(self, digest: str) -> Path:
        return self.path / "blobs" / digest.replace(":", "-")

    def manifest(self, name: str) -> dict:
        try:
            return json.loads(self.manifest_file(name).read_bytes())
        except OSError:
            raise Refused(404, f"model '{name}' not found") from None

    def names(self) -> list[str]:
        found = []
        for file in sorted((self.path / "manifests").glob("*/*/*/*")):
            host, namespace, model, tag = file.parts[-4:]
            front = [] if (host, namespace) == (DEFAULT_HOST, DEFAULT_NAMESPACE) else [namespace] if host == DEFAULT_HOST else [host, namespace]
            found.append("/".join([*front, f"{model}:{tag}"]))
        return found

    def entry(self, name: str) -> dict:
        body, manifest = self.manifest_file(name).read_bytes(), self.manifest(name)
        details = {"format": "gguf", "family": "qwen2", "families": ["qwen2"], "parameter_size": "14.8B", "quantization_level": "Q4_K_M"}
        size = sum(part["size"] for part in [*manifest["layers"], manifest["config"]])
        return {"name": name, "model": name, "modified_at": NOW, "size": size, "digest": hashlib.sha256(body).hexdigest(), "details": details}

    def running(self, name: str) -> dict:
        found = self.entry(name)
        return {**found, "size_vram": found["size"] if HAS_CARD else 0, "context_length": CONTEXT, "expires_at": NOW}

    def delete(self, name: str) -> None:
        layers = {part["digest"] for part in self.manifest(name)["layers"]}
        self.manifest_file(name).unlink()
        self.loaded.pop(name, None)
        others = [self.manifest(other)["layers"] for other in self.names()]
        for digest in layers - {part["digest"] for layers_of_other in others for part in layers_of_other}:
            self.blob_file(digest).unlink()

    def pull(self, name: str, insecure: bool):
        """The lines of the answer. Runs of zeros become holes: the weights of these models are nothing else."""
        host, namespace, model, tag = self.parts(name)
        base = f"{'http' if insecure else 'https'}://{host}/v2/{namespace}/{model}"
        yield {"status": "pulling manifest"}
        with _get(f"{base}/manifests/{tag}") as answer:
            body = answer.read()
        content = json.loads(body)
        for part in [*content["layers"], content["config"]]:
            digest, total, file = part["digest"], part["size"], self.blob_file(part["digest"])
            line = {"status": f"pulling {digest[7:19]}", "digest": digest, "total": total}
            if not file.exists():
                partial = file.with_name(file.name + "-partial")
                with _get(f"{base}/blobs/{digest}") as answer, open(partial, "wb") as copy:
                    for piece in iter(lambda answer=answer: answer.read(PIECE), b""):
                        copy.seek(len(piece), 1) if not any(piece) else copy.write(piece)
                        yield {**line, "completed": copy.tell()}
                    copy.truncate(copy.tell())
                partial.rename(file)
            yield {**line, "completed": total}
        yield {"status": "verifying sha256 digest"}
        yield {"status": "writing manifest"}
        self.manifest_file(name).parent.mkdir(parents=True, exist_ok=True)
        self.manifest_file(name).write_bytes(body)
        yield {"status": "success"}


def _get(url: str):
    try:
        return urllib.request.urlopen(urllib.request.Request(url, headers={"User-Agent": AGENT}), timeout=60)
    except urllib.error.HTTPError as problem:
        raise Refused(500, "pull model manifest: file does not exist" if problem.code == 404 else f"pull model manifest: {problem.code}") from None


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    store: Store

    def do_GET(self) -> None:
        listed = {
            "/": lambda: "Ollama is running",
            "/api/version": lambda: {"version": VERSION},
            "/api/tags": lambda: {"models": [self.store.entry(name) for name in self.store.names()]},
            "/api/ps": lambda: {"models": list(self.store.loaded.values())},
            "/v1/models": lambda: {"object": "list", "data": [{"id": name, "object": "model"} for name in self.store.names()]},
        }
        digest = self.path.rpartition("/api/blobs/")[2]
        if self.path in listed:
            self._send(200, listed[self.path]())
        elif digest and self.store.blob_file(digest).exists():
            self._send(200, {})
        else:
            self._send(404, {"error": "not found"})

    do_HEAD = do_GET

    def do_POST(self) -> None:
        given = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = json.loads(given or b"{}")
        name = request.get("model") or request.get("name") or ""
        try:
            {
                "/api/pull": self._pull, "/api/show": self._show, "/api/copy": self._copy, "/api/delete": self._delete,
                "/api/generate": self._generate, "/api/chat": self._chat, "/v1/chat/completions": self._complete,
            }.get(self.path, self._nothing)(request, name)  # fmt: skip
        except Refused as refusal:
            self._send(refusal.status, {"error": str(refusal)})

    do_DELETE = do_POST

    def _nothing(self, _request: dict, _name: str) -> None:
        raise Refused(404, "not found")

    def _pull(self, request: dict, name: str) -> None:
        lines = self.store.pull(name, bool(request.get("insecure")))
        self._start_stream("application/x-ndjson")
        try:
            for line in lines:
                self._stream(json.dumps(line) + "\n")
        except (Refused, OSError) as problem:
            self._stream(json.dumps({"error": str(problem)}) + "\n")
        self.wfile.write(b"0\r\n\r\n")

    def _show(self, _request: dict, name: str) -> None:
        weights = next(part["digest"] for part in self.store.manifest(name)["layers"] if part["mediaType"].endswith(".model"))
        about = {"general.architecture": "qwen2", "qwen2.context_length": 131072}
        modelfile = f"FROM {self.store.blob_file(weights)}\n"
        entry = self.store.entry(name)
        self._send(200, {"modelfile": modelfile, "template": "{{ .Prompt }}", "details": entry["details"], "model_info": about, "capabilities": ["completion"]})

    def _copy(self, request: dict, _name: str) -> None:
        self.store.manifest(request["source"])
        target = self.store.manifest_file(request["destination"])
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(self.store.manifest_file(request["source"]), target)
        self._send(200, {})

    def _delete(self, _request: dict, name: str) -> None:
        self.store.delete(name)
        self._send(200, {})

    def _generate(self, request: dict, name: str) -> None:
        self.store.manifest(name)
        if request.get("keep_alive") == 0:
            self.store.loaded.pop(name, None)
        else:
            self.store.loaded[name] = self.store.running(name)
        self._send(200, {"model": name, "created_at": NOW, "response": "", "done": True, "done_reason": "load"})

    def _answer(self, name: str) -> str:
        self.store.manifest(name)
        self.store.loaded[name] = self.store.running(name)
        return ANSWER.format(name)

    def _chat(self, request: dict, name: str) -> None:
        words = self._answer(name)
        done = {"model": name, "created_at": NOW, "done": True, "done_reason": "stop", "eval_count": len(words.split()), "eval_duration": 10**9}
        if not request.get("stream", True):
            self._send(200, {**done, "message": {"role": "assistant", "content": words}})
            return
        self._start_stream("application/x-ndjson")
        self._stream(json.dumps({"model": name, "created_at": NOW, "message": {"role": "assistant", "content": words}, "done": False}) + "\n")
        self._stream(json.dumps({**done, "message": {"role": "assistant", "content": ""}}) + "\n")
        self.wfile.write(b"0\r\n\r\n")

    def _complete(self, request: dict, name: str) -> None:
        """The OpenAI API."""
        words = self._answer(name).split(" ")
        about = {"id": "chatcmpl-1", "created": int(time.time()), "model": name}
        usage = {"prompt_tokens": 4, "completion_tokens": len(words), "total_tokens": 4 + len(words)}
        if not request.get("stream"):
            choice = {"index": 0, "message": {"role": "assistant", "content": " ".join(words)}, "finish_reason": "stop"}
            self._send(200, {**about, "object": "chat.completion", "choices": [choice], "usage": usage})
            return
        self._start_stream("text/event-stream")
        chunks = [{"index": 0, "delta": {"role": "assistant", "content": f"{' ' if at else ''}{word}"}, "finish_reason": None} for at, word in enumerate(words)]
        for chunk in [*chunks, {"index": 0, "delta": {}, "finish_reason": "stop"}]:
            self._stream(f"data: {json.dumps({**about, 'object': 'chat.completion.chunk', 'choices': [chunk]})}\n\n")
        if (request.get("stream_options") or {}).get("include_usage"):
            self._stream(f"data: {json.dumps({**about, 'object': 'chat.completion.chunk', 'choices': [], 'usage': usage})}\n\n")
        self._stream("data: [DONE]\n\n")
        self.wfile.write(b"0\r\n\r\n")

    def _start_stream(self, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def _stream(self, text: str) -> None:
        data = text.encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def _send(self, status: int, body) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_arguments) -> None:
        """Quiet: the journal is read when something else fails."""


def main() -> None:
    if sys.argv[1:] != ["serve"]:
        print(f"ollama version is {VERSION}")
        return
    address, _colon, port = os.environ.get("OLLAMA_HOST", "127.0.0.1:11434").rpartition(":")
    Handler.store = Store(Path(os.environ.get("OLLAMA_MODELS") or Path.home() / ".ollama/models"))
    ThreadingHTTPServer((address, int(port)), Handler).serve_forever()


if __name__ == "__main__":
    main()
