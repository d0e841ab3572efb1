# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/plan.yml against a registry that answers badly: what a person reads, what it costs, and that the others of the fleet are planned.

Without this test a vice that the reader refuses could still reach the terminal as a traceback, or stop hosts that have nothing to do with it.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import struct
import time

import pytest
from support import GIB, MIB, gguf_bytes, loopback_registry

KEYS, TENSORS = gguf_bytes.small_model()
FILE = gguf_bytes.whole_file(KEYS, TENSORS)


def status(code):
    return lambda handler: handler.answer(code, b"{}")


def page(handler):
    handler.answer(200, b"<!doctype html><html>please log in</html>", {"Content-Type": "text/html"})


def endless(handler):
    """A manifest without end; whoever reads it all never stops."""
    handler.send_response(200)
    handler.end_headers()
    with contextlib.suppress(OSError):  # the reader hangs up
        for _part in range(4096):
            handler.wfile.write(b" " * 65536)


def loop(handler):
    handler.answer(307, b"", {"Location": handler.path})


def silent(_handler):
    time.sleep(90)


def manifest(layers, **more):
    return json.dumps(dict({"schemaVersion": 2, "layers": layers}, **more)).encode()


def layer(size, digest="sha256:" + "a" * 64, kind=loopback_registry.MODEL):
    return {"mediaType": kind, "digest": digest, "size": size}


# tag -> (answer to the manifest or bytes of the file, words that a person reads)
VICES = {
    "s401": (status(401), "needs a sign-in at {url}: use a public model, or a mirror that has it"),
    "s404": (status(404), "does not exist at {url}: check the tag, or the mirror"),
    "s412": (status(412), "needs a newer Ollama, says {url}: raise ollama_version"),
    "s429": (status(429), "since {url} asks to slow down (HTTP 429): try later, or set llm_registry to a mirror"),
    "html": (page, "{url} answers with a web page instead of a manifest"),
    "endless": (endless, "{url} sends more than 4194304 bytes"),
    "loop": (loop, "{url} redirects without end"),
    "nonsense": (b'{"layers": 7}', "{url} is no manifest"),
    "deep": (b"[" * 200000, "{url} is no manifest"),
    "empty": (manifest([layer(5, kind="application/vnd.ollama.image.license")]), "the manifest at {url} has no model layer"),
    "negative": (manifest([layer(-5)]), "{url} is a manifest with impossible layers"),
    "digest": (manifest([layer(5, "sha256:../../../../etc/passwd")]), "{url} is a manifest with impossible layers"),
    "gone": (manifest([layer(10**9, "sha256:" + "b" * 64)]), "does not exist at {base}/blobs/sha256:bbbb"),
    "cut": (FILE[: len(FILE) // 40], "{base}/blobs/sha256:"),
    "magic": (b"GGML" + FILE[4:], "does not begin with 'GGUF' but with b'GGML'"),
    "tensors": (gguf_bytes.head(KEYS, TENSORS, tensor_count=1 << 60), "it announces 1152921504606846976 tensors, which cannot be"),
    "keys": (gguf_bytes.head(KEYS, TENSORS, key_count=1 << 60), "it announces 1152921504606846976 keys, which cannot be"),
    "string": (b"GGUF" + struct.pack("<IQQQ", 3, 1, 1, (1 << 64) - 1) + bytes(200), "has 18446744073709551615 bytes, which cannot be"),
    # An array of so many strings of no length: a hole of 40 GB, of which 64 MiB are read.
    "strings": (b"GGUF" + struct.pack("<IQQQ", 3, 1, 1, 1) + b"k" + struct.pack("<IIQ", 9, 8, 1 << 61), "larger than 64 MiB"),
    "shape": (gguf_bytes.head(KEYS, [("token_embd.weight", (1 << 63, 1 << 63), 1)]), "has the impossible shape"),
}
HOLES = {"strings": 40 * GIB}


@pytest.fixture
def registry(tmp_path):
    made = loopback_registry.Registry()
    (tmp_path / "files").mkdir()
    for tag, (answer, _words) in VICES.items():
        if isinstance(answer, bytes) and not answer.startswith((b"{", b"[")):
            path = tmp_path / "files" / tag
            path.write_bytes(answer)
            os.truncate(path, max(len(answer), HOLES.get(tag, 0)))
            made.add("bad", tag, str(path))
        else:
            made.manifests["/v2/library/bad/manifests/" + tag] = answer
    (tmp_path / "files" / "good").write_bytes(FILE)
    made.add("good", "1", str(tmp_path / "files" / "good"))
    with loopback_registry.served(made):
        yield made


@pytest.mark.one_pair
def test_every_vice_is_a_sentence_and_the_rest_of_the_fleet_is_planned(tmp_path, registry):
    mute = loopback_registry.Registry()
    mute.manifests["/v2/library/bad/manifests/silent"] = silent
    with loopback_registry.served(mute):
        hosts = {tag: {"llm_models": [{"model": "bad:" + tag}]} for tag in VICES}
        hosts["good"] = {"llm_models": [{"model": "good:1"}]}
        hosts["silent"] = {"llm_models": [{"model": "bad:silent"}], "llm_registry": mute.url}
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        code, told, plans = loopback_registry.plan(
            tmp_path, dict.fromkeys(hosts, 24), {"ANSIBLE_FORKS": "8"}, hosts, llm_metadata_sources=["header"], llm_registry=registry.url
        )
    assert code and "Traceback" not in told and "Unexpected" not in told, told
    wrong = []
    for tag, (_answer, words) in dict(VICES, silent=(None, mute.url + " (llm_registry) does not answer: no byte in time")).items():
        base = "%s/v2/library/bad" % (mute.url if tag == "silent" else registry.url)
        said = " ".join(plans[tag]["errors"])
        expected = words.format(url="%s/manifests/%s" % (base, tag), base=base)
        if plans[tag]["ok"] or expected not in said or "bad:" + tag not in said or expected not in told:
            wrong.append("%s: %r not in %r" % (tag, expected, said))
    assert not wrong, "\n".join(wrong)
    assert plans["good"]["ok"] and plans["good"]["models"][0]["source"] == "header"
    # One process at most may hold the 64 MiB of a head and what was made of it.
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < max(before, 600 * 1024)
    assert registry.sent < 160 * MIB
    folder = tmp_path / "cache" / "llmfleet" / "metadata"
    names = os.listdir(folder)
    assert not [name for name in names if name.startswith(".new-")]
    entries = [json.loads((folder / name).read_text())["key"] for name in names if name.startswith("header-") and name.endswith(".json")]
    assert len(entries) == 1  # the good one's; what was refused is not kept
    count = len(registry.requests)
    code, told, plans = loopback_registry.plan(tmp_path, {"good": 24}, None, hosts, llm_metadata_sources=["header"], llm_registry=registry.url)
    assert not code and plans["good"]["ok"] and len(registry.requests) == count
