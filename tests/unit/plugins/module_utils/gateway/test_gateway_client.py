# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client's look at a gateway. Deleted, verify.yml could call a gateway proved that lets everybody in, lacks a model, or answers with nothing."""

from __future__ import annotations

import json
import ssl
import subprocess

import pytest
from ansible_collections.llmfleet.ollama.plugins.module_utils.gateway import client
from ansible_collections.llmfleet.ollama.plugins.modules import chat_check
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.gateway import openai_client
from support import needs, servers

KEY = "k" * 32
CHAT = {"choices": [{"message": {"content": " Hello. "}}]}
EMBEDDING = {"data": [{"embedding": [0.5] * 8}]}
# As a server streams it.
STREAM = b"".join(
    b"data: %s\n\n" % json.dumps(chunk).encode()
    for chunk in (
        {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m:1b", "choices": [{"index": 0, "delta": {"content": "Hello."}}]},
        {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m:1b", "choices": [], "usage": dict.fromkeys(
            ("prompt_tokens", "completion_tokens", "total_tokens"), 2)},
    )
) + b"data: [DONE]\n\n"  # fmt: skip


@pytest.fixture
def gateway():
    """`told`: what it says of a path, as (status, content); who comes without a key is refused, unless `open`."""

    class Handler(servers.Quiet):
        def do_GET(self):
            server.heard.append(self.path)
            known = server.open or self.headers["Authorization"] == "Bearer " + KEY
            status, content = server.told[self.path] if known else (401, {"error": {"message": "A key is needed"}})
            self.answer(status, content, {"Content-Type": "text/event-stream" if isinstance(content, bytes) else "application/json"})

        def do_POST(self):
            server.asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.do_GET()

    server = servers.Server(Handler)
    server.heard, server.open, server.asked = [], False, None
    server.told = {
        "/v1/models": (200, {"data": [{"id": "m:1b"}, {"id": "e:1b"}]}),
        "/v1/chat/completions": (200, CHAT),
        "/v1/embeddings": (200, EMBEDDING),
    }
    yield server
    server.end()


def prove(server, model="m:1b", embedding=False, key=KEY):
    return client.prove(client.Gateway(server.url, timeout=30), key, model, embedding, "Hello?", 8)


def test_a_good_gateway(gateway):
    told = prove(gateway)
    assert (told["models"], told["answer"]) == (["m:1b", "e:1b"], "Hello.")
    assert gateway.heard == ["/v1/models", "/v1/models", "/v1/chat/completions"]
    assert (gateway.asked["model"], gateway.asked["max_tokens"]) == ("m:1b", 8)
    assert prove(gateway, "e:1b", True)["answer"] == "an embedding of 8 numbers"


def test_the_thoughts_of_a_model_are_an_answer(gateway):
    gateway.told["/v1/chat/completions"] = (200, {"choices": [{"message": {"content": "", "reasoning": "Well"}}]})
    assert prove(gateway)["answer"] == "Well"


def test_a_gateway_of_no_keys_is_not_asked_without_one(gateway):
    gateway.open = True
    assert prove(gateway, key="")["answer"] == "Hello."
    assert gateway.heard == ["/v1/models", "/v1/chat/completions"]


@pytest.mark.parametrize(
    "change, says",
    [
        ({"open": True}, "answers 200 to a request without a key, not 401"),
        ({"/v1/models": (500, {"error": "out of order"})}, "answers 500 to its list of models: out of order"),
        ({"/v1/models": (200, {"data": []})}, "does not offer m:1b, which the plans have"),
        (
            {"/v1/chat/completions": (503, {"error": {"message": "No host answers."}})},
            "answers 503 to /v1/chat/completions for m:1b: No host answers.",
        ),
        ({"/v1/chat/completions": (200, {"choices": []})}, "answered for m:1b with nothing"),
    ],
)
def test_what_is_no_proof(gateway, change, says):
    gateway.open = change.pop("open", False)
    gateway.told.update(change)
    with pytest.raises(client.Unproved, match=says.replace(".", "[.]")) as caught:
        prove(gateway)
    assert not isinstance(caught.value, client.Unreachable)


def test_nobody_there(gateway):
    """The controller may not be let in, and then the gateway's own host is asked."""
    gateway.end()
    with pytest.raises(client.Unreachable, match="does not answer"):
        prove(gateway)


def encrypted(server, folder, names):
    """Its authority: a certificate of its own for these names."""
    openssl = needs.tool("openssl")
    certificate, key = folder / "c.pem", folder / "c.key"
    command = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=gateway", "-days", "2"]
    command += ["-addext", "subjectAltName=" + names, "-addext", "keyUsage=critical,digitalSignature,keyCertSign", "-out", certificate, "-keyout", key]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    return certificate.read_text(encoding="ascii")


def prove_encrypted(server, authority, own=False):
    return client.prove(client.Gateway("https://127.0.0.1:%d" % server.server_port, authority, 30, own), KEY, "m:1b", False, "Hello?", 8)


def test_the_fleets_own_certificate_is_proved(gateway, tmp_path):
    assert prove_encrypted(gateway, encrypted(gateway, tmp_path, "IP:127.0.0.1"))["answer"] == "Hello."


def prove_as_users_do(server, authority, model="m:1b", embedding=False):
    gateway = client.Gateway("https://127.0.0.1:%d" % server.server_port, authority, 30)
    return client.prove(gateway, KEY, model, embedding, "Hello?", 8, openai_client.answered)


def test_openais_own_client_comes_through_with_key_and_certificate(gateway, tmp_path, monkeypatch):
    """Deleted, a gateway could be called proved that the client of nearly all its users cannot speak with."""
    authority = encrypted(gateway, tmp_path, "IP:127.0.0.1")
    gateway.told["/v1/chat/completions"] = (200, STREAM)
    told = prove_as_users_do(gateway, authority)
    assert (told["answer"], told["client"], gateway.asked["stream"], gateway.asked["max_tokens"]) == ("Hello.", "openai", True, 8)
    assert told["first_token_seconds"] >= 0 and gateway.heard[-1] == "/v1/chat/completions"
    assert prove_as_users_do(gateway, authority, "e:1b", True)["answer"] == "an embedding of 8 numbers"
    gateway.told["/v1/chat/completions"] = (503, {"error": {"message": "No host answers.", "code": "no_healthy_host"}})
    with pytest.raises(client.Unproved, match="does not answer OpenAI's client for m:1b: No host answers[.]"):
        prove_as_users_do(gateway, authority)
    gateway.told["/v1/chat/completions"] = (200, b"data: [DONE]\n\n")
    with pytest.raises(client.Unproved, match="answered for m:1b with nothing"):
        prove_as_users_do(gateway, authority)
    monkeypatch.setattr(chat_check, "openai", None)
    gateway.told["/v1/chat/completions"] = (200, CHAT)
    assert prove_as_users_do(gateway, authority)["client"] == "http", "a machine without the package proves it, too"


def test_a_certificate_that_clients_refuse_is_no_proof(gateway, tmp_path):
    """They trust the fleet's own authority and nothing else; the gateway's own host, which looks at no name, would call it proved."""
    authority = encrypted(gateway, tmp_path, "DNS:elsewhere")
    with pytest.raises(client.Unproved, match="shows a certificate that clients refuse: .*run site.yml --tags gateway") as caught:
        prove_encrypted(gateway, authority)
    assert not isinstance(caught.value, client.Unreachable)
    assert prove_encrypted(gateway, authority, own=True)["answer"] == "Hello."


def test_whom_this_machine_trusts_is_not_the_clients_matter(gateway, tmp_path):
    """A certificate that was given may be for a name, and of an authority, that only the clients know."""
    encrypted(gateway, tmp_path, "DNS:elsewhere")
    with pytest.raises(client.Unreachable):
        prove_encrypted(gateway, "")
