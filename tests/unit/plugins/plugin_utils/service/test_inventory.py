# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Ansible knows of a host becomes what the decision takes.

Deleted, a host could admit the wrong neighbours, or fetch its release from a mirror that is not its own.
"""

from __future__ import annotations

import dataclasses
import socket

import yaml
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.service import decide, inventory, wish
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.service.contract import Around
from looks import bare
from support import ROOT

MAIN, HEX = "ollama-linux-amd64.tar.zst", "ab" * 32
LISTED = "%s  ./%s\n" % (HEX, MAIN)


def variables(**said):
    hosts = {
        "here": {"ansible_host": "10.0.0.1"}, "ui": {"ansible_host": "10.0.0.2"}, "desk": {},
        "hub": {"ansible_host": "10.0.0.9", "model_mirror_tls_certificate": "/c", "model_mirror_server_names": ["mirror.lan"], "model_mirror_store": "/m"},
        "other": {"ansible_host": "10.0.0.8", "model_mirror_port": "5080", "model_mirror_releases": "no"},
    }
    return {
        "inventory_hostname": "here", "ansible_host": "10.0.0.1", "hostvars": hosts, "ollama_allowed_groups": ["open_webui", "gone"],
        "groups": {"ollama": ["here"], "open_webui": ["ui", "desk"], "model_mirror": ["hub", "other"]}, **said,
    }


def test_a_bare_inventory_is_enough():
    assert inventory.around({"inventory_hostname": "here"}) == Around("here", "here", groups={}, addresses={}, devices=(), gpu_models=[])


def test_neighbours_are_known_by_their_addresses():
    """Whether the inventory says the groups, leaves the default, or says what the decision will refuse."""
    for given in (["open_webui", "gone"], "open_webui, gone", None):
        assert inventory.around(variables(ollama_allowed_groups=given)).addresses == {"ui": "10.0.0.2", "desk": ""}
    assert inventory.around(variables(ollama_allowed_groups={"a": 1})).addresses == {}


def test_behind_a_gateway_it_is_the_one_that_comes():
    """Deleted, a web UI that a gateway of the loopback cannot serve would stand before closed doors, and so would all after a gateway has gone."""

    def near(ui="ui", **hub):
        said = variables(groups={"open_webui": [ui], "gateway": ["hub"]}, ollama_allowed_groups=["open_webui"])
        said["hostvars"]["hub"].update(hub)
        found = inventory.around(said)
        return found.addresses, list(found.past_gateway), list(found.groups["gateway"])

    assert near() == ({"hub": "10.0.0.9"}, [], ["hub"])
    assert near(gateway_host="127.0.0.1") == ({"hub": "10.0.0.9", "ui": "10.0.0.2"}, ["ui"], ["hub"])
    assert near("hub", gateway_host="127.0.0.1") == ({"hub": "10.0.0.9"}, [], ["hub"])
    assert near(gateway_state="absent") == ({"ui": "10.0.0.2"}, [], [])


def test_the_mirror_is_the_registry_s_host_and_holds_what_its_list_says():
    mirror = inventory.around(variables(), LISTED).mirror
    assert dataclasses.astuple(mirror) == ("hub", "10.0.0.9", "/m", "/c", 443, ("mirror.lan",), True, {MAIN: HEX})
    other = inventory.around(variables(llm_registry="http://10.0.0.8:5080"), LISTED).mirror
    assert (other.host, other.port, other.server_names, other.releases, other.holds) == ("other", 5080, None, False, {}), "it holds no releases"


def test_facts_say_which_cards_there_are_and_which_models_they_hold():
    facts = {
        "vram": {"devices": [{"vendor": "amd"}]},
        "model_plan": {"models": [{"name": "a", "placement": "gpu"}, {"name": "b", "placement": "cpu"}, {"name": "c", "placement": "partial"}]},
    }
    near = inventory.around(variables(ansible_facts=facts))
    assert (list(near.devices), near.gpu_models) == ([{"vendor": "amd"}], ["a", "c"])


def test_the_controller_is_asked_only_where_the_door_wants_it(monkeypatch):
    monkeypatch.setattr(inventory, "source_address", lambda host: "192.0.2.7 to " + host)
    near = inventory.around(variables())

    def controller(near=near, **said):
        made, _problems = wish.read({"ollama_version": "0.32.15", **said}, "macos")
        return inventory.with_controller(made, near).controller

    assert controller() == "192.0.2.7 to 10.0.0.1"
    assert [controller(ollama_host="127.0.0.1"), controller(ollama_admit_controller=False)] == ["", ""]
    assert controller(dataclasses.replace(near, connection="local")) == ""


def test_the_way_to_a_host_is_asked_of_the_routes():
    assert inventory.source_address("127.0.0.1") == "127.0.0.1"


def test_a_host_that_no_name_server_knows_admits_no_controller(monkeypatch):
    def unknown(*_asked, **_named):
        raise socket.gaierror("no such name")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert inventory.source_address("nowhere.invalid") == ""


def test_a_wish_that_cannot_be_read_asks_nothing_and_is_refused_later():
    """Which system it is shows only in the look; the refusal must not wait for a look that nobody can ask for."""
    near = Around("here", "here")
    assert [question.system for question in decide.questions({"ollama_version": "0.32.15"}, near)] == list(decide.SYSTEMS)
    assert decide.questions({"ollama_version": "0.32.15", "ollama_port": "abc"}, near) == []
    assert [problem.id for problem in decide.decide("here", {"ollama_version": "1.0.0", "ollama_port": "abc"}, bare("linux"), near).problems] == ["port"]


def test_before_the_role_is_there_its_defaults_are_known():
    """Deleted, the check before the first change could judge other settings than the role then gives the service, and call a host settled that is not."""
    said = yaml.safe_load((ROOT / "roles/ollama/defaults/main.yml").read_text(encoding="utf-8"))
    facts = {
        "vram": {"devices": [{"vendor": "amd"}, {"vendor": "nvidia"}, {"vendor": "amd"}]}, "model_plan": {"environment": {"OLLAMA_NUM_PARALLEL": "1"}},
    }
    known = inventory.defaults(facts, "here")
    assert [str(text).replace("{{ inventory_hostname }}", "here") for text in said["ollama_no_proxy"]] == known["ollama_no_proxy"]
    assert (known["ollama_accelerators"], known["ollama_plan_environment"]) == (["amd", "nvidia"], {"OLLAMA_NUM_PARALLEL": "1"})
    bare_host = inventory.defaults({}, "here")
    assert (bare_host["ollama_accelerators"], bare_host["ollama_plan_environment"]) == (["auto"], {})
    # Of what follows from the system, wish.PLACES knows it; all others are plain values.
    computed = {name for name, value in said.items() if "{{" in str(value)}
    assert computed == {wish.variable(name) for name in ("install_dir", "models_dir", "user", "group", "accelerators", "plan_environment", "no_proxy")}
    plain = {name: value for name, value in said.items() if name not in computed}
    assert wish.read(plain, "linux") == wish.read({"ollama_version": known["ollama_version"]}, "linux")
