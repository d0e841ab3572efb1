# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each thing that a Windows host or a Mac cannot give ends in one sentence with the variable and the way out.

Without these a host would be changed half-way and fail with whatever PowerShell or launchd says.
"""

from __future__ import annotations

import pytest
from winmac_play import Play

GIB = 2**30


def machine(**wrong):
    return lambda state: state["machine"].update(wrong)


def drive(letter, **wrong):
    return lambda state: state["drives"].setdefault(letter, {"free_bytes": 900 * GIB, "format": "NTFS"}).update(wrong)


WINDOWS = {
    "old client": (
        machine(os_name="Microsoft Windows 10 Pro", os_build=18363, is_server=False), {}, "older than Windows Server 2019 or Windows 10 22H2",
    ),
    "old server": (machine(os_name="Microsoft Windows Server 2016", os_build=14393), {}, "take it out of the group ollama"),
    "app": (machine(desktop_app="C:\\Users\\ann\\ollama app.exe"), {}, "desktop app is installed (C:\\Users\\ann\\ollama app.exe)"),
    "port": (machine(port_owner="nginx"), {}, "Port 11434 is held by nginx; stop that program or set ollama_port"),
    "wsl": (machine(port_owner="wslrelay"), {}, "held by an Ollama inside WSL 2"),
    "excluded": (machine(excluded_ports=[[11400, 11499]]), {}, "set ollama_port to a port outside the ranges"),
    "no install drive": (None, {"ollama_install_dir": "Q:\\ollama"}, "ollama_install_dir is Q:\\ollama, but this host has no such drive"),
    "no models drive": (None, {"ollama_models_dir": "Q:\\models"}, "ollama_models_dir is Q:\\models, but this host has no such drive"),
    "exFAT": (drive("E", format="exFAT"), {"ollama_install_dir": "E:\\ollama"}, "ollama_install_dir is on a exFAT drive"),
    "exFAT models": (drive("E", format="exFAT"), {"ollama_models_dir": "E:\\models"}, "ollama_models_dir is on a exFAT drive"),
    "stranger": (
        lambda state: state["files"].update({path: {"type": "directory"} for path in ("C:\\ollama", "C:\\ollama\\0.31.0")}), {},
        "ollama_install_dir (C:\\ollama) holds 0.31.0 already, and others than administrators may have put it there; remove that",
    ),
    "models left": (
        lambda state: state["files"].update({
            "C:\\ollama\\service\\serve.cmd": {"type": "file", "sha256": "0", "text": '@echo off\r\nset "OLLAMA_MODELS=C:\\ollama\\models"\r\n'},
            "C:\\ollama\\models\\blobs\\sha256-1": {"type": "file", "bytes": 8 * GIB},
        }),
        {"ollama_models_dir": "D:\\models", "ollama_models_move": True},
        "ollama_models_dir is D:\\models, but C:\\ollama\\models holds 8.0 GiB of models, which the role does not move on Windows",
    ),
    "full": (drive("C", free_bytes=GIB), {}, "ollama_install_dir (C:\\ollama) has 1.0 GiB free, but a release needs 8.0 GiB"),
    "firewall": (lambda state: state["firewall"].update(off=["public"]), {}, "off for the profile public, so the door would stand open"),
    "account": (None, {"ollama_user": "ann"}, 'ollama_user is "ann"; on Windows write LOCAL SERVICE, NETWORK SERVICE or SYSTEM'),
    "quote": (None, {"ollama_environment": {"A_WORD": 'say "x"'}}, "ollama_environment: A_WORD holds a double quote"),
}
PLANNED = {"model_plan": {"models": [{"name": "deepseek-r1:14b", "placement": "gpu"}, {"name": "nomic", "placement": "cpu"}]}}
MACOS = {
    "old": (None, {"facts": {"distribution_version": "13.7"}}, "runs macOS 13.7, but Ollama needs 14 or newer"),
    "rights": (machine(is_root=False), {}, "ansible_become is off for this host"),
    "intel": (
        machine(apple_silicon=False), {"facts": {"architecture": "x86_64", **PLANNED}}, "the plan puts deepseek-r1:14b on a GPU; remove llm_vram_override",
    ),
    "app": (machine(desktop_app="/Applications/Ollama.app"), {}, "The Ollama app is installed (/Applications/Ollama.app)"),
    "brew": (machine(brew_service="/Users/ann/homebrew.mxcl.ollama.plist"), {}, 'stop it with "brew services stop ollama"'),
    "file": (
        lambda state: state["files"].update({"/usr/local/bin/ollama": {"type": "file"}}), {}, "/usr/local/bin/ollama is a file of another installation",
    ),
    "port": (machine(port_owner="nginx"), {}, "Port 11434 is held by nginx; stop that program or set ollama_port"),
    "volume": (None, {"ollama_models_dir": "/Volumes/models/ollama"}, "ollama_models_dir is /Volumes/models/ollama, but that volume is not mounted"),
    "ownerless": (
        None, {"ollama_models_dir": "/Volumes/Stick/models"}, 'but /Volumes/Stick ignores owners, so the store cannot be given to _ollama; run diskutil',
    ),
    "closed": (None, {"ollama_models_dir": "/Users/ann/models"}, "User _ollama (ollama_user) cannot enter /Users/ann, which leads to ollama_models_dir"),
    "pf": (lambda state: state["pf"].update(calls_us=False), {}, 'no anchor "com.apple/*", so the door of ollama_firewall would not be asked'),
    "full": (machine(free_kib=2**20), {}, "ollama_install_dir (/opt/ollama) has 1.0 GiB free, but a release needs 2.0 GiB"),
}


def problems(play):
    return [text for text in play.of("__ollama_host_problems") if text]


@pytest.mark.parametrize("platform", ["windows", "macos"])
def test_a_host_in_order_is_not_refused(host_of, platform):
    play = host_of(platform)
    assert problems(play) == []
    assert [text for text in play.of("__ollama_path_problems") if text] == []


@pytest.mark.parametrize(("change", "given", "expected"), WINDOWS.values(), ids=WINDOWS)
def test_windows_says_it_in_one_sentence(host_of, change, given, expected):
    found = problems(host_of("windows", change, **given))
    assert len(found) == 1, found
    assert expected in found[0]
    assert "; " in found[0], "no way out"


@pytest.mark.parametrize(("change", "given", "expected"), MACOS.values(), ids=MACOS)
def test_macos_says_it_in_one_sentence(host_of, change, given, expected):
    found = problems(host_of("macos", change, **given))
    assert len(found) == 1, found
    assert expected in found[0]
    assert "; " in found[0], "no way out"


@pytest.mark.parametrize(
    ("platform", "variable", "path"),
    [
        ("windows", "ollama_install_dir", "C:\\ollama "),
        ("windows", "ollama_models_dir", "D:\\my  models"),
        ("windows", "ollama_models_dir", "D:\\a&b"),
        ("windows", "ollama_models_dir", "D:\\Modèles"),
        ("windows", "ollama_models_dir", "D:models"),
        ("windows", "ollama_models_dir", "D:\\models\\"),
        ("windows", "ollama_models_dir", "\\\\server\\share\\models"),
        ("windows", "ollama_models_dir", "D:\\100%models"),
        ("macos", "ollama_models_dir", "/Volumes/My Disk /models"),
        ("macos", "ollama_models_dir", "/Volumes/a&b"),
        ("macos", "ollama_models_dir", "/Volumes/Größe/models"),
        ("macos", "ollama_install_dir", "opt/ollama"),
    ],
)
def test_paths_that_a_launcher_cannot_carry_are_named(stage, platform, variable, path):
    play = Play(platform, stage.NEW[platform](), **{variable: path})
    found = [text for text in play.of("__ollama_path_problems") if text]
    assert len(found) == 1
    assert found[0].startswith(f'{variable} is "{path}"; write ')


@pytest.mark.parametrize(
    ("platform", "install", "models"),
    [("windows", "C:\\Program Files\\ollama", "D:\\My Models"), ("macos", "/opt/my ollama", "/Volumes/My Disk/models")],
)
def test_spaces_in_a_path_are_no_fault(host_of, platform, install, models):
    """A Mac's disks have names with spaces as they come, and so has C:\\Program Files."""
    play = host_of(platform, ollama_install_dir=install, ollama_models_dir=models)
    assert problems(play) + [text for text in play.of("__ollama_path_problems") if text] == []


def test_rosetta_is_no_intel_mac(host_of):
    """A Python that runs under Rosetta tells the wrong architecture of a Mac with a GPU."""
    assert problems(host_of("macos", facts={"architecture": "x86_64", **PLANNED})) == []


def test_several_faults_are_told_at_once(host_of):
    """A fleet is repaired in one round, not one fault at a time."""
    found = problems(host_of("windows", machine(port_owner="nginx", excluded_ports=[[11434, 11434]])))
    assert len(found) == 2
