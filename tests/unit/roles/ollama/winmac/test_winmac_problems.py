# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each thing that a simulated Windows host or Mac cannot give is seen by its look, and refused for what it is.

Without these a host would be changed half-way and fail with whatever PowerShell or launchd says. The sentences are those of
tests/unit/plugins/plugin_utils/service.
"""

from __future__ import annotations

import pytest
from support import GIB


def machine(**wrong):
    return lambda state: state["machine"].update(wrong)


def drive(letter, **wrong):
    return lambda state: state["drives"].setdefault(letter, {"free_bytes": 900 * GIB, "format": "NTFS"}).update(wrong)


WINDOWS = {
    "old client": (machine(os_name="Microsoft Windows 10 Pro", os_build=18363, is_server=False), {}, "system_old"),
    "old server": (machine(os_name="Microsoft Windows Server 2016", os_build=14393), {}, "system_old"),
    "app": (machine(desktop_app="C:\\Users\\ann\\ollama app.exe"), {}, "desktop_app"),
    "port": (machine(port_owner="nginx"), {}, "port_taken"),
    "wsl": (machine(port_owner="wslrelay"), {}, "port_taken_in_wsl"),
    "excluded": (machine(excluded_ports=[[11400, 11499]]), {}, "port_excluded"),
    "no install drive": (None, {"ollama_install_dir": "Q:\\ollama"}, "install_dir_no_drive"),
    "no models drive": (None, {"ollama_models_dir": "Q:\\models"}, "models_dir_no_drive"),
    "exFAT": (drive("E", format="exFAT"), {"ollama_install_dir": "E:\\ollama"}, "install_dir_filesystem"),
    "exFAT models": (drive("E", format="exFAT"), {"ollama_models_dir": "E:\\models"}, "models_dir_filesystem"),
    "stranger": (
        lambda state: state["files"].update({path: {"type": "directory"} for path in ("C:\\ollama", "C:\\ollama\\0.31.0")}), {}, "install_dir_of_others",
    ),
    "models left": (
        lambda state: state["files"].update({
            "C:\\ollama\\service\\serve.cmd": {"type": "file", "sha256": "0", "text": '@echo off\r\nset "OLLAMA_MODELS=C:\\ollama\\models"\r\n'},
            "C:\\ollama\\models\\blobs\\sha256-1": {"type": "file", "bytes": 8 * GIB},
        }),
        {"ollama_models_dir": "D:\\models", "ollama_models_move": True}, "models_left",
    ),
    "full": (drive("C", free_bytes=GIB), {}, "install_dir_full"),
    "firewall": (lambda state: state["firewall"].update(off=["public"]), {}, "firewall_off"),
    "account": (None, {"ollama_user": "ann"}, "user_unknown"),
    "quote": (None, {"ollama_environment": {"A_WORD": 'say "x"'}}, "environment_quote"),
}
PLANNED = {"model_plan": {"models": [{"name": "deepseek-r1:14b", "placement": "gpu"}, {"name": "nomic", "placement": "cpu"}]}}
MACOS = {
    "old": (lambda state: state["facts"].update(ansible_distribution_version="13.7"), {}, "system_old"),
    "rights": (machine(is_root=False), {}, "not_root"),
    "intel": (machine(apple_silicon=False), {"facts": {"architecture": "x86_64", **PLANNED}}, "gpu_planned"),
    "app": (machine(desktop_app="/Applications/Ollama.app"), {}, "desktop_app"),
    "brew": (machine(brew_service="/Users/ann/homebrew.mxcl.ollama.plist"), {}, "brew_service"),
    "file": (lambda state: state["files"].update({"/usr/local/bin/ollama": {"type": "file"}}), {}, "cli_of_others"),
    "port": (machine(port_owner="nginx"), {}, "port_taken"),
    "volume": (None, {"ollama_models_dir": "/Volumes/models/ollama"}, "missing_mount"),
    "ownerless": (None, {"ollama_models_dir": "/Volumes/Stick/models"}, "ownerless_volume"),
    "closed": (None, {"ollama_models_dir": "/Users/ann/models"}, "closed_parent"),
    "pf": (lambda state: state["pf"].update(calls_us=False), {}, "door_not_asked"),
    "full": (machine(free_kib=2**20), {}, "install_dir_full"),
}


def problems(made):
    return [problem.id for problem in made.problems]


@pytest.mark.parametrize("platform", ["windows", "macos"])
def test_a_host_in_order_is_not_refused(host_of, platform):
    made = host_of(platform)
    assert problems(made) == [] and made.changes


CASES = [
    pytest.param(platform, *case, id=f"{platform}-{name}") for platform, cases in (("windows", WINDOWS), ("macos", MACOS)) for name, case in cases.items()
]


@pytest.mark.parametrize(("platform", "change", "given", "expected"), CASES)
def test_each_is_refused_for_what_it_is(host_of, platform, change, given, expected):
    assert problems(host_of(platform, change, **given)) == [expected]


def test_rosetta_is_no_intel_mac(host_of):
    """A Python that runs under Rosetta tells the wrong architecture of a Mac with a GPU."""
    assert problems(host_of("macos", facts={"architecture": "x86_64", **PLANNED})) == []


def test_several_faults_are_told_at_once(host_of):
    """A fleet is repaired in one round, not one fault at a time."""
    found = problems(host_of("windows", machine(port_owner="nginx", excluded_ports=[[11434, 11434]])))
    assert found == ["port_taken", "port_excluded"]
