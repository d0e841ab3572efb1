# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP servers of the tests, on the loopback or at a socket as Docker has one. Each request is answered in a thread of its own."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import shutil
import socketserver
import tempfile
import threading
from collections.abc import Iterator

# The end of a server waits for its next look at whether it shall end.
LOOKS = {"poll_interval": 0.02}


class Quiet(http.server.BaseHTTPRequestHandler):
    """A handler that logs nothing into the output of the tests."""

    def log_message(self, *_arguments):
        """Nothing."""

    def answer(self, status, body=b"", headers=None):
        """The whole answer: bytes as they are, anything else as JSON."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def answer_file(self, path):
        """A file, or the range of it that was asked for."""
        with open(path, "rb") as stream:
            if not self.headers.get("Range"):
                return self.answer(200, stream.read())
            size = os.path.getsize(path)
            first, last = (int(number) for number in self.headers["Range"][6:].split("-"))
            stream.seek(first)
            body = stream.read(min(last, size - 1) - first + 1)
        return self.answer(206, body, {"Content-Range": "bytes %d-%d/%d" % (first, first + len(body) - 1, size)})


class Server(http.server.ThreadingHTTPServer):
    """Serves from the start until its end(); a request that hangs keeps nothing open."""

    daemon_threads = True

    def __init__(self, handler):
        super().__init__(("127.0.0.1", 0), handler)
        self.url = "http://127.0.0.1:%d" % self.server_port
        threading.Thread(target=self.serve_forever, kwargs=LOOKS, daemon=True).start()

    def end(self):
        self.shutdown()
        self.server_close()


@contextlib.contextmanager
def serving(handler) -> Iterator[str]:
    """http://127.0.0.1:PORT, answered by this handler as long as the block lasts."""
    server = Server(handler)
    try:
        yield server.url
    finally:
        server.end()


@contextlib.contextmanager
def serving_socket(handler) -> Iterator[str]:
    """unix:///…/docker.sock, answered by this handler of a stream as long as the block lasts."""
    # Not in tmp_path: a socket's path has 107 bytes, and the folder of a run under another Python lies deep.
    folder = tempfile.mkdtemp(prefix="llmfleet-", dir="/tmp")
    place = f"{folder}/docker.sock"
    with socketserver.ThreadingUnixStreamServer(place, handler) as server:
        threading.Thread(target=server.serve_forever, kwargs=LOOKS, daemon=True).start()
        try:
            yield f"unix://{place}"
        finally:
            server.shutdown()
            shutil.rmtree(folder)
