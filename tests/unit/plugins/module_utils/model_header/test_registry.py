# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Metadata from a real HTTP server that behaves well and badly.

Without these tests a registry that redirects, stalls or lies could hang a plan, spoil the cache or give a wrong size.
"""

from __future__ import annotations

import hashlib
import json
import os
import time

import pytest
from ansible_collections.llmfleet.ollama.plugins.module_utils.model_header.http_client import HttpClient
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.source import metadata
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.source.cache import Cache
from support import gguf_bytes, servers

FILE = gguf_bytes.whole_file(*gguf_bytes.small_model())


def digest_of(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Upstream:
    """A registry with one model, and switches for its vices."""

    def __init__(self):
        self.blobs, self.manifest, self.vice, self.requests, self.sent = {}, {}, None, [], 0
        self.publish(FILE)

    def publish(self, data, config=None, model_type="application/vnd.ollama.image.model", extra=()):
        config = json.dumps(config if config is not None else {"model_format": "gguf", "file_type": "F16", "model_type": "1B"}).encode()
        params = json.dumps({"num_ctx": 4096}).encode()
        layers = [(model_type, data), ("application/vnd.ollama.image.params", params)] + list(extra)
        self.blobs = {digest_of(part): part for _kind, part in layers + [("", config)]}
        self.manifest = {
            "schemaVersion": 2,
            "config": {"digest": digest_of(config), "size": len(config)},
            "layers": [{"mediaType": kind, "digest": digest_of(part), "size": len(part)} for kind, part in layers],
        }


def handler(upstream):
    class Handler(servers.Quiet):
        protocol_version = "HTTP/1.1"

        def give(self, status, body=b"", **headers):
            self.answer(status, body, {key.replace("_", "-"): value for key, value in headers.items()})
            upstream.sent += len(body)

        def do_GET(self):
            upstream.requests.append((self.path, self.headers.get("Range")))
            vice = upstream.vice
            if isinstance(vice, int):
                return self.give(vice)
            if vice == "html":
                return self.give(200, b"<html>please log in</html>", Content_Type="text/html")
            if vice == "endless":
                return self.give(307, Location=self.path)
            if vice == "stall":
                time.sleep(600)
                return None
            if "/manifests/" in self.path:
                return self.give(200, json.dumps(upstream.manifest).encode())
            data = upstream.blobs.get(self.path.rsplit("/", 1)[-1])
            if data is None:
                return self.give(404)
            if vice == "redirect" and not self.path.startswith("/cdn/"):
                return self.give(307, Location="/cdn/" + self.path.rsplit("/", 1)[-1])
            return self.blob(data, vice)

        def blob(self, data, vice):
            asked = self.headers.get("Range")
            if not asked or vice == "no ranges":
                return self.give(200, data)
            first, last = (int(part) for part in asked[6:].split("-"))
            part = data[first : last + 1]
            if vice == "cut" and len(part) > 1000:
                self.send_response(206)
                self.send_header("Content-Range", "bytes %d-%d/%d" % (first, first + len(part) - 1, len(data)))
                self.send_header("Content-Length", str(len(part)))
                self.end_headers()
                self.wfile.write(part[:1000])
                upstream.sent += 1000
                self.close_connection = True
                return None
            shift = 5 if vice == "wrong range" else 0
            return self.give(206, part, Content_Range="bytes %d-%d/%d" % (first + shift, first + len(part) - 1, len(data)))

    return Handler


@pytest.fixture
def upstream():
    made = Upstream()
    with servers.serving(handler(made)) as made.url:
        yield made


@pytest.fixture
def ask(upstream, tmp_path):
    def run(name="tiny:1b", timeout=0.4, cache=None, deadline=4):
        client = HttpClient(timeout=timeout, deadline=deadline, sleep=lambda _seconds: None)
        return metadata.Headers(upstream.url, cache or Cache(str(tmp_path / "cache")), client)(name)

    return run


def test_a_header_becomes_metadata(upstream, ask):
    found, why, _final = ask()
    assert why is None
    assert found["general.architecture"] == "qwen2" and found["source"] == "header"
    assert found["parameters"] == {"num_ctx": 4096} and found["quantization"] == "F16"
    assert found["digest"] == digest_of(json.dumps(upstream.manifest).encode())
    assert found["blob_bytes"] == len(FILE) and found["download_bytes"] > len(FILE)
    assert sum(tensor["bytes"] for tensor in found["tensors"]) + found["header_bytes"] == len(FILE)


def test_a_warm_cache_opens_no_connection(upstream, ask):
    first = ask()
    count = len(upstream.requests)
    assert ask() == first and len(upstream.requests) == count


def test_two_tags_of_one_file_cost_one_header(upstream, ask):
    ask("tiny:1b")
    ask("tiny:latest")
    assert len([path for path, asked in upstream.requests if asked]) == 1


def test_many_processes_at_once_fetch_one_header(upstream, tmp_path):
    """Each fork of Ansible plans one host; the file lock makes them wait for the first."""
    children = []
    for _number in range(5):
        child = os.fork()
        if not child:
            cache = Cache(str(tmp_path / "cache"))
            found, _why, _final = metadata.Headers(upstream.url, cache, HttpClient(timeout=5))("tiny:1b")
            os._exit(0 if found else 1)
        children.append(child)
    assert all(os.waitpid(child, 0)[1] == 0 for child in children)
    assert len([path for path, asked in upstream.requests if asked]) == 1


def test_a_large_model_costs_its_head_only(upstream, ask):
    keys, tensors = gguf_bytes.small_model(tokens=200000)
    data = gguf_bytes.head(keys, tensors) + b"\0" * (200000 * 64 * 2 * 2 + 4096 * 4 * 4)
    upstream.publish(data)
    found = ask()[0]
    assert found["tokenizer.ggml.tokens.count"] == 200000
    assert len(data) > 48 * 1024**2 and upstream.sent < 16 * 1024**2


@pytest.mark.parametrize("vice", ["redirect", "cut", "no ranges"])
def test_harmless_vices_are_borne(upstream, ask, vice):
    upstream.vice = vice
    # Cut transfers take more than a hundred requests, which a busy machine does not answer in the deadline of the other tests.
    found, why, _final = ask(deadline=120)
    assert why is None and found["qwen2.block_count"] == 2


REFUSALS = [
    (401, "needs a sign-in"),
    (404, "does not exist"),
    (412, "newer Ollama"),
    (429, "slow down"),
    (500, "HTTP 500"),
    ("html", "web page"),
    ("endless", "redirects without end"),
    ("stall", "no byte in time"),
    ("wrong range", "another range"),
]


@pytest.mark.parametrize("vice,words", REFUSALS)
def test_refusals_name_the_model_and_the_address(upstream, ask, vice, words):
    upstream.vice = vice
    found, why, _final = ask()
    assert found is None and words in why
    # Of a registry that says nothing at all the sentence is the same for each model, so that it is told once.
    assert upstream.url in why and ("tiny:1b" in why or vice in (500, "stall"))


def test_a_silent_registry_is_not_asked_again_for_each_tag_and_host(upstream, ask):
    upstream.vice = "stall"
    ask("tiny:1b")
    count = len(upstream.requests)
    found, why, _final = ask("other:7b")
    assert found is None and why.startswith("%s (llm_registry) does not answer" % upstream.url) and len(upstream.requests) == count
    assert "tiny" not in why, "the address of another model's question"


def test_what_a_silent_registry_said_before_is_used(upstream, ask, tmp_path):
    now = [1000.0]
    cache = Cache(str(tmp_path / "clock"), clock=lambda: now[0])
    first = ask(cache=cache)
    now[0] += metadata.MANIFEST_AGE + 1
    upstream.vice = "stall"
    assert ask(cache=cache) == first


def test_a_moved_tag_is_seen_after_a_day(upstream, ask, tmp_path):
    now = [1000.0]
    cache = Cache(str(tmp_path / "clock"), clock=lambda: now[0])
    ask(cache=cache)
    upstream.publish(gguf_bytes.whole_file(*gguf_bytes.small_model(layers=3)))
    assert ask(cache=cache)[0]["qwen2.block_count"] == 2
    now[0] += metadata.MANIFEST_AGE + 1
    assert ask(cache=cache)[0]["qwen2.block_count"] == 3


def test_models_that_cannot_be_sized_are_refused_with_the_way_out(upstream, ask):
    upstream.publish(FILE, config={"model_format": "safetensors"})
    assert "take a tag in GGUF format" in ask("a:1")[1]
    upstream.publish(FILE, config={"remote_host": "ollama.com", "remote_model": "x"})
    assert "runs in the cloud" in ask("b:1")[1]
    upstream.publish(FILE, model_type="application/vnd.ollama.image.license")
    assert "has no model layer" in ask("c:1")[1]
    upstream.publish(FILE, model_type="application/vnd.ollama.image.tensor")
    assert "safetensors" in ask("d:1")[1]
    upstream.publish(b"GGUF" + b"\xff" * 4000)
    assert "cannot be sized" in ask("e:1")[1]


def test_a_projector_beside_the_model_is_counted(upstream, ask):
    upstream.publish(FILE, extra=[("application/vnd.ollama.image.projector", b"p" * 12345)])
    assert ask()[0]["projector_bytes"] == 12345


@pytest.mark.parametrize("damage", [b"", b"{", b'{"format": 1}', b"\xff\xfe\x00", b'{"format":1,"key":"x","value":3,"written":1}', b"[]"])
def test_a_damaged_cache_is_as_good_as_none(upstream, ask, tmp_path, damage):
    first = ask()
    for file in (tmp_path / "cache").glob("*.json"):
        file.write_bytes(damage)
    assert ask() == first


def test_a_failed_read_leaves_the_cache_whole(upstream, ask, tmp_path):
    first = ask()
    upstream.vice = "html"
    assert ask("other:1")[0] is None
    upstream.vice = None
    count = len(upstream.requests)
    assert ask() == first and len(upstream.requests) == count
    assert not list((tmp_path / "cache").glob(".new-*"))


def test_a_cache_that_cannot_be_written_is_no_reason_to_fail(upstream, ask, tmp_path):
    (tmp_path / "file").write_text("no folder")
    assert ask(cache=Cache(str(tmp_path / "file" / "below")))[1] is None


def test_files_and_sources_of_the_lookup(upstream, tmp_path):
    path = tmp_path / "m.gguf"
    path.write_bytes(FILE)

    def never(_name):
        raise AssertionError("no header was asked for")

    assert metadata.lookup(str(path), ["catalogue"], never)["blob_bytes"] == len(FILE)
    assert metadata.lookup("deepseek-r1:14b", ["catalogue"], never)["source"] == "catalogue"
    assert metadata.lookup("somebody/thing:7b-q8_0", ["catalogue", "estimate"], never)["source"] == "estimate"
    with pytest.raises(metadata.NotFound, match="catalogue does not have"):
        metadata.lookup("thing:big", ["catalogue"], never)
    assert metadata.lookup("deepseek-r1:8b", ["header", "catalogue"], lambda _name: (None, "silent", False))["source"] == "catalogue"


@pytest.mark.parametrize(
    "name,registry,url",
    [
        ("deepseek-r1:14b", "", "https://registry.ollama.ai/v2/library/deepseek-r1"),
        ("me/mine", "", "https://registry.ollama.ai/v2/me/mine"),
        ("x:1", "http://mirror.lan", "http://mirror.lan/v2/library/x"),
        ("x:1", "mirror.lan:5080", "https://mirror.lan:5080/v2/library/x"),
        ("huggingface.co/org/repo:Q4_K_M", "http://mirror.lan", "https://huggingface.co/v2/org/repo"),
        ("modelscope.cn/org/repo:Q4_K_M", "", "https://modelscope.cn/v2/org/repo"),
    ],
)
def test_where_a_name_is_asked_for(name, registry, url):
    from ansible_collections.llmfleet.ollama.plugins.module_utils.model_header import registry as registries
    from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing import names

    assert registries.base_url(names.parse(name), registry) == url
