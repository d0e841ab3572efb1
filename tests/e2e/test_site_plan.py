# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`playbooks/plan.yml --diff` on a host that test_site.py has deployed: what would change, and that nothing does.

Deleted, a plan could show half of what a deployment would do, or do a part of it.
"""

from __future__ import annotations

import json
import subprocess
import sys

from fleet import ROOT, Run, ask, inside

HOST = "lab-3060"
LOOK = "cat /etc/systemd/system/ollama.service.d/*.conf; systemctl show ollama.service -p ExecMainStartTimestamp; ls /opt/ollama"


def test_diff_shows_settings_and_models_and_changes_nothing():
    try:
        ask(HOST, "/api/version")
    except OSError:
        subprocess.run([sys.executable, "lab/lab.py", "up"], cwd=ROOT, check=True)
        Run("plan-before", "site.yml").assert_good()
    before = inside(HOST, LOOK), ask(HOST, "/api/tags")
    calm = Run("plan-diff-calm", "playbooks/plan.yml", "--diff", "--limit", HOST).assert_good()
    assert calm.changed() == {} and "+++ after" not in calm.text, calm.text[-3000:]

    other = [{"family": "deepseek-r1", "context": 4096}, {"model": "nomic-embed-text"}]
    run = Run("plan-diff", "playbooks/plan.yml", "--diff", "--limit", HOST, "-e", json.dumps({"llm_models": other, "llm_registry": "http://registry.lab"}))
    run.assert_good()
    lines = run.text.splitlines()
    for line in ('-Environment="OLLAMA_CONTEXT_LENGTH=8192"', '+Environment="OLLAMA_CONTEXT_LENGTH=4096"'):
        assert line in lines, run.text[-4000:]
    assert any(line.startswith("+nomic-embed-text:latest sha256:") for line in lines), run.text[-4000:]
    assert (inside(HOST, LOOK), ask(HOST, "/api/tags")) == before
