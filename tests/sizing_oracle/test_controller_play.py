# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""llm_oracle: controller with the real xllamacpp, from the playbook to the plan.

Without this test the package's own interface (CommonParams, Server) could change and every fleet keep the computed sizes.
"""

from __future__ import annotations

import json
import os
import subprocess

import pytest
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing import versions
from support import MIB, headers, loopback_registry


def test_the_plan_is_confirmed_to_the_hundredth_of_a_mebibyte(build, tmp_path):
    if versions.era_of_build(build.build).name != "ii":
        pytest.skip("the default Ollama carries another llama.cpp than b%d" % build.build)
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = subprocess.run([build.python, "-c", code], check=True, capture_output=True, text=True).stdout.strip()
    registry = loopback_registry.Registry()
    models = {model.label: model for model in headers.models()}
    registry.add("deepseek-r1", "14b", models["qwen2-14b"].write(str(tmp_path / "14b.gguf")))
    with loopback_registry.served(registry):
        status, told, plans = loopback_registry.plan(
            tmp_path,
            {"host": 48},
            {"PYTHONPATH": site},
            llm_models=[{"model": "deepseek-r1:14b", "context": 8192}],
            llm_registry=registry.url,
            llm_oracle="controller",
            llm_metadata_sources=["header"],
        )
    assert not status and "keeps the computed size" not in told, told
    planned = plans["host"]["models"][0]["memory"]
    answers = [name for name in os.listdir(tmp_path / "cache" / "llmfleet" / "metadata") if name.startswith("oracle-") and name.endswith(".json")]
    found = json.loads((tmp_path / "cache" / "llmfleet" / "metadata" / answers[0]).read_text())["value"]
    assert abs(found["kv"] - planned["kv_cache_bytes"]) < 0.0151 * MIB
    assert abs(found["compute"] - planned["compute_bytes"]) < 0.0151 * MIB
