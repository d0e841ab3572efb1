# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""chat_check against a server on loopback that speaks as Ollama 0.9.3 and 0.32.15 were seen to.

Without these tests an embedding model could be asked to chat (and fail), a speed could hold the time of loading, the advice for a card that
is not used could be one that mends nothing, and an answer that never came could count as a proof.
"""

from __future__ import annotations

import json
import time

import pytest
from ansible.module_utils import basic
from ansible.module_utils.testing import patch_module_args
from ansible_collections.llmfleet.ollama.plugins.modules import chat_check
from support import GIB, servers


class Server:
    """`deltas` are the chunks of the stream; `own` is what /api/chat says, None for a server that has no such address."""

    def __init__(self):
        self.deltas = [{"content": word} for word in ("Hello", " to", " you", ".")]
        self.own = {"eval_count": 20, "eval_duration": 500_000_000}
        self.capabilities = ["completion"]
        self.usage, self.loaded, self.asked, self.keys, self.heat = True, False, [], set(), []
        self.size, self.size_vram, self.pause = 2 * GIB, 2 * GIB, 0.02
        self.loading, self.absent = 0.0, ""
        server = self

        class Handler(servers.Quiet):
            def do_GET(self):
                server.answer(self, {})

            def do_POST(self):
                server.answer(self, json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        self.httpd = servers.Server(Handler)
        self.url = self.httpd.url

    def answer(self, request, body):
        self.asked.append(request.path)
        self.keys.add(request.headers["Authorization"])
        if "chat" in request.path:
            self.heat.append(body.get("options", body).get("temperature"))
        if request.path == "/v1/chat/completions" and not self.absent:
            return self.stream(request, body)
        told = None if request.path.endswith(self.absent or "nothing") else {
            "/api/show": {} if self.capabilities is None else {"capabilities": self.capabilities},
            "/api/ps": {"models": [{"name": "m:1b", "size": self.size, "size_vram": self.size_vram, "context_length": 4096}] if self.loaded else []},
            "/api/chat": self.own,
            "/v1/embeddings": {
                "object": "list",
                "model": "m:1b",
                "data": [{"object": "embedding", "index": 0, "embedding": [0.5] * 768}],
                "usage": {"prompt_tokens": 3, "total_tokens": 3},
            },
        }.get(request.path)
        self.loaded = self.loaded or request.path == "/v1/embeddings"
        request.answer(404 if told is None else 200, told, {"Content-Type": "application/json"})

    def stream(self, request, body):
        self.loaded = True
        request.send_response(200)
        request.send_header("Content-Type", "text/event-stream")
        request.end_headers()
        head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": body["model"]}

        def send(**more):
            request.wfile.write(f"data: {json.dumps({**head, **more})}\n\n".encode())
            request.wfile.flush()

        time.sleep(self.loading)
        for delta in self.deltas:
            time.sleep(self.pause)
            send(choices=[{"index": 0, "delta": delta}])
        if self.usage and body.get("stream_options", {}).get("include_usage"):
            send(choices=[], usage={"prompt_tokens": 5, "completion_tokens": len(self.deltas) + 1, "total_tokens": 0})
        request.wfile.write(b"data: [DONE]\n\n")


@pytest.fixture
def server():
    running = Server()
    yield running
    running.httpd.end()


@pytest.fixture
def check(server, capsys, monkeypatch):
    # A proxy of the environment must not be asked for a server of one's own network.
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")

    def run(**options):
        basic._PARSED_MODULE_ARGS = None
        with patch_module_args({"base_url": server.url + "/v1", "model": "m:1b", "timeout": 5, **options}), pytest.raises(SystemExit):
            chat_check.main()
        return json.loads(capsys.readouterr().out)

    return run


def test_the_answer_its_speed_by_ollamas_clock_and_where_it_lies(check, server):
    told = check(api_key="the key")
    assert told["answer"] == "Hello to you." and not told["only_thoughts"] and told["completion_tokens"] == 5
    assert (told["tokens_per_second"], told["speed_source"]) == (40.0, "ollama")
    assert 0 < told["first_token_seconds"] < 5 and told["loaded_before"] is False
    assert (told["processor"], told["size_bytes"], told["context_length"]) == ("gpu", 2 * GIB, 4096)
    assert server.keys == {"Bearer the key"}, "a proxy in front of Ollama asks each request for the key"
    assert check()["loaded_before"] is True
    assert set(server.heat) == {0}, "by chance a proof would say another thing each time, and a small model nonsense"


@pytest.mark.parametrize("own", [None, {}, {"eval_count": 5, "eval_duration": 0}], ids=["no such address", "no figures", "no time"])
def test_without_ollamas_clock_the_chunks_are_timed_without_the_wait_before_the_first(check, server, own):
    """Five tokens, the last four of them in three pauses of 50 ms. With the wait for the first, which may hold the loading, it would be 6 a second.

    No upper bound: a busy machine may read the first late and the others at once.
    """
    server.own, server.pause, server.loading = own, 0.05, 0.6
    told = check()
    assert told["speed_source"] == "stream" and told["tokens_per_second"] > 5 / 0.75


def test_a_server_that_counts_no_tokens_is_counted_by_its_chunks(check, server):
    """A gateway may leave out the usage; a proof must not fail for that."""
    server.usage = False
    assert check()["completion_tokens"] == 4


def test_thoughts_alone_are_an_answer_and_are_called_so(check, server):
    """A reasoning model may reach the limit before it answers; an empty string would look like a broken model."""
    server.deltas = [{"content": "", "reasoning": "Okay, so"}, {"content": "", "reasoning": " I need"}]
    told = check()
    assert told["answer"] == "Okay, so I need" and told["only_thoughts"] is True
    server.deltas.append({"content": "Hi"})
    assert check()["answer"] == "Hi"


@pytest.mark.parametrize(("told", "capabilities"), [(True, None), (None, ["embedding"])], ids=["the plan knows", "the server knows"])
def test_an_embedding_model_is_proved_by_an_embedding(check, server, told, capabilities):
    """It cannot chat: verify.yml would call a sound host broken."""
    server.capabilities = capabilities
    answer = check(**({} if told is None else {"embedding": told}))
    assert answer["dimensions"] == 768 and answer["tokens_per_second"] is None and answer["first_token_seconds"] > 0
    assert "/v1/chat/completions" not in server.asked and "/api/chat" not in server.asked


def test_no_token_is_no_proof(check, server):
    server.deltas, server.usage = [], False
    told = check()
    assert told["failed"] and told["msg"].endswith("answered with no token at all.")


def test_a_model_that_is_gone_after_its_answer_is_no_proof(check, server):
    server.deltas, place = [{"content": "Hi"}], server.answer

    def unload(request, body):
        server.loaded = server.loaded and request.path != "/api/ps"
        place(request, body)

    server.answer = unload
    assert "/api/ps does not name it" in check()["msg"]


@pytest.mark.parametrize(
    ("in_vram", "advice", "never"),
    [(0, "llm_prove_gpu: false", "steps down"), (GIB, "run site.yml again, which steps down to what fits", "journalctl")],
    ids=["nothing on the card", "a part of it"],
)
def test_the_advice_mends_what_is_wrong(check, server, in_vram, advice, never):
    """With nothing on the card no smaller model helps; sending people to site.yml cost them a run that failed alike."""
    server.size_vram = in_vram
    told = check(require_gpu=True)
    assert told["failed"] and advice in told["msg"] and never not in told["msg"] and str(GIB) not in told["msg"]
    assert told["answer"] == "Hello to you.", "the report shows what it did answer"


def test_a_silent_server_is_named(check, server):
    server.httpd.end()
    told = check()
    assert told["failed"] and told["msg"].endswith("does not answer on %s: Connection refused; start Ollama there, or run site.yml." % server.url), told["msg"]


def test_a_gateway_without_ollamas_api_does_not_pass_for_one_without_the_model(check, server):
    server.absent = "/api/ps"
    told = check(embedding=False)
    assert told["failed"] and "run site.yml" not in told["msg"] and "404" in told["msg"], told["msg"]


@pytest.mark.parametrize("embedding", [None, False])
def test_a_model_that_is_not_there_is_told_as_such(check, server, embedding):
    """Known to be one that chats, the model is missed by the client of OpenAI, else by /api/show: two libraries, one sentence."""
    server.absent = "/completions" if embedding is False else "/show"
    told = check(embedding=embedding)
    assert told["failed"] and told["msg"].endswith("is not on %s; run site.yml, which brings it." % server.url), told["msg"]


def test_an_answer_without_an_end_is_not_read_to_its_end(server, monkeypatch):
    """Deleted, one bad host would fill the memory of the controller, on which this runs for the whole fleet."""
    monkeypatch.setattr(chat_check, "LONGEST_ANSWER", 8)
    with pytest.raises(ValueError, match="more than 8 bytes"):
        chat_check.ask_json(server.url + "/api/ps", "k")
