# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""As much of Ollama's interface as Open WebUI asks for. Usage: fake_ollama.py PORT MODEL..."""

from __future__ import annotations

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT, MODELS = int(sys.argv[1]), sys.argv[2:]
WHEN = "2026-01-01T00:00:00Z"


def model(name: str) -> dict:
    # An embedding model is known by its architecture, as with releases of Ollama that name no capabilities.
    family = "nomic-bert" if "embed" in name else "qwen2"
    details = {"format": "gguf", "family": family, "families": [family], "parameter_size": "14.8B", "quantization_level": "Q4_K_M"}
    return {"name": name, "model": name, "modified_at": WHEN, "size": 9, "digest": "0" * 64, "details": details}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        models = [model(name) for name in MODELS]
        self._answer({"/api/version": {"version": "0.32.15"}, "/api/tags": {"models": models}, "/api/ps": {"models": []}}.get(self.path))

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/api/show":
            self._answer({**model(request["model"]), "model_info": {"general.architecture": "qwen2"}, "capabilities": ["completion"]})
        elif self.path == "/api/chat":
            message = {"role": "assistant", "content": f"{request['model']} on port {PORT}"}
            answer = {"model": request["model"], "created_at": WHEN, "message": message, "done": True, "done_reason": "stop"}
            self._answer(answer, "application/x-ndjson" if request.get("stream", True) else "application/json")
        else:
            self._answer(None)

    def _answer(self, body, kind: str = "application/json") -> None:
        content = json.dumps({"error": "not found"} if body is None else body).encode() + b"\n"
        self.send_response(404 if body is None else 200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_arguments) -> None:
        """Quiet: the journal is read when something else fails."""


ThreadingHTTPServer(("0.0.0.0", PORT), Handler).serve_forever()
