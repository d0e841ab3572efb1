# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plays an Ollama host whose every step a test decides.

    fake_ollama.py NAME PORT        listens on PORT as Ollama, and on PORT + 100 for the test:
        POST /go         lets requests go on that wait (`hold` in their body)
        POST /down, /up  breaks all connections and stops listening; listens again
        GET /waiting     how many requests wait
"""

from __future__ import annotations

import contextlib
import http.server
import json
import socket
import sys
import threading

NAME, PORT = sys.argv[1], int(sys.argv[2])
state = threading.Condition()
waiting = 0
rounds = 0
connections: set = set()


def hold() -> None:
    """Wait for the next /go."""
    global waiting
    with state:
        waiting += 1
        mine = rounds
        state.notify_all()
        state.wait_for(lambda: rounds > mine, timeout=900)
        waiting -= 1
        state.notify_all()


class Host(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Headers and body are two writes.
    disable_nagle_algorithm = True

    def setup(self):
        super().setup()
        connections.add(self.connection)

    def finish(self):
        connections.discard(self.connection)
        with contextlib.suppress(OSError):
            super().finish()

    def log_message(self, *_words):
        pass

    def answer(self, content: dict) -> None:
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.answer({"version": "0.32.15"})

    def body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        read = b""
        while size := int(self.rfile.readline(), 16):
            read += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return read

    def words(self, model: str) -> None:
        """A stream as OpenAI's client reads it."""
        body = b""
        for word in ("Hello", "."):
            chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": model, "choices": [{"index": 0, "delta": {"content": word}}]}
            body += b"data: %s\n\n" % json.dumps(chunk).encode()
        body += b"data: [DONE]\n\n"
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        raw = self.body()
        asked = json.loads(raw)
        told = {"host": NAME, "path": self.path, "bytes": len(raw), "model": asked.get("model") or asked.get("name")}
        told["credentials"] = self.headers.get("Authorization") or self.headers.get("x-api-key")
        if not asked.get("stream"):
            if asked.get("hold"):
                hold()
            self.answer(told)
            return
        if self.path.startswith("/v1/"):
            self.words(asked["model"])
            return
        self.send_response(200)
        self.send_header("Content-Type", "application/x-ndjson")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for number in (1, 2):
            line = json.dumps({**told, "line": number}).encode() + b"\n"
            self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
            self.wfile.flush()
            if number == 1:
                hold()
        self.wfile.write(b"0\r\n\r\n")


class Server(http.server.ThreadingHTTPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        """A connection that was broken is what the test wanted."""


class Control(http.server.BaseHTTPRequestHandler):
    server: ControlServer

    def log_message(self, *_words):
        pass

    def done(self, text: str) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def do_GET(self):
        with state:
            self.done(str(waiting))

    def do_POST(self):
        global rounds
        if self.path == "/down":
            self.server.down()
        if self.path in ("/go", "/down"):
            # Who waits on a host that is down waits no longer: the next gateway counts from none.
            with state:
                rounds += 1
                state.notify_all()
        if self.path == "/up":
            self.server.up()
        self.done("done")


class ControlServer(http.server.ThreadingHTTPServer):
    host: Server | None = None

    def up(self) -> None:
        if self.host is None:
            self.host = Server(("0.0.0.0", PORT), Host)
            threading.Thread(target=self.host.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def down(self) -> None:
        if self.host is not None:
            self.host.shutdown()
            self.host.server_close()
            self.host = None
        for connection in list(connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


control = ControlServer(("0.0.0.0", PORT + 100), Control)
control.up()
control.serve_forever()
