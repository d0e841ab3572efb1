# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import subprocess

import jsonschema
import pytest
from ansible_collections.llmfleet.ollama.plugins.module_utils.accelerators import fact
from ansible_collections.llmfleet.ollama.plugins.module_utils.probe import nvidia, nvml, observe
from support import ROOT, needs

SCHEMA = json.loads((ROOT / "plugins/module_utils/accelerators/vram.schema.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def fake_nvml(tmp_path_factory):
    """{"new": folder, "old": folder}: the fake library as a current driver and as one without the second memory call."""
    compiler = needs.compiler()
    folders = {}
    for age, defines in (("new", []), ("old", ["-DNO_V2"])):
        folders[age] = tmp_path_factory.mktemp("nvml-" + age)
        library = folders[age] / "libnvidia-ml.so.1"
        source = ROOT / "lab/fake_nvml/fake_nvml.c"
        arguments = [compiler, "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", "-Wl,-soname,libnvidia-ml.so.1", *defines]
        subprocess.run([*arguments, "-o", str(library), str(source)], check=True)
        # The same library answers as libcuda.
        os.symlink(library, folders[age] / "libcuda.so.1")
    return folders


@pytest.fixture
def options():
    return {"timeout": 2, "gather": list(observe.GATHER), "topology": False, "allow_cli": False, "filesystems": []}


@pytest.fixture(params=["nvml.py", "pynvml"])
def bindings(request, monkeypatch):
    """Each situation is read through our ctypes module and through NVIDIA's package: the target may have either."""
    if request.param == "nvml.py":
        monkeypatch.setattr(nvidia, "bindings", lambda: nvml)
    return request.param


@pytest.fixture
def machine(fake_nvml, options, bindings, monkeypatch, tmp_path):
    """machine(configuration, **more) -> (observation, fact) of a host with that fake driver and an empty /sys and /proc."""

    def run(configuration, age="new", files=None, **more):
        monkeypatch.setenv("FAKE_NVML", str(tmp_path / "fake.conf"))
        (tmp_path / "fake.conf").write_text(configuration, encoding="utf-8")
        root = tmp_path / "root"
        texts = {"proc/meminfo": "MemTotal:       127600748 kB\nMemAvailable:   118566368 kB\n", **(files or {})}
        for name, text in texts.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text, encoding="utf-8")
        monkeypatch.setattr(nvidia, "CUDA_PATHS", (str(fake_nvml[age] / "libcuda.so.1"),))
        monkeypatch.setattr(nvidia._cuda, "__defaults__", (nvidia.CUDA_PATHS,))
        library = str(fake_nvml[age] / "libnvidia-ml.so.1")
        observation = observe.observe({**options, **more}, root=str(root), paths=(library,))
        json.dumps(observation, allow_nan=False)
        found = fact.interpret(observation)
        jsonschema.Draft202012Validator(SCHEMA).validate(found)
        return observation, found

    return run
