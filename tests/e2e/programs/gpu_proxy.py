# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands before a real Ollama on a host without a GPU and lets it look like one with a GPU.

Everything goes through as it is; only where a model lies is told otherwise: /api/ps says what the script says, or that all of it is on the
GPU, and /api/tags gives the size of the real file in place of the stand-in's.

    gpu_proxy.py PORT UPSTREAM_HOST:PORT SCRIPT

SCRIPT is a JSON file, read at each question: {"name:tag": {"size": bytes, "size_vram": bytes, "file": bytes}}.
"""

from __future__ import annotations

import http.client
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT, UPSTREAM, SCRIPT = int(sys.argv[1]), sys.argv[2], sys.argv[3]
# Of one connection, not of what is in it.
HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


def script() -> dict:
    with open(SCRIPT, encoding="utf-8") as handle:
        return json.load(handle)


def rewrite(path: str, answer: dict) -> dict:
    told = script()
    for model in answer.get("models") or []:
        says = told.get(model["name"], {})
        if path == "/api/ps":
            size = says.get("size", model["size"])
            model.update(size=size, size_vram=says.get("size_vram", size))
        elif "file" in says:
            model["size"] = says["file"]
    return answer


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_args):
        pass

    def handle_any(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else None
        upstream = http.client.HTTPConnection(UPSTREAM, timeout=600)
        try:
            upstream.request(self.command, self.path, body, {k: v for k, v in self.headers.items() if k.lower() not in HOP})
            answer = upstream.getresponse()
            self.send_response(answer.status, answer.reason)
            for key, value in answer.getheaders():
                if key.lower() not in HOP:
                    self.send_header(key, value)
            self.end_headers()
            if self.path in ("/api/ps", "/api/tags") and answer.status == 200:
                self.wfile.write(json.dumps(rewrite(self.path, json.load(answer))).encode())
                return
            # HTTP/1.0 towards the client: the end of the connection is the end of the answer, and a stream goes out as it comes.
            while chunk := answer.read1(1 << 16):
                self.wfile.write(chunk)
                self.wfile.flush()
        except BrokenPipeError:
            pass
        finally:
            upstream.close()

    do_GET = do_POST = do_DELETE = do_HEAD = do_PUT = handle_any


ThreadingHTTPServer(("0.0.0.0", PORT), Handler).serve_forever()
