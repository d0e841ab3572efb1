# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small client of Ollama's HTTP API: every call has an end, every error has words."""

from __future__ import annotations

import functools
import http.client
import json
import socket
import ssl
from urllib.parse import urlsplit

from ansible_collections.llmfleet.ollama.plugins.module_utils import answers
from ansible_collections.llmfleet.ollama.plugins.module_utils.defaults import API_URL

# One line of a stream is a few hundred bytes; a server that sends more than this isn't Ollama.
MAX_LINE = 1 << 20
# /api/tags of a thousand models is about 500 kB, /api/show with a big template less.
MAX_BODY = 64 << 20


@functools.cache
def authorities():
    """Read once: it takes longer than all the rest of a request in a local network."""
    return ssl.create_default_context()


class OllamaError(Exception):
    """The server answered with an error: `status` and its own words."""

    def __init__(self, message, status=None):
        super().__init__(message)
        self.message = message
        self.status = status


class ApiUnreachable(OllamaError):
    """No answer at all: refused, timed out, or cut before the answer was whole."""


class StreamCut(ApiUnreachable):
    """A stream that ended without its last word."""


class StreamSilent(ApiUnreachable):
    """A stream that said nothing for longer than it may."""


def parse_line(line):
    """One line of an `application/x-ndjson` answer to a dict; an `error` in it becomes an OllamaError."""
    if len(line) > MAX_LINE:
        raise OllamaError("the answer holds a line of more than %d bytes: this isn't Ollama's API" % MAX_LINE)
    text = line.strip()
    if not text:
        return None
    try:
        message = json.loads(text.decode("utf-8"))
    except (UnicodeDecodeError, ValueError, RecursionError):
        raise OllamaError("the answer holds a line that isn't JSON: %s" % _excerpt(text))
    if not isinstance(message, dict):
        raise OllamaError("the answer holds a line that isn't an object: %s" % _excerpt(text))
    # Ollama has sent status 200 by the time that most things go wrong: the error is a line of the stream.
    if message.get("error"):
        raise OllamaError(str(message["error"]), status=200)
    return message


def _excerpt(data):
    return repr(data[:120].decode("utf-8", "replace"))


class OllamaApi:
    """Ollama at one address."""

    def __init__(self, url, timeout=30):
        parts = urlsplit(url if "://" in url else "http://" + url)
        try:
            port = parts.port
        except ValueError:
            port = 0
        if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
            raise ValueError("api_url '%s' is not an address of Ollama: write %s" % (url, API_URL))
        self.scheme = parts.scheme
        self.host = parts.hostname
        self.port = port or (443 if self.scheme == "https" else 80)
        self.prefix = parts.path.rstrip("/")
        self.url = url
        self.timeout = timeout

    def _connect(self, timeout):
        # No proxy on purpose: Ollama's own API is always reached directly.
        if self.scheme == "https":
            return http.client.HTTPSConnection(self.host, self.port, timeout=timeout, context=authorities())
        return http.client.HTTPConnection(self.host, self.port, timeout=timeout)

    def _send(self, connection, method, path, body):
        headers = {"Accept": "application/json"}
        data = None
        if body is not None:
            data = json.dumps(body).encode("utf-8")
            headers["Content-Type"] = "application/json"
        connection.request(method, self.prefix + path, body=data, headers=headers)
        return connection.getresponse()

    def call(self, method, path, body=None, timeout=None):
        """One request, one JSON answer ({} for an empty one)."""
        connection = self._connect(timeout or self.timeout)
        try:
            answer = self._send(connection, method, path, body)
            data = answers.up_to(answer, MAX_BODY)
        except (OSError, http.client.HTTPException) as exc:
            raise ApiUnreachable(describe(exc))
        finally:
            connection.close()
        if answer.status >= 400:
            raise OllamaError(_error_words(answer, data), status=answer.status)
        if not data.strip():
            return {}
        try:
            value = json.loads(data.decode("utf-8"))
        except (UnicodeDecodeError, ValueError, RecursionError):
            raise OllamaError("%s %s answered with something that isn't JSON: %s" % (method, path, _excerpt(data)), status=answer.status)
        if not isinstance(value, dict):
            raise OllamaError("%s %s answered with something that isn't an object: %s" % (method, path, _excerpt(data)), status=answer.status)
        return value

    def stream(self, path, body, silence):
        """Every line of a streamed answer. `silence()` says how many seconds the next line may take."""
        connection = self._connect(self.timeout)
        try:
            try:
                connection.connect()
                connection.sock.settimeout(silence())
                sock = connection.sock
                answer = self._send(connection, "POST", path, body)
                if answer.status >= 400:
                    raise OllamaError(_error_words(answer, answers.up_to(answer, MAX_LINE)), status=answer.status)
            except (OSError, http.client.HTTPException) as exc:
                raise ApiUnreachable(describe(exc))
            while True:
                try:
                    sock.settimeout(silence())
                    line = answer.readline(MAX_LINE + 1)
                except socket.timeout:
                    raise StreamSilent("nothing came for %d seconds" % silence())
                except (OSError, http.client.HTTPException) as exc:
                    raise StreamCut("the answer was cut off: %s" % describe(exc))
                if not line:
                    return
                message = parse_line(line)
                if message is not None:
                    yield message
        finally:
            connection.close()

    # The calls that the collection makes, by name.

    def version(self):
        return str(self.call("GET", "/api/version").get("version") or "")

    def tags(self):
        return _entries(self.call("GET", "/api/tags"), "models")

    def running(self):
        return _entries(self.call("GET", "/api/ps"), "models")

    def show(self, model):
        return self.call("POST", "/api/show", {"model": model})

    def copy(self, source, destination):
        self.call("POST", "/api/copy", {"source": source, "destination": destination})

    def delete(self, model):
        self.call("DELETE", "/api/delete", {"model": model})

    def has_blob(self, digest):
        try:
            self.call("HEAD", "/api/blobs/" + digest)
        except ApiUnreachable:
            raise
        except OllamaError as exc:
            if exc.status == 404:
                return False
            raise
        return True


def _entries(answer, field):
    """A list of dicts out of an answer; Ollama writes null for an empty one."""
    return [entry for entry in answer.get(field) or [] if isinstance(entry, dict)]


def _error_words(answer, data):
    try:
        words = json.loads(data.decode("utf-8"))["error"]
    except (UnicodeDecodeError, ValueError, KeyError, TypeError):
        words = data[:200].decode("utf-8", "replace").strip()
    return str(words or "HTTP %d %s" % (answer.status, answer.reason))


def describe(exc):
    """An exception in words that a person can use."""
    if isinstance(exc, socket.timeout):
        return "no answer in time"
    if isinstance(exc, socket.gaierror):
        return "the host's name does not resolve"
    if isinstance(exc, http.client.IncompleteRead):
        return "the answer was cut off"
    if isinstance(exc, OSError) and exc.strerror:
        return exc.strerror.lower()
    return str(exc) or exc.__class__.__name__
