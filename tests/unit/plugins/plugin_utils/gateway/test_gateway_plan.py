# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What role gateway refuses, routes and writes. Deleted, a wrong wish would show when HAProxy does not start, a key could reach the disk as it is, a
host that is off could lose its routes, and a converged gateway could be reloaded by each run."""

from __future__ import annotations

import datetime
import hashlib
import json
import shutil
import subprocess

import pytest
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.gateway import config, fleet, plan, wish

ANN, BOB = "a" * 32, "b" * 32
WISH = {
    "state": "present",
    "host": "0.0.0.0",
    "port": 8443,
    "metrics_port": 8405,
    "keys": [{"name": "ann", "key": ANN}, {"name": "bob", "key": BOB, "models": ["M2:14b"], "requests_per_minute": 5, "expires": "2099-12-31"}],
    "accept_no_keys": False,
    "accept_plain_http": False,
    "allowed_cidrs": [],
    "redirect_port": 0,
    "web_ui": False,
    "tls_names": [],
    "tls_certificate": "/c.pem",
    "tls_key": "/c.key",
    "max_body_bytes": 32 << 20,
    "max_connections": 512,
    "queue_requests": 64,
    "queue_seconds": 60,
    "timeout_seconds": 600,
}
ABSENT = {"error": "", "digest": "", "ends": None, "days_left": None, "names": None}
HERE = plan.Here("hub", "10.0.0.9", "hub")
OWN = {"tls_certificate": "", "tls_key": ""}


def model(name, **more):
    return {"name": name, "parallel": 1, **more}


def hosts(**plans):
    """groups and hostvars of an inventory with these plans; None for a host that took no part."""
    variables = {
        name: {
            "inventory_hostname": name,
            "ansible_host": "10.0.0.%d" % number,
            "ansible_facts": {"model_plan": {"ok": True, "models": models}} if models else {},
        }
        for number, (name, models) in enumerate(plans.items(), 1)
    }
    return {"ollama": list(plans), "gateway": ["hub"]}, {**variables, "hub": {"inventory_hostname": "hub"}}


FLEET = fleet.fleet_of(*hosts(gpu_a=[model("m1:7b", parallel=4)], gpu_b=[model("m1:7b"), model("m2:14b"), model("x")]), "hub", None)


def seen(**more):
    return {
        "files": {}, "links": {}, "listing": [], "record": {}, "version": [2, 6, 12], "offered": [], "selinux": False, "memory_bytes": 8 << 30,
        "taken": {}, "certificate": ABSENT, "root": True,
        "drained": [], "traffic": {"requests": 7}, "web_uis": {}, "authority": "-----BEGIN CERTIFICATE-----\n",
        **more,
    }  # fmt: skip


def decide(looked=None, around=FLEET, **wishes):
    return plan.decide({**WISH, **wishes}, around, HERE, looked)


def converged(**wishes):
    """A host after a run."""
    decided = decide(seen(), **wishes)
    written = [*decided["files"], decided["loaded"]]
    digests = {file["path"]: hashlib.sha1(file["content"].encode()).hexdigest() for file in written}
    return seen(
        files=digests,
        links={link["path"]: link["target"] for link in decided["links"]},
        listing=[path.rsplit("/", 1)[1] for path in digests if path.startswith(config.FOLDER)],
    )


def texts(decided):
    return {file["path"].rsplit("/", 1)[1]: file["content"] for file in decided["files"]}


@pytest.mark.parametrize(
    "wishes,identity,variable",
    [
        ({"host": "gpu.example"}, "host", "gateway_host"),
        ({"port": 0}, "port", "gateway_port"),
        ({"metrics_port": 8443}, "same_port", "gateway_metrics_port"),
        ({"queue_requests": 0}, "number", "gateway_queue_requests"),
        ({"max_body_bytes": 1 << 30}, "max_body", "gateway_max_body_bytes"),
        ({"allowed_cidrs": ["10.0.0.0/40"]}, "allowed_cidrs", "gateway_allowed_cidrs"),
        ({"keys": []}, "no_keys", "gateway_keys"),
        ({"tls_key": ""}, "half_a_certificate", "gateway_tls_key"),
        ({"redirect_port": 8443}, "redirect_port", "gateway_redirect_port"),
        ({**OWN, "accept_plain_http": True, "redirect_port": 80}, "nowhere_to_redirect", "gateway_redirect_port"),
        ({"tls_names": ["hub.example.net", "a b"]}, "tls_names", "gateway_tls_names"),
        ({"keys": ["ann"]}, "key_shape", "gateway_keys"),
        ({"keys": [{"name": "ann", "key": ANN, "model": "m1:7b"}]}, "key_field", "gateway_keys"),
        ({"keys": [{"name": "ann smith", "key": ANN}]}, "key_name", "gateway_keys"),
        ({"keys": [{"name": "ann", "key": "short"}]}, "key_token", "gateway_keys"),
        ({"keys": [{"name": "ann", "key": "with a blank in the middle"}]}, "key_token", "gateway_keys"),
        ({"keys": [{"name": "ann", "key": ANN, "requests_per_minute": 0}]}, "key_rate", "gateway_keys"),
        ({"keys": [{"name": "ann", "key": ANN, "expires": "31.12.2027"}]}, "key_expires", "gateway_keys"),
        ({"keys": [{"name": "ann", "key": ANN, "expires": "2027-02-30"}]}, "key_expires", "gateway_keys"),
        ({"keys": [{"name": "ann", "key": ANN, "models": []}]}, "key_models", "gateway_keys"),
        ({"keys": [{"name": "ann", "key": ANN, "models": ["a b"]}]}, "key_models", "gateway_keys"),
        ({"keys": [{"name": "ann", "key": ANN}, {"name": "ann", "key": BOB}]}, "key_twice", "gateway_keys"),
        ({"keys": [{"name": "ann", "key": ANN}, {"name": "bob", "key": ANN}]}, "key_twice", "gateway_keys"),
    ],
)
def test_what_is_refused_before_the_host_is_contacted(wishes, identity, variable):
    problems = decide(**wishes)["problems"]
    assert [(problem["id"], problem["variable"]) for problem in problems] == [(identity, variable)]
    assert ANN not in json.dumps(problems) and BOB not in json.dumps(problems)


@pytest.mark.parametrize(
    "wishes",
    [
        {},
        {"host": "127.0.0.1", "keys": []},
        {"keys": [], "accept_no_keys": True},
        {**OWN, "accept_plain_http": True},
        {**OWN, "redirect_port": 80, "tls_names": ["hub.example.net", "fd00::1"]},
        {"state": "absent", "keys": [3]},
    ],
)
def test_what_is_not_refused(wishes):
    """A stated open gateway, one on the loopback, and one that is to go whatever its variables say."""
    assert decide(**wishes)["problems"] == []


@pytest.mark.parametrize(
    "looked,wishes,identity",
    [
        ({"root": False}, {}, "no_root"),
        ({"taken": {"8443": "nginx, process 7"}}, {}, "port_taken"),
        ({"version": [2, 4, 22]}, {}, "old_haproxy"),
        ({"version": [], "offered": [2, 4, 22]}, {}, "old_haproxy"),
        ({"selinux": True}, {}, "selinux"),
        ({"certificate": {**ABSENT, "error": "/c.key is the key of another certificate than /c.pem"}}, {}, "certificate"),
        ({}, {"keys": [{"name": "ann", "key": ANN, "models": ["gpt-4o"]}]}, "key_model"),
    ],
)
def test_what_is_refused_for_its_host_before_the_first_change(looked, wishes, identity):
    decided = decide(seen(**looked), **wishes)
    assert [problem["id"] for problem in decided["problems"]] == [identity]
    assert not decided["changes"]


# Debian 11 to 13, Ubuntu 22.04 and 24.04, the EL families 8 to 10, and one newer than was run: written; of hosts only 2.6.12 and 3.0.11.
PACKAGED = {(2, 2, 9): False, (2, 6, 12): True, (3, 0, 11): True, (2, 4, 24): False, (2, 8, 5): True, (1, 8, 27): False, (2, 4, 22): False, (3, 2, 4): True}


@pytest.mark.parametrize("release", PACKAGED)
def test_which_distributions_can_have_a_gateway(release):
    """Deleted, EL 9 would install a HAProxy that takes no line of the configuration, and say so in HAProxy's words."""
    decided = decide(seen(version=[], offered=list(release)))
    assert (decided["problems"] == []) is PACKAGED[release]
    if PACKAGED[release]:
        # Every family's package has this name, this program, and a unit of its own that is switched off.
        assert (decided["packages"], decided["fresh"]) == (["haproxy"], True)
        assert decide(seen(version=list(release)))["files"] == decided["files"], "one configuration for all"
    else:
        assert "%d.%d.%d of this host's packages is older than 2.6" % release in decided["problems"][0]["say"] and not decided["changes"]


def test_a_fleet_without_models_is_no_gateway():
    """Its configuration would route nothing, and an accident of --limit could take all routes away."""
    nobody = fleet.fleet_of(*hosts(gpu_a=None), "hub", {})
    assert [problem["id"] for problem in decide(seen(), nobody)["problems"]] == ["no_models"]


def test_a_key_may_wait_for_a_host_that_is_not_planned_yet():
    """A run for one host of a new gateway knows one plan, and what the others hold is no mistake of the inventory."""
    some = fleet.fleet_of(*hosts(gpu_a=[model("m1:7b")], gpu_b=None), "hub", {})
    assert decide(seen(), some)["problems"] == []


def test_a_key_is_written_as_its_checksum_only():
    """Who reads the gateway's disk, or a run's output, must not become a client."""
    told = json.dumps(decide(seen()))
    assert ANN not in told and BOB not in told
    assert "%s ann\n" % hashlib.sha256(ANN.encode()).hexdigest().upper() in texts(decide(seen()))["keys.map"]


def test_what_a_key_may():
    made = texts(decide(seen()))
    assert made["rates.map"] == "bob 5\n"
    assert made["allowed.map"] == "bob|m2:14b 1\n"
    # The whole of the last day, UTC.
    end = datetime.datetime(2100, 1, 1, tzinfo=datetime.UTC).timestamp()
    assert made["expires.map"] == "bob %d\n" % end
    assert [row["id"] for row in json.loads(made["models-bob.json"])["data"]] == ["m2:14b"]


def test_each_model_has_the_hosts_that_hold_it():
    """The plan's parallel is what a host can take; a name without a tag means latest; every model is listed once."""
    made = texts(decide(seen()))
    lines = made["haproxy.cfg"].splitlines()
    backend = lines[lines.index("backend m1:7b"):]
    servers = [line.split()[1:] for line in backend[: backend.index("")] if line.startswith("    server ")]
    assert servers == [["gpu_a", "10.0.0.1:11434", "maxconn", "4"], ["gpu_b", "10.0.0.2:11434", "maxconn", "1"]]
    assert made["models.map"] == "m1:7b m1:7b\nm2:14b m2:14b\nx x:latest\nx:latest x:latest\n"
    assert [row["name"] for row in json.loads(made["tags.json"])["models"]] == ["m1:7b", "m2:14b", "x:latest"]


def backend_servers(made, model):
    lines = made["haproxy.cfg"].splitlines()
    backend = lines[lines.index("backend " + model):]
    return [line.split()[1] for line in backend[: backend.index("") if "" in backend else None] if line.startswith("    server ")]


def test_an_alias_leads_to_the_hosts_that_have_what_it_stands_for():
    """Of a tag it shares the backend, so that host gets no more requests at once than its plan bears; of a family it is each host's own tag."""
    plans = {
        "gpu_a": [model("m:32b", aliases=["Gpt-4o", "gpt-4"])],
        "gpu_b": [model("m:14b", aliases=["gpt-4"]), model("x:1b", aliases=["tiny"])],
    }
    around = fleet.fleet_of(*hosts(**plans), "hub", None)
    made = texts(decide(seen(), around, keys=[{"name": "bob", "key": BOB, "models": ["gpt-4"]}]))
    routes = dict(line.split() for line in made["models.map"].splitlines())
    assert (routes["gpt-4o"], routes["gpt-4"], routes["gpt-4:latest"], routes["tiny"]) == ("m:32b", "gpt-4:latest", "gpt-4:latest", "x:1b")
    assert "backend gpt-4o:latest" not in made["haproxy.cfg"]
    assert backend_servers(made, "gpt-4:latest") == ["gpu_a", "gpu_b"] and backend_servers(made, "m:32b") == ["gpu_a"]
    assert [row["id"] for row in json.loads(made["models.json"])["data"]] == ["gpt-4:latest", "gpt-4o:latest", "m:14b", "m:32b", "tiny:latest", "x:1b"]
    assert [row["id"] for row in json.loads(made["models-bob.json"])["data"]] == ["gpt-4:latest"]
    later = fleet.fleet_of(*hosts(gpu_a=None, gpu_b=None), "hub", json.loads(made["fleet.json"]))
    assert later.holders().keys() == around.holders().keys(), "a host that is off keeps its aliases"


def test_names_that_haproxy_refuses_stay_apart():
    """Two models whose names differ in a slash only would share one backend, and a backend of that name twice would stop HAProxy."""
    assert fleet.proxy_names(["hf.co/a/b:q4", "hf.co/a_b:q4"]) == {"hf.co/a/b:q4": "hf.co_a_b:q4", "hf.co/a_b:q4": "hf.co_a_b:q4_"}


def test_a_web_ui_comes_with_a_key_of_its_own():
    """It may ask for every model, is let in from where it is, and is remembered while its host is off. A gateway of no keys stays one."""
    groups, variables = hosts(gpu_a=[model("m1:7b")])
    groups["open_webui"] = ["page"]
    variables["page"] = {"inventory_hostname": "page", "ansible_host": "10.0.1.7", "ansible_facts": {"open_webui_gateway": {"digest": "ab" * 32}}}
    around = fleet.fleet_of(groups, variables, "hub", None)
    entries = [{"name": "ann", "key": ANN}]
    made = texts(decide(seen(), around, keys=entries, allowed_cidrs=["10.0.0.0/24"]))
    assert "AB" * 32 + " open-webui@page\n" in made["keys.map"] and "page" not in made["limited.map"]
    assert "reject unless { src_is_local } || { src 10.0.0.0/24 10.0.1.7 127.0.0.0/8 ::1 }" in made["haproxy.cfg"]
    del variables["page"]["ansible_facts"]
    known = json.loads(made["web-uis.json"])
    assert texts(decide(seen(), fleet.fleet_of(groups, variables, "hub", None, known), keys=entries))["keys.map"] == made["keys.map"]
    assert texts(decide(seen(), around, keys=[], accept_no_keys=True))["keys.map"] == ""


def test_a_web_ui_is_let_in_by_its_address_only():
    """HAProxy does not start with a name where an address has to be."""
    groups, variables = hosts(gpu_a=[model("m1:7b")])
    groups["open_webui"] = ["named", "bare"]
    variables |= {"named": {"ansible_host": "page.example"}, "bare": {}}
    assert fleet.fleet_of(groups, variables, "hub", None).admitted == ()


def fleet_with_page(bind="0.0.0.0", at="hub", **plans):
    groups, variables = hosts(**plans)
    groups["open_webui"] = [at]
    variables[at] = {"inventory_hostname": at, "ansible_host": "10.0.1.7", "open_webui_bind_address": bind}
    return fleet.fleet_of(groups, variables, "hub", None)


@pytest.mark.parametrize(
    "bind, at, pages",
    [
        ("0.0.0.0", "hub", (("hub", "127.0.0.1:3000"),)),
        ("127.0.0.1", "hub", (("hub", "127.0.0.1:3000"),)),
        ("0.0.0.0", "page", (("page", "10.0.1.7:3000"),)),
        ("fd00::7", "page", (("page", "[fd00::7]:3000"),)),
        ("127.0.0.1", "page", ()),
    ],
)
def test_where_the_web_ui_is(bind, at, pages):
    around = fleet_with_page(bind, at, gpu_a=[model("m2:14b")])
    assert around.pages == pages
    assert [problem["id"] for problem in decide(seen(), around, web_ui=True)["problems"]] == ([] if pages else ["no_page"])
    assert decide(seen(), around)["problems"] == []


def test_a_web_ui_that_is_to_go_has_no_page():
    groups, variables = hosts(gpu_a=[model("m2:14b")])
    groups["open_webui"] = ["hub"]
    variables["hub"]["open_webui_state"] = "absent"
    assert fleet.fleet_of(groups, variables, "hub", None).pages == ()


@pytest.mark.parametrize("has_page", [True, False])
def test_the_first_page_is_the_web_uis(has_page):
    """Else who opens the address in a browser would read that the gateway is running."""
    made = texts(decide(seen(), fleet_with_page(gpu_a=[model("m2:14b")]), web_ui=has_page))["haproxy.cfg"]
    assert ("{ path / /healthz }" in made) != has_page


def test_the_version_is_the_apis_for_who_has_a_key():
    """Both have that path: Ollama's clients ask for it, and so does the page."""
    rule = "http-request unset-var(txn.page) if { path /api/version } { http_auth_bearer"
    around = fleet_with_page(gpu_a=[model("m2:14b")])
    assert rule in texts(decide(seen(), around, web_ui=True))["haproxy.cfg"]
    assert rule not in texts(decide(seen(), around, web_ui=True, keys=[], accept_no_keys=True))["haproxy.cfg"]


def test_no_rule_of_the_api_holds_for_a_page():
    """One would ask for a key, or refuse a path, and people would see JSON in the place of Open WebUI."""
    lines = texts(decide(seen(), fleet_with_page(gpu_a=[model("m2:14b")]), web_ui=True))["haproxy.cfg"].splitlines()
    rules = [line for line in lines[lines.index("    acl page var(txn.page) -m bool") : lines.index("    default_backend web_ui")] if "http-request" in line]
    assert len(rules) > 20
    for rule in rules:
        assert all(part.startswith("!page") for part in rule.rpartition(" if ")[2].split(" or ")), rule
    bare = texts(decide(seen(), fleet_with_page(gpu_a=[model("m2:14b")])))["haproxy.cfg"]
    assert "page" not in bare and "web_ui" not in bare


def test_a_host_that_took_no_part_keeps_its_routes():
    """Else a run with --limit, or while a host is off, would take its models away from the clients. One that left the inventory goes."""
    record = json.loads(texts(decide(seen()))["fleet.json"])
    later = fleet.fleet_of(*hosts(gpu_a=[model("m1:7b")], gpu_b=None), "hub", record)
    assert [(host.name, host.remembered) for host in later.hosts] == [("gpu_a", False), ("gpu_b", True)]
    assert sorted(later.holders()) == ["m1:7b", "m2:14b", "x:latest"]
    assert [host.name for host in fleet.fleet_of(*hosts(gpu_a=[model("m1:7b")]), "hub", record).hosts] == ["gpu_a"]


def test_a_record_that_somebody_wrote_into_names_no_server():
    """Its text comes from a host, and what is in it goes into a configuration."""
    odd = {"gpu_b": [{"name": "x:7b\n    server evil 6.6.6.6:1", "parallel": 1}]}
    assert fleet.fleet_of(*hosts(gpu_b=None), "hub", odd).hosts == ()


@pytest.mark.parametrize(
    "variables,me,address",
    [
        ({"ansible_host": "10.0.0.5"}, False, "10.0.0.5:11434"),
        ({}, False, "gpu:11434"),
        ({"ansible_host": "fd00::5", "ollama_port": 9000}, False, "[fd00::5]:9000"),
        ({"ansible_host": "203.0.113.5", "ollama_host": "10.0.0.5"}, False, "10.0.0.5:11434"),
        ({"ansible_host": "10.0.0.5"}, True, "127.0.0.1:11434"),
        ({"ollama_host": "10.0.0.5"}, True, "10.0.0.5:11434"),
        ({"ollama_host": "::"}, True, "[::1]:11434"),
    ],
)
def test_where_a_host_is_asked(variables, me, address):
    assert fleet.address_of({"inventory_hostname": "gpu", **variables}, me) == address


def test_a_host_on_its_own_loopback_is_told():
    """It cannot be reached, and a route to it would make every second request fail."""
    groups, variables = hosts(gpu_a=[model("m1:7b")], gpu_b=[model("m1:7b")])
    variables["gpu_b"]["ollama_host"] = "127.0.0.1"
    around = fleet.fleet_of(groups, variables, "hub", None)
    assert [host.name for host in around.hosts] == ["gpu_a"]
    assert any("gpu_b" in warning for warning in decide(seen(), around, keys=WISH["keys"][:1])["say"])


def test_clients_are_told_whom_to_trust():
    """The authority's certificate is of no use for a certificate that somebody else has signed, nor where there is none."""
    assert decide(seen())["fact"]["traffic"] == {"requests": 7}, "what the look has counted, for the report"
    told = [decide(seen(), **more)["fact"]["authority"] for more in (OWN, {}, {**OWN, "accept_plain_http": True})]
    assert told == ["-----BEGIN CERTIFICATE-----\n", "", ""]


def test_a_converged_gateway_is_left_alone():
    assert decide(converged())["changes"] == []


def test_a_dry_run_before_the_first_run_says_what_it_would_write():
    """Ansible's copy fails where the folder is not there yet, so a dry run would end in the middle."""
    decided = plan.decide(WISH, FLEET, HERE, seen(version=[]), check_mode=True)
    assert (decided["first"], decided["writes"], decided["install"]) == (True, False, False)
    assert decided["say"][0].startswith("Would write %s, " % config.HAPROXY)


def test_what_haproxy_does_not_take_replaces_nothing():
    """It comes last of what HAProxy reads, when its maps are there, and by way of HAProxy's own check."""
    files = decide(seen())["files"]
    assert [(file["path"], file["validate"]) for file in files if file["validate"]] == [(config.FOLDER + "/haproxy.cfg", "/usr/sbin/haproxy -c -f %s")]
    assert [file["path"].rsplit("/")[-1] for file in files[-2:]] == ["haproxy.cfg", "llmfleet-gateway.service"]


def test_a_host_that_an_upgrade_left_out_comes_back():
    """One that was cut off between taking a host out and bringing it back would leave the rest of the fleet with its work for ever."""
    assert decide({**converged(), "drained": ["gpu_a"]})["reload"] and not decide(converged())["reload"]


def test_a_reload_that_never_came_is_made_up_for():
    """A run that was stopped between writing and reloading would leave HAProxy with what it had."""
    looked = converged()
    looked["files"][config.FOLDER + "/loaded"] = "another"
    assert decide(looked)["changes"] == [config.FOLDER + "/loaded"]


def test_a_renewed_certificate_is_loaded():
    """Its path is the same, so nothing else would differ."""
    looked = {**converged(), "certificate": {"error": "", "digest": "new", "ends": None, "days_left": 90, "names": None}}
    assert decide(looked)["changes"] == [config.FOLDER + "/loaded"]


SIGNED = ["DNS:hub", "IP:10.0.0.9", "DNS:localhost", "IP:127.0.0.1"]


@pytest.mark.parametrize(
    "certificate, wishes, issue",
    [
        ({"error": "No such file"}, {}, True),
        ({}, {}, False),
        ({"days_left": 29}, {}, True),
        ({"names": ["DNS:other"]}, {}, True),
        ({}, {"tls_names": ["hub.example.net"]}, True),
        ({"names": [*SIGNED, "IP:fd00::1"]}, {"tls_names": ["FD00:0::1"]}, False),
        ({"names": None, "days_left": None}, {}, False),
    ],
)
def test_the_fleets_own_certificate(certificate, wishes, issue):
    """Missing, near its end, or for other names: a new one; else each run would make the clients' connections new ones."""
    there = {"error": "", "digest": "d", "ends": None, "days_left": 300, "names": SIGNED, **certificate}
    decided = decide(seen(certificate=there), **OWN, **wishes)
    assert decided["issue"] == issue and ("python3-cryptography" in decided["packages"]) == issue
    assert decided["links"][0]["target"] == config.FOLDER + "/tls/own.pem"


def test_when_the_certificate_ends_is_a_number_for_the_alerts():
    """HAProxy's own numbers do not have it; where nobody can read it there is none, and no path that would answer with nothing."""
    path = "if { path /certificate }"
    made = texts(decide(seen(certificate={**ABSENT, "ends": 1800000000, "days_left": 90})))
    assert made["certificate.prom"].splitlines()[-1] == "llmfleet_gateway_certificate_end_seconds 1800000000" and path in made["haproxy.cfg"]
    made = texts(decide(seen()))
    assert "certificate.prom" not in made and path not in made["haproxy.cfg"]


def test_the_lists_of_a_revoked_key_go():
    decided = decide(converged(), keys=[{"name": "ann", "key": ANN}])
    assert decided["obsolete"] == [config.FOLDER + "/models-bob.json", config.FOLDER + "/tags-bob.json"]


@pytest.mark.parametrize("memory,connections,large", [(2 << 30, 240, 7), (8 << 30, 512, 31), (None, 512, 16), (64 << 20, 16, 1)])
def test_connections_stay_within_the_memory(memory, connections, large):
    """Half of the machine: buffers of small requests a quarter, those of large ones another."""
    assert config.room(WISH, memory) == config.Room(connections, large)


@pytest.mark.parametrize("limit,again", [(1 << 20, True), (32 << 20, False)])
def test_requests_are_not_copied_where_that_is_slow(limit, again):
    """HAProxy copies a whole buffer for a second try: 200 ms a request with 32 MiB."""
    assert ("retry-on conn-failure empty-response 503\n" in texts(decide(seen(), max_body_bytes=limit))["haproxy.cfg"]) == again


def test_removal_takes_what_is_there():
    looked = seen(files={config.UNIT: "1", config.FOLDER: "directory"})
    assert decide(looked, state="absent")["changes"] == [config.UNIT, config.FOLDER]
    assert decide(seen(), state="absent")["changes"] == []


@pytest.mark.parametrize("host,url", [("0.0.0.0", "https://10.0.0.9:8443"), ("10.1.1.1", "https://10.1.1.1:8443"), ("fd00::1", "https://[fd00::1]:8443")])
def test_the_address_of_the_gateway(host, url):
    assert plan.url({**WISH, "host": host}, "10.0.0.9") == url
    assert plan.url({**WISH, **OWN, "accept_plain_http": True}, "hub") == "http://hub:8443"


@pytest.mark.parametrize("wishes", [{}, {"keys": [], "accept_no_keys": True}, {"keys": WISH["keys"][:1], "allowed_cidrs": ["10.0.0.0/8", "fd00::/8"]},
                                    {"web_ui": True}, {"web_ui": True, "keys": [], "accept_no_keys": True}])  # fmt: skip
def test_haproxy_takes_the_configuration(tmp_path, monkeypatch, wishes):
    """Where there is one; on real hosts scenario gateway shows it with Debian's two."""
    program = shutil.which("haproxy")
    if program is None:
        pytest.skip("not to be had here: HAProxy, which checks the gateway's configuration")
    monkeypatch.setattr(config, "FOLDER", str(tmp_path))
    monkeypatch.setattr(config.runtime, "SOCKET", str(tmp_path / "socket"))
    wishes = {**WISH, "tls_certificate": "", "tls_key": "", "accept_plain_http": True, **wishes}
    odd = fleet_with_page(gpu_a=[model("hf.co/a/b:Q4_K_M"), model("m2:14b")], gpu_b=[model("m2:14b")])
    keys, problems = wish.read_keys(wishes["keys"])
    assert problems == []
    for name, text in config.files(wishes, keys, odd, config.room(wishes, None), 1).items():
        # Who runs the tests has no user of that name.
        text = "\n".join(line for line in text.splitlines() if not line.strip().startswith(("user ", "group ", "chroot "))) + "\n"
        (tmp_path / name).write_text(text, encoding="utf-8")
    done = subprocess.run([program, "-c", "-f", str(tmp_path / "haproxy.cfg")], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout
