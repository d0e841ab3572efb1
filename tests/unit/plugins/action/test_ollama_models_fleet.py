# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fleet asks its registry once for each tag, whoever asks. Deleted, a fleet of hundreds could ask hundreds of times again, and nothing would show it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from ansible_collections.llmfleet.ollama.plugins.action import ollama_models as action
from ansible_collections.llmfleet.ollama.plugins.module_utils.models.converge import Converger
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.names import parse_name
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.registry import Lookup
from ansible_collections.llmfleet.ollama.plugins.plugin_utils import manifests
from support.fake_ollama import FakeOllama, model_blobs, sha
from support.fake_ollama_v2 import NewerOllama, offer_list

MIRROR = "http://mirror.test"
MODELS = ("small:1b", {"name": "short", "from": "other:2b", "parameters": {"num_predict": 3}}, "other:2b")
RUN = "1-2"


@pytest.fixture
def fleet(tmp_path, registry, monkeypatch):
    """fleet(number) -> hosts with both models, that ask a mirror of the network; it is the fake, behind a proxy."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("http_proxy", registry.url)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    hosts = []

    def made(number, kind=FakeOllama):
        for name in ("small:1b", "other:2b"):
            registry.put("library/" + name.replace(":", "/"), model_blobs(name[:5]))
        for _host in range(number):
            hosts.append(kind(tmp_path / str(len(hosts)), registry))
            for name in ("small:1b", "other:2b"):
                hosts[-1].have(name, model_blobs(name[:5]))
            run(hosts[-1], registry=registry.url, looked=False)
        registry.asked.clear()
        return hosts

    yield made
    for host in hosts:
        host.stop()


def run(host, models=MODELS, registry=MIRROR, windows=False, looked=True, system="Linux", check=False, told="", asked_by_hosts=None, **changes):
    """The action as it runs for one host, whose module is the same code in this process."""
    options = {
        "state": "present", "api_url": host.url, "models_dir": host.path, "reserve_bytes": 0, "prove": False, "prove_gpu": True, "proofs_path": "",
        "settings": {}, "devices": [], "https_proxy": "", "no_proxy": "", "timeout": 3, "retries": 0, "models": list(models), "registry": registry, **changes,
    }

    def module(module_args, **_more):
        result = Converger(dict(module_args), check_mode=check).look().act()
        if asked_by_hosts is not None:
            asked_by_hosts.extend(told["name"] for told in result["asked"])
        return result

    made = action.ActionModule.__new__(action.ActionModule)
    made._task = SimpleNamespace(args=options, check_mode=check, async_val=0, diff=False, _uuid="a-b-%s-c" % RUN)
    made._connection = SimpleNamespace(_shell=SimpleNamespace(_IS_WINDOWS=windows))
    made._execute_module = module
    rows = [{"model": name, "digest": "0"} for name in host.names()]
    facts = {"system": system, "look": {"run": RUN, "api": {"version": told or host.version, "models": rows}}} if looked else {}
    variables = {"inventory_hostname": "h", "ansible_host": "127.0.0.1", "ansible_facts": facts}
    result = made._run_from_here("h", variables) if windows else made._run_there(variables)
    assert "asked" not in result
    return result


def everywhere(hosts, **changes):
    """All at once, as the forks of one task."""
    with ThreadPoolExecutor(len(hosts)) as pool:
        return list(pool.map(lambda host: run(host, **changes), hosts))


def unreachable_for_the_controller(monkeypatch):
    class Silent(manifests.RegistryClient):
        def manifest(self, name):
            return Lookup("unreachable", "no route to host")

    monkeypatch.setattr(manifests, "RegistryClient", Silent)


def requests(registry):
    return sorted(path.partition("/v2/")[2] for path, _agent in registry.asked)


BOTH = ["library/other/manifests/2b", "library/small/manifests/1b"]


@pytest.mark.parametrize("windows", [False, True])
def test_a_converged_fleet_asks_once_for_each_tag(fleet, registry, windows):
    results = everywhere(fleet(4), windows=windows)
    assert not any(result["changed"] or result.get("failed") for result in results)
    assert requests(registry) == BOTH


def test_where_the_controller_gets_no_answer_one_host_asks_for_all(fleet, registry, monkeypatch):
    hosts, by_hosts = fleet(4), []
    unreachable_for_the_controller(monkeypatch)
    results = everywhere(hosts, asked_by_hosts=by_hosts)
    assert not any(result["changed"] for result in results)
    assert sorted(by_hosts) == ["other:2b", "small:1b"] and requests(registry) == BOTH


def test_where_the_one_host_fails_each_asks_for_itself(fleet, registry, monkeypatch):
    """None waits for the others' failures, and none is told that its tag is there when nobody said so."""
    hosts, by_hosts = fleet(3), []
    unreachable_for_the_controller(monkeypatch)
    with pytest.raises(action.Failure):
        run(hosts[0], api_url="http://127.0.0.1:1")
    everywhere(hosts[1:], asked_by_hosts=by_hosts)
    assert sorted(by_hosts) == ["other:2b", "other:2b", "small:1b", "small:1b"]


def test_a_tag_that_moved_is_brought_to_every_host_and_each_asks_before_it_pulls(fleet, registry):
    hosts = fleet(3)
    new = registry.put("library/small/1b", model_blobs("newer"))
    results = everywhere(hosts, check=True)
    assert all(result["to_pull"] == ["small:1b"] for result in results)
    assert all("small:1b sha256:" + new in result["diff"]["after"] for result in results)


@pytest.mark.parametrize(("changes", "asks"), [
    ({}, 0),
    # Nobody has looked at the host in this run: the task is used alone.
    ({"looked": False}, 2),
    # Each host's own.
    ({"registry": "http://localhost"}, 2), ({"registry": "http://127.8.8.8"}, 2),
    # A model that is not there will be pulled, and a pin that is there needs no answer.
    ({"models": ["small:1b", "new:1b"]}, 1),
    ({"models": [{"name": "small:1b", "digest": "PIN"}]}, 0),
    # A server of the other generation, which it has become since the look, may be given something else.
    ({"told": "0.40.1"}, 2),
    # The task has the answers, and they say nothing.
    ({"manifests": []}, 2), ({"manifests": [{"name": "small:1b", "lists": False, "manifest": "<html>", "child": ""}]}, 2),
])
def test_who_asks_for_itself(fleet, registry, monkeypatch, changes, asks):
    first, second = fleet(2)
    registry.put("library/new/1b", model_blobs("new"))
    run(first)
    registry.asked.clear()
    by_hosts = []
    pin = sha(registry.models["library/small/1b"])
    changes = {key: [dict(value[0], digest=pin)] if "PIN" in str(value) else value for key, value in changes.items()}
    run(second, asked_by_hosts=by_hosts, check=True, **changes)
    assert len(by_hosts) == asks, by_hosts


def test_of_a_list_the_child_is_read_once_for_good(fleet, registry, tmp_path):
    """A fleet of 0.40 whose server has converted what it pulled: only the child's layers tell that nothing has moved."""
    hosts = fleet(3, NewerOllama)
    children = {"llamacpp": model_blobs("small"), "mlx": model_blobs("for macs")}
    offer_list(registry, "library/small/1b", children)
    for host in hosts:
        run(host, models=["small:1b"], registry=registry.url, looked=False)
    registry.asked.clear()
    assert not any(result["changed"] for result in everywhere(hosts, models=["small:1b"]))
    assert [path.partition("/blobs/")[1] for path in requests(registry)] == ["/blobs/", ""]
    registry.asked.clear()
    next_run = manifests.FleetManifests(action.parse_registry(MIRROR), [parse_name("small:1b")], "0.40.1", "another run")
    next_run.ask()
    assert requests(registry) == ["library/small/manifests/1b"] and next_run.known()[0]["child"]


def test_what_a_host_says_it_was_given_is_checked(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for asked in (None, "x", [1], [{"name": "small:1b"}], [{"name": "small:1b", "lists": False, "manifest": 5, "child": ""}],
                  [{"name": "small:1b", "lists": False, "manifest": "{}", "child": ""}], [{"name": "a b", "lists": False, "manifest": "{}", "child": ""}]):
        fleet = manifests.FleetManifests(action.parse_registry(MIRROR), [parse_name("small:1b")], "0.32.15", str(asked))
        fleet.keep(asked)
        assert fleet.open() == [] and fleet.known() == []
