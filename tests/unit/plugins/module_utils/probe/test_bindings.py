# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which library is loaded and through which names it is asked, on targets that we have never seen.

Without these a stub that shadows WSL's library, or an old or unrelated package called pynvml, would cost a host its cards.
"""

from __future__ import annotations

import subprocess
import sys
import types

import pytest
from ansible_collections.llmfleet.ollama.plugins.module_utils.probe import child, nvidia, nvml, observe
from support import ROOT, needs


def test_wsl_comes_first():
    """A distribution's stub in the ordinary place shadows the only library that works under WSL."""
    assert nvml.LIBRARY_PATHS[0].startswith("/usr/lib/wsl/lib/")
    assert nvml.LIBRARY_PATHS.index("libnvidia-ml.so.1") < nvml.LIBRARY_PATHS.index("/usr/lib64/libnvidia-ml.so.1")


def test_search_goes_on_behind_a_broken_file(fake_nvml, tmp_path):
    """Patterns are looked up, the first library that loads is taken, and a broken one before it is no error then."""
    (tmp_path / "libnvidia-ml.so.1").write_bytes(b"\x7fELF and then nothing")
    paths = (str(tmp_path / "lib*-ml.so.1"), str(fake_nvml["new"] / "libnvidia-*.so.1"), "libnever.so")

    def work(emit, settled):
        library, trouble = nvml.load_library(paths)
        emit({"loaded": library is not None, "trouble": trouble, "init": nvml.nvmlInit()})

    # In a child: a library of that name in this process would answer for the ones that later tests load.
    assert child.run([child.Job("load", work)], 5)[0].records == [{"loaded": True, "trouble": None, "init": None}]


def test_without_a_library_each_call_says_so():
    with pytest.raises(nvml.NVMLError) as error:
        nvml.nvmlDeviceGetCount()
    assert error.value.value == nvml.NVML_ERROR_LIBRARY_NOT_FOUND


def test_same_names_as_nvidias_package():
    """The walker is written once against both; a name that only ours has would never be asked of the package."""
    import pynvml

    ours = [name for name in vars(nvml) if name.startswith("nvml")]
    assert len(ours) > 25 and [name for name in ours if not hasattr(pynvml, name)] == []
    assert nvml.nvmlMemory_v2 == pynvml.nvmlMemory_v2


@pytest.mark.parametrize("module", [types.ModuleType("pynvml"), None])
def test_unrelated_package(monkeypatch, module):
    """Something else that is called pynvml, or an import that fails, leaves us with our own."""
    monkeypatch.setitem(sys.modules, "pynvml", module)
    assert nvidia.bindings() is nvml


class OldPackage:
    """nvidia-ml-py as of ten years ago: bytes for texts, no version argument, few functions."""

    class NVMLError(Exception):
        def __init__(self, value):
            super().__init__(value)
            self.value = value

    def nvmlDeviceGetName(self, handle):
        return b"Tesla K80"

    def nvmlDeviceGetMemoryInfo(self, handle):
        return types.SimpleNamespace(total=12 << 30, used=1, free=2)

    def nvmlDeviceGetUUID(self, handle):
        raise self.NVMLError(15)


def test_old_package():
    ask = nvidia.Asker(OldPackage())
    assert ask.text("nvmlDeviceGetName", None) == "Tesla K80"
    assert ask.memory(None) == {"version": 1, "total": 12 << 30, "free": 2, "used": 1}
    assert ask("nvmlDeviceGetUUID", None) == (None, 15) and ask("nvmlDeviceGetNumaNodeId", None) == (None, 13)


def test_package_that_finds_less_than_we_do(tmp_path, options, monkeypatch):
    """The package looks in one place only; a library that just we find is then asked through our names."""
    library = tmp_path / "libelsewhere.so"
    source = str(ROOT / "lab/fake_nvml/fake_nvml.c")
    subprocess.run([needs.compiler(), "-shared", "-fPIC", "-Wl,-soname,libelsewhere.so", "-o", str(library), source], check=True)
    (tmp_path / "fake.conf").write_text("gpu0.total=8192M\n", encoding="utf-8")
    monkeypatch.setenv("FAKE_NVML", str(tmp_path / "fake.conf"))
    observation = observe.observe(options, root=str(tmp_path), paths=(str(library),))
    assert observation["nvml"]["driver"]["bindings"] == "nvml.py"
    assert observation["nvml"]["devices"][0]["memory"]["total"] == 8192 << 20
