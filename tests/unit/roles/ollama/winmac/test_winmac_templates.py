# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each template is read by what will read it: plistlib, cmd.exe's own rules, the packet filter's grammar.

Without these a value with `&`, `<` or `%` would stop the daemon or reach Ollama changed, on hosts that no test here has.
"""

from __future__ import annotations

import plistlib
import re

import pytest
from winmac_play import ROLE

AWKWARD = {"A_TOKEN": "a&b<c>%PATH%^|\"' !d", "OLLAMA_ORIGINS": "http://a.test,app://*", "OLLAMA_NOPRUNE": True, "OLLAMA_KEEP_ALIVE": -1}


def cmd_settings(text):
    """What `set "NAME=VALUE"` lines of a batch file leave in the environment, with delayed expansion off."""
    found = {}
    for line in text.split("\r\n"):
        assert "\n" not in line, "cmd.exe loses its place in files without carriage returns"
        match = re.fullmatch(r'set "(\w+)=(.*)"', line)
        if match:
            assert not re.search(r"(?<!%)%(?!%)", match[2].replace("%%", "")), f"{match[1]} would be expanded"
            found[match[1]] = match[2].replace("%%", "%")
    return found


def test_launcher_hands_over_every_value_unchanged(host_of):
    wanted = {**AWKWARD, "A_TOKEN": AWKWARD["A_TOKEN"].replace('"', "")}
    play = host_of("windows", ollama_environment=wanted, ollama_plan_environment={"OLLAMA_CONTEXT_LENGTH": "8192"})
    text = play.of("__ollama_launcher")
    found = cmd_settings(text)
    assert found["A_TOKEN"] == wanted["A_TOKEN"]
    assert found["OLLAMA_NOPRUNE"] == "true" and found["OLLAMA_KEEP_ALIVE"] == "-1" and found["OLLAMA_CONTEXT_LENGTH"] == "8192"
    assert found["OLLAMA_HOST"] == "0.0.0.0:11434"
    assert found["OLLAMA_MODELS"] == "C:\\ollama\\models"
    assert text.startswith("@echo off\r\n") and text.isascii()
    assert text.rstrip().splitlines()[-1] == '"C:\\ollama\\current\\ollama.exe" serve >> "%LOG%" 2>&1'


def test_launcher_sets_nothing_for_the_machine(host_of):
    """setx would put 0.0.0.0 and tokens where every user reads them."""
    assert "setx" not in host_of("windows").of("__ollama_launcher").lower()


def test_daemon_hands_over_every_value_unchanged(host_of):
    play = host_of("macos", ollama_environment=AWKWARD)
    daemon = plistlib.loads(play.of("__ollama_daemon").encode("utf-8"))
    environment = daemon["EnvironmentVariables"]
    assert environment["A_TOKEN"] == AWKWARD["A_TOKEN"]
    assert environment["HOME"] == "/opt/ollama/home"
    assert environment["OLLAMA_HOST"] == "0.0.0.0:11434"
    assert all(isinstance(value, str) for value in environment.values()), "launchd refuses numbers in EnvironmentVariables"
    assert daemon["ProgramArguments"] == ["/opt/ollama/current/ollama", "serve"]
    assert daemon["UserName"] == "_ollama" and daemon["RunAtLoad"] is True and daemon["KeepAlive"] is True
    assert daemon["StandardErrorPath"] == "/opt/ollama/logs/server.log"


def test_door_daemon_is_read_by_launchd_and_sh(host_of):
    daemon = plistlib.loads(host_of("macos").of("__ollama_door").encode("utf-8"))
    script = (ROLE / "files/macos/door.sh").read_text(encoding="utf-8").rstrip("\n")
    assert daemon["ProgramArguments"] == [
        "/bin/sh", "-c", script, "door", "hold", "com.apple/net.llmfleet.ollama-door", "/etc/pf.anchors/net.llmfleet.ollama-door",
        "/var/run/net.llmfleet.ollama-door.token",
    ]
    assert daemon["RunAtLoad"] is True and daemon["StartInterval"] == 300


def test_rules_admit_in_order_and_block_the_rest(host_of):
    """pf takes the first `quick` rule: the block must be the last and the loopback the first."""
    play = host_of("macos", ollama_allowed_cidrs=["10.20.0.0/16", "192.0.2.7", "fd00::/8"], ollama_port=8080)
    rules = [line for line in play.of("__ollama_rules").splitlines() if not line.startswith("#")]
    assert rules == [
        "pass in quick on lo0 proto tcp from any to any port 8080",
        "pass in quick proto tcp from 10.20.0.0/16 to any port 8080",
        "pass in quick proto tcp from 192.0.2.7 to any port 8080",
        "pass in quick proto tcp from fd00::/8 to any port 8080",
        "block drop in quick proto tcp from any to any port 8080",
    ]


@pytest.mark.parametrize("platform", ["windows", "macos"])
def test_web_interface_hosts_are_admitted_by_address(host_of, platform):
    """A web interface that the firewall drops is the most frequent complaint of all (G 2)."""
    play = host_of(
        platform, groups={"all": ["here", "web"], "open_webui": ["web"]}, hostvars={"web": {"ansible_host": "10.20.0.9"}},
        ollama_allowed_cidrs=["192.0.2.0/24"],
    )
    assert play.of("__ollama_admitted")["ipv4"] == ["10.20.0.9", "192.0.2.0/24"]


@pytest.mark.parametrize("platform", ["windows", "macos"])
def test_controller_is_admitted_where_the_inventory_names_no_connection(host_of, platform):
    """The models of a Windows host are brought from the controller; ssh is the default that no variable says."""
    play = host_of(platform, ansible_host="127.0.0.1", ollama_allowed_cidrs=["192.0.2.7"])
    del play.variables["ansible_connection"]
    assert play.of("__ollama_admitted")["ipv4"] == ["127.0.0.1", "192.0.2.7"]
    play.variables["ollama_admit_controller"] = False
    assert play.of("__ollama_admitted")["ipv4"] == ["192.0.2.7"]


@pytest.mark.parametrize("platform", ["windows", "macos"])
def test_mirror_is_not_behind_the_proxy(host_of, platform):
    play = host_of(platform, ollama_https_proxy="http://proxy.test:3128", llm_registry="http://mirror.test:5080")
    environment = play.of("__ollama_merged")["environment"]
    assert environment["HTTPS_PROXY"] == "http://proxy.test:3128"
    assert "mirror.test" in environment["NO_PROXY"].split(",") and "HTTP_PROXY" not in environment


def test_amd_card_brings_the_rocm_archive(host_of):
    state = {"accelerators": ["amd", "nvidia"]}
    assert host_of("windows", lambda new: new["machine"].update(state)).of("__ollama_archives") == [
        "ollama-windows-amd64.zip", "ollama-windows-amd64-rocm.zip",
    ]


def test_vram_fact_wins_over_the_look_at_the_machine(stage, host_of):
    play = host_of("windows", facts={"vram": {"devices": [{"vendor": "nvidia"}]}}, change=lambda new: new["machine"].update(accelerators=["amd"]))
    assert play.of("__ollama_archives") == ["ollama-windows-amd64.zip"]


def test_arm_windows_gets_the_arm_archive(host_of):
    assert host_of("windows", lambda new: new["machine"].update(architecture="ARM64")).of("__ollama_archives") == ["ollama-windows-arm64.zip"]


@pytest.mark.parametrize(("bound", "dialled"), [("0.0.0.0", "127.0.0.1:8080"), ("10.20.0.5", "10.20.0.5:8080"), ("::", "[::1]:8080")])
def test_command_line_gets_an_address_that_it_can_dial(host_of, bound, dialled):
    """The CLI dials what OLLAMA_HOST says, and 0.0.0.0 fails on Windows."""
    assert host_of("windows", ollama_host=bound, ollama_port=8080).of("__ollama_cli_host") == dialled
