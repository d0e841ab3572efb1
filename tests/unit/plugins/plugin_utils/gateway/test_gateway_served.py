# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A HAProxy with the gateway's configuration, and somebody who wants more than is his. Deleted, a key for one model could ask for all by a body that HAProxy
reads otherwise than Ollama does, and a path written in another way could reach what changes a host."""

from __future__ import annotations

import gzip
import http.client
import http.server
import json
import shutil
import socket
import subprocess
import threading
import time

import pytest
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.gateway import config, fleet
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.gateway.wish import Key, digest_of

ANN, BOB, OLD = "ann" * 10, "bob" * 10, "old" * 10
HOUR = 3600
LIMIT = 32 << 20
# As the role's defaults, without TLS.
WISH = {
    "host": "127.0.0.1", "keys": [1], "accept_plain_http": False, "allowed_cidrs": [], "web_ui": False, "tls_names": [], "tls_certificate": "",
    "tls_key": "", "max_body_bytes": LIMIT, "max_connections": 512, "queue_requests": 64, "queue_seconds": 60, "timeout_seconds": 600,
}  # fmt: skip
PAD = "x" * 20_000_000
ALLOWED, OTHER = '"model":"m2:14b"', '"model":"m1:7b"'
CHAT = "/api/chat"


class Host(http.server.BaseHTTPRequestHandler):
    """Plays Ollama: answers with the model as Go reads it, the last of the names that differ in their case only; dies where it is asked to."""

    protocol_version = "HTTP/1.1"
    asked: list = []

    def log_message(self, *_words):
        pass

    def answer(self, content):
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.answer({"version": "0.32.15"})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])), object_pairs_hook=list)
        told = {key.lower(): value for key, value in body}
        self.asked.append(self.path)
        if "die" in told:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.answer({"model": told.get("model") or told.get("name"), "credentials": self.headers.get("Authorization")})


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """HAProxy ends its questions for health without a word."""


def free_ports(count):
    held = [socket.create_server(("127.0.0.1", 0)) for _one in range(count)]
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    program = shutil.which("haproxy")
    if program is None:
        pytest.skip("not to be had here: HAProxy, whose answers are looked at")
    folder = tmp_path_factory.mktemp("gateway")
    port, metrics, redirect = free_ports(3)
    server = Server(("127.0.0.1", 0), Host)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    now = int(time.time())
    keys = [
        Key("ann", digest_of(ANN), expires=now + HOUR),
        Key("bob", digest_of(BOB), models=("m2:14b",)),
        Key("old", digest_of(OLD), expires=now - HOUR),
    ]
    host = fleet.Host("gpu-a", "127.0.0.1:%d" % server.server_port, (fleet.Model("m1:7b", 4), fleet.Model("m2:14b", 4)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(config, "FOLDER", str(folder))
        patch.setattr(config.runtime, "SOCKET", str(folder / "socket"))
        wish = {**WISH, "port": port, "metrics_port": metrics, "redirect_port": redirect}
        for name, text in config.files(wish, keys, fleet.Fleet((host,)), config.room(wish, 8 << 30)).items():
            # Who runs the tests has no user of that name.
            text = "\n".join(line for line in text.splitlines() if not line.strip().startswith(("user ", "group ", "chroot "))) + "\n"
            (folder / name).write_text(text, encoding="utf-8")
    log = folder / "log"
    with open(log, "wb") as file:
        process = subprocess.Popen([program, "-db", "-f", str(folder / "haproxy.cfg")], stdout=file, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + 60
        while not listens(port):
            assert process.poll() is None and time.monotonic() < deadline, log.read_text(encoding="utf-8")
            time.sleep(0.05)
        yield port, redirect, log
    finally:
        process.terminate()
        process.wait()
        server.shutdown()
        server.server_close()


def listens(port):
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def ask(gateway, body, key=BOB, path=CHAT, method="POST", headers=()):
    """(status, JSON); the path goes out as it is written."""
    link = http.client.HTTPConnection("127.0.0.1", gateway[0], timeout=120)
    body = body.encode() if isinstance(body, str) else body
    link.putrequest(method, path, skip_accept_encoding=True)
    for name, value in (("Authorization", "Bearer " + key), ("Content-Length", str(len(body))), *headers):
        link.putheader(name, value)
    link.endheaders()
    try:
        link.send(body)
    except OSError:
        # It was refused before its end.
        pass
    answer = link.getresponse()
    text = answer.read()
    link.close()
    return answer.status, json.loads(text) if text.startswith(b"{") else {}


GIVEN = {
    "the model of the key": "{%s}" % ALLOWED,
    "behind long messages": '{"messages":"%s",%s}' % (PAD, ALLOWED),
    "before long messages": '{%s,"messages":"%s"}' % (ALLOWED, PAD),
    "by the name of older clients": '{"name":"m2:14b"}',
    "with tools that have names": '{%s,"tools":[{"name":"a"},{"name":"b"}]}' % ALLOWED,
    "with words about models": '{%s,"prompt":"\\"model\\": \\"m1:7b\\""}' % ALLOWED,
    "over several lines": '{\n "prompt": "",\n "model" :\t"M2:14b"\n}\n',
}
# The first of two is HAProxy's, the last is Go's. PCRE gives up after ten million steps, which once let a body through that was long enough.
STOLEN = {
    "two models": "{%s,%s}" % (ALLOWED, OTHER),
    "in capitals": '{%s,"MODEL":"m1:7b"}' % ALLOWED,
    "with blanks": '{%s,"model" \n\t: "m1:7b"}' % ALLOWED,
    "as an escape": '{%s,"mode\\u006c":"m1:7b"}' % ALLOWED,
    "an old name beside none": '{"name":"m2:14b","model":null,"Model":"m1:7b"}',
    "an empty one before it": '{"name":"m2:14b","model":"",%s}' % OTHER,
    "far behind": '{%s,"x":"%s",%s}' % (ALLOWED, PAD, OTHER),
    "far before the end": '{%s,%s,"x":"%s"}' % (ALLOWED, OTHER, PAD),
    "among quotes": '{%s,%s,"x":"%s"}' % (ALLOWED, OTHER, '\\"' * 10_000_000),
    "old names far before the end": '{"name":"m2:14b","name":"m1:7b","x":"%s"}' % PAD,
}


@pytest.mark.parametrize("body", GIVEN.values(), ids=GIVEN)
def test_a_key_has_its_model(gateway, body):
    status, told = ask(gateway, body)
    assert (status, told["model"].lower(), told["credentials"]) == (200, "m2:14b", None)


@pytest.mark.parametrize("body", STOLEN.values(), ids=STOLEN)
def test_a_key_has_no_other_model(gateway, body):
    Host.asked.clear()
    status, told = ask(gateway, body)
    assert (status, told["error"]["code"], Host.asked) == (400, "model_ambiguous", [])


# The buffer is as long as a body may be; what stands before that must not push the end of it out.
HEADS = {
    "an address": {"path": CHAT + "?" + "a" * 1_000_000},
    "one header": {"headers": (("X-A", "a" * 900_000),)},
    "many headers": {"headers": tuple(("X-%d" % number, "a" * 300) for number in range(90))},
}


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_a_long_head_hides_no_end_of_a_body(gateway, head):
    Host.asked.clear()
    body = '{%s,"x":"%s",%s}' % (ALLOWED, "x" * (LIMIT - 60), OTHER)
    status, told = ask(gateway, body, **head)
    assert (status, told["error"]["code"], Host.asked) == (431, "head_too_large", [])


def test_the_largest_body_behind_the_largest_head_is_seen_whole(gateway):
    """Else one just below both limits would be cut."""
    body = '{"x":"%s",%s}' % ("x" * (LIMIT - len(ALLOWED) - 9), ALLOWED)
    assert len(body) == LIMIT
    status, told = ask(gateway, body, path=CHAT + "?" + "a" * 24_000, headers=tuple(("X-%d" % number, "a" * 230) for number in range(90)))
    assert (status, told["model"]) == (200, "m2:14b")


PATHS = (
    "/api/pull", "/api/push", "/api/create", "/api/delete", "/api/copy", "/api/blobs/sha256:0", "/api/me", "/api/signout",
    "/api/%70ull", "/API/PULL", "/Api/chat", "/api/pull/", "//api/pull", "/api//pull", "/./api/pull", "/\\api\\pull", "*",
    "/v1/../api/pull", "/v1/%2e%2e/api/pull", "/v1//../api/pull", "/v1/chat/completions%00", "/V1/chat/completions",
    "/api/chat/../pull", "/api/chat;/../pull", "/api/chat%2f..%2fpull", "http://HOST/api/pull", "http://HOST/v1/../api/pull",
)  # fmt: skip


def test_no_way_of_writing_a_path_changes_a_host(gateway):
    """With a key for all models, and with each method by which Ollama changes something."""
    Host.asked.clear()
    here = "127.0.0.1:%d" % gateway[0]
    paths = [path.replace("HOST", here) for path in PATHS]
    answers = {(method, path): ask(gateway, "{%s}" % OTHER, ANN, path, method) for path in paths for method in ("POST", "DELETE", "PUT")}
    # HAProxy 3.0 takes some for no request at all.
    assert {asked: told for asked, (status, told) in answers.items() if status != 400 and (status, told["error"]["code"]) != (403, "path_not_allowed")} == {}
    assert ask(gateway, "{%s}" % OTHER, ANN, "/v1/models/../../api/pull")[0] == 405
    assert Host.asked == []
    assert ask(gateway, "{%s}" % OTHER, ANN, "http://%s%s" % (here, CHAT))[0] == 200, "an address with its host is one of the API's, too"


def test_a_body_that_the_gateway_cannot_read_is_told(gateway):
    """Ollama takes some that are compressed; without a word for it a client would hear that its request names no model."""
    Host.asked.clear()
    for coding in ("gzip", "zstd"):
        status, told = ask(gateway, gzip.compress(b"{%s}" % OTHER.encode()), ANN, headers=(("Content-Encoding", coding),))
        assert (status, told["error"]["code"], Host.asked) == (415, "encoding_not_supported", [])


def test_a_key_ends_with_its_day(gateway):
    assert [ask(gateway, "{%s}" % ALLOWED, key)[0] for key in (ANN, OLD)] == [200, 401]
    assert ask(gateway, "{%s}" % ALLOWED, OLD)[1]["error"]["code"] == "expired_api_key"


def test_a_host_that_dies_with_a_large_request_is_named_and_asked_once(gateway):
    """It may have done what it was asked to; who asked decides whether to ask again."""
    Host.asked.clear()
    status, told = ask(gateway, '{"die":1,%s,"x":"%s"}' % (ALLOWED, "x" * (2 << 20)))
    assert (status, told["error"]["code"], Host.asked) == (502, "bad_gateway", [CHAT])
    assert "The host gpu-a broke off" in told["error"]["message"]


def test_the_log_is_a_line_of_json_whatever_was_asked(gateway):
    """A line that is cut tells neither host nor status, and who reads it stumbles over it."""
    status, told = ask(gateway, '{"model":"%s"}' % ("\\u0001ü" * 100_000), ANN)
    assert status == 404 and len(told["error"]["message"]) < 1000
    assert ask(gateway, "", ANN, "/" + "\\" * 500)[0] == 403
    deadline = time.monotonic() + 60
    # HAProxy writes a line behind its answer, and the last one may be there in half.
    while odd_requests(text := gateway[2].read_text(encoding="utf-8")) != {403, 404}:
        assert time.monotonic() < deadline, text[-3000:]
        time.sleep(0.05)
    assert not [name for name in (ANN, BOB, OLD) if name in text]


def odd_requests(text):
    lines = [json.loads(line) for line in text.rpartition("\n")[0].splitlines() if line.startswith("{")]
    return {line["status"] for line in lines if line["path"].startswith("/\\\\") or line["model"].startswith("\x01")}


@pytest.mark.parametrize("host, sent", [("hub", "hub"), ("hub:80", "hub"), ("[fd00::1]", "[fd00::1]"), ("[fd00::1]:80", "[fd00::1]")])
def test_plain_http_is_sent_on_to_the_same_host(gateway, host, sent):
    link = http.client.HTTPConnection("127.0.0.1", gateway[1], timeout=60)
    link.request("GET", "/v1/models?a=1", headers={"Host": host})
    answer = link.getresponse()
    assert (answer.status, answer.headers["Location"]) == (308, "https://%s:%d/v1/models?a=1" % (sent, gateway[0]))
    link.close()
