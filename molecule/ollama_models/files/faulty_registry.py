# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A registry in front of the lab's upstream that fails to order.

`POST /control` sets: rate (bytes a second for blobs), stall_after (bytes of a blob, then silence), alias ({"x:tag": "y:tag"}).
`GET /control` tells since the last POST: how many bytes of blobs were sent, and where each range of a big blob began.
"""

from __future__ import annotations

import json
import sys
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

UPSTREAM = sys.argv[2]
STEP = 1 << 18
settings = {}
sent = [0]
starts = []
blobs = {}


def fetch(path):
    if path not in blobs:
        with urllib.request.urlopen(UPSTREAM + path) as answer:
            body = answer.read()
        if "/manifests/" in path:
            return body
        blobs[path] = body
    return blobs[path]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def send(self, status, body, **headers):
        self.send_response(status)
        for name, value in dict(headers, **{"Content-Length": str(len(body))}).items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_POST(self):
        settings.clear()
        settings.update(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        sent[0] = 0
        starts.clear()
        self.send(200, b"{}")

    def do_GET(self):
        if self.path == "/control":
            self.send(200, json.dumps({"sent": sent[0], "starts": starts}).encode(), Content_Type="application/json")
            return
        path = self.path
        for wanted, served in settings.get("alias", {}).items():
            path = path.replace("/%s/manifests/%s" % tuple(wanted.split(":")), "/%s/manifests/%s" % tuple(served.split(":")))
        if "/blobs/" in path:
            # Blobs are the same under every name; upstream wants one that it knows.
            path = "/v2/library/deepseek-r1/blobs/" + path.rpartition("/")[2]
        try:
            body = fetch(path)
        except urllib.error.HTTPError as exc:
            self.send(exc.code, b"")
            return
        if "/blobs/" in path:
            self.blob(body)
        else:
            self.send(200, body)

    do_HEAD = do_GET

    def blob(self, body):
        wanted = self.headers.get("Range")
        first, last = 0, len(body) - 1
        if wanted:
            first, last = (int(part) for part in wanted.partition("=")[2].split("-"))
            if len(body) > STEP:
                starts.append(first)
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(last - first + 1))
        self.send_header("Location", self.path)
        if wanted:
            self.send_header("Content-Range", "bytes %d-%d/%d" % (first, last, len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        while first <= last:
            if settings.get("stall_after") is not None and first >= settings["stall_after"]:
                # Not a cut: the connection stays open and says nothing, as a mirror does that hangs.
                time.sleep(0.2)
                continue
            end = min(first + STEP, last + 1)
            try:
                self.wfile.write(body[first:end])
            except OSError:
                return
            sent[0] += end - first
            first = end
            if settings.get("rate"):
                time.sleep(STEP / settings["rate"])


ThreadingHTTPServer(("0.0.0.0", int(sys.argv[1])), Handler).serve_forever()
