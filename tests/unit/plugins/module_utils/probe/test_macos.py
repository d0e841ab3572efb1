# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The macOS probe against a C library with the calls that it makes; no Mac is needed, and none is claimed.

Without these a wrong prototype (a 64-bit result cut to 32) or a Metal that hangs would show up on a user's Mac first.
"""

from __future__ import annotations

import ctypes
import os
import pathlib
import subprocess
import sys
import time

import pytest
from ansible_collections.llmfleet.ollama.plugins.module_utils.accelerators import fact
from ansible_collections.llmfleet.ollama.plugins.module_utils.probe import macos, metal, observe
from support import needs

DARWIN = os.uname_result(("Darwin", "x", "24.6.0", "Darwin Kernel Version 24.6.0", "arm64"))
OPTIONS = {"timeout": 5, "gather": list(observe.GATHER), "topology": False, "allow_cli": True, "filesystems": ["/"]}


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    path = tmp_path_factory.mktemp("metal") / "libfake.so"
    source = pathlib.Path(__file__).parent / "fake_metal.c"
    subprocess.run([needs.compiler(), "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", "-o", str(path), str(source)], check=True)
    return path


def test_metal(library):
    """Names, 64-bit sizes and flags through the Objective-C runtime's one entry point."""
    assert metal.devices(load=lambda path: ctypes.CDLL(str(library))) == [
        {
            "name": "Apple M2 Ultra",
            "recommended_max_working_set_size": 154618822656,
            "has_unified_memory": True,
            "is_low_power": False,
            "is_removable": False,
        }
    ]


def test_sysctl(library):
    """Numbers of either width, texts without their NUL, and unknown names left out."""
    assert macos.sysctl(library=ctypes.CDLL(str(library))) == {
        "hw.memsize": 206158430208,
        "hw.optional.arm64": 1,
        "machdep.cpu.brand_string": "Apple M2 Ultra",
    }


def observed(monkeypatch, library, script):
    """A Mac whose Metal program is replaced by the given one."""
    monkeypatch.setattr(macos, "sysctl", lambda: {"hw.memsize": 206158430208, "hw.optional.arm64": 1, "machdep.cpu.brand_string": "Apple M2 Ultra"})
    start = macos._start
    monkeypatch.setattr(macos, "_start", lambda arguments, environment: start([sys.executable, "-c", script], environment))
    observation = observe.observe(OPTIONS, uname=DARWIN)
    return observation, fact.interpret(observation)


def test_apple_silicon(monkeypatch, library):
    """Metal's figure is what one process can use."""
    script = f"""
import ctypes, json
from ansible_collections.llmfleet.ollama.plugins.module_utils.probe import metal
print(json.dumps({{"devices": metal.devices(load=lambda path: ctypes.CDLL({str(library)!r}))}}))
"""
    observation, found = observed(monkeypatch, library, script)
    device = found["devices"][0]
    assert (device["memory_total_bytes"], device["memory_usable_bytes"], device["source"]) == (206158430208, 154618822656, "metal")
    assert found["unified"] is True and device["warnings"] == [] and found["cpu"]["architecture"] == "aarch64"
    assert found["filesystems"][0]["mount_point"] == "/"


@pytest.mark.parametrize("script", ["import os; os.abort()", "print('nonsense')", "import sys; sys.exit(3)", "print('{\"devices\": []}')"])
def test_metal_fails(monkeypatch, library, script):
    """Whatever becomes of Metal's process: an estimate, called one."""
    _observation, found = observed(monkeypatch, library, script)
    device = found["devices"][0]
    assert [warning["code"] for warning in device["warnings"]] == ["usable_memory_estimated"]
    assert device["memory_usable_bytes"] == 206158430208 * 3 // 4


def test_metal_hangs(monkeypatch, library):
    """The wait for Metal is bounded."""
    monkeypatch.setattr(macos, "METAL_SECONDS", 0.3)
    _observation, found = observed(monkeypatch, library, "import time; time.sleep(600)")
    assert [row["status"] for row in found["probes"] if row["name"] == "metal"] == ["timeout"]


def test_metal_program_starts_where_there_is_no_metal():
    """The real command, with the real search path: it starts, and says in JSON that this is no Mac."""
    probes = []
    found = macos.observe(time.monotonic() + 10, probes)
    assert found["metal"] == []
    told = next(row for row in probes if row["name"] == "metal")
    assert told["status"] == "error" and "CoreGraphics" in told["detail"]
