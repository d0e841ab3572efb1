# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What role model_mirror refuses, writes, fetches and pulls. Deleted, a wrong wish would show when nginx does not start, a converged mirror could be
written anew by each run, and a host that is off could cost the mirror its models."""

from __future__ import annotations

import hashlib
import re

import pytest
from ansible_collections.llmfleet.ollama.plugins.plugin_utils import releases as known
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.mirror import files, plan
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.mirror.wants import Wants, wants_of
from support import ROOT

WISH = {
    "state": "present",
    "purge": False,
    "models": ["a:1b"],
    "releases": True,
    "exact": False,
    "upstream": "",
    "server_names": ["hub", "10.0.0.9"],
    "port": 80,
    "tls_certificate": "",
    "tls_key": "",
    "allowed_cidrs": [],
    "store": "/srv/m",
    "user": "filler",
    "ollama_version": "0.32.15",
    "ollama_port": 11435,
    "accept_untested_version": False,
    "https_proxy": "",
    "no_proxy": None,
}
PATHS = {"site": "/etc/nginx/site", "unit": "/etc/unit", "environment": "/etc/secrets", "nginx": "/sbin/nginx", "ipv6": "/proc/ipv6", "filler": "/srv/m/filler",
         "record": "/etc/before"}  # fmt: skip
WANTS = Wants(models=["a:1b"], releases=[{"version": "0.32.15"}])
THERE = ("/sbin/nginx", "/srv/m/ollama", "/srv/m/public", "/proc/ipv6")


LISTED = {"version": "0.32.15", "archive": "main.tgz", "url": "http://x/v0.32.15/main.tgz", "list_url": "http://x/v0.32.15/sha256sum.txt", "sha256": ""}
PINNED = {"version": "0.9.9", "archive": "main.tgz", "url": "http://x/v0.9.9/main.tgz", "list_url": "http://x/v0.9.9/sha256sum.txt", "sha256": "ab"}


def sha1(text):
    return hashlib.sha1(text.encode()).hexdigest()


def seen(there=THERE, missing=(), archives=(), corrupt=(), probe="/v2/x", **wishes):
    """A host with these paths and our files as they shall be."""
    wish = {**WISH, **wishes}
    unit = files.unit(wish, "/srv/m/filler/0.32.15/bin/ollama", "/etc/secrets")
    written = {"/etc/nginx/site": sha1(files.site(wish, "/proc/ipv6" in there)), "/etc/unit": sha1(unit)}
    return {
        "files": {**written, **dict.fromkeys(there, "directory")},
        "missing": list(missing),
        "releases": {"missing": list(archives), "corrupt": list(corrupt)},
        "probe": probe,
        "mounts": [],
    }


def decide(looked=None, after=None, wants=WANTS, **wishes):
    return plan.decide({**WISH, **wishes}, wants, PATHS, looked, after)


@pytest.mark.parametrize(
    "wants,wishes,identity,variable,says",
    [
        (Wants(registries=["hub"]), {}, "no_certificate", "model_mirror_tls_certificate", "hub, which means https, but it has no certificate: write"),
        (Wants(registries=["https://HUB.x:443/", "https://hub:443/"]), {}, "no_certificate", "model_mirror_tls_certificate", "as hub, which means https"),
        (WANTS, {"store": "/srv"}, "store_shared", "model_mirror_store", "which a whole host shares; write a directory of its own such as /srv/model-mirror."),
        (WANTS, {"store": "/", "state": "absent", "purge": True}, "store_shared", "model_mirror_store", "model_mirror_store is /, which a whole host shares"),
        (WANTS, {"tls_certificate": "/c.pem"}, "half_a_certificate", "model_mirror_tls_key", "belong together: set both or none."),
        (Wants(itself=True), {"upstream": "http://hub"}, "own_upstream", "model_mirror_upstream", "model_mirror_upstream (http://hub) is this mirror itself"),
        (WANTS, {"ollama_version": "99.0.0"}, "version_untested", "model_mirror_ollama_version", "ollama_accept_untested_version to true"),
        (WANTS, {"ollama_version": "0.40.2", "https_proxy": "http://p"}, "proxy_pulls", "model_mirror_ollama_version", "ollama_https_proxy is set; write"),
        (Wants(circle="a <- b"), {}, "circle", "model_mirror_upstream", "a <- b."),
    ],
)  # fmt: skip
def test_what_is_refused_before_the_host_is_contacted(wants, wishes, identity, variable, says):
    problems = decide(wants=wants, **wishes)["problems"]
    assert [(problem["id"], problem["variable"]) for problem in problems] == [(identity, variable)]
    assert says in problems[0]["say"]


@pytest.mark.parametrize(
    "registries,wishes",
    [
        (["http://hub", "http://10.0.0.9:80"], {}),
        (["hub"], {"tls_certificate": "/c.pem", "tls_key": "/k.pem"}),
        (["hub"], {"state": "absent"}),
        (["elsewhere"], {}),
    ],
)
def test_what_is_not_refused(registries, wishes):
    """A mirror that goes needs no certificate, and a name that nginx does not serve here is kept by whoever has it."""
    assert decide(wants=Wants(registries=registries), **wishes)["problems"] == []


@pytest.mark.parametrize("purge, mounts, emptied", [
    (True, ["ollama", "public"], "ollama and public"), (False, ["ollama"], ""), (False, ["filler", "ollama"], "filler"), (True, [], ""),
])
def test_a_removal_empties_no_disk(purge, mounts, emptied):
    """Deleted: a purge would remove all files of a disk that somebody has mounted at the mirror's models, and fail only behind that."""
    problems = decide({"files": {}, "mounts": mounts}, state="absent", purge=purge)["problems"]
    assert [problem["id"] for problem in problems] == (["store_holds_a_mount"] if emptied else [])
    assert not emptied or "has a disk mounted in %s, which" % emptied in problems[0]["say"]


def test_a_host_without_systemd():
    problems = plan.decide(WISH, WANTS, PATHS, service_mgr="openrc")["problems"]
    assert [problem["id"] for problem in problems] == ["no_systemd"] and "model_mirror_state is present" in problems[0]["say"]


@pytest.mark.parametrize(
    "wants,wishes,models,releases",
    [
        (WANTS, {}, True, True),
        (Wants(models=["a:1b"], models_complete=False), {}, False, True),
        (Wants(models=["b:1b"], models_complete=False), {}, True, True),
        (Wants(models=["a:1b"], releases_complete=False), {}, True, False),
        (Wants(models=["a:1b"], releases_complete=False), {"releases": False}, True, True),
    ],
)
def test_nothing_is_removed_while_a_host_is_silent(wants, wishes, models, releases):
    """But where the user names the models, or wants no releases, silence says nothing."""
    look = decide(wants=wants, exact=True, **wishes)["look"]
    assert (look["exact"], look["releases_exact"]) == (models, releases)
    never = decide(wants=wants, **wishes)["look"]
    assert not never["exact"] and not never["releases_exact"]


def test_the_releases_of_the_hosts_are_asked_for_where_they_are_wanted():
    assert decide()["look"]["releases"] == [dict(want, sums={}) for want in WANTS.releases]
    main = "ollama-linux-amd64.tar.zst"
    wants = Wants(releases=[{"version": "0.32.15", "archives": [main, "x.tgz"], "checksum": word} for word in ("", "list")])
    shipped = [entry["sums"] for entry in decide(wants=wants)["look"]["releases"]]
    assert shipped == [{main: known.sha256_of("0.32.15", main)}, {}], "the sums that are known go before the list beside the archive, unless it is believed"
    assert decide(releases=False)["look"]["releases"] == []


def test_a_converged_mirror_has_nothing_to_change():
    decided = decide(seen())
    assert decided["changes"] == [] and decided["fetch"]["archives"] == [] and decided["pull"]["models"] == []
    assert decided["probe_url"] == "http://127.0.0.1:80/v2/x"


@pytest.mark.parametrize(
    "looked,wishes,changes",
    [
        (seen(), {"port": 8080}, ["/etc/nginx/site"]),
        (seen(), {"user": "other"}, ["/etc/unit"]),
        (seen(there=["/proc/ipv6"]), {}, ["/sbin/nginx", "/srv/m/ollama", "/srv/m/public"]),
        ({**seen(), "files": {}}, {}, ["/etc/nginx/site", "/etc/unit", "/sbin/nginx", "/srv/m/ollama", "/srv/m/public"]),
        ({**seen(), "files": dict.fromkeys([*THERE, "/etc/nginx/site"], "")}, {}, ["/etc/nginx/site", "/etc/unit"]),
    ],
)  # fmt: skip
def test_what_differs(looked, wishes, changes):
    assert decide(looked, **wishes)["changes"] == changes


CUT = {**seen(), "files": {**seen()["files"], "/etc/before/record.json": "ab"}}


def test_a_run_that_was_cut_off_is_ended_though_nothing_differs():
    """L8, F7. Deleted: a site that was written and not checked would break all of nginx at its next start, and the filling server would run for ever."""
    decided = decide(CUT)
    assert decided["changes"] == [] and decided["takes_site"] and decided["writes"] and decided["acts"]
    assert "did not come to an end" in decided["unfinished"] and "/etc/before/record.json" in decided["look"]["watch"]
    calm = decide(seen())
    assert not calm["takes_site"] and not calm["writes"] and not calm["acts"] and calm["unfinished"] == ""


@pytest.mark.parametrize("looked,wishes,asked", [
    (seen(missing=["a:1b"]), {}, "(models)"), (seen(archives=[LISTED]), {}, "(releases)"), (seen(), {"port": 8080}, "(site)"), (CUT, {}, "(site)"),
    (seen(missing=["a:1b"], archives=[LISTED]), {"user": "other"}, "(site, releases, models)"),
])  # fmt: skip
def test_whoever_changes_a_mirror_takes_it_and_says_what_for(looked, wishes, asked):
    decided = decide(looked, **wishes)
    assert decided["acts"] and decided["change"] == {
        "record": "/etc/before", "asked": asked, "before": {"url": decided["probe_url"]}, "paths": ["/etc/nginx/site", "/etc/unit", "/etc/secrets"],
    }  # fmt: skip


def test_another_filler_is_no_reason_not_to_serve():
    """An upgrade of the fleet's release alone asks for another unit on the hub; its hosts would each have gone over the WAN."""
    assert decide(seen())["serves"] and decide(seen(), user="other")["serves"]
    assert not decide(seen(), port=8080)["serves"] and not decide(seen(there=["/proc/ipv6"]))["serves"]


def test_a_dry_run_says_what_a_run_would_do():
    """Who tries a change of the inventory with --check sees nothing else of a mirror."""
    looked = {**seen(missing=["a:1b", "b:1b"], archives=[LISTED]), "files": dict.fromkeys(THERE, "")}
    assert decide(looked, upstream="http://up")["would"] == [
        "Would write /etc/nginx/site, /etc/unit.",
        "Would fetch http://x/v0.32.15/main.tgz.",
        "Would pull a:1b, b:1b from http://up.",
    ]
    assert decide(seen())["would"] == []


def test_a_dry_run_after_one_that_was_cut_off_says_what_would_be_done():
    """Deleted, it would say that this one has nginx check the site and stops what fills the store."""
    decided = plan.decide(WISH, WANTS, PATHS, CUT, check_mode=True)
    assert decided["unfinished"] == "" and len(decided["would"]) == 1
    assert "did not come to an end" in decided["would"][0] and "would have nginx check the site once more" in decided["would"][0]


def test_a_removal_asks_nobody_and_removes_what_is_there():
    decided = decide({"files": {"/etc/unit": "", "/srv/m/filler": "directory", "/srv/m": "directory"}, "mounts": []}, state="absent")
    assert decided["changes"] == ["/etc/unit", "/srv/m/filler"]
    assert (decided["has_unit"], decided["has_site"]) == (True, False)
    assert decided["remove"] == ["/srv/m/" + name for name in ("public", "releases", "ollama", "home", "filler", "verified.json")], "not all of /srv/m"
    assert decided["look"]["models"] == [] and decided["look"]["port"] is None


@pytest.mark.parametrize("nginx", [True, False])
def test_nginx_is_told_that_a_site_is_gone_where_there_is_one(nginx):
    """Somebody may have removed the package before."""
    there = {"/etc/nginx/site": "", **({"/sbin/nginx": ""} if nginx else {})}
    decided = decide({"files": there, "mounts": []}, state="absent")
    assert decided["changes"] == ["/etc/nginx/site"] and decided["has_site"] == nginx


def test_the_list_of_a_release_comes_once_and_only_where_it_is_needed():
    fetch = decide(seen(archives=[LISTED, {**LISTED, "archive": "rocm.tgz"}, PINNED]))["fetch"]
    assert fetch["folders"] == ["/srv/m/releases/v0.32.15", "/srv/m/releases/v0.9.9"]
    assert fetch["lists"] == [{"folder": "/srv/m/releases/v0.32.15", "url": LISTED["list_url"]}]
    assert fetch["archives"][0] == {"what": "main.tgz 0.32.15", "url": LISTED["url"], "folder": "/srv/m/releases/v0.32.15", "name": "main.tgz"}


FAILED_LOOP = {"results": [{"item": "x"}, {"failed": True, "ansible_loop_var": "one", "one": {"url": "http://x/y"}, "msg": "404"}]}


@pytest.mark.parametrize(
    "failed,corrupt,why",
    [
        (FAILED_LOOP, [], "(http://x/y: 404)"),
        ({"item": "/srv/m/releases/v1", "msg": "read-only"}, [], "(/srv/m/releases/v1: read-only)"),
        ({}, ["v0.32.15/main.tgz"], "(its checksum is another one)"),
        ({}, [], "(the release's sha256sum.txt does not name it)"),
    ],
)
def test_why_a_release_cannot_be_had(failed, corrupt, why):
    """A user who reads only that it is lacking cannot know whether to mend an address, a checksum or a way out."""
    said = decide(seen(archives=[LISTED], corrupt=corrupt), after={"fetched": failed})["lacks"]
    assert said.startswith("WARNING: the mirror lacks main.tgz %s, so the hosts that need it ask for it themselves;" % why)
    assert decide(seen(), after={"fetched": failed})["lacks"] == ""


def test_a_mismatch_says_both_sums():
    """Deleted, nobody could tell an attack from a build of somebody's own."""
    looked = seen(archives=[LISTED], corrupt=["v0.32.15/main.tgz"])
    looked["releases"]["mismatches"] = [{"archive": "v0.32.15/main.tgz", "wanted": "ab", "found": "cd"}]
    assert "(its checksum is sha256:cd instead of sha256:ab)" in decide(looked, after={"fetched": {}})["lacks"]


NOT_FILLED = "The mirror could not be filled from %s (model_mirror_upstream): no room. What it held before is served on."
NOT_SERVED = "a:1b, b:1b cannot be served: the upstream's copy does not match its digests, or moved meanwhile; run again."


@pytest.mark.parametrize(
    "missing,pulled,upstream,said",
    [
        ([], "whatever", "", []),
        (["a:1b"], "no room.\n", "", [NOT_FILLED % "registry.ollama.ai"]),
        (["a:1b"], "no room", "http://up", [NOT_FILLED % "http://up"]),
        (["a:1b", "b:1b"], "", "", [NOT_SERVED]),
    ],
)
def test_what_is_still_missing_after_the_pull(missing, pulled, upstream, said):
    problems = decide(seen(missing=missing, upstream=upstream), after={"pulled": pulled}, upstream=upstream)["problems"]
    assert [problem["say"] for problem in problems] == said


@pytest.mark.parametrize(
    "wishes,ipv6,has,has_not",
    [
        ({}, False, ["  listen 80;\n  server_name hub 10.0.0.9;\n  root /srv/m/public;"], ["[::]", "ssl", "allow", "deny all;\n\n"]),
        ({}, True, ["  listen 80;\n  listen [::]:80;\n"], []),
        ({"allowed_cidrs": ["10.0.0.0/8"]}, False, ["  allow 127.0.0.1;\n  allow 10.0.0.0/8;\n  deny all;\n\n  location"], []),
        ({"tls_certificate": "/c", "tls_key": "/k", "port": 443}, True, ["listen [::]:443 ssl;", "  ssl_certificate /c;\n  ssl_certificate_key /k;\n"], []),
    ],
)
def test_the_site_of_nginx(wishes, ipv6, has, has_not):
    text = files.site({**WISH, **wishes}, ipv6)
    assert all(part in text for part in has) and not any(part in text for part in has_not), text
    assert text.count("{") == text.count("}") and text.endswith("}\n")


@pytest.mark.parametrize(
    "wishes,lines",
    [
        ({}, []),
        ({"https_proxy": "http://u:p%40s$1@p:1"}, ['HTTPS_PROXY="http://u:p%40s\\$1@p:1"', 'NO_PROXY="localhost,127.0.0.1"']),
        ({"https_proxy": "http://p:1", "no_proxy": ["a", "b"]}, ['HTTPS_PROXY="http://p:1"', 'NO_PROXY="a,b"']),
    ],
)
def test_the_unit_that_fills(wishes, lines):
    """Deleted: the proxy's password would stand in a unit that everybody reads, where systemd takes its percent signs for specifiers."""
    text = files.unit({**WISH, **wishes}, "/srv/m/filler/1/bin/ollama", "/etc/secrets")
    assert "PROXY" not in text and ("EnvironmentFile=/etc/secrets\n" in text) is bool(lines)
    assert [line for line in files.environment({**WISH, **wishes}).splitlines() if not line.startswith("#")] == lines
    assert "ExecStart=/srv/m/filler/1/bin/ollama serve\nUser=filler\n" in text and "ReadWritePaths=/srv/m/ollama /srv/m/home\n" in text


def test_only_root_reaches_the_filling_server():
    """Deleted: any user of the hub gives orders to the server that fills the mirror, and has it pull, delete and fill the disk."""
    text = files.unit(WISH, "/p", "/e")
    assert "ExecStartPre=-+/bin/sh -c 'nft " in text and " output oifname lo tcp dport 11435 meta skuid != 0 reject with tcp reset\"'\n" in text
    assert text.index("ExecStartPre") < text.index("ExecStopPost=-+/bin/sh -c 'nft delete table inet llmfleet_mirror_fill'\n")


@pytest.mark.parametrize("there, wishes, differs", [
    ({}, {}, False), ({}, {"https_proxy": "http://p"}, True), ({"/etc/secrets": "old"}, {}, True), ({"/etc/secrets": "old"}, {"https_proxy": "http://p"}, True),
])
def test_the_file_of_the_proxy_is_there_only_with_a_proxy(there, wishes, differs):
    """Deleted: the password of a proxy that nobody uses any more would stay on the mirror."""
    look = seen()
    look["files"].update(there)
    assert ("/etc/secrets" in decide(look, **wishes)["changes"]) is differs


def planned(*names, **more):
    return {"llm_registry": "http://hub", "ansible_facts": {"model_plan": {"ok": True, "models": [{"name": name, **more} for name in names]}}}


@pytest.mark.parametrize(
    "hosts,models,complete",
    [
        ({"gpu": planned("a:1b", "b:1b"), "gpu-2": planned("a:1b")}, ["a:1b", "b:1b"], True),
        ({"gpu": planned("ours", **{"from": "base:1b"})}, ["base:1b"], True),
        ({"gpu": planned("a:1b"), "off": {"llm_registry": "http://hub"}}, ["a:1b"], False),
        ({"gpu": {"llm_registry": "http://hub", "ansible_facts": {"model_plan": {"ok": False, "models": []}}}}, [], False),
        ({}, [], True),
    ],
)
def test_what_the_plans_of_the_fleet_name(hosts, models, complete):
    wants = wants_of({"model_mirror": ["hub"], "ollama": list(hosts)}, {"hub": {"ansible_host": "10.0.0.9"}, **hosts}, "hub")
    assert (wants.models, wants.models_complete) == (models, complete)


def test_names_of_a_mirror_are_those_that_the_fleet_writes_and_its_releases_those_that_hosts_announced():
    release = {"version": "0.32.15", "archives": ["a.tgz"], "base_url": "http://x", "checksum": ""}
    hosts = {"gpu": {"llm_registry": "http://alias:8080/", "ollama_release": release}, "gpu-2": {"llm_registry": "http://10.0.0.9"}}
    wants = wants_of({"model_mirror": ["hub"], "ollama": list(hosts)}, {"hub": {"ansible_host": "10.0.0.9"}, **hosts}, "hub")
    assert wants.server_names == ["hub", "10.0.0.9", "alias"]
    assert wants.releases == [release] and not wants.releases_complete


def test_a_host_outside_of_the_group_is_a_mirror_that_nobody_asks():
    wants = wants_of({"model_mirror": []}, {"me": {}}, "me")
    assert wants == Wants(server_names=["me"])


TASKS = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "roles/model_mirror/tasks").glob("*.yml")}


@pytest.mark.parametrize("name", TASKS)
def test_what_a_task_asks_the_plan_for_is_in_the_plan(name):
    """A misspelt key in a way back would show on the host whose site nginx has just refused."""
    made = {**decide({"files": {}, "mounts": []}, state="absent"), **decide(seen(), after={"pulled": "", "fetched": {}})}
    for key, inner in re.findall(r"__model_mirror_plan\.(\w+)(?:\.(\w+))?", TASKS[name]):
        assert key in made, "%s asks for %s" % (name, key)
        assert not inner or inner in made[key], "%s asks for %s.%s" % (name, key, inner)


@pytest.mark.parametrize("wishes", [{}, {"tls_certificate": "/c.pem", "tls_key": "/k.pem"}])
def test_a_mirror_sends_nobody_to_another_host(wishes):
    """Clients of Ollama 0.35 and later follow a redirect within one host only. Deleted, one rewrite in the site would end every pull of theirs."""
    text = files.site({**WISH, **wishes}, True)
    assert [line.split()[2] for line in text.splitlines() if "add_header Location" in line] == ["$request_uri;"]
    assert not [word for word in ("rewrite ", "return 30", "proxy_pass", "http://", "https://") if word in text]
