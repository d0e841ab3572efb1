# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/plan.yml through a mirror of the inventory, in whatever state that mirror is.

A mirror is filled with what plans name, so it may not decide what can be planned. Without this test an 8 GB card behind a mirror that was filled for
a 12 GB one gets the smallest tag there is, with rc=0 and no word. The registries are real HTTP servers with full-size models whose weights are holes.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support import GIB, ROOT, full_size, headers, plays, servers

SHAPES = {model.label: model for model in headers.models()}
PUBLISHED = {
    "deepseek-r1": {"1.5b": "qwen2-1.5b", "7b": "qwen2-7b", "8b": "qwen3-8b", "14b": "qwen2-14b", "32b": "qwen2-32b", "70b": "llama-70b"},
    "qwen3": {"8b": "qwen3-8b", "14b": "qwen3-14b", "32b": "qwen3-32b"},
}
LLAMA = "8b-llama-distill-q4_K_M"
# What the plans of a fleet of known cards named once.
KNOWN = ["/v2/library/deepseek-r1/manifests/14b"]
DEBIAN = b"<html>\r\n<head><title>404 Not Found</title></head>\r\n<body>nginx</body></html>\r\n"


def library(folder: Path) -> tuple[dict, dict]:
    """(manifests by path, files by digest) of all that the registry at the end of the way has."""
    for family, tags in PUBLISHED.items():
        for tag, shape in tags.items():
            full_size.publish(folder, family, tag, SHAPES[shape], "Q4_K_M")
    full_size.publish(folder, "deepseek-r1", LLAMA, SHAPES["llama-8b"], "Q4_K_M")
    top = folder / "manifests/registry.ollama.ai"
    manifests = {"/v2/library/%s/manifests/%s" % (path.parent.name, path.name): path.read_bytes() for path in top.rglob("*") if path.is_file()}
    return manifests, {path.name.replace("-", ":"): path for path in (folder / "blobs").iterdir()}


class Server:
    """A registry, a mirror, or whatever else listens. manifests: path -> bytes; foreign(handler): what somebody else's server answers to all."""

    def __init__(self, manifests=None, files=None, foreign=None, proxied=""):
        self.manifests, self.files, self.foreign, self.proxied = manifests or {}, files or {}, foreign, proxied
        self.requests, self.url = [], ""

    @contextlib.contextmanager
    def served(self):
        with servers.serving(self._handler()) as self.url:
            self.port = int(self.url.rpartition(":")[2])
            yield self

    def _handler(self):
        ours = self

        class Handler(servers.Quiet):
            def do_GET(self):
                path = self.path.replace(ours.proxied, "", 1) if ours.proxied else self.path
                ours.requests.append(path)
                if ours.foreign:
                    return ours.foreign(self)
                if path in ours.manifests:
                    return self.answer(200, ours.manifests[path])
                file = ours.files.get(path.rpartition("/")[2])
                return self.answer_file(file) if file else self.answer(404, DEBIAN, {"Content-Type": "text/html"})

        return Handler


def page(handler):
    handler.answer(200, b"<!doctype html><html>Welcome to nginx!</html>", {"Content-Type": "text/html"})


def forbidden(handler):
    handler.answer(403, DEBIAN, {"Content-Type": "text/html"})


def elsewhere(handler):
    handler.answer(301, b"", {"Location": "https://127.0.0.1:9/"})


def nothing_there(handler):
    handler.answer(404, DEBIAN, {"Content-Type": "text/html"})


# Headers by their digest, which no cell of the grid reads anew; nothing else of a cache goes from one test to the next.
READ = {}


@pytest.fixture(scope="module")
def upstream(tmp_path_factory):
    with Server(*library(tmp_path_factory.mktemp("library"))).served() as made:
        yield made


HOSTS = {
    "known": {"gib": 12, "llm_models": [{"family": "deepseek-r1", "context": 4096}]},
    "other-card": {"gib": 24, "llm_models": [{"family": "deepseek-r1", "context": 4096}]},
    "small-card": {"gib": 8, "llm_models": [{"family": "deepseek-r1", "context": 4096}]},
    "other-family": {"gib": 12, "llm_models": [{"family": "qwen3", "context": 4096}]},
    "fixed": {"gib": 12, "llm_models": [{"model": "deepseek-r1:7b", "context": 4096}]},
}
# Each card and family once by the catalogue; the others are more of the same.
BY_CATALOGUE = ("known", "other-card", "other-family")
EXPECTED = {"known": "14b", "other-card": "32b", "small-card": "8b", "other-family": "14b", "fixed": "7b"}


def fleet(hosts=None, mirrors=None, **variables):
    """An inventory with the default sources, and by the catalogue beside them."""
    found = {}
    for name, host in (hosts or HOSTS).items():
        card = {"index": 0, "name": "card", "vendor": "nvidia", "uuid": name, "memory_usable_bytes": int(host["gib"] * GIB)}
        card["memory_bandwidth_bytes_per_second"] = 600 * 10**9
        own = {"llm_vram_override": {"devices": [card]}, **{key: value for key, value in host.items() if key != "gib"}}
        found[name] = own
        if not hosts and name in BY_CATALOGUE:
            found[name + "-catalogue"] = {**own, "llm_metadata_sources": ["catalogue"]}
    children = {"ollama": {"hosts": found, "vars": variables}, "model_mirror": {"hosts": mirrors or {}}}
    return {"all": {"children": children, "vars": {"llm_policy": {"quantizations": ["Q4_K_M"]}}}}


def plan(folder, inventory, *arguments):
    """(exit status, what a person reads, plans by host)."""
    output = folder / "plan.json"
    output.unlink(missing_ok=True)
    cache = folder / "cache/llmfleet/metadata"
    cache.mkdir(parents=True, exist_ok=True)
    for name, text in READ.items():
        (cache / name).write_text(text)
    played = plays.ours(folder, inventory, "playbooks/plan.yml", "-e", "llm_plan_output=%s" % output, *arguments, ANSIBLE_FORKS="4")
    READ.update((file.name, file.read_text()) for file in cache.glob("header-*.json"))
    return played.code, played.told, json.loads(output.read_text()) if output.exists() else {}


def assert_as_without_a_mirror(code, told, plans, asked):
    assert code == 0, told
    assert "WARNING" not in told, told
    for host, tag in EXPECTED.items():
        by_header = plans[host]["models"][0]
        assert by_header["source"] == "header" and by_header["asked"] in asked, (host, by_header["asked"])
        assert by_header["name"].endswith(":" + tag), (host, by_header["name"], plans[host]["rejected"])
    for host in BY_CATALOGUE:
        by_header, by_catalogue = (plans[name]["models"][0] for name in (host, host + "-catalogue"))
        assert (by_catalogue["source"], by_catalogue["asked"]) == ("catalogue", None), host
        assert (by_header["name"], by_header["context"]) == (by_catalogue["name"], by_catalogue["context"])
        assert abs(by_header["memory"]["total_bytes"] / by_catalogue["memory"]["total_bytes"] - 1) < 0.05


STATES = {
    "empty": {},
    "full": {"holds": KNOWN},
    "purged": {"foreign": nothing_there},
    "foreign": {"foreign": page},
    "down": {"down": True},
}


def test_without_a_mirror(tmp_path, upstream):
    """What all cells of the grid are held against."""
    code, told, plans = plan(tmp_path, fleet(llm_registry=upstream.url))
    assert_as_without_a_mirror(code, told, plans, {upstream.url})


@pytest.mark.one_pair
@pytest.mark.parametrize("state", STATES)
def test_a_mirror_in_any_state_gives_the_plan_of_no_mirror(tmp_path, upstream, state):
    """The grid: each card and family, by header and by catalogue, and no answer of the mirror in the cache."""
    how = STATES[state]
    mirror = Server({path: upstream.manifests[path] for path in how.get("holds", [])}, upstream.files, how.get("foreign"))
    with mirror.served():
        hub = {"ansible_host": "127.0.0.1", "model_mirror_port": mirror.port, "model_mirror_upstream": upstream.url}
        inventory = fleet(mirrors={"hub": hub}, llm_registry=mirror.url)
        if not how.get("down"):
            code, told, plans = plan(tmp_path, inventory)
    if how.get("down"):
        code, told, plans = plan(tmp_path, inventory)
    assert_as_without_a_mirror(code, told, plans, {upstream.url, mirror.url})
    assert plans["known"]["models"][0]["asked"] == (mirror.url if "holds" in how else upstream.url)
    keys = {json.loads(file.read_text())["key"] for file in (tmp_path / "cache").rglob("manifest-*.json")}
    assert keys and all(key.startswith(upstream.url) for key in keys), "a manifest of our own mirror was kept"
    assert not list((tmp_path / "cache").rglob("failure-*.json"))


@pytest.mark.one_pair
def test_other_servers_on_the_mirrors_port_are_no_obstacle(tmp_path, upstream):
    """Whatever somebody's web server answers with, it is not a mirror yet."""
    with Server(foreign=forbidden).served() as strict, Server(foreign=elsewhere).served() as secure:
        mirrors = {
            name: {"ansible_host": "127.0.0.1", "model_mirror_port": server.port, "model_mirror_upstream": upstream.url}
            for name, server in (("strict", strict), ("secure", secure))
        }
        hosts = {name: {**HOSTS["other-card"], "llm_registry": "http://127.0.0.1:%d" % mirrors[name]["model_mirror_port"]} for name in mirrors}
        code, told, plans = plan(tmp_path, fleet(hosts, {"hub-" + name: mirror for name, mirror in mirrors.items()}))
    assert code == 0 and "WARNING" not in told, told
    assert [(plans[name]["models"][0]["tag"], plans[name]["models"][0]["asked"]) for name in hosts] == [("32b", upstream.url)] * 2


@pytest.mark.one_pair
def test_a_mirror_that_comes_up_is_asked_at_once(tmp_path, upstream):
    """A purged hub and one that is down must not be remembered: the cure would look as if it had no effect."""
    mirror = Server(foreign=nothing_there)
    with mirror.served():
        hub = {"ansible_host": "127.0.0.1", "model_mirror_port": mirror.port, "model_mirror_upstream": upstream.url}
        inventory = fleet({"known": HOSTS["known"]}, {"hub": hub}, llm_registry=mirror.url)
        assert plan(tmp_path, inventory)[2]["known"]["models"][0]["asked"] == upstream.url
        mirror.foreign, mirror.manifests, mirror.files = None, {KNOWN[0]: upstream.manifests[KNOWN[0]]}, upstream.files
        assert plan(tmp_path, inventory)[2]["known"]["models"][0]["asked"] == mirror.url


@pytest.mark.one_pair
def test_only_the_upstream_knows_what_does_not_exist(tmp_path, upstream):
    """A fixed tag: the mirror's 404 is no answer, the upstream's is one, told once and without the facts of the host."""
    hosts = {
        "wrong": {"gib": 12, "llm_models": [{"model": "deepseek-r1:9b"}], "llm_metadata_sources": ["header", "catalogue", "estimate"]},
        "right": {"gib": 12, "llm_models": [{"model": "qwen3:8b", "context": 4096}], "llm_metadata_sources": ["header"]},
    }
    with Server().served() as mirror:
        hub = {"ansible_host": "127.0.0.1", "model_mirror_port": mirror.port, "model_mirror_upstream": upstream.url}
        code, told, plans = plan(tmp_path, fleet(hosts, {"hub": hub}, llm_registry=mirror.url))
    assert plans["right"]["models"][0]["name"] == "qwen3:8b"
    said = "deepseek-r1:9b does not exist at %s (model_mirror_upstream of hub): check the tag" % upstream.url
    assert code and plans["wrong"]["errors"] == ["llm_models[0].model is 'deepseek-r1:9b': " + said]
    assert told.count(said) <= 3 and "memory_usable_bytes" not in told and '"rejected"' not in told


@pytest.mark.one_pair
def test_a_foreign_registry_without_the_family_is_one_sentence(tmp_path):
    """A server that is no registry, and no mirror of ours: no list of tags, no advice on memory, one sentence with the variable."""
    with Server(foreign=nothing_there).served() as server:
        hosts = {"host": {**HOSTS["other-card"], "llm_metadata_sources": ["header", "catalogue"]}}
        code, told, plans = plan(tmp_path, fleet(hosts, llm_registry=server.url))
    (said,) = plans["host"]["errors"]
    told_once = "llm_models[0].family: %s (llm_registry) answers, but is no registry, or holds none of deepseek-r1's tags that fit" % server.url
    assert code and said.startswith(told_once)
    assert "less context" not in told and len(said) < 250


@pytest.mark.one_pair
def test_a_registry_that_lacks_the_smaller_tags_says_so_beside_the_memory(tmp_path, upstream):
    """Where some tags are too large and the others are not there, the advice is on the registry and not on the context."""
    # The catalogue thinks that 8b fits; by the header that is served under this name it does not.
    held = {"/v2/library/deepseek-r1/manifests/8b": upstream.manifests["/v2/library/deepseek-r1/manifests/32b"]}
    with Server(held, upstream.files).served() as server:
        hosts = {"host": {**HOSTS["known"], "llm_metadata_sources": ["header", "catalogue"]}}
        _code, _told, plans = plan(tmp_path, fleet(hosts, llm_registry=server.url))
    (said,) = plans["host"]["errors"]
    assert re.search(r" 8b is short of [\d.]+ GiB", said) and "does not have" in said and "14b" in said and "less context" not in said
    assert "bytes" not in said


def test_the_lookup_asks_beyond_the_mirror_too(tmp_path, upstream):
    """A playbook that looks at a model itself must not see another world than the plan."""
    with Server().served() as mirror:
        hub = {"ansible_host": "127.0.0.1", "model_mirror_port": mirror.port, "model_mirror_upstream": upstream.url}
        hosts = tmp_path / "hosts.json"
        hosts.write_text(json.dumps(fleet({"known": {**HOSTS["known"], "ansible_connection": "local"}}, {"hub": hub}, llm_registry=mirror.url)))
        text = "{{ lookup('llmfleet.ollama.model_metadata', 'qwen3:8b', sources=['header']).asked }}"
        command = [sys.executable, "-m", "ansible", "adhoc", "known", "-i", str(hosts), "-m", "ansible.builtin.debug", "-a", json.dumps({"msg": text})]
        environment = dict(os.environ, XDG_CACHE_HOME=str(tmp_path / "cache"))
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert upstream.url in done.stdout, done.stdout + done.stderr


@pytest.mark.one_pair
def test_two_mirrors_in_a_chain(tmp_path, upstream):
    """hub-b is filled from hub-a: what neither holds is asked of what fills hub-a, and what hub-a holds is read there."""
    held = {KNOWN[0]: upstream.manifests[KNOWN[0]]}
    with Server().served() as near, Server(held, upstream.files).served() as far:
        mirrors = {
            "hub-a": {"ansible_host": "127.0.0.1", "model_mirror_port": far.port, "model_mirror_upstream": upstream.url},
            "hub-b": {"ansible_host": "127.0.0.1", "model_mirror_port": near.port, "model_mirror_upstream": far.url},
        }
        code, told, plans = plan(tmp_path, fleet(mirrors=mirrors, llm_registry=near.url))
    assert_as_without_a_mirror(code, told, plans, {upstream.url, far.url})
    assert plans["known"]["models"][0]["asked"] == far.url and plans["other-card"]["models"][0]["asked"] == upstream.url


@pytest.mark.one_pair
def test_mirrors_that_fill_each_other_are_named(tmp_path):
    """A circle would be asked without end, or read as an empty upstream."""
    mirrors = {
        "hub-a": {"ansible_host": "192.0.2.1", "model_mirror_upstream": "http://hub-b"},
        "hub-b": {"ansible_host": "192.0.2.2", "model_mirror_upstream": "http://hub-a"},
    }
    code, told, _plans = plan(tmp_path, fleet({"host": {**HOSTS["known"], "llm_metadata_sources": ["header"]}}, mirrors, llm_registry="http://hub-a"))
    assert code and "model_mirror_upstream goes in a circle (hub-a <- hub-b <- hub-a)" in told


# -- the upstream answers the mirror's host only: a name that only a proxy resolves, and a Python on the "hub" that uses it

WRAPPER = """#!/bin/sh
echo run >> {log}
http_proxy={proxy} exec {python} "$@"
"""


@pytest.fixture
def behind_the_hub(tmp_path, upstream):
    """(the upstream's address, variables of the hub, how often Python ran there)."""
    address = "http://upstream.invalid"
    with Server(upstream.manifests, upstream.files, proxied=address).served() as proxy:
        log, wrapper = tmp_path / "python.log", tmp_path / "python"
        wrapper.write_text(WRAPPER.format(log=log, proxy=proxy.url, python=sys.executable))
        wrapper.chmod(0o755)
        hub = {"ansible_connection": "local", "ansible_host": "127.0.0.1", "ansible_python_interpreter": str(wrapper), "model_mirror_upstream": address}
        yield address, hub, lambda: len(log.read_text().splitlines()) if log.exists() else 0, proxy


@pytest.mark.one_pair
def test_an_upstream_that_answers_only_the_hub_is_asked_there_once(tmp_path, upstream, behind_the_hub):
    """The planning machine has no way out: the hub is asked over Ansible's connection, once for the fleet, and also where it is not in the play."""
    address, hub, runs, proxy = behind_the_hub
    with Server().served() as mirror:
        inventory = fleet(mirrors={"hub": {**hub, "model_mirror_port": mirror.port}}, llm_registry=mirror.url)
        code, told, plans = plan(tmp_path, inventory, "--limit", "ollama")
        assert_as_without_a_mirror(code, told, plans, {address + " over hub"})
        assert runs() == 1
        wanted = [path for path in proxy.requests if "/manifests/" in path]
        assert len(wanted) == len(set(wanted))
        assert plan(tmp_path, inventory)[2] == plans and runs() == 1, "what came over the hub is kept as what the upstream says itself"


@pytest.mark.one_pair
def test_an_upstream_that_nobody_reaches_leaves_the_catalogue_with_one_sentence(tmp_path, behind_the_hub):
    """The sentence names mirror, variable, upstream and both reasons, once for the fleet and not for each model."""
    _address, hub, _runs, _proxy = behind_the_hub
    with Server().served() as mirror:
        port = mirror.port
        hub.update(model_mirror_upstream="http://nowhere.invalid", ansible_connection="ssh", ansible_host="127.0.0.1", ansible_port=9)
        code, told, plans = plan(tmp_path, fleet(mirrors={"hub": {**hub, "model_mirror_port": port}}, llm_registry=mirror.url))
    assert code == 0, told
    for host, tag in EXPECTED.items():
        found = plans[host]["models"][0]
        assert (found["source"], found["asked"]) == ("catalogue", None) and found["name"].endswith(":" + tag)
    said = "planned by the catalogue, since hub (llm_registry, port %d) does not hold it yet, and http://nowhere.invalid" % port
    assert told.count(said) == 1, told
    assert "(model_mirror_upstream of hub) answers neither this machine (does not answer:" in told and "nor hub (Ansible does not reach it:" in told


def test_a_web_server_on_the_mirrors_port_is_not_called_a_mirror_that_lacks_the_model(tmp_path, behind_the_hub):
    """Whoever reads why the catalogue had to do must look for the right thing on that host."""
    _address, hub, _runs, _proxy = behind_the_hub
    hub.update(model_mirror_upstream="http://nowhere.invalid", ansible_connection="ssh", ansible_port=9)
    with Server(foreign=page).served() as mirror:
        hosts = {"known": HOSTS["known"]}
        code, told, _plans = plan(tmp_path, fleet(hosts, {"hub": {**hub, "model_mirror_port": mirror.port}}, llm_registry=mirror.url))
    assert code == 0 and "since hub (llm_registry, port %d) answers, but not as a mirror does, and http://nowhere.invalid" % mirror.port in told, told


def test_a_python_that_does_not_start_on_the_hub_is_named(tmp_path, behind_the_hub):
    """Ansible's own words for it, "No start of json char found", name neither the cause nor the variable."""
    _address, hub, _runs, _proxy = behind_the_hub
    shim = tmp_path / "python3.13"
    shim.write_text("#!/bin/sh\necho 'pyenv: python3.13: command not found' >&2\nexit 127\n")
    shim.chmod(0o755)
    hub.update(model_mirror_upstream="http://nowhere.invalid", ansible_python_interpreter=str(shim))
    with Server().served() as mirror:
        code, told, _plans = plan(tmp_path, fleet(mirrors={"hub": {**hub, "model_mirror_port": mirror.port}}, llm_registry=mirror.url))
    assert code == 0, told
    said = "nor hub (The Python that Ansible uses on hub (%s) does not start (pyenv: python3.13: command not found); set ansible_python_interpreter" % shim
    assert said in told, told
