# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that a client may try at a gateway, from the gateway's own host.

    ask.py URL CA FAKES             URL of the gateway, its certificate ('' for none), address of the host on which the three fake Ollamas run
    ask.py URL CA FAKES stream FILE one stream; its end is written to FILE
    ask.py URL CA FAKES load FILE   requests without a pause until FILE.stop is there; what became of them is written to FILE

The first sentence that does not hold ends it. What is told to wait is waited for by what can be seen of it, never by the clock.
"""

from __future__ import annotations

import concurrent.futures
import http.client
import json
import pathlib
import re
import ssl
import sys
import time
import urllib.parse

URL, CA, FAKES = sys.argv[1:4]
PORTS = {"gpu-a": 11501, "gpu-b": 11502, "gpu-c": 11503}
ANN, BOB, SLOW, OLD = "ann" * 10, "bob" * 10, "slow" * 8, "old" * 10
CHAT = "/v1/chat/completions"
# gateway_queue_requests of the scenario.
QUEUE = 20
# A stream that lasts through changes of the gateway hears nothing for as long as these take.
PATIENCE = 900 if len(sys.argv) > 4 else 60


def connection():
    place = urllib.parse.urlsplit(URL)
    if place.scheme == "http":
        return http.client.HTTPConnection(place.netloc, timeout=PATIENCE)
    return http.client.HTTPSConnection(place.netloc, timeout=PATIENCE, context=ssl.create_default_context(cafile=CA))


def ask(method, path, key=ANN, body=None, headers=None, chunked=False):
    """(status, headers, text)."""
    link = connection()
    body = json.dumps(body) if isinstance(body, dict) else body
    sent = {"Authorization": "Bearer " + key} if key else {}
    link.request(method, path, iter([body.encode()]) if chunked else body, {**sent, **(headers or {})}, encode_chunked=chunked)
    answer = link.getresponse()
    text = answer.read().decode()
    link.close()
    return answer.status, answer.headers, text


def control(name, method, path):
    link = http.client.HTTPConnection(FAKES, PORTS[name] + 100, timeout=PATIENCE)
    link.request(method, path)
    text = link.getresponse().read().decode()
    link.close()
    return text


def until(what, holds):
    for _try in range(PATIENCE * 10):
        if holds():
            return
        time.sleep(0.1)
    raise SystemExit("never came: " + what)


def go(name):
    """Let the one request that waits on a host go on."""
    until("a request that waits on " + name, lambda: control(name, "GET", "/waiting") == "1")
    control(name, "POST", "/go")


def metric(name, *labels):
    link = http.client.HTTPConnection("127.0.0.1", 8405, timeout=PATIENCE)
    link.request("GET", "/metrics")
    lines = link.getresponse().read().decode().splitlines()
    link.close()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(name + "{") and all(label in line for label in labels))


def check(name, got, wanted):
    if got != wanted:
        raise SystemExit("%s: %r, not %r" % (name, got, wanted))


def model(name, **more):
    return {"model": name, **more}


# (what, method, path, key, body) -> status and the error's code, or the host that answers.
CASES = [
    ("a chat", "POST", CHAT, ANN, model("m2:14b"), 200, "gpu-c"),
    ("Ollama's own chat", "POST", "/api/chat", ANN, model("m2:14b"), 200, "gpu-c"),
    ("generate", "POST", "/api/generate", ANN, model("m2:14b"), 200, "gpu-c"),
    ("embeddings", "POST", "/api/embed", ANN, model("x"), 200, "gpu-a"),
    ("a name in capitals", "POST", "/api/chat", ANN, model("M2:14B"), 200, "gpu-c"),
    ("an older client", "POST", "/api/show", ANN, {"name": "x:latest"}, 200, "gpu-a"),
    ("an alias", "POST", CHAT, ANN, model("gpt-4o"), 200, "gpu-c"),
    ("a model of another namespace", "POST", "/api/chat", ANN, model("hf.co/a/b:Q4_K_M"), 200, "gpu-c"),
    ("the version", "GET", "/api/version", ANN, None, 200, None),
    ("the health", "GET", "/healthz", None, None, 200, None),
    ("one model", "GET", "/v1/models/m1:7b", ANN, None, 200, None),
    ("one model that is not there", "GET", "/v1/models/m1:8b", ANN, None, 404, "model_not_found"),
    ("no model", "POST", CHAT, ANN, {}, 400, "model_missing"),
    ("no JSON", "POST", CHAT, ANN, "hello", 400, "model_missing"),
    ("a model that is not there", "POST", CHAT, ANN, model("m1:70b"), 404, "model_not_found"),
    ("a pull", "POST", "/api/pull", ANN, model("m1:7b"), 403, "path_not_allowed"),
    ("a delete", "DELETE", "/api/delete", ANN, model("m1:7b"), 403, "path_not_allowed"),
    ("a copy", "POST", "/api/copy", ANN, model("m1:7b"), 403, "path_not_allowed"),
    ("a creation", "POST", "/api/create", ANN, model("m1:7b"), 403, "path_not_allowed"),
    ("a push", "POST", "/api/push", ANN, model("m1:7b"), 403, "path_not_allowed"),
    ("a blob", "POST", "/api/blobs/sha256:0", ANN, model("m1:7b"), 403, "path_not_allowed"),
    ("a way round", "POST", "/v1/../api/pull", ANN, model("m1:7b"), 403, "path_not_allowed"),
    ("another way round", "POST", "/v1/%2e%2e/api/pull", ANN, model("m1:7b"), 403, "path_not_allowed"),
    ("what is loaded", "GET", "/api/ps", ANN, None, 404, "not_offered"),
    ("a wrong method", "GET", "/api/chat", ANN, None, 405, "method_not_allowed"),
    ("no key", "POST", CHAT, None, model("m2:14b"), 401, "missing_api_key"),
    ("no key for a list", "GET", "/v1/models", None, None, 401, "missing_api_key"),
    ("a wrong key", "POST", CHAT, "x" * 30, model("m2:14b"), 401, "invalid_api_key"),
    ("a key that has expired", "POST", CHAT, OLD, model("m2:14b"), 401, "expired_api_key"),
    ("the model of a key", "POST", CHAT, BOB, model("m2:14b"), 200, "gpu-c"),
    ("another model", "POST", CHAT, BOB, model("m1:7b"), 403, "model_not_allowed"),
    ("two models in one body", "POST", CHAT, BOB, '{"model":"m2:14b","Model":"m1:7b"}', 400, "model_ambiguous"),
    ("a model behind an escape", "POST", CHAT, BOB, '{"model":"m2:14b","mod\\u0065l":"m1:7b"}', 400, "model_ambiguous"),
    ("an old name beside the model", "POST", "/api/show", BOB, '{"name":"m2:14b","Model":"m1:7b"}', 400, "model_ambiguous"),
    ("a body that speaks of models", "POST", CHAT, BOB, '{"messages":[{"content":"\\"model\\": \\"a\\""}],"model":"m2:14b"}', 200, "gpu-c"),
]


def cases():
    for what, method, path, key, body, status, told in CASES:
        got, _headers, text = ask(method, path, key, body)
        check("status of " + what, got, status)
        answer = json.loads(text) if text.startswith("{") else {}
        check("answer to " + what, (answer.get("error") or {}).get("code") if status >= 400 else answer.get("host"), told)
        check("credentials that a host gets by " + what, answer.get("credentials"), None)
    status, _headers, text = ask("POST", CHAT, None, model("m2:14b"), {"x-api-key": ANN})
    check("a key as Anthropic's clients send it", (status, json.loads(text)["credentials"]), (200, None))
    check("near names", "m1:7b" in json.loads(ask("POST", CHAT, ANN, model("m1:70b"))[2])["error"]["message"], True)
    names = ["gpt-4o:latest", "hf.co/a/b:q4_k_m", "m1:7b", "m2:14b", "x:latest"]
    check("the list", [row["id"] for row in json.loads(ask("GET", "/v1/models")[2])["data"]], names)
    check("Ollama's list", [row["name"] for row in json.loads(ask("GET", "/api/tags")[2])["models"]], names)
    check("the list of a key", [row["id"] for row in json.loads(ask("GET", "/v1/models", BOB)[2])["data"]], ["m2:14b"])


def rates():
    """Five a minute: of ten, those above are refused with the word when to come again."""
    answers = [ask("GET", "/v1/models", SLOW) for _time in range(10)]
    check("how often a key may ask", [status for status, _headers, _text in answers], [200] * 5 + [429] * 5)
    check("when it may come again", answers[-1][1]["Retry-After"], "60")


def sizes():
    """The model stands behind 20 MB; above the limit is a 413, whether or not the length is told."""
    fits, above = ('{"messages":[{"content":"%s"}],"model":"m2:14b"}' % ("x" * size) for size in (20_000_000, 33_554_432))
    for chunked in (False, True):
        status, _headers, text = ask("POST", CHAT, ANN, fits, chunked=chunked)
        check("20 MB", (status, json.loads(text)["bytes"]), (200, len(fits)))
    status, _headers, text = ask("POST", CHAT, ANN, above, chunked=True)
    check("too large, of unknown length", (status, json.loads(text)["error"]["code"]), (413, "request_too_large"))
    link = connection()
    link.putrequest("POST", CHAT)
    link.putheader("Authorization", "Bearer " + ANN)
    link.putheader("Content-Length", str(len(above)))
    link.endheaders()
    check("too large, of known length, before a byte of it is sent", link.getresponse().status, 413)
    link.close()


def queue():
    """Both hosts have one request each, as their plans say; the queue is full of others; the next one is told to come again."""
    with concurrent.futures.ThreadPoolExecutor(QUEUE + 2) as pool:
        held = [pool.submit(ask, "POST", CHAT, ANN, model("m1:7b", hold=True)) for _one in range(2)]
        until("one request on each host", lambda: [control(name, "GET", "/waiting") for name in ("gpu-a", "gpu-b")] == ["1", "1"])
        queued = [pool.submit(ask, "POST", CHAT, ANN, model("m1:7b")) for _one in range(QUEUE)]
        until("a full queue", lambda: metric("haproxy_backend_current_queue", 'proxy="m1:7b"') == QUEUE)
        status, headers, text = ask("POST", CHAT, ANN, model("m1:7b"))
        check("a full queue", (status, json.loads(text)["error"]["code"], headers["Retry-After"]), (503, "overloaded", "5"))
        check("another model meanwhile", ask("POST", CHAT, ANN, model("m2:14b"))[0], 200)
        for name in ("gpu-a", "gpu-b"):
            control(name, "POST", "/go")
        check("the rest", [one.result()[0] for one in held + queued], [200] * (QUEUE + 2))


def stream():
    """The host sends its second line when it is told to, which happens once the first is here: a gateway that buffers never gets there."""
    link = connection()
    link.request("POST", "/api/chat", json.dumps(model("m2:14b", stream=True)), {"Authorization": "Bearer " + ANN})
    answer = link.getresponse()
    check("the first line", json.loads(answer.readline())["line"], 1)
    return answer


def streams():
    answer = stream()
    go("gpu-c")
    check("the second line", json.loads(answer.readline())["line"], 2)
    check("the end", answer.readline(), b"")


def many():
    """200 requests, as many at once as the queue takes, beside an open stream: none is lost."""
    open_stream = stream()
    with concurrent.futures.ThreadPoolExecutor(QUEUE) as pool:
        statuses = [one.result()[0] for one in [pool.submit(ask, "POST", CHAT, ANN, model("x")) for _one in range(200)]]
    check("200 requests", statuses, [200] * 200)
    go("gpu-c")
    check("the stream beside them", json.loads(open_stream.readline())["line"], 2)


def failover():
    """A host is killed: what it was saying breaks off, what comes next goes to the other one at once, and it is out of the metrics."""
    check("both are up", metric("haproxy_backend_active_servers", 'proxy="m1:7b"'), 2)
    broken_off()
    link = connection()
    link.request("POST", "/api/chat", json.dumps(model("m1:7b", stream=True)), {"Authorization": "Bearer " + ANN})
    answer = link.getresponse()
    victim = json.loads(answer.readline())["host"]
    control(victim, "POST", "/down")
    try:
        check("what follows in a stream whose host is killed", answer.read(), None)
    except (http.client.IncompleteRead, ConnectionError):
        pass
    other = {"gpu-a": "gpu-b", "gpu-b": "gpu-a"}[victim]
    for _time in range(5):
        status, _headers, text = ask("POST", CHAT, ANN, model("m1:7b"))
        check("after the kill", (status, json.loads(text).get("host")), (200, other))
    until("it is down in the metrics", lambda: metric("haproxy_backend_active_servers", 'proxy="m1:7b"') == 1)
    control(other, "POST", "/down")
    until("both are down", lambda: metric("haproxy_backend_active_servers", 'proxy="m1:7b"') == 0)
    status, headers, text = ask("POST", CHAT, ANN, model("m1:7b"))
    check("no healthy host", (status, json.loads(text)["error"]["code"], "m1:7b" in text, headers["Retry-After"]), (503, "no_healthy_host", True, "5"))
    check("the list is the plans'", len(json.loads(ask("GET", "/v1/models")[2])["data"]), 5)
    for name in ("gpu-a", "gpu-b"):
        control(name, "POST", "/up")
    until("they are back", lambda: metric("haproxy_backend_active_servers", 'proxy="m1:7b"') == 2)


def broken_off():
    """A host that has taken a request, and is killed before it answers: the client is told which, and that it may try again."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        # Above 1 MiB, of which HAProxy keeps no copy.
        asked = pool.submit(ask, "POST", CHAT, ANN, model("m1:7b", hold=True, messages="x" * 2_000_000))
        until("a request on a host", lambda: "1" in [control(name, "GET", "/waiting") for name in ("gpu-a", "gpu-b")])
        victim = next(name for name in ("gpu-a", "gpu-b") if control(name, "GET", "/waiting") == "1")
        control(victim, "POST", "/down")
        status, headers, text = asked.result()
    told = json.loads(text)["error"]
    check("a host that broke off", (status, told["code"], victim in told["message"], headers["Retry-After"]), (502, "bad_gateway", True, "5"))
    control(victim, "POST", "/up")
    until("it is back", lambda: metric("haproxy_backend_active_servers", 'proxy="m1:7b"') == 2)


def numbers():
    """Every number that the shipped alerts and the dashboard are about is there."""
    link = http.client.HTTPConnection("127.0.0.1", 8405, timeout=PATIENCE)
    link.request("GET", "/metrics")
    told = link.getresponse().read().decode()
    link.close()
    shipped = "".join(pathlib.Path("/opt", name).read_text(encoding="utf-8") for name in ("alerts.rules", "dashboard.json"))
    for name in sorted(set(re.findall(r"haproxy_\w+", shipped))):
        check("the number " + name, bool(re.search(r"^%s\{.*proxy=\"(m1:7b|hosts|gateway)\"" % name, told, re.MULTILINE)), True)


def load(file):
    """Three clients that never stop asking for the model that two hosts hold."""
    begun, stop = pathlib.Path(file + ".begun"), pathlib.Path(file + ".stop")

    def client():
        statuses = []
        while not stop.exists():
            statuses.append(ask("POST", CHAT, ANN, model("m1:7b"))[0])
            begun.touch()
        return statuses

    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        statuses = [status for one in [pool.submit(client) for _one in range(3)] for status in one.result()]
    pathlib.Path(file).write_text("lost %d" % sum(status != 200 for status in statuses), encoding="utf-8")


if len(sys.argv) > 4 and sys.argv[4] == "load":
    load(sys.argv[5])
elif len(sys.argv) > 4:
    long = stream()
    pathlib.Path(sys.argv[5] + ".begun").touch()
    pathlib.Path(sys.argv[5]).write_text("line %d" % json.loads(long.readline())["line"], encoding="utf-8")
else:
    for part in (cases, rates, sizes, queue, streams, many, failover, numbers):
        part()
    print("all of it")
