# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told before the first change of what will be downloaded.

Deleted, nothing would show that a disk which release, models and image share is counted once for all of them, that a size which nobody knows is not
told as 0, or that a refusal names the path and the variable to change.
"""

from __future__ import annotations

import pytest
from ansible_collections.llmfleet.ollama.plugins.plugin_utils import downloads
from support import GIB, servers

STORE, OPT, DOCKER = "/usr/share/ollama/.ollama/models", "/opt/ollama", "/var/lib/docker"
BASE = "https://example.net/download"


def disk(path, free, mount="/"):
    return {"path": path, "mount_point": mount, "free_bytes": free}


def model(name, size=9 * GIB, source="catalogue", **more):
    return {"name": name, "download_bytes": size, "source": source, **more}


def release(sizes=None):
    return downloads.release("0.32.15", ["ollama-linux-amd64.tar.zst", "ollama-linux-amd64-rocm.tar.zst"], BASE, OPT, (sizes or {}).get)


SIZES = {f"{BASE}/v0.32.15/ollama-linux-amd64.tar.zst": 2 * GIB, f"{BASE}/v0.32.15/ollama-linux-amd64-rocm.tar.zst": GIB}
IMAGE = downloads.image("0.12.4", "ghcr.io/open-webui/open-webui", "0.12.4", DOCKER)


def test_one_line_with_every_size_and_the_room_of_the_disk_that_they_share():
    parts = [release(SIZES), *downloads.models([model("deepseek-r1:14b")], [], STORE), IMAGE]
    said, problems = downloads.tell(parts, [disk(path, 40 * GIB) for path in (OPT, STORE, DOCKER)])
    assert said == (
        "To download: Ollama 0.32.15 (3.0 GiB), deepseek-r1:14b (9.0 GiB), Open WebUI 0.12.4 (about 1.7 GiB): 13.7 GiB in all; "
        "/ has 40.0 GiB free for 25.5 GiB."
    )
    assert problems == []


def test_nothing_to_download_is_not_told():
    assert downloads.tell(downloads.models([model("deepseek-r1:14b")], ["deepseek-r1:14b"], STORE), [disk(STORE, 0)]) == ("", [])


def test_each_disk_holds_its_own():
    parts = [release(SIZES), *downloads.models([model("deepseek-r1:14b")], [], STORE)]
    said, problems = downloads.tell(parts, [disk(OPT, 20 * GIB), disk(STORE, 10 * GIB, "/srv")])
    assert problems == [] and said.endswith("; / has 20.0 GiB free for 10.5 GiB, /srv has 10.0 GiB free for 9.0 GiB.")


@pytest.mark.parametrize(
    "parts, filesystems, says",
    [
        (
            downloads.models([model("deepseek-r1:14b")], [], STORE),
            [disk(STORE, 8 * GIB, "/srv")],
            "/srv (ollama_models_dir /usr/share/ollama/.ollama/models) has only 8.0 GiB free, and deepseek-r1:14b takes 9.0 GiB: make room there, or set "
            "ollama_models_dir to a larger disk; nothing was changed.",
        ),
        (
            # Each alone would fit.
            [release(SIZES), *downloads.models([model("deepseek-r1:14b")], [], STORE), IMAGE],
            [disk(path, 20 * GIB) for path in (OPT, STORE, DOCKER)],
            "/ (ollama_install_dir /opt/ollama, ollama_models_dir /usr/share/ollama/.ollama/models, the engine's own storage /var/lib/docker) has only "
            "20.0 GiB free, and Ollama 0.32.15, deepseek-r1:14b, Open WebUI 0.12.4 take 25.5 GiB: make room there, or set ollama_install_dir and "
            "ollama_models_dir to a larger disk; nothing was changed.",
        ),
        ([IMAGE], [disk(DOCKER, GIB)], "Open WebUI 0.12.4 takes 6.0 GiB: make room there, or move the engine's storage; nothing was changed."),
    ],
)
def test_a_disk_that_is_too_small_is_named_with_the_variable(parts, filesystems, says):
    _said, problems = downloads.tell(parts, filesystems)
    assert len(problems) == 1 and problems[0].endswith(says)


def test_what_nobody_knows_is_said_so():
    """The catalogue knows the first archive only; a model of an unknown registry has no size; an image from elsewhere may be anything."""
    image = downloads.image("0.12.4", "registry.example.net/webui", "0.12.4", DOCKER)
    parts = [release(), *downloads.models([model("own:1b", 0, "estimate")], [], STORE), image, *downloads.models([model("a:8b", GIB, "estimate")], [], STORE)]
    said, problems = downloads.tell(parts, [disk(STORE, 40 * GIB), {"path": OPT, "error": "no"}])
    assert said == (
        "To download: Ollama 0.32.15 (size unknown), own:1b (size unknown), Open WebUI 0.12.4 (size unknown), a:8b (about 1.0 GiB): "
        "more than 1.0 GiB in all; / has 40.0 GiB free for 1.0 GiB."
    )
    assert problems == []


def test_the_catalogue_answers_for_a_silent_server():
    part = downloads.release("0.32.15", ["ollama-linux-amd64.tar.zst"], BASE, OPT, lambda _url: None)
    assert str(part) == "Ollama 0.32.15 (about 1.3 GiB)"


def test_a_model_of_ones_own_comes_with_the_one_it_is_made_from():
    parts = downloads.models([model("r1-short", **{"from": "deepseek-r1:14b"}), model("deepseek-r1:14b")], [], STORE)
    assert [part.what for part in parts] == ["deepseek-r1:14b"]
    assert downloads.models([model("r1-short", **{"from": "deepseek-r1:14b"})], ["deepseek-r1:14b"], STORE) == []


LOOK = {
    "install": {"releases": ["0.32.15"]},
    "store": {"manifests": [{"name": "registry.ollama.ai/library/deepseek-r1:14b"}, {"name": "mirror.example/library/Qwen3:8b"}, {"name": "what/ever"}]},
    "api": {"models": [{"name": "own:latest"}, {}]},
}


def test_what_a_look_found_is_not_downloaded():
    """The look knows release and models by now; asking the host again would be a module run for each host of a fleet that is as it shall be."""
    planned = [model("deepseek-r1:14b"), model("mirror.example/library/qwen3:8b"), model("short", **{"from": "own"}), model("llama3.2:1b")]
    assert downloads.models_there(LOOK, planned) == ["deepseek-r1:14b", "mirror.example/library/qwen3:8b", "own"]
    assert downloads.has_release(LOOK, "0.32.15") and not downloads.has_release(LOOK, "0.32.1")


@pytest.mark.parametrize("look", [{}, {"store": None, "api": None, "install": None}, {"store": {"manifests": None}, "api": {"models": None}, "install": {}}])
def test_a_store_that_nobody_could_read_is_taken_for_an_empty_one(look):
    assert downloads.models_there(look, [model("deepseek-r1:14b")]) == [] and not downloads.has_release(look, "0.32.15")


def test_a_server_is_asked_for_the_size_only():
    methods = []

    class Handler(servers.Quiet):
        def do_HEAD(self):
            methods.append(self.command)
            self.send_response(200 if self.path == "/there" else 404)
            self.send_header("Content-Length", "57")
            self.end_headers()

    with servers.serving(Handler) as base:
        assert downloads.ask(base + "/there") == 57 and methods == ["HEAD"]
        assert downloads.ask(base + "/not-there") is None
    assert downloads.ask(base + "/there", timeout=1) is None
