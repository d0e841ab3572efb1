# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""With whose rights things are done, and who sees a password. Deleted, a line that is taken out of a playbook or a module would be missed by nobody."""

from __future__ import annotations

import re

import pytest
import yaml
from support import ROOT

BOOKS = sorted([*(ROOT / "playbooks").rglob("*.yml"), *(ROOT / "roles").glob("*/tasks/**/*.yml")])
MODULES = sorted((ROOT / "plugins" / "modules").glob("*.py"))


def tasks(found):
    """Each mapping of a playbook or a file of tasks, plays and blocks included."""
    if isinstance(found, list):
        for one in found:
            yield from tasks(one)
    elif isinstance(found, dict):
        yield found
        for name in ("tasks", "pre_tasks", "post_tasks", "block", "rescue", "always"):
            yield from tasks(found.get(name))


def test_what_runs_on_the_controller_runs_as_who_started_it():
    """Before: verify.yml ran sudo on the laptop, with the hosts' password, and read their answers as root."""
    sent = []
    for book in BOOKS:
        for task in tasks(yaml.safe_load(book.read_text(encoding="utf-8"))):
            if task.get("delegate_to") == "localhost" or "localhost" in str(task.get("hosts", "")):
                sent.append(book.name)
                assert False in (task.get("become"), task.get("vars", {}).get("ansible_become")), (book.name, task.get("name"))
    assert "verify.yml" in sent, "nobody is asked from the controller any more; then this test is of no use"


@pytest.mark.parametrize("name", [path.name for path in MODULES])
def test_no_invocation_shows_a_proxys_password(name):
    """Before: AWX and ARA kept http://user:password@proxy of each run of ollama_models."""
    text = (ROOT / "plugins" / "modules" / name).read_text(encoding="utf-8")
    for option in re.findall(r'"(?:https_)?proxy": (\{.*\})', text):
        assert '"no_log": True' in option, option
