# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is called behind. Deleted, a fleet could be told every day that it lacks a release with known trouble, or never that it lacks a good one."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import yaml
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.registry import RegistryClient
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.registry_address import parse_registry
from ansible_collections.llmfleet.ollama.plugins.plugin_utils import outdated, releases
from support import ROOT
from support.fake_ollama import FakeOllama, FakeRegistry, Server, model_blobs
from support.fake_ollama_v2 import NewerOllama

DEFAULT = releases.default()


def seen(**more):
    return {"ollama": DEFAULT, "open_webui": None, "models": {}, "silent": [], **more}


def newest(ollama=DEFAULT, open_webui="0.12.4"):
    return {"ollama": {"version": ollama}, "open_webui": {"version": open_webui}}


CASES = {
    "nothing newer": (seen(), newest(), {}, ()),
    "newer, with known trouble": (seen(), newest("0.40.2"), {}, ()),
    "below the default": (seen(ollama="0.31.0"), newest("0.40.2"), {}, ("Ollama 0.31.0, where there is %s (0.40.2 has known trouble" % DEFAULT,)),
    "not known here": (seen(), newest("99.1.0"), {}, ("where there is 99.1.0 (which this collection does not know yet",)),
    "the web UI": (seen(ollama=None, open_webui="0.11.0"), newest(), {}, ("Open WebUI 0.11.0, where there is 0.12.4",)),
    "a tag has moved": (seen(models={"m:1b": ["a" * 64]}), newest(), {"m:1b": ["b" * 64]}, ("m:1b is sha256:aaaaaaaaaaaa, and its tag has moved",)),
    "the same under another digest": (seen(models={"m:1b": ["a" * 64]}), newest(), {"m:1b": ["a" * 64, "b" * 64]}, ()),
    "nobody has it": (seen(models={"mine:1": ["a" * 64]}), newest(), {"mine:1": None}, ()),
    "pinned": (seen(models={"p:1": ["a" * 64]}), newest(), {"p:1": ["b" * 64]}, ()),
    "digests that nobody shares": (
        seen(ollama="0.9.3", models={"m:1b": ["a" * 64]}), newest(), {"m:1b": ["b" * 64]}, ("Ollama 0.9.3, where there is",)),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_is_behind(name):
    looked, upstream, registry, said = CASES[name]
    behind = outdated.compare(looked, upstream, registry, outdated.pins([{"model": "p:1", "digest": "sha256:" + "a" * 64}, {"family": "x"}]))
    assert len(behind) == len(said) and all(words in item["text"] for words, item in zip(said, behind, strict=True))


class GitHub(Server):
    def __init__(self, **versions):
        self.versions, self.asked = versions, []
        super().__init__()

    def answer(self, request, _verb):
        self.asked.append(request.path)
        project = request.path.split("/")[3]
        version = self.versions.get(project.replace("-", "_"))
        self.send(request, 200 if version else 503, {"tag_name": version} if version else {})


@pytest.fixture
def fleet(tmp_path):
    """Two hosts of one Ollama and one registry, and a GitHub of their own."""
    registry, github = FakeRegistry(), GitHub(ollama="v" + DEFAULT, open_webui="v0.12.4")
    registry.put("library/small/1b", model_blobs("small"))
    server = FakeOllama(tmp_path / "store", registry, DEFAULT)
    server.have("small:1b", model_blobs("small"))
    server.have("mine:1", model_blobs("mine"))
    address, port = server.host.split(":")
    common = {"ollama_port": int(port), "llm_registry": registry.url, "ansible_connection": "local", "outdated_github": github.url}
    hosts = {name: {"ansible_host": address, **common} for name in ("gpu1", "gpu2")}
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump({"all": {"children": {"ollama": {"hosts": hosts}}}}), encoding="utf-8")

    def run():
        (tmp_path / "ansible.cfg").write_text("[defaults]\n", encoding="utf-8")
        environment = dict(os.environ, ANSIBLE_CONFIG=str(tmp_path / "ansible.cfg"), ANSIBLE_NOCOLOR="1", NO_PROXY="*")
        environment["ANSIBLE_COLLECTIONS_PATH"] = str(ROOT / "collections")
        command = [sys.executable, "-m", "ansible", "playbook", "-i", str(tmp_path / "hosts.yml"), "playbooks/outdated.yml"]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        return done.returncode, " ".join((done.stdout + done.stderr).split())

    run.registry, run.github, run.server = registry, github, server
    yield run
    for one in (registry, github, server):
        one.stop()


def test_what_ollama_has_converted_has_no_digest_to_compare(tmp_path):
    """Deleted, each model that 0.40 has loaded once would be called behind, whatever its tag is."""
    registry = FakeRegistry()
    server = NewerOllama(tmp_path / "store", registry)
    try:
        for name in ("old:1b", "new:1b"):
            server.have(name, model_blobs(name))
        server.convert("old:1b")
        looked = outdated.look("http://" + server.host, "", RegistryClient(parse_registry(""), "", tries=1, no_proxy="*"))
    finally:
        registry.stop()
        server.stop()
    assert list(looked["models"]) == ["new:1b"] and not looked["silent"]


def test_the_playbook_ends_with_2_when_something_is_behind_and_asks_each_registry_once(fleet):
    """Deleted, cron would never know, or a fleet of 200 hosts would ask the public registry 200 times for each model."""
    code, text = fleet()
    assert code == 0, text
    asked = [path for path, _agent in fleet.registry.asked]
    assert len(asked) == 3 and asked.count("/v2/library/small/manifests/1b") == 2, "once for each generation, not for each host"
    assert len(fleet.github.asked) == 2
    fleet.registry.put("library/small/1b", model_blobs("moved"))
    fleet.server.version = "0.31.0"
    code, text = fleet()
    assert code == 2 and "small:1b is sha256:" in text and "Ollama 0.31.0, where there is %s" % DEFAULT in text and "mine:1" not in text


def test_without_github_and_registry_the_shipped_data_is_compared_with_and_said(fleet):
    """Deleted, a closed network would be told that all is well, or nothing at all."""
    fleet.github.versions.clear()
    fleet.registry.fault = 503
    fleet.server.version = "0.31.0"
    code, text = fleet()
    assert code == 2 and "compared with what this collection knows, Ollama %s" % DEFAULT in text
    assert "whether tags have moved there is not known" in text and json.dumps(DEFAULT)[1:-1] in text


def test_a_silent_host_is_not_called_up_to_date(fleet):
    """Deleted, a server that is down would look like one with the newest release."""
    fleet.server.stop()
    client = RegistryClient(parse_registry(""), "", tries=1, no_proxy="*")
    found = outdated.look(fleet.server.url, fleet.github.url, client)
    assert (found["ollama"], found["open_webui"], found["models"]) == (None, None, {}) and len(found["silent"]) == 2
    assert outdated.compare(found, newest("99.1.0", "99.1.0"), {}) == []
