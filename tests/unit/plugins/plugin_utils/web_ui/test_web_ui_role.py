# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Role and plan agree on their words. Deleted, a misspelt key in a way back would show on the host whose upgrade has just failed."""

from __future__ import annotations

import re

import pytest
import yaml
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.web_ui import plan
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.web_ui.wish import PREFIX, Wish
from support import ROOT
from web_ui_cases import SEEN, decide, seen

ROLE = ROOT / "roles/open_webui"
TASKS = {path.name: path.read_text(encoding="utf-8") for path in (ROLE / "tasks").glob("*.yml")}
# What only a step of the role has found.
OF_THE_PROBE = {*SEEN, "apt", "python"}


@pytest.mark.parametrize("name", TASKS)
def test_what_a_task_asks_the_plan_for_is_in_the_plan(name):
    made = decide(seen())
    for key, inner in re.findall(r"__open_webui_plan\.(\w+)(?:\.(\w+))?", TASKS[name]):
        assert key in made, "%s asks for %s" % (name, key)
        assert not inner or inner in made[key], "%s asks for %s.%s" % (name, key, inner)
    for key in re.findall(r"__open_webui_seen\.(\w+)", TASKS[name]):
        assert key in OF_THE_PROBE, "%s asks for %s" % (name, key)


def test_every_step_is_taken_by_a_task():
    """A step that nobody asks for is a decision that nobody follows."""
    asked = set(re.findall(r"__open_webui_plan\.steps\.(\w+)", "".join(TASKS.values())))
    assert asked == set(decide(seen())["steps"])


def test_every_check_and_call_is_known():
    text = "".join(TASKS.values())
    checks = {name for names in re.findall(r"checks: \[([^\]]*)\]|default\(\['(\w+)'\]\)", text) for group in names for name in group.split(", ") if name}
    assert checks == set(plan.CHECKS)
    assert {name.strip() for name in re.findall(r"\{__open_webui_call: ([\w ]+)", text)} == set(decide(seen())["calls"])


def test_the_decision_reads_each_variable_that_the_role_gives_it():
    """One that the role forgets would silently be what the plan holds for usual."""
    read = yaml.safe_load((ROLE / "vars/main.yml").read_text(encoding="utf-8"))["__open_webui_read"]
    assert {name.removeprefix(PREFIX) for name in read} == set(Wish.__dataclass_fields__)
    assert set(read) <= set(yaml.safe_load((ROLE / "defaults/main.yml").read_text(encoding="utf-8")))


def test_every_file_of_tasks_is_entered():
    """By another one, or by a playbook."""
    entries = {"main", "present", "absent", "backup", "restore", "probe", "check_wishes", "gateway_key"}
    included = set(re.findall(r"include_tasks: (\w+)[.]yml", "".join(TASKS.values())))
    assert {name.removesuffix(".yml") for name in TASKS} == entries | included
