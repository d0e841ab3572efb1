# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which address and prefix each Ollama host gets. Without these tests a host's own server could be called by a name that its container cannot
reach, or two hosts' models could not be told apart."""

from __future__ import annotations

import pytest
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.web_ui.backends import open_webui_backend_problems, open_webui_backends

HOSTVARS = {
    "gpu1.example.net": {"ansible_host": "10.0.0.5"},
    "gpu2.example.net": {"ollama_port": 11500},
    "gpu1.other.net": {},
    "v6": {"ansible_host": "fd00::5"},
    "hub": {"ansible_host": "10.0.0.1"},
    "proxied": {
        "open_webui_backend_url": "https://llm.example.net/ollama/",
        "open_webui_backend_prefix": "cloud",
        "open_webui_backend_key": "token",
    },
}


def urls(hosts, mode="bridge"):
    return [backend["url"] for backend in open_webui_backends(hosts, HOSTVARS, "hub", mode)]


def test_addresses():
    assert urls(["gpu1.example.net", "gpu2.example.net", "v6"]) == [
        "http://10.0.0.5:11434",
        "http://gpu2.example.net:11500",
        "http://[fd00::5]:11434",
    ]


@pytest.mark.parametrize(
    "mode, url",
    [("host", "http://127.0.0.1:11434"), ("auto", "http://127.0.0.1:11434"), ("bridge", "http://host.docker.internal:11434")],
)
def test_the_hosts_own_server(mode, url):
    assert urls(["hub"], mode) == [url]


def test_a_host_may_say_everything_itself():
    assert open_webui_backends(["proxied"], HOSTVARS, "hub", "bridge") == [{"url": "https://llm.example.net/ollama", "prefix_id": "cloud", "key": "token"}]


@pytest.mark.parametrize(
    "hosts, prefixes",
    [
        (["gpu1.example.net", "gpu2.example.net"], ["gpu1", "gpu2"]),
        (["gpu1.example.net", "gpu1.other.net"], ["gpu1.example.net", "gpu1.other.net"]),
    ],
)
def test_short_prefixes_where_they_tell_hosts_apart(hosts, prefixes):
    assert [backend["prefix_id"] for backend in open_webui_backends(hosts, HOSTVARS, "hub", "bridge")] == prefixes


def test_no_prefixes_on_request():
    assert open_webui_backends(["gpu1.example.net"], HOSTVARS, "hub", "bridge", prefixes=False)[0]["prefix_id"] == ""


@pytest.mark.parametrize(
    "backend, says",
    [
        ({"url": "http://a:11434", "prefix_id": "a", "key": "k", "connection_type": "local"}, None),
        ({"url": "http://a:11434", "prefix": "a"}, "has the unknown key prefix: did you mean prefix_id?"),
        ({"url": "http://a:11434", "conection_type": "local"}, "has the unknown key conection_type: did you mean connection_type?"),
        ({"url": "http://a:11434", "colour": "red"}, "has the unknown key colour: it has url, prefix_id, key, key_file, connection_type."),
        ({"address": "http://a:11434"}, "has the unknown key address: did you mean url?"),
        ({"prefix_id": "a"}, "has no url; write the server's address"),
        ("http://a:11434", "is 'http://a:11434'; write a dictionary"),
    ],
)
def test_a_wrong_connection_is_named_once_with_the_right_key(backend, says):
    """Without it `prefix` in place of `prefix_id` is refused after Ollama was changed, in words of Ansible's own."""
    problems = open_webui_backend_problems([{"url": "http://first:11434"}, backend])
    assert problems == [] if says is None else len(problems) == 1 and problems[0].startswith("open_webui_backends[1] ") and says in problems[0]
