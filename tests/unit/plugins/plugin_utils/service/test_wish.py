# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the inventory wants is read with its types, and refused by name where it cannot work.

Deleted, a wrong variable would reach a host and fail there, after the first change, in words that name no variable.
"""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.service import address, environment, wish
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.service.contract import Around
from looks import bare

AROUND = Around("here", "10.0.0.1", groups={"ollama": ["here"], "people": ["here", "desk"]})
HEX = "ab" * 32


def read(system="linux", **variables):
    return wish.read({"ollama_version": "0.32.15", **variables}, system)


def refused(**variables):
    made, problems = read(**variables)
    return problems or wish.problems(made, AROUND)


# ---- reading


@pytest.mark.parametrize(
    "system, install, models, user",
    [
        ("linux", "/opt/ollama", "/usr/share/ollama/.ollama/models", "ollama"),
        ("macos", "/opt/ollama", "/opt/ollama/models", "_ollama"),
        ("windows", "C:\\ollama", "C:\\ollama\\models", "LOCAL SERVICE"),
    ],
)
def test_each_system_has_its_places(system, install, models, user):
    made, problems = read(system)
    assert problems == [] and (made.install_dir, made.models_dir, made.user, made.group) == (install, models, user, user)


READ = {
    "port": ("11500", 11500), "purge": ("yes", True), "admit_controller": (0, False), "models_move": ("Leave", "leave"), "allowed_cidrs": ("a, b", ("a", "b")),
    "accelerators": ([], ()), "environment": ({"A": 1}, {"A": 1}), "https_proxy": (None, ""), "allowed_groups": (["x"], ("x",)),
}


@pytest.mark.parametrize("name", READ)
def test_values_have_their_types(name):
    given, wanted = READ[name]
    made, problems = read(**{"ollama_" + name: given})
    assert problems == [] and getattr(made, name) == wanted


def test_models_move_is_a_switch_with_a_third_word():
    assert [read(ollama_models_move=word)[0].models_move for word in (True, False, "true", "leave")] == ["move", "refuse", "move", "leave"]


UNREADABLE = {
    "port": ("abc", "ollama_port is abc; write a port from 1 to 65535."),
    "wait_seconds": ("long", 'ollama_wait_seconds is "long"; write a whole number.'),
    "purge": ("perhaps", 'ollama_purge is "perhaps"; write true or false.'),
    "models_move": ("away", 'ollama_models_move is "away"; write true or false.'),
    "version": (["0.32.15"], "ollama_version is ['0.32.15']; write one text."),
    "allowed_cidrs": ({"a": 1}, "ollama_allowed_cidrs is {'a': 1}; write a list of texts."),
    "allowed_groups": ([None], "ollama_allowed_groups is [None]; write a list of texts."),
    "environment": (["A=1"], "ollama_environment is something else; write names with values."),
    "state": ("gone", 'ollama_state is "gone"; write present or absent.'),
    "firewall": ("ufw", 'ollama_firewall is "ufw"; write managed or none.'),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_value_of_another_type_is_refused_by_name(name):
    given, sentence = UNREADABLE[name]
    made, problems = read(**{"ollama_" + name: given})
    assert made is None and [(problem.variable, problem.say) for problem in problems] == [("ollama_" + name, sentence)]


def test_a_version_must_be_said():
    made, problems = wish.read({}, "linux")
    assert made is None and problems[0].variable == "ollama_version"


# ---- refusing. id, variable, what the sentence must say

REFUSALS = {
    "latest": ({"version": "latest"}, "version_form", "ollama_version", 'not "latest"'),
    "a leading v": ({"version": "v0.32.15"}, "version_form", "ollama_version", "without a leading v"),
    "two numbers": ({"version": "0.32"}, "version_form", "ollama_version", "0.32.15"),
    "with holes": ({"version": "0.23.2"}, "version_vulnerable", "ollama_version", "below 0.23.3"),
    "a bare binary": ({"version": "0.3.6", "accept_vulnerable_version": True}, "version_no_archive", "ollama_version", "is 0.3.7."),
    "above all that is known": ({"version": "99.0.1"}, "version_untested", "ollama_version", "ollama_accept_untested_version to true"),
    "a proxy that it cannot use": (
        {"version": "0.35.1", "https_proxy": "http://p:3128"}, "proxy_pulls", "ollama_https_proxy", "does not pull through a proxy"),
    "a scheme": ({"host": "http://0.0.0.0"}, "host_scheme", "ollama_host", "port 80"),
    "a name": ({"host": "gpu1"}, "host_form", "ollama_host", "0.0.0.0 or ::"),
    "a network": ({"host": "10.0.0.0/8"}, "host_form", "ollama_host", "an IP address"),
    "a relative path": ({"models_dir": "models"}, "models_dir_relative", "ollama_models_dir", "absolute"),
    "all of /opt": ({"install_dir": "/opt/"}, "install_dir_shared", "ollama_install_dir", "write a directory of its own such as /opt/ollama."),
    "a home": ({"models_dir": "/home/alice"}, "models_dir_shared", "ollama_models_dir", "such as /home/alice/ollama."),
    "a drive as a whole": ({"models_dir": "D:\\"}, "models_dir_shared", "ollama_models_dir", "such as D:\\ollama."),
    "up again": ({"models_dir": "/srv/models/../../etc"}, "models_dir_shared", "ollama_models_dir", "which a whole host shares"),
    "port 0": ({"port": 0}, "port", "ollama_port", "1 to 65535"),
    "port 65536": ({"port": 65536}, "port", "ollama_port", "1 to 65535"),
    "no door": ({"firewall": "none"}, "open_port", "ollama_firewall", "ollama_accept_open_port to true"),
    "everybody by a typo": ({"allowed_cidrs": ["10.20.0.5/0"]}, "everybody_admitted", "ollama_allowed_cidrs", "admits everybody (0.0.0.0/0)"),
    "everybody by halves": ({"allowed_cidrs": ["::/1", "8000::/1"]}, "everybody_admitted", "ollama_allowed_cidrs", "ollama_accept_open_port to true"),
    "everybody without multicast": ({"allowed_cidrs": ["0.0.0.0/1", "128.0.0.0/2", "192.0.0.0/3"]}, "everybody_admitted", "ollama_allowed_cidrs", "0.0.0.0/1"),
    "all of the internet": ({"allowed_cidrs": ["2000::/3"]}, "everybody_admitted", "ollama_allowed_cidrs", "admits everybody (2000::/3)"),
    "no network": ({"allowed_cidrs": ["10.0.0.0/33", "10.0.0.0/8"]}, "allowed_cidrs", "ollama_allowed_cidrs", "has 10.0.0.0/33;"),
    "no direct network": ({"direct_cidrs": ["10.0.0.0/33"]}, "direct_cidrs", "ollama_direct_cidrs", "has 10.0.0.0/33;"),
    "no such group": ({"allowed_groups": ["people", "cats", "open_webui"]}, "allowed_groups", "ollama_allowed_groups", "names cats,"),
    "another checksum": ({"download_checksum": "md5:" + HEX}, "download_checksum", "ollama_download_checksum", "sha256:<64 hex digits>"),
    "a short checksum": ({"download_checksum": "sha256:abc"}, "download_checksum", "ollama_download_checksum", "sha256:<64 hex digits>"),
    "OLLAMA_HOST": ({"environment": {"OLLAMA_HOST": "x"}}, "environment_owned", "ollama_environment", "set ollama_host and ollama_port instead"),
    "HTTP_PROXY": ({"environment": {"http_proxy": "x"}}, "environment_owned", "ollama_environment", "set ollama_https_proxy instead"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refusal(name):
    given, wanted, variable, words = REFUSALS[name]
    problems = refused(**{"ollama_" + key: value for key, value in given.items()})
    assert [(problem.id, problem.variable) for problem in problems] == [(wanted, variable)]
    assert words in problems[0].say and problems[0].say.endswith(".")


ACCEPTED = {
    "a pre-release": {"version": "0.33.0-rc2"}, "a vendor's build": {"version": "0.30.0-ipexllm-20250407"}, "its floor": {"version": "0.23.3"},
    "known holes, known": {"version": "0.9.3", "accept_vulnerable_version": True}, "loopback without a door": {"host": "127.0.0.1", "firewall": "none"},
    "somebody else's door": {"firewall": "none", "accept_open_port": True}, "localhost": {"host": "localhost"}, "IPv6": {"host": "fd00::1"},
    "a drive": {"models_dir": "D:\\models"}, "a checksum": {"download_checksum": "sha256:" + HEX},
    "a list of checksums": {"download_checksum": "sha256:https://x/sums"}, "both ports": {"port": 65535},
    "a release above all that is known, known": {"version": "99.0.1", "accept_untested_version": True},
    "a proxy, and a registry in the own network": {"version": "0.35.1", "https_proxy": "http://p:3128", "registry": "http://mirror"},
    "a fleet without a web UI": {"allowed_groups": ["open_webui"]},
    "private networks": {"allowed_cidrs": ["10.0.0.0/8", "fc00::/7", "fe80::/10"]},
    "everybody, known": {"allowed_cidrs": ["0.0.0.0/0"], "accept_open_port": True}, "everybody of nobody": {"allowed_cidrs": ["::/0"], "host": "127.0.0.1"},
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_works_is_not_refused(name):
    assert refused(**{wish.variable(key): value for key, value in ACCEPTED[name].items()}) == []


def test_everything_that_is_wrong_is_said_at_once():
    assert [problem.id for problem in refused(ollama_version="1", ollama_host="x", ollama_port=0)] == ["version_form", "host_form", "port"]


MACHINES = {
    "systemd": ({}, None, None),
    "openrc": ({"service_manager": "openrc"}, "no_systemd", "run by openrc"),
    "nobody knows": ({"service_manager": ""}, "no_systemd", "something else"),
    "WSL 1": ({"service_manager": "init", "kernel": "4.4.0-19041-Microsoft"}, "no_systemd", "--set-version"),
    "WSL 2": ({"service_manager": "init", "kernel": "5.15.90.1-microsoft-standard-WSL2"}, "no_systemd", "systemd=true"),
    "riscv": ({"architecture": "riscv64"}, "architecture", "no release for the architecture riscv64"),
}


@pytest.mark.parametrize("name", MACHINES)
def test_machines(name):
    said, wanted, words = MACHINES[name]
    found = wish.platform_problems(bare("linux", **said))
    assert [problem.id for problem in found] == ([wanted] if wanted else []) and all(words in problem.say for problem in found)


# ---- drivers


def card(driver="570.86.16", compute="8.6", vendor="nvidia"):
    return {"vendor": vendor, "name": "card", "driver": {"name": vendor, "version": driver}, "compute_capability": compute}


DRIVERS = {
    "new": ("0.32.15", card(), None, ""),
    "535": ("0.32.15", card("535.183.01"), "error", "older than 550"),
    "535, older release": ("0.30.10", card("535.183.01"), None, ""),
    "525, older release": ("0.30.10", card("525.60"), "warning", "older than 531"),
    "560, Pascal": ("0.32.15", card("560.35", "6.1"), "error", "older than 570"),
    "560, Volta": ("0.32.15", card("560.35", "7.0"), None, ""),
    "560, a card that does not tell": ("0.32.15", card("560.35", None), None, ""),
    "no driver": ("0.32.15", card(None), None, ""),
    "no driver at all": ("0.32.15", {"vendor": "nvidia", "name": "card", "driver": None}, None, ""),
    "another vendor": ("0.32.15", card("6.1", vendor="amd"), None, ""),
}


@pytest.mark.parametrize("name", DRIVERS)
def test_old_drivers(name):
    version, device, severity, words = DRIVERS[name]
    made, _problems = read(ollama_version=version, ollama_accelerators=["nvidia"])
    around = Around("here", "", groups={}, devices=[device, device])
    errors, warnings = [problem.say for problem in wish.problems(made, around)], [said for said in wish.warnings(made, around) if "driver" in said]
    assert (len(errors), len(warnings)) == (int(severity == "error"), int(severity == "warning")), "one sentence, however many cards"
    assert all(words in text for text in errors + warnings)


def test_who_accepts_the_cpu_is_not_told_of_drivers():
    made, _problems = read(ollama_accelerators=[])
    assert wish.problems(made, Around("here", "", devices=[card("535.1")])) == []


# ---- addresses

ADDRESSES = {
    "0.0.0.0": ("0.0.0.0:11434", "http://127.0.0.1:11434", "http://10.0.0.1:11434", True),
    "::": ("[::]:11434", "http://[::1]:11434", "http://10.0.0.1:11434", True),
    "10.0.0.5": ("10.0.0.5:11434", "http://10.0.0.5:11434", "http://10.0.0.5:11434", True),
    "fd00::5": ("[fd00::5]:11434", "http://[fd00::5]:11434", "http://[fd00::5]:11434", True),
    "127.0.0.1": ("127.0.0.1:11434", "http://127.0.0.1:11434", "http://127.0.0.1:11434", False),
    "localhost": ("localhost:11434", "http://localhost:11434", "http://localhost:11434", False),
}


@pytest.mark.parametrize("host", ADDRESSES)
def test_addresses(host):
    made, _problems = read(ollama_host=host)
    found = address.addresses(made, AROUND)
    assert (found["bind"], found["local"], found["url"], address.guarded(made)) == ADDRESSES[host]


LISTENERS = {
    "0.0.0.0:11434": "http://127.0.0.1:11434", "*:1": "http://127.0.0.1:1", "[::]:11434": "http://[::1]:11434", "10.0.0.5:80": "http://10.0.0.5:80",
    "[fd00::1]:80": "http://[fd00::1]:80", None: None,
}


@pytest.mark.parametrize("listener", LISTENERS)
def test_where_the_old_server_can_be_asked(listener):
    assert address.listener_url(listener) == LISTENERS[listener]


def test_who_is_asked_for_by_name():
    around = Around("here", "10.0.0.1", groups={"a": ["here", "x", "y"], "b": ["y", "z"]}, addresses={"x": "10.0.0.3", "y": "", "z": "10.0.0.3"})
    made, _problems = read(ollama_allowed_groups=["a", "b", "none"])
    assert address.door_names(made, around) == ("10.0.0.3", "y"), "each once, by its address if it has one, and never the host itself"
    assert address.door_names(read(ollama_allowed_groups=["a"], ollama_host="127.0.0.1")[0], around) == ()


def test_behind_a_gateway_no_other_host_is_asked_for_by_name():
    """Deleted, a web UI's host, and whoever has an account there, would reach Ollama past all keys."""
    around = Around(
        "here", "10.0.0.1", groups={"gateway": ["hub", "here"], "open_webui": ["ui", "hub"]}, addresses={"hub": "10.0.0.9", "ui": "10.0.0.2"},
    )
    assert address.door_names(read()[0], around) == ("10.0.0.9",)
    assert address.door_names(read(ollama_allowed_groups=["open_webui"])[0], around) == ("10.0.0.9",), "a gateway that nobody has named comes in"
    assert address.door_names(read()[0], dataclasses.replace(around, past_gateway=["ui"])) == ("10.0.0.2", "10.0.0.9"), "who does not reach the gateway"
    without = dataclasses.replace(around, groups={**around.groups, "gateway": []})
    assert address.door_names(read()[0], without) == ("10.0.0.2", "10.0.0.9"), "without a gateway as before"


def test_a_group_that_a_gateway_shuts_out_is_refused():
    """Deleted, a host of a monitoring group would stand before a closed door, and nothing would say why."""
    made, groups = read(ollama_allowed_groups=["people", "gateway", "open_webui"])[0], {"people": ["p"], "gateway": ["hub"]}
    problem, = wish.problems(made, Around("here", "", groups=groups))
    assert (problem.id, problem.variable) == ("groups_beside_gateway", "ollama_allowed_groups")
    assert "names people" in problem.say and "ollama_direct_cidrs" in problem.say
    assert wish.problems(made, Around("here", "", groups={**groups, "gateway": []})) == []
    assert wish.problems(read(ollama_allowed_groups=["people"], ollama_host="127.0.0.1")[0], Around("here", "", groups=groups)) == []


def test_the_controller_comes_in_unless_it_is_not_wanted():
    look = bare("linux", controller="10.9.9.9", resolved=[{"name": "x", "addresses": ["10.0.0.3", "fe80::1%eth0.odd"]}])
    made, _problems = read(ollama_allowed_cidrs=["10.20.0.0/16"])
    around = Around("here", "", controller="fd00::9")
    assert address.admitted(made, around, look)["ipv4"] == ["10.0.0.3", "10.9.9.9", "10.20.0.0/16"]
    assert "fd00::9" in address.admitted(made, around, look)["ipv6"]
    closed, _problems = read(ollama_admit_controller=False)
    assert address.admitted(closed, around, look)["ipv4"] == ["10.0.0.3"]


def test_with_a_gateway_the_users_come_there():
    """Their networks would reach Ollama past all keys, and one that admits everybody to the gateway would be refused for the hosts."""
    look, made = bare("linux", controller="10.9.9.9"), read(ollama_allowed_cidrs=["0.0.0.0/0"], ollama_direct_cidrs=["10.30.0.0/16"])[0]
    behind = Around("here", "", groups={"gateway": ["hub"]})
    assert address.admitted(made, behind, look)["ipv4"] == ["10.9.9.9", "10.30.0.0/16"]
    assert address.admitted(made, Around("here", "", groups={"gateway": []}), look)["ipv4"] == ["0.0.0.0/0"]
    assert [problem.id for problem in wish.problems(made, Around("here", ""))] == ["everybody_admitted"]
    assert wish.problems(made, behind) == []


# ---- the environment


def wanted(layer=None, store=None, **variables):
    return environment.wanted(read(**{"ollama_" + name: value for name, value in variables.items()})[0], "0.0.0.0:11434", layer or {}, store)


def test_the_layers_win_in_their_order():
    """The store suggests, the plan asks, the user decides, and where the server listens is the role's."""
    made = wanted(
        {"HOME": "/h"}, {"OLLAMA_NOPRUNE": "true", "OLLAMA_NUM_PARALLEL": 9, "HOME": "/other"},
        plan_environment={"OLLAMA_NUM_PARALLEL": 2, "OLLAMA_KEEP_ALIVE": "5m"}, environment={"OLLAMA_KEEP_ALIVE": -1, "OLLAMA_NOPRUNE": "no"},
    )
    assert made == {
        "HOME": "/h", "OLLAMA_HOST": "0.0.0.0:11434", "OLLAMA_KEEP_ALIVE": "-1", "OLLAMA_MODELS": "/usr/share/ollama/.ollama/models",
        "OLLAMA_NOPRUNE": "false", "OLLAMA_NUM_PARALLEL": "2", "OLLAMA_NO_CLOUD": "true",
    }


def test_nobody_is_called_unasked():
    """Deleted, each server would call ollama.com at its start and every few hours, and a release that knows no such switch be given it, with a warning."""
    def asked(version="0.32.15", **given):
        made, _problems = read(ollama_version=version, ollama_accept_vulnerable_version=True, **given)
        return environment.wanted(made, "0.0.0.0:11434", {}).get("OLLAMA_NO_CLOUD")

    assert asked() == "true" and asked(ollama_cloud=True) is None and asked("0.9.3") is None
    assert asked(ollama_environment={"OLLAMA_NO_CLOUD": "no"}) == "false", "the user's word wins"


def test_the_mirror_is_not_behind_the_proxy():
    made, _problems = wish.read({
        "ollama_version": "0.32.15",
        "ollama_https_proxy": "http://proxy:3128",
        "ollama_no_proxy": ["localhost", "mirror.lan"],
        "llm_registry": "http://mirror.lan:5080/",
    }, "linux")
    assert environment.wanted(made, "x", {})["NO_PROXY"] == "localhost,mirror.lan"


UNFIT = {
    "two lines": ({"A": "1\n2"}, "the value of A has more than one line"), "nothing": ({"A": None}, "A has no value"), "a dict": ({"A": {}}, "A has no value"),
    "no name": ({"A-B": 1}, "'A-B' is not the name"), "no switch": ({"OLLAMA_NOPRUNE": "perhaps"}, "OLLAMA_NOPRUNE is a switch, but its value is 'perhaps'"),
}


@pytest.mark.parametrize("name", UNFIT)
def test_what_no_environment_can_carry(name):
    given, words = UNFIT[name]
    with pytest.raises(environment.BadSetting, match=words):
        wanted(environment=given)


def test_what_a_release_does_not_read_is_said_once():
    assert environment.unread({"OLLAMA_HOST": "x", "HTTPS_PROXY": "y"}, "0.32.15") is None
    text = environment.unread({"OLLAMA_VULKAN": "true", "LLAMA_ARG_FIT_TARGET": "1", "OLLAMA_NUM_GPU": "1"}, "0.9.3")
    wanted = "Ollama 0.9.3 does not read what its environment says: LLAMA_ARG_FIT_TARGET: it came with 0.30.0; OLLAMA_NUM_GPU: no version reads it;"
    assert text.startswith(wanted)
    assert text.endswith("; OLLAMA_VULKAN: it came with 0.12.11.")


SECRETS = {
    "A_KEY": "x", "HF_TOKEN": "x", "MY_SECRET": "x", "PASSWORD": "x", "HTTPS_PROXY": "http://me:pw@proxy:1",
}


@pytest.mark.parametrize("name", SECRETS)
def test_secrets_are_known_by_name_or_by_form(name):
    assert environment.has_secrets({"A": "b", name: SECRETS[name]}) and not environment.has_secrets({"A": "b", "HTTPS_PROXY": "http://proxy:1"})
