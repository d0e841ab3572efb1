# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reader of Ollama's streams. Without these, an error inside an HTTP 200, a cut or a silent server could pass for success, or hang."""

from __future__ import annotations

import json
import socket
import threading

import pytest
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.api import OllamaApi, OllamaError, StreamSilent, parse_line
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.pull_tracker import Tracker
from hypothesis import example, given, settings
from hypothesis import strategies as st

KEYS = st.sampled_from(["status", "digest", "total", "completed", "error", "x"])
MESSAGES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["success", "sha256:a"]) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner),
    max_leaves=8,
)


class OneAnswer:
    """A server that answers one request with these pieces and closes."""

    def __init__(self, pieces, hold=0.0):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:%d" % self.socket.getsockname()[1]
        self.hold = threading.Event()
        threading.Thread(target=self.serve, args=(pieces, hold), daemon=True).start()

    def serve(self, pieces, hold):
        connection, _address = self.socket.accept()
        request = b""
        # A socket closed with unread bytes would reset the connection instead of ending it.
        while not request.endswith(b"\r\n\r\n{}"):
            request += connection.recv(65536)
        for piece in pieces:
            try:
                connection.sendall(piece)
            except OSError:
                break
        self.hold.wait(hold)
        connection.close()
        self.socket.close()


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"


def read(pieces, silence=2.0, hold=0.0):
    server = OneAnswer(pieces, hold)
    try:
        return list(OllamaApi(server.url, timeout=2).stream("/api/pull", {}, lambda: silence))
    finally:
        server.hold.set()


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_a_line_or_an_error(data):
    try:
        message = parse_line(data)
    except OllamaError:
        return
    assert message is None or (isinstance(message, dict) and not message.get("error"))


@settings(max_examples=200, deadline=None)
@given(MESSAGES)
def test_any_json_is_a_line_or_an_error(value):
    try:
        message = parse_line(json.dumps(value).encode())
    except OllamaError:
        return
    assert isinstance(message, dict) and not message.get("error")


@settings(max_examples=200, deadline=None)
@given(st.lists(MESSAGES.filter(lambda value: isinstance(value, dict)), max_size=12))
@example([{"status": "pulling", "digest": "sha256:1", "total": 1, "completed": 2}])
def test_tracker_never_counts_wrong(messages):
    """A hostile or new server may send anything: counts stay within bounds, since a person and a report read them."""
    tracker = Tracker(timeout=10)
    for message in messages:
        tracker.feed(message)
        assert 0 <= tracker.downloaded <= tracker.completed <= tracker.total
        assert tracker.rate >= 0 and (tracker.seconds_left is None or tracker.seconds_left >= 0)
    assert tracker.done == any(message.get("status") == "success" for message in messages)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=30))
def test_lines_survive_any_split(cuts):
    lines = [{"status": "pulling manifest"}, {"status": "pulling é", "digest": "sha256:1", "total": 9}, {"status": "success"}]
    data = b"".join(json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in lines)
    pieces = [HEAD]
    for size in cuts:
        if data:
            pieces.append(chunk(data[:size]))
            data = data[size:]
    pieces += [chunk(data)] if data else []
    assert read(pieces + [b"0\r\n\r\n"]) == lines


@settings(max_examples=25, deadline=None)
@given(st.binary(max_size=200))
def test_garbage_from_the_socket_ends_in_words(data):
    """Whatever answers on that port, the module ends with an OllamaError or an empty stream, never with a traceback."""
    try:
        assert all(isinstance(message, dict) for message in read([data]))
    except OllamaError as exc:
        assert exc.message


def test_error_after_200_is_an_error():
    with pytest.raises(OllamaError, match="file does not exist"):
        read([HEAD, chunk(b'{"status":"pulling manifest"}\n{"error":"pull model manifest: file does not exist"}\n'), b"0\r\n\r\n"])


def test_a_cut_stream_gives_what_came_and_no_success():
    assert read([HEAD, chunk(b'{"status":"pulling manifest"}\n'), b'40\r\n{"sta'][:2]) == [{"status": "pulling manifest"}]


def test_silence_has_an_end():
    with pytest.raises(StreamSilent, match="nothing came"):
        read([HEAD, chunk(b'{"status":"pulling manifest"}\n')], silence=0.2, hold=5)


def test_an_endless_line_has_an_end():
    with pytest.raises(OllamaError, match="isn't Ollama"):
        read([HEAD] + [chunk(b"x" * 65536)] * 17 + [b"0\r\n\r\n"])


def test_progress_lines_without_progress_are_a_stall():
    """Ollama repeats its last line for ever when a mirror goes silent: only bytes are progress."""
    now = [0.0]
    tracker = Tracker(timeout=10, clock=lambda: now[0])
    line = {"status": "pulling a", "digest": "sha256:a", "total": 1 << 30, "completed": 1 << 20}
    for _line in range(100):
        tracker.feed(line)
        now[0] += 0.06
    assert not tracker.stalled()
    now[0] += 5
    tracker.feed(line)
    assert tracker.stalled()
    tracker.begin()
    assert not tracker.stalled(), "a new attempt has its own patience"


def test_hashing_a_big_model_is_not_a_stall():
    """40 GB take minutes to hash, in silence; taking that for a stall would break every big pull at its end."""
    now = [0.0]
    tracker = Tracker(timeout=60, clock=lambda: now[0])
    tracker.feed({"status": "pulling a", "digest": "sha256:a", "total": 40 << 30, "completed": 40 << 30})
    tracker.feed({"status": "verifying sha256 digest"})
    now[0] += 600
    assert not tracker.stalled()
    assert tracker.silence() > 600


def test_rate_and_time_left_follow_the_last_seconds():
    now = [0.0]
    tracker = Tracker(timeout=60, missing={"sha256:a": 1000000}, fresh=["sha256:a"], clock=lambda: now[0])
    for step in range(1, 6):
        tracker.feed({"status": "pulling a", "digest": "sha256:a", "total": 1000000, "completed": step * 100000})
        now[0] += 1
    assert tracker.rate == 100000
    assert tracker.seconds_left == 5
    assert tracker.downloaded == 500000


def test_a_layer_that_starts_again_does_not_count_backwards():
    """After a wrong hash Ollama begins a layer anew; a total that shrinks would show negative rates and times."""
    tracker = Tracker(timeout=60)
    for completed in (500, 900, 100):
        tracker.feed({"status": "pulling a", "digest": "sha256:a", "total": 1000, "completed": completed})
    assert (tracker.completed, tracker.downloaded) == (900, 400)
    tracker.feed({"status": "pulling a", "digest": "sha256:a", "total": 1000, "completed": 5000})
    assert tracker.completed == 1000


def test_bytes_of_an_earlier_run_are_not_counted_as_downloaded():
    tracker = Tracker(timeout=60, missing={"sha256:a": 1000})
    tracker.feed({"status": "pulling a", "digest": "sha256:a", "total": 1000, "completed": 900})
    tracker.feed({"status": "pulling a", "digest": "sha256:a", "total": 1000, "completed": 1000})
    assert tracker.downloaded == 100
