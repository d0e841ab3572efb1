# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way of a decision that is the same on every system: what is refused before anything else, and who decides the rest.

Deleted, a system could be asked and never decided on, or a wish be refused on one of them alone.
"""

from __future__ import annotations

import pytest
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.look_schema import SYSTEMS
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.service import decide
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.service.contract import Around
from looks import bare

AROUND = Around(host="here", address="here", connection="local")
WISH = {"ollama_version": "0.32.15"}
NTFS = {"install": {"filesystem": "NTFS"}, "store": {"filesystem": "NTFS"}}


def decided(system, look=None, **variables):
    return decide.decide("here", {**WISH, **variables}, look or bare(system, **(NTFS if system == "windows" else {})), AROUND)


def ids(made):
    return [problem.id for problem in made.problems]


def test_every_system_is_decided_on():
    assert sorted(decide.SYSTEMS) == sorted(SYSTEMS)
    assert [question.system for question in decide.questions(WISH, AROUND)] == list(decide.SYSTEMS)


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_bare_host_shall_have_it_and_need_not_lose_it(system):
    made = decided(system)
    assert made.problems == [] and made.restart and made.changes[0] == "fetch Ollama 0.32.15"
    assert decided(system, ollama_state="absent").changes == []


@pytest.mark.parametrize("system", SYSTEMS)
def test_without_root_that_alone_is_said(system):
    assert ids(decided(system, {"schema": 1, "system": system, "is_root": False}, ollama_version="latest")) == ["not_root"]


@pytest.mark.parametrize("system", SYSTEMS)
def test_wishes_and_the_machine_are_refused_at_once(system):
    look = bare(system, architecture="riscv64", service_manager="runit" if system == "linux" else "other")
    found = ids(decided(system, look, ollama_version="latest", ollama_port=70000))
    assert found == (["no_systemd"] if system == "linux" else []) + ["architecture", "version_form", "port"]


@pytest.mark.parametrize("system", ["macos", "windows"])
def test_a_path_that_cannot_be_carried_is_not_even_asked_about(system):
    path = {"macos": "/Volumes/a&b", "windows": "D:\\a&b"}[system]
    assert ids(decided(system, ollama_models_dir=path)) == ids(decided(system, ollama_models_dir=path, ollama_state="absent")) == ["path_letters"]
    assert system not in [question.system for question in decide.questions({**WISH, "ollama_models_dir": path}, AROUND)]


# ---- before any look

LINUX = {"architecture": "x86_64", "kernel": "6.12.0", "service_mgr": "systemd", "os_family": "Debian"}
ARM = {**LINUX, "architecture": "aarch64"}
WINDOWS = {"architecture": "64-bit", "kernel": "10.0.20348.0", "os_family": "Windows"}
MAC = {"architecture": "arm64", "kernel": "24.0.0", "service_mgr": "launchd", "os_family": "Darwin"}
FORETOLD = {
    "linux": (LINUX, {}, ["ollama-linux-amd64.tar.zst"]),
    "amd": (LINUX, {"ollama_accelerators": ["amd"]}, ["ollama-linux-amd64.tar.zst", "ollama-linux-amd64-rocm.tar.zst"]),
    "old": (LINUX, {"ollama_version": "0.9.3", "ollama_accept_vulnerable_version": True}, ["ollama-linux-amd64.tgz"]),
    "arm": (ARM, {"ollama_accelerators": ["amd"]}, ["ollama-linux-arm64.tar.zst"]),
    "jetpack5": ({**ARM, "kernel": "5.10.192-tegra"}, {}, ["ollama-linux-arm64.tar.zst", "ollama-linux-arm64-jetpack5.tar.zst"]),
    "jetpack6": ({**ARM, "kernel": "5.15.148-tegra"}, {}, ["ollama-linux-arm64.tar.zst", "ollama-linux-arm64-jetpack6.tar.zst"]),
    "kernel 5.15 of another": ({**ARM, "kernel": "5.15.0-generic"}, {}, ["ollama-linux-arm64.tar.zst"]),
    "windows": (WINDOWS, {}, ["ollama-windows-amd64.zip"]),
    "windows-amd": (WINDOWS, {"ollama_accelerators": ["amd"]}, ["ollama-windows-amd64.zip", "ollama-windows-amd64-rocm.zip"]),
    "windows-arm": ({**WINDOWS, "architecture": "ARM 64-bit Processor"}, {}, ["ollama-windows-arm64.zip"]),
    "mac": (MAC, {}, ["ollama-darwin.tgz"]),
    "leaves": (LINUX, {"ollama_state": "absent"}, []),
}


@pytest.mark.parametrize("name", FORETOLD)
def test_the_archives_are_foretold_from_facts_alone(name):
    facts, variables, wanted = FORETOLD[name]
    made = decide.foretell({**WISH, **variables}, facts, AROUND)
    assert made.problems == [] and [archive.name for archive in made.archives] == wanted


@pytest.mark.parametrize("facts, variables, wanted", [
    ({**LINUX, "service_mgr": "openrc"}, {}, ["no_systemd"]), ({**LINUX, "service_mgr": "openrc"}, {"ollama_state": "absent"}, ["no_systemd"]),
    ({**LINUX, "architecture": "riscv64"}, {}, ["architecture"]), (MAC, {"ollama_port": 0}, ["port"]), (LINUX, {"ollama_port": "abc"}, ["port"]),
    (LINUX, {"ollama_version": "latest", "ollama_state": "absent"}, []),
])
def test_what_needs_no_look_is_refused_without_one(facts, variables, wanted):
    assert ids(decide.foretell({**WISH, **variables}, facts, AROUND)) == wanted


@pytest.mark.parametrize("system", ["macos", "windows"])
def test_such_a_path_is_refused_before_any_look(system):
    """The role asks before it looks; a look that nobody can ask for would be the first thing to fail."""
    path = {"macos": "/Volumes/a&b", "windows": "D:\\a&b"}[system]
    facts = {"os_family": {"macos": "Darwin", "windows": "Windows"}[system], "architecture": "arm64", "kernel": "24.0.0"}
    for state in ("present", "absent"):
        assert ids(decide.foretell({**WISH, "ollama_models_dir": path, "ollama_state": state}, facts, AROUND)) == ["path_letters"]
