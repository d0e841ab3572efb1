# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small, bounded HTTP reads: at most so many bytes, at most so long, redirects followed a few times and never from https to http."""

from __future__ import annotations

import http.client
import re
import socket
import time
import urllib.error
import urllib.request
from urllib.parse import urlsplit

from ansible_collections.llmfleet.ollama.plugins.module_utils.defaults import OLLAMA_VERSION
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.api import authorities

USER_AGENT = "ollama/%s (amd64 linux) Go/go1.24" % OLLAMA_VERSION  # an unknown client gets 412 from the public registry for some tags
_CHUNK = 256 * 1024
_TRIES = 3
_RANGE = re.compile(r"^bytes (\d+)-(\d+)/(\d+|\*)$")


class HttpError(Exception):
    """kind: missing, sign_in, too_new, busy, refused, unreachable, nonsense."""

    def __init__(self, kind, url, words):
        super().__init__("%s %s" % (url, words))
        self.kind, self.url, self.words = kind, url, words


class _Redirects(urllib.request.HTTPRedirectHandler):
    max_redirections = 5

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        if urlsplit(req.full_url).scheme == "https" and urlsplit(newurl).scheme != "https":
            raise HttpError("refused", req.full_url, "redirects from https to plain http")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


_STATUS = {
    401: ("sign_in", "wants a sign-in (HTTP 401)"),
    403: ("sign_in", "refuses access (HTTP 403)"),
    404: ("missing", "does not exist there (HTTP 404)"),
    412: ("too_new", "needs a newer Ollama (HTTP 412)"),
    429: ("busy", "asks to slow down (HTTP 429)"),
}


class HttpClient:
    """timeout: seconds without a byte; deadline: seconds for one read as a whole."""

    def __init__(self, timeout=15, deadline=180, tries=_TRIES, sleep=time.sleep, clock=time.monotonic):
        self.timeout, self.deadline, self.tries = timeout, deadline, tries
        self.sleep, self.clock = sleep, clock
        self.bytes_read = 0
        self.requests = 0

    def _open(self, url, headers):
        self.requests += 1
        request = urllib.request.Request(url, headers=dict(headers, **{"User-Agent": USER_AGENT}))
        opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=authorities()), _Redirects())
        try:
            return opener.open(request, timeout=self.timeout)
        except urllib.error.HTTPError as problem:
            kind, words = _STATUS.get(problem.code, ("refused", "answers HTTP %d" % problem.code))
            if 300 <= problem.code < 400:
                words = "redirects without end"
            problem.close()
            raise HttpError(kind if problem.code < 500 else "unreachable", url, words)
        except urllib.error.URLError as problem:
            raise HttpError("unreachable", url, "does not answer: %s" % _words(problem.reason))
        except (OSError, http.client.HTTPException, ValueError) as problem:
            raise HttpError("unreachable", url, "does not answer: %s" % _words(problem))

    def _read(self, answer, url, most, end):
        """Up to `most` bytes; what has come when the connection breaks or stalls is kept."""
        body = bytearray()
        try:
            while len(body) < most:
                if self.clock() > end:
                    break
                chunk = answer.read1(min(_CHUNK, most - len(body)))
                if not chunk:
                    break
                body += chunk
        except (OSError, http.client.HTTPException, ValueError):
            pass  # the caller asks for the rest, or says that it is missing
        self.bytes_read += len(body)
        return bytes(body)

    def small(self, url, most, headers=None):
        """A whole document of at most `most` bytes."""
        end = self.clock() + self.deadline
        problem = None
        for attempt in range(self.tries):
            if attempt:
                self.sleep(min(1.0 * attempt, 2.0))
            try:
                with self._open(url, headers or {}) as answer:
                    length = answer.headers.get("Content-Length")
                    body = self._read(answer, url, most + 1, end)
            except HttpError as error:
                if error.kind not in ("unreachable", "busy") or self.clock() > end:
                    raise
                problem = error
                continue
            if len(body) > most:
                raise HttpError("nonsense", url, "sends more than %d bytes" % most)
            if length and length.isdigit() and len(body) < int(length):
                problem = HttpError("unreachable", url, "breaks off after %d of %s bytes" % (len(body), length))
                continue
            return body
        raise problem

    def part(self, url, offset, length):
        """(bytes, size of the whole or None) from an offset; goes on where a broken transfer stopped."""
        end = self.clock() + self.deadline
        body, whole, idle = bytearray(), None, 0
        while len(body) < length:
            start = offset + len(body)
            try:
                with self._open(url, {"Range": "bytes=%d-%d" % (start, offset + length - 1)}) as answer:
                    if answer.status == 206:
                        match = _RANGE.match(answer.headers.get("Content-Range") or "")
                        if not match or int(match.group(1)) != start:
                            raise HttpError("nonsense", url, "answers another range than was asked for")
                        whole = int(match.group(3)) if match.group(3) != "*" else whole
                    elif start:
                        raise HttpError("nonsense", url, "does not serve ranges, so its head cannot be read without the whole file")
                    else:
                        given = answer.headers.get("Content-Length")
                        whole = int(given) if given and given.isdigit() else whole
                    if "text/html" in (answer.headers.get("Content-Type") or ""):
                        raise HttpError("nonsense", url, "answers with a web page instead of a model")
                    got = self._read(answer, url, length - len(body), end)
            except HttpError as error:
                if error.kind not in ("unreachable", "busy"):
                    raise
                got, failure = b"", error
            else:
                failure = HttpError("unreachable", url, "stalls after %d bytes" % (offset + len(body) + len(got)))
            body += got
            if whole is not None and offset + len(body) >= whole:
                break
            if len(body) >= length:
                break
            idle = 0 if got else idle + 1
            if idle >= self.tries or self.clock() > end:
                raise failure
            if not got:
                self.sleep(min(1.0 * idle, 2.0))
        return bytes(body), whole


def _words(problem):
    if isinstance(problem, (socket.timeout, TimeoutError)):
        return "no byte in time"
    return getattr(problem, "strerror", None) or str(problem) or type(problem).__name__
